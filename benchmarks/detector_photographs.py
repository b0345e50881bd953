# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Detector against the annotated photographs of $ELEPOSE_DATA/media/coco.

Prints per photograph and in total: people annotated, people found (similarity of their own
detection above 0.1 and above 0.5), mean similarity (a missed person counts 0), detections that
belong to nobody annotated, and the time per image. With --distance the photograph fills only a
part of the image, as if the people stood farther away. With --roi the image is shown again until
the regions of interest settle, and the last showing counts.

    python benchmarks/detector_photographs.py --input-long-side 384 --json out.json
    python benchmarks/detector_photographs.py --distance 2 --roi
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from elepose_core.detect import DETECTORS, Detector, DetectorOptions, make_detector
from elepose_core.errors import InputError
from elepose_core.evaluation.keypoints import AnnotatedPerson, best_similarities
from elepose_core.files import replacing
from elepose_core.images import rgb_from_photograph
from elepose_core.skeleton import COCO_17, LAYOUTS

REPEATS = 3
BLUR_PX = 25


@dataclass(frozen=True)
class Row:
    photograph: str
    annotated: int
    found_above_0_1: int
    found_above_0_5: int
    mean_oks: float
    others: int
    ms: float


def measure(make: Callable[[], Detector], folder: Path, distance: int) -> list[Row]:
    index = folder / 'coco_images.json'
    if not index.is_file():
        raise InputError(f'{index} does not exist; set ELEPOSE_DATA to the folder with media/coco')
    # Each photograph has its own detector: with regions of interest it remembers the one before.
    entries = json.loads(index.read_text())
    return [row_of(make(), folder, entry, distance) for entry in entries]


def row_of(detector: Detector, folder: Path, entry: dict[str, Any], distance: int) -> Row:
    photograph = rgb_from_photograph((folder / entry['file']).read_bytes())
    image, corner_px = from_afar(photograph, distance)
    people = [
        AnnotatedPerson.from_coco(p['keypoints'], p['bbox'], p.get('area'))
        for p in entry['persons']
    ]
    people = [AnnotatedPerson(p.keypoints_px + corner_px, p.area_px2) for p in people]
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        detections = detector.detect(image)
        times.append(time.perf_counter() - begin)
    layout = LAYOUTS[detector.layout]
    shared = [layout.index(name) for name in COCO_17.joint_names]
    oks = best_similarities([d.keypoints_px[shared] for d in detections], people)
    return Row(
        photograph=entry['file'],
        annotated=len(people),
        found_above_0_1=int((oks > 0.1).sum()),
        found_above_0_5=int((oks > 0.5).sum()),
        mean_oks=float(oks.mean()),
        others=len(detections) - int((oks > 0.1).sum()),
        ms=1e3 * min(times),
    )


def from_afar(
    photograph: NDArray[np.uint8], distance: int
) -> tuple[NDArray[np.uint8], NDArray[np.int_]]:
    """Return an image `distance` times larger with the photograph in it, and where (x, y) px.

    Around it is the photograph itself, too blurred to show anybody.
    """
    if distance == 1:
        return photograph, np.zeros(2, int)
    height, width = photograph.shape[:2]
    size = (width * distance, height * distance)
    image = cv2.GaussianBlur(cv2.resize(photograph, size), (0, 0), BLUR_PX)
    left, upper = width * (distance - 1) // 3, height * (distance - 1) // 3
    image[upper : upper + height, left : left + width] = photograph
    return np.asarray(image, np.uint8), np.array([left, upper])


def total(rows: list[Row]) -> Row:
    people = sum(row.annotated for row in rows)
    return Row(
        photograph='total',
        annotated=people,
        found_above_0_1=sum(row.found_above_0_1 for row in rows),
        found_above_0_5=sum(row.found_above_0_5 for row in rows),
        mean_oks=sum(row.mean_oks * row.annotated for row in rows) / people,
        others=sum(row.others for row in rows),
        ms=statistics.median(row.ms for row in rows),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--detector', choices=DETECTORS, default='movenet_multipose')
    parser.add_argument('--model-path', type=Path)
    parser.add_argument('--input-long-side', type=int, default=DetectorOptions.input_long_side)
    parser.add_argument('--num-threads', type=int, default=1)
    parser.add_argument('--roi', action='store_true', help='follow people: regions of interest')
    parser.add_argument('--distance', type=int, choices=(1, 2, 3), default=1)
    parser.add_argument('--json', type=Path)
    arguments = parser.parse_args()
    if 'ELEPOSE_DATA' not in os.environ:
        raise InputError('ELEPOSE_DATA is not set; expected the folder that holds media/coco')
    options = DetectorOptions(
        model_path=arguments.model_path,
        input_long_side=arguments.input_long_side,
        num_threads=arguments.num_threads,
        roi=arguments.roi,
    )
    folder = Path(os.environ['ELEPOSE_DATA']) / 'media' / 'coco'
    rows = measure(lambda: make_detector(arguments.detector, options), folder, arguments.distance)
    print(f'{"photograph":<18} {"people":>6} {">0.1":>5} {">0.5":>5} {"OKS":>6} other {"ms":>6}')
    for row in [*rows, total(rows)]:
        print(
            f'{row.photograph:<18} {row.annotated:>6} {row.found_above_0_1:>5} '
            f'{row.found_above_0_5:>5} {row.mean_oks:>6.3f} {row.others:>5} {row.ms:>6.1f}'
        )
    if arguments.json:
        result = {
            'detector': arguments.detector,
            'input_long_side': options.input_long_side,
            'num_threads': options.num_threads,
            'roi': options.roi,
            'distance': arguments.distance,
            'total': asdict(total(rows)),
            'photographs': [asdict(row) for row in rows],
        }
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
