# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Fitting images and bringing points back, in numbers worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.detect.letterbox import Letterbox
from elepose_core.detect.pixels import packed
from elepose_core.images import rgb_from_raw


def test_sizes() -> None:
    # 1280x720 by 384/1280 = 0.3: 384x216, filled up to the next multiple of 32, which is 224.
    assert Letterbox.of(1280, 720, 384, 32) == Letterbox(1280, 720, 384, 216, 384, 224)
    assert Letterbox.of(720, 1280, 384, 32) == Letterbox(720, 1280, 216, 384, 224, 384)
    assert Letterbox.of(512, 512, 256, 32) == Letterbox(512, 512, 256, 256, 256, 256)
    # A small image is enlarged; a strip keeps at least one row.
    assert Letterbox.of(64, 32, 256, 32) == Letterbox(64, 32, 256, 128, 256, 128)
    assert Letterbox.of(5000, 3, 256, 32) == Letterbox(5000, 3, 256, 1, 256, 32)


def test_points_come_back_to_pixel_centres() -> None:
    """1280x720 in 384x224: x = 0.25 of 384 is 96, by 1280/384 is 320 from the left edge.

    The left edge lies half a pixel left of the centre of pixel 0: 319.5. y = 0.75 of 224 is 168,
    by 720/216 is 560 from the upper edge: 559.5.
    """
    letterbox = Letterbox.of(1280, 720, 384, 32)
    point = letterbox.to_image_px(np.array([0.25, 0.75], np.float32))
    np.testing.assert_allclose(point, [319.5, 559.5], atol=1e-3)
    # The image's own corners: pixel edges at -0.5 and 1279.5, 719.5 (216 of 224 rows are image).
    corners = letterbox.to_image_px(np.array([[0, 0], [1, 216 / 224]], np.float32))
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [1279.5, 719.5]], atol=1e-3)


@pytest.mark.parametrize('size', [(1280, 720), (333, 777), (64, 48), (1080, 1920), (641, 479)])
def test_a_spot_is_found_where_it_is(size: tuple[int, int]) -> None:
    """The centre of light of a spot, measured in the filled picture, maps back onto the spot."""
    width, height = size
    for centre in ((width * 0.3, height * 0.7), (width * 0.8, height * 0.2)):
        letterbox = Letterbox.of(width, height, 384, 32)
        spread = max(4 * width / letterbox.width, 4.0)
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        light = 255 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * spread**2))
        image = np.repeat(light.astype(np.uint8)[..., None], 3, axis=-1)
        filled = letterbox.filled(image)[..., 0].astype(np.float64)
        v, u = np.indices(filled.shape) + 0.5
        seen = np.array([(filled * u).sum(), (filled * v).sum()]) / filled.sum()
        fractions = seen / [letterbox.padded_width, letterbox.padded_height]
        np.testing.assert_allclose(letterbox.to_image_px(fractions), centre, atol=0.15)


def plainly_filled(image: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.uint8]:
    """The same picture on the plain way: a copy of the image, a resize, a copy with a border."""
    cv2 = pytest.importorskip('cv2')
    method = cv2.INTER_AREA if letterbox.width < letterbox.image_width else cv2.INTER_LINEAR
    size = (letterbox.width, letterbox.height)
    resized = cv2.resize(image.copy(order='C'), size, interpolation=method)
    below = letterbox.padded_height - letterbox.height
    beside = letterbox.padded_width - letterbox.width
    return np.pad(resized, ((0, below), (0, beside), (0, 0)))


@pytest.mark.parametrize('size', [(160, 90), (641, 479), (1279, 719), (1, 1), (3, 700), (2000, 1)])
def test_views_are_resized_like_copies(size: tuple[int, int], rng: np.random.Generator) -> None:
    width, height = size
    four = rng.integers(0, 256, (height, width + 40, 4)).astype(np.uint8)
    image = four[:, :width, :3].copy()
    grey: NDArray[np.uint8] = np.broadcast_to(image[..., :1], image.shape)
    planes = image.transpose(2, 0, 1).copy().transpose(1, 2, 0)
    views = {
        'rgb': image,
        'bgr': image[..., ::-1],
        'rgba': four[:, :width, :3],
        'bgra': four[:, :width, 2::-1],
        'grey': grey,
        'rows with a gap': four[..., :3].copy()[:, :width],
        'mirrored': image[:, ::-1],
        'upside down': image[::-1],
        'planes': planes,
        'planes backwards': planes[..., ::-1],
    }
    for side in (192, 384):
        letterbox = Letterbox.of(width, height, side, 32)
        for name, view in views.items():
            expected = plainly_filled(view, letterbox)
            np.testing.assert_array_equal(letterbox.filled(view), expected, err_msg=name)


@pytest.mark.parametrize(
    'encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'rgb16', 'bgra16', 'mono16']
)
@pytest.mark.parametrize('is_bigendian', [False, True])
def test_colours_of_messages_arrive_in_order(encoding: str, is_bigendian: bool) -> None:
    """Red 200, green 100, blue 50 in each pixel; in grey, 100 everywhere."""
    samples = {'rgb': [200, 100, 50], 'bgr': [50, 100, 200], 'mon': [100]}[encoding[:3]]
    if encoding[3:4] == 'a':
        samples = [*samples, 7]
    kind = 'u1' if encoding.endswith('8') else '>u2' if is_bigendian else '<u2'
    # The lower byte of a 16-bit sample would show if the bytes were read in the wrong order.
    pixel = np.array(samples) if kind == 'u1' else np.array(samples) * 256 + 255
    data = np.tile(pixel.astype(kind), (90, 160, 1))
    step = data.shape[1] * data.shape[2] * data.itemsize
    image = rgb_from_raw(data.tobytes(), 90, 160, step, encoding, is_bigendian)
    filled = Letterbox.of(160, 90, 256, 32).filled(image)
    assert (filled[:144] == ([100] * 3 if encoding == 'mono16' else [200, 100, 50])).all()
    assert (filled[144:] == 0).all()


def test_beyond_the_image_it_is_black(rng: np.random.Generator) -> None:
    letterbox = Letterbox.of(1280, 720, 384, 32)
    filled = letterbox.filled(np.full((720, 1280, 3), 200, np.uint8))
    assert (filled[:216] == 200).all()
    assert (filled[216:] == 0).all()


def test_only_what_has_gaps_is_copied(rng: np.random.Generator) -> None:
    four = rng.integers(0, 256, (20, 30, 4)).astype(np.uint8)
    image = four[..., :3].copy()
    for view in (image, image[2:9, 3:20]):
        assert packed(view) is view
    for view in (four[..., :3], image[..., ::-1]):
        copy = packed(view)
        assert copy.flags.c_contiguous
        np.testing.assert_array_equal(copy, view)
