# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time of the shipped detector goes, beside the plain way of preparing its input.

For each camera image, input size and number of threads: milliseconds of decoding, preparation
(resize, colour order, border, cast) and network, and the ratio of the plain preparation to ours.
Plain means one step after the other: a copy of the image in RGB order, a resize, a border, a cast.
Both give the network the same pixels, which is checked. Regions of interest: milliseconds per
frame with one person, the whole image every tenth frame included, beside the whole image always.

    python benchmarks/detector_speed.py --json out.json
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from elepose_core.detect import DetectorOptions, make_detector
from elepose_core.detect.letterbox import Letterbox
from elepose_core.detect.movenet import MovenetMultipose
from elepose_core.detect.regions import WHOLE_IMAGE_EVERY
from elepose_core.files import replacing
from elepose_core.images import rgb_from_compressed, rgb_from_raw

PHOTOGRAPH = Path(__file__).parents[1] / 'tests' / 'data' / 'skier.jpg'
CAMERA_SIZES = ((640, 480), (1280, 720))
INPUT_SIDES = (192, 256, 320, 384, 448, 512)
BLOCK = 32

Image = NDArray[np.uint8]


class Camera(NamedTuple):
    """One camera image: what it is, and the array that its message becomes."""

    encoding: str
    rgb: Image


def cameras(width: int, height: int) -> list[Camera]:
    """Return the photograph as messages of this size in each encoding."""
    bgr = cv2.resize(cv2.imread(str(PHOTOGRAPH)), (width, height))
    messages = {
        'bgr8': bgr,
        'bgra8': cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
        'mono8': cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY),
    }
    return [
        Camera(name, rgb_from_raw(pixels.tobytes(), height, width, pixels[0].nbytes, name))
        for name, pixels in messages.items()
    ]


def plainly_prepared(image_rgb: Image, letterbox: Letterbox) -> NDArray[np.int32]:
    shrinks = letterbox.width < letterbox.image_width
    resized = cv2.resize(
        np.ascontiguousarray(image_rgb),
        (letterbox.width, letterbox.height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    below = letterbox.padded_height - letterbox.height
    beside = letterbox.padded_width - letterbox.width
    border = cv2.copyMakeBorder(resized, 0, below, 0, beside, cv2.BORDER_CONSTANT)
    return border.astype(np.int32)[None]


def prepared(image_rgb: Image, side: int) -> NDArray[np.int32]:
    height, width = image_rgb.shape[:2]
    filled = Letterbox.of(width, height, side, BLOCK).filled(image_rgb)
    return filled.astype(np.int32)[None]


def least_ms(run: Callable[[], object], repeats: int) -> float:
    """Return the shortest of the repeats: what the machine can do when nobody disturbs."""
    times_s = []
    for _ in range(repeats):
        begin_s = time.perf_counter()
        run()
        times_s.append(time.perf_counter() - begin_s)
    return 1e3 * min(times_s)


def preparation_rows(width: int, height: int, repeats: int) -> list[dict[str, Any]]:
    rows = []
    for encoding, image in cameras(width, height):
        for side in INPUT_SIDES:
            letterbox = Letterbox.of(width, height, side, BLOCK)
            if not (prepared(image, side) == plainly_prepared(image, letterbox)).all():
                raise AssertionError(f'{encoding} at {side} differs from the plain way')
            ours = least_ms(lambda i=image, s=side: prepared(i, s), repeats)
            plain = least_ms(lambda i=image, b=letterbox: plainly_prepared(i, b), repeats)
            rows.append(
                {
                    'camera': f'{width}x{height} {encoding}',
                    'input_long_side': side,
                    'prepare_ms': round(ours, 3),
                    'plain_prepare_ms': round(plain, 3),
                    'plain_over_ours': round(plain / ours, 2),
                }
            )
    return rows


def decode_row(width: int, height: int, repeats: int) -> dict[str, Any]:
    bgr = cv2.resize(cv2.imread(str(PHOTOGRAPH)), (width, height))
    jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    raw, step = bgr.tobytes(), bgr[0].nbytes
    return {
        'camera': f'{width}x{height}',
        'jpeg_decode_ms': round(least_ms(lambda: rgb_from_compressed(jpeg), repeats), 3),
        'bgr8_decode_ms': round(
            least_ms(lambda: rgb_from_raw(raw, height, width, step, 'bgr8'), repeats), 3
        ),
    }


def network_row(width: int, height: int, side: int, threads: int, repeats: int) -> dict[str, Any]:
    """Time the network with what follows it, by what `read` takes beyond its preparation."""
    image = cameras(width, height)[0].rgb
    network = MovenetMultipose(DetectorOptions(num_threads=threads))
    network.read(image, side)
    whole = least_ms(lambda: network.read(image, side), repeats)
    prepare = least_ms(lambda: prepared(image, side), repeats)
    return {
        'camera': f'{width}x{height}',
        'input_long_side': side,
        'num_threads': threads,
        'prepare_ms': round(prepare, 2),
        'network_ms': round(max(whole - prepare, 0), 2),
        'detect_ms': round(whole, 2),
    }


def region_row(width: int, height: int, threads: int, repeats: int) -> dict[str, Any]:
    """Time a cycle of frames, in which the whole image is read once."""
    image = cameras(width, height)[0].rgb

    def frame_ms(roi: bool) -> float:
        detector = make_detector(
            'movenet_multipose', DetectorOptions(num_threads=threads, roi=roi)
        )
        people = [len(detector.detect(image)) for _ in range(WHOLE_IMAGE_EVERY)]
        if set(people) != {1}:
            raise AssertionError(f'found {people} people in the photograph of one')

        def cycle() -> None:
            for _ in range(WHOLE_IMAGE_EVERY):
                detector.detect(image)

        return least_ms(cycle, max(repeats // WHOLE_IMAGE_EVERY, 2)) / WHOLE_IMAGE_EVERY

    whole, roi = frame_ms(False), frame_ms(True)
    return {
        'camera': f'{width}x{height}',
        'num_threads': threads,
        'whole_ms': round(whole, 2),
        'roi_ms': round(roi, 2),
        'whole_over_roi': round(whole / roi, 2),
    }


def measured(threads: list[int], repeats: int) -> dict[str, Any]:
    networks = [
        network_row(*CAMERA_SIZES[0], side, count, repeats)
        for count in threads
        for side in INPUT_SIDES
    ]
    return {
        'versions': {'onnxruntime': onnxruntime.__version__, 'opencv': cv2.__version__},
        'repeats': repeats,
        'decode': [decode_row(*size, repeats) for size in CAMERA_SIZES],
        'preparation': [row for size in CAMERA_SIZES for row in preparation_rows(*size, repeats)],
        'network': networks,
        'regions_of_interest': [region_row(*CAMERA_SIZES[1], count, repeats) for count in threads],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--threads', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--repeats', type=int, default=20)
    parser.add_argument('--json', type=Path)
    arguments = parser.parse_args()
    result = measured(arguments.threads, arguments.repeats)
    for part in ('decode', 'preparation', 'network', 'regions_of_interest'):
        for row in result[part]:
            print(json.dumps({'part': part, **row}))
    if arguments.json:
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
