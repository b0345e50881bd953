# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels of raw and compressed images, worked out by hand."""

import array
import re
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.errors import InputError, MissingDependency
from elepose_core.images import (
    ENCODINGS,
    rgb_from_compressed,
    rgb_from_photograph,
    rgb_from_raw,
)

# Two rows of two pixels.
RGB = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]]]


def encoded(suffix: str, image_rgb: NDArray[np.uint8]) -> bytes:
    is_done, data = cv2.imencode(suffix, np.ascontiguousarray(image_rgb[..., ::-1]))
    assert is_done
    return bytes(data)


@pytest.mark.parametrize(
    ('encoding', 'step', 'data'),
    [
        ('rgb8', 6, [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7]),
        ('bgr8', 6, [0, 0, 255, 0, 255, 0, 255, 0, 0, 7, 8, 9]),
        ('rgba8', 8, [255, 0, 0, 1, 0, 255, 0, 2, 0, 0, 255, 3, 9, 8, 7, 4]),
        ('bgra8', 8, [0, 0, 255, 1, 0, 255, 0, 2, 255, 0, 0, 3, 7, 8, 9, 4]),
        ('bgr8', 8, [0, 0, 255, 0, 255, 0, 66, 66, 255, 0, 0, 7, 8, 9, 66, 66]),
        # Without the padding of the last row, as some drivers send it.
        ('bgr8', 8, [0, 0, 255, 0, 255, 0, 66, 66, 255, 0, 0, 7, 8, 9]),
    ],
)
def test_8_bit_colour(encoding: str, step: int, data: list[int]) -> None:
    assert rgb_from_raw(bytes(data), 2, 2, step, encoding).tolist() == RGB


def test_grey_is_the_same_in_all_channels() -> None:
    image = rgb_from_raw(bytes([1, 2, 66, 3, 4, 66]), 2, 2, 3, 'mono8')
    assert image.tolist() == [[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]]


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_16_bit_grey_keeps_the_upper_bits_in_both_byte_orders(encoding: str) -> None:
    big = rgb_from_raw(bytes([0x12, 0x34, 0xFF, 0x00]), 1, 2, 4, encoding, True)
    little = rgb_from_raw(bytes([0x34, 0x12, 0x00, 0xFF]), 1, 2, 4, encoding, False)
    assert big.tolist() == little.tolist() == [[[0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize(
    ('encoding', 'samples'),
    [
        ('rgb16', (0x1100, 0x2200, 0x3300)),
        ('bgr16', (0x3300, 0x2200, 0x1100)),
        ('rgba16', (0x1100, 0x2200, 0x3300, 0x4400)),
        ('bgra16', (0x3300, 0x2200, 0x1100, 0x4400)),
    ],
)
def test_16_bit_colour(encoding: str, samples: tuple[int, ...]) -> None:
    data = struct.pack(f'<{len(samples)}H', *samples)
    image = rgb_from_raw(data, 1, 1, len(data), encoding)
    assert image.tolist() == [[[0x11, 0x22, 0x33]]]
    assert image.dtype == np.uint8


# ITU-R BT.601, studio range: white is Y 235 U 128 V 128, red is Y 81 U 90 V 240, blue 41 240 110.
WHITE, RED, BLUE = (235, 128, 128), (81, 90, 240), (41, 240, 110)


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
@pytest.mark.parametrize(
    ('yuv', 'rgb'), [(WHITE, (255, 255, 255)), (RED, (255, 0, 0)), (BLUE, (0, 0, 255))]
)
def test_packed_yuv(encoding: str, yuv: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    y, u, v = yuv
    pair = (u, y, v, y) if encoding in ('yuv422', 'uyvy') else (y, u, y, v)
    rows = bytes([*pair, 66, 66]) * 2  # two bytes of padding
    image = rgb_from_raw(rows, 2, 2, 6, encoding)
    np.testing.assert_allclose(image, np.broadcast_to(rgb, (2, 2, 3)), atol=2)


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
@pytest.mark.parametrize(('yuv', 'rgb'), [(RED, (255, 0, 0)), (BLUE, (0, 0, 255))])
def test_planar_yuv(encoding: str, yuv: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    y, u, v = yuv
    colour = (u, v) if encoding == 'nv12' else (v, u)
    data = bytes([y] * 4 + [66] + [y] * 4 + [66] + [*colour, *colour, 66])
    image = rgb_from_raw(data, 2, 4, 5, encoding)
    np.testing.assert_allclose(image, np.broadcast_to(rgb, (2, 4, 3)), atol=2)


@pytest.mark.parametrize('sample_bytes', [1, 2])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('lit', [0, 1, 2])
def test_bayer_mosaic_of_one_lit_colour(pattern: str, lit: int, sample_bytes: int) -> None:
    """Only the cells that carry the colour's letter are bright: that colour must come out."""
    mosaic = np.zeros((8, 8), np.uint8)
    for cell, letter in enumerate(pattern):
        if letter == 'rgb'[lit]:
            mosaic[cell // 2 :: 2, cell % 2 :: 2] = 200
    data = mosaic.tobytes() if sample_bytes == 1 else (mosaic.astype('<u2') << 8).tobytes()
    image = rgb_from_raw(data, 8, 8, 8 * sample_bytes, f'bayer_{pattern}{8 * sample_bytes}')
    expected = np.zeros(3)
    expected[lit] = 200
    np.testing.assert_array_equal(image[3:5, 3:5], np.broadcast_to(expected, (2, 2, 3)))


def as_message(image: NDArray[Any], padding: int, is_bigendian: bool) -> tuple[bytes, int]:
    """Return rows with padding behind each, in a byte order, and their step."""
    order = '>' if is_bigendian else '<'
    rows = image.astype(image.dtype.newbyteorder(order)).reshape(len(image), -1)
    data = [row.tobytes() + bytes([66]) * padding for row in rows]
    return b''.join(data), len(data[0])


# What OpenCV makes of the same image without padding, in the machine's byte order.
ORACLES: dict[str, tuple[int, type, Callable[[Any], Any]]] = {
    'rgb8': (3, np.uint8, lambda i: i),
    'bgr8': (3, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_BGR2RGB)),
    '8UC3': (3, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_BGR2RGB)),
    'rgba8': (4, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_RGBA2RGB)),
    'bgra8': (4, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_BGRA2RGB)),
    '8UC4': (4, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_BGRA2RGB)),
    'mono8': (1, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_GRAY2RGB)),
    '8UC1': (1, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_GRAY2RGB)),
    'rgb16': (3, np.uint16, lambda i: i >> 8),
    'bgr16': (3, np.uint16, lambda i: cv2.cvtColor(i, cv2.COLOR_BGR2RGB) >> 8),
    'rgba16': (4, np.uint16, lambda i: cv2.cvtColor(i, cv2.COLOR_RGBA2RGB) >> 8),
    'bgra16': (4, np.uint16, lambda i: cv2.cvtColor(i, cv2.COLOR_BGRA2RGB) >> 8),
    'mono16': (1, np.uint16, lambda i: cv2.cvtColor(i, cv2.COLOR_GRAY2RGB) >> 8),
    '16UC1': (1, np.uint16, lambda i: cv2.cvtColor(i, cv2.COLOR_GRAY2RGB) >> 8),
    'yuv422': (2, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_YUV2RGB_UYVY)),
    'uyvy': (2, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_YUV2RGB_Y422)),
    'yuyv': (2, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_YUV2RGB_YUYV)),
    'yuv422_yuy2': (2, np.uint8, lambda i: cv2.cvtColor(i, cv2.COLOR_YUV2RGB_YUNV)),
    # The second letter pair of a mosaic, where it is read from its first pixel on.
    'bayer_rggb8': (1, np.uint8, lambda i: cv2.demosaicing(i, cv2.COLOR_BayerRGGB2RGB)),
    'bayer_bggr8': (1, np.uint8, lambda i: cv2.demosaicing(i, cv2.COLOR_BayerBGGR2RGB)),
    'bayer_gbrg8': (1, np.uint8, lambda i: cv2.demosaicing(i, cv2.COLOR_BayerGBRG2RGB)),
    'bayer_grbg8': (1, np.uint8, lambda i: cv2.demosaicing(i, cv2.COLOR_BayerGRBG2RGB)),
}
ORACLES |= {
    f'bayer_{name}16': (
        1,
        np.uint16,
        lambda i, n=name: ORACLES[f'bayer_{n}8'][2]((i >> 8).astype(np.uint8)),
    )
    for name in ('rggb', 'bggr', 'gbrg', 'grbg')
}


@pytest.mark.parametrize('is_bigendian', [False, True])
@pytest.mark.parametrize('padding', [0, 14])
@pytest.mark.parametrize('encoding', ORACLES)
def test_every_encoding_is_what_opencv_makes_of_it(
    encoding: str, padding: int, is_bigendian: bool, rng: np.random.Generator
) -> None:
    channels, kind, oracle = ORACLES[encoding]
    image = rng.integers(0, np.iinfo(kind).max, (6, 8, channels), kind, endpoint=True)
    data, step = as_message(image, padding, is_bigendian)
    expected = oracle(np.ascontiguousarray(image[..., 0] if channels == 1 else image))
    np.testing.assert_array_equal(rgb_from_raw(data, 6, 8, step, encoding, is_bigendian), expected)


def test_no_encoding_goes_without_an_oracle() -> None:
    assert set(ORACLES) | {'nv12', 'nv21', 'nv24'} == set(ENCODINGS)


@pytest.mark.parametrize('encoding', ['nv12', 'nv21', 'nv24'])
def test_planar_yuv_is_bt_601(encoding: str, rng: np.random.Generator) -> None:
    """Against the standard's own numbers: OpenCV has no nv24 that could be the oracle."""
    height, width, step = 6, 8, 11
    each = 1 if encoding == 'nv24' else 2
    y = rng.integers(16, 236, (height, width))
    u, v = rng.integers(90, 166, (2, height // each, width // each))
    pairs = np.stack([v, u] if encoding == 'nv21' else [u, v], -1).reshape(height // each, -1)
    bright = np.full((height, step), 66, np.uint8)
    colour = np.full((len(pairs), step * 2 // each), 66, np.uint8)
    bright[:, :width], colour[:, : pairs.shape[1]] = y, pairs
    data = bright.tobytes() + colour.tobytes()
    image = rgb_from_raw(data, height, width, step, encoding)
    u, v = (np.kron(plane, np.ones((each, each))) - 128 for plane in (u, v))
    bright = 255 / 219 * (y - 16)
    red = bright + 1.596 * v
    green = bright - 0.392 * u - 0.813 * v
    blue = bright + 2.017 * u
    expected = np.clip(np.stack([red, green, blue], -1), 0, 255)
    np.testing.assert_allclose(image, expected, atol=1.6)


def test_a_16_bit_png_keeps_the_upper_bits() -> None:
    is_done, data = cv2.imencode('.png', np.array([[0x1234, 0xFF00]], np.uint16))
    assert is_done
    assert rgb_from_compressed(bytes(data)).tolist() == [[[0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8'])
def test_8_bit_images_are_read_only_views_of_the_message(encoding: str) -> None:
    data = np.arange(64, dtype=np.uint8)
    image = rgb_from_raw(data, 2, 4, 16, encoding)
    assert np.shares_memory(image, data)
    assert not image.flags.writeable
    assert data.flags.writeable
    with pytest.raises(ValueError, match='read-only'):
        image[0, 0, 0] = 1
    np.testing.assert_array_equal(data, np.arange(64))


@pytest.mark.parametrize(
    'container',
    [bytes, bytearray, memoryview, lambda b: array.array('B', b), np.frombuffer],
    ids=['bytes', 'bytearray', 'memoryview', 'array', 'ndarray'],
)
def test_any_buffer_holds_an_image(container: Callable[[bytes], Any]) -> None:
    data = bytes([1, 2, 3])
    buffer = np.frombuffer(data, np.uint8) if container is np.frombuffer else container(data)
    assert rgb_from_raw(buffer, 1, 1, 3, 'rgb8').tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    ('data', 'height', 'width', 'step', 'encoding', 'sentence'),
    [
        (b'', 0, 0, 0, 'rgb8', 'image is 0x0 pixels; expected both > 0'),
        (b'', 0, 4, 12, 'rgb8', 'image is 4x0 pixels'),
        (b'abc', -1, 1, 3, 'rgb8', 'image is 1x-1 pixels'),
        (b'abc', 1, 1, -3, 'rgb8', 'image step is -3 bytes; expected at least 3 for 1 pixels'),
        (b'abc', 1, 1, 0, 'rgb8', 'image step is 0 bytes'),
        (b'abc' * 4, 2, 2, 5, 'rgb8', 'image step is 5 bytes; expected at least 6'),
        (b'abcd', 2, 1, 3, 'rgb8', 'image data has 4 bytes; expected at least 6'),
        (b'', 1, 1, 3, 'rgb8', 'image data has 0 bytes'),
        (b'abc', 1, 1, 1 << 40, 'rgb8', None),
        (b'abc', 2, 1, 1 << 40, 'rgb8', 'image data has 3 bytes'),
        (b'abc', 8001, 8000, 24000, 'rgb8', 'image is 8000x8001 pixels; expected at most 64 meg'),
        (b'abc', 1 << 31, 1 << 31, 1 << 33, 'rgb8', 'expected at most 64 megapixels'),
        (b'abc', 1, 1, 3, 'jpeg', "image encoding is 'jpeg'; expected one of rgb8, bgr8"),
        (b'abc', 1, 1, 3, '8SC3', "image encoding is '8SC3'"),
        (b'abc', 1, 1, 3, '', "image encoding is ''"),
        (b'abc', 1, 1, 4, '32FC1', "image encoding is '32FC1'"),
        (b'abcdef', 1, 3, 6, 'yuyv', 'image width is 3; expected an even number for yuyv'),
        (b'a' * 99, 3, 2, 6, 'nv12', 'image is 2x3 pixels; expected even numbers for nv12'),
        (b'a' * 9, 3, 3, 3, 'bayer_rggb8', 'image is 3x3 pixels; expected at least 4x4'),
        ([1, 2, 3], 1, 1, 3, 'rgb8', 'image data is of type list; expected contiguous bytes'),
    ],
)
def test_wrong_images_are_refused(
    data: Any, height: int, width: int, step: int, encoding: str, sentence: str | None
) -> None:
    if sentence is None:  # a single row needs no step that makes sense
        assert rgb_from_raw(data, height, width, step, encoding).shape == (height, width, 3)
        return
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        rgb_from_raw(data, height, width, step, encoding)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_gives_three_channels_and_checks_the_amount(encoding: str) -> None:
    data = bytes(12 * 64)
    image = rgb_from_raw(data, 4, 6, 64, encoding)
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    with pytest.raises(InputError, match='image data has 64 bytes'):
        rgb_from_raw(data[:64], 4, 6, 64, encoding)


def test_without_opencv_only_what_needs_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'cv2', None)
    assert rgb_from_raw(bytes(3), 1, 1, 3, 'bgr8').shape == (1, 1, 3)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: rgb_from_raw(bytes(64), 4, 4, 16, 'bayer_rggb8'),
        lambda: rgb_from_raw(bytes(64), 4, 4, 16, 'uyvy'),
        lambda: rgb_from_compressed(b'\xff\xd8'),
    )
    for read in calls:
        with pytest.raises(MissingDependency, match='apt install python3-opencv') as caught:
            read()
        assert 'pip install elepose[detect]' in str(caught.value)


def test_png_comes_back_exactly() -> None:
    image = np.array(RGB, np.uint8)
    assert rgb_from_compressed(encoded('.png', image)).tolist() == RGB


def test_jpeg_comes_back_in_rgb() -> None:
    image = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    decoded = rgb_from_compressed(memoryview(encoded('.jpg', image)))
    np.testing.assert_allclose(decoded, image, atol=3)


def quarter_turned(jpeg: bytes) -> bytes:
    """Put in an Exif tag that says: turn by 90 degrees clockwise to see it upright."""
    tiff = b'MM\0*\0\0\0\x08' + b'\0\x01' + b'\x01\x12\0\x03\0\0\0\x01\0\x06\0\0' + b'\0\0\0\0'
    body = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body + jpeg[2:]


def test_orientation_turns_photographs_but_never_camera_images() -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :16] = 255  # the left half is bright; turned clockwise, the upper half is
    jpeg = quarter_turned(encoded('.jpg', image))
    camera = rgb_from_compressed(jpeg)
    assert camera.shape == (16, 32, 3)
    assert camera[:, :12].min() > 240
    photograph = rgb_from_photograph(jpeg)
    assert photograph.shape == (32, 16, 3)
    assert photograph[:12].min() > 240
    assert photograph[20:].max() < 15


def png_of_size(width: int, height: int) -> bytes:
    header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    end = struct.pack('>I', 0) + b'IEND' + struct.pack('>I', zlib.crc32(b'IEND'))
    return b'\x89PNG\r\n\x1a\n' + chunk + end


GREEN = np.full((40, 40, 3), (10, 250, 30), np.uint8)


@pytest.mark.parametrize(
    ('data', 'sentence'),
    [
        (b'', 'starts with bytes (none); expected a JPEG or PNG image'),
        (b'GIF89a....', 'starts with bytes 47 49 46 38'),
        (b'\xff\xd8', 'JPEG image of 2 bytes is damaged'),
        (b'\xff\xd8' + bytes(100), 'is damaged; expected a frame and a scan'),
        (encoded('.jpg', GREEN)[:-40], 'is cut off; it has no end'),
        (encoded('.png', GREEN)[:-20], 'is damaged or cut off'),
        (encoded('.png', GREEN).replace(b'IDAT', b'IDAX'), 'is damaged or cut off'),
        (png_of_size(100_000, 100_000), 'expected at most 64 megapixels'),
        (png_of_size(0, 7), 'image is 0x7 pixels; expected both > 0'),
        (png_of_size(3, 3), 'does not decode'),
    ],
)
def test_damaged_compressed_images_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        rgb_from_compressed(data)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_random_damage_never_raises_anything_else(suffix: str, rng: np.random.Generator) -> None:
    whole = np.frombuffer(encoded(suffix, GREEN), np.uint8)
    refused = 0
    for _ in range(200):
        damaged = whole[: rng.integers(1, len(whole) + 1)].copy()
        damaged[rng.integers(0, len(damaged), 3)] = rng.integers(0, 256, 3)
        try:
            image = rgb_from_compressed(damaged.tobytes())
        except InputError:
            refused += 1
        else:
            assert image.ndim == 3
    assert refused > 100
