# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How a detector's keypoints differ from annotated ones, and from joints of motion capture.

Measures on the annotated photographs of $ELEPOSE_DATA/media/coco, by body part with both sides
together, in units of the person's height in the image (the longer side of the box round the
keypoints): median offset downwards, and deviation of each coordinate (1.4826 times the median
distance from the median, which wild misses do not sway). How much farther apart hips are marked
than hip joints are is told by 2D poses alone: the median of hip width by shoulder width of all
people annotated in COCO against that of motion capture. Few people: `n` says how many.

    python benchmarks/detector_noise.py --json elepose_core/data/detector_noise.json
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.detect import DETECTORS, make_detector
from elepose_core.errors import InputError
from elepose_core.evaluation.keypoints import AnnotatedPerson, greedy_matches, similarity_matrix
from elepose_core.files import replacing
from elepose_core.images import rgb_from_photograph
from elepose_core.skeleton import COCO_17, H36M_17, LAYOUTS, Skeleton

Array = NDArray[np.float64]
# Below this a detection is somebody else, or nobody.
LEAST_SIMILARITY = 0.5
PARTS = ('nose', 'eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')


def offsets(detector_name: str, folder: Path) -> Array:
    """Return (people, 17, 2) detected minus annotated COCO keypoints, in heights."""
    index = folder / 'coco_images.json'
    if not index.is_file():
        raise InputError(f'{index} does not exist; set ELEPOSE_DATA to the folder with media/coco')
    detector, rows = make_detector(detector_name), []
    layout = LAYOUTS[detector.layout]
    shared = [layout.index(name) for name in COCO_17.joint_names]
    for entry in json.loads(index.read_text()):
        detections = detector.detect(rgb_from_photograph((folder / entry['file']).read_bytes()))
        found = [detection.keypoints_px[shared] for detection in detections]
        people = [
            AnnotatedPerson.from_coco(p['keypoints'], p['bbox'], p.get('area'))
            for p in entry['persons']
        ]
        for person, match in greedy_matches(similarity_matrix(found, people), LEAST_SIMILARITY):
            truth = people[person].keypoints_px
            height = (np.nanmax(truth, 0) - np.nanmin(truth, 0)).max()
            rows.append((found[match] - truth) / height)
    return np.array(rows)


def by_part(rows: Array) -> dict[str, Any]:
    result = {}
    for part in PARTS:
        joints = [i for i, name in enumerate(COCO_17.joint_names) if name.endswith(part)]
        points = rows[:, joints].reshape(-1, 2)
        points = points[np.isfinite(points).all(1)]
        middle = np.median(points, 0)
        spread = 1.4826 * np.median(np.abs(points - middle))
        result[part] = {
            'down': round(float(middle[1]), 4),
            'deviation': round(float(spread), 4),
            'n': len(points),
        }
    return result


def hip_by_shoulder_width(points: Array, skeleton: Skeleton) -> tuple[float, int]:
    """Return the median of hip width by shoulder width of people (N, J, 2), and their number."""

    def width(part: str) -> Array:
        sides = (points[:, skeleton.index(f'{side}_{part}')] for side in ('left', 'right'))
        return np.asarray(np.linalg.norm(next(sides) - next(sides), axis=-1))

    with np.errstate(divide='ignore', invalid='ignore'):
        ratio = width('hip') / width('shoulder')
    ratio = ratio[np.isfinite(ratio)]
    return float(np.median(ratio)), len(ratio)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--detector', choices=DETECTORS, default='movenet_multipose')
    parser.add_argument('--json', type=Path)
    arguments = parser.parse_args()
    if 'ELEPOSE_DATA' not in os.environ:
        raise InputError('ELEPOSE_DATA is not set; expected the folder that holds media/coco')
    data = Path(os.environ['ELEPOSE_DATA'])
    rows = offsets(arguments.detector, data / 'media' / 'coco')
    with np.load(data / 'coco_person_keypoints.npz', allow_pickle=False) as file:
        marked = file['keypoints'].astype(np.float64)
    wild = np.where(marked[..., 2:] > 0, marked[..., :2], np.nan)
    poses = PoseSet.load(data / 'mocap' / 'train_2d.npz').keypoints_px.astype(np.float64)
    (annotated, people), (captured, _) = (
        hip_by_shoulder_width(wild, COCO_17),
        hip_by_shoulder_width(poses, H36M_17),
    )
    result = {
        'detector': arguments.detector,
        'people': len(rows),
        'parts': by_part(rows),
        'hip_width': round(annotated / captured, 3),
        'hip_width_people': people,
    }
    for part, row in result['parts'].items():
        print(f'{part:<9} n {row["n"]:>3}  down {row["down"]:+.4f}  dev {row["deviation"]:.4f}')
    print(
        f'{len(rows)} people; hips by shoulders {annotated:.2f} ({people} people annotated), '
        f'{captured:.2f} of motion capture: {result["hip_width"]:.2f} times as wide'
    )
    if arguments.json:
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
