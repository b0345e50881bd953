# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A lifter with its domain adapter and without: on clean 2D, on detector-like 2D, on COCO.

Sets of $ELEPOSE_DATA/mocap are lifted as they are and as the shipped detector would mark them
(`elepose_core/data/detector_noise.json`). People annotated in COCO have no 3D truth: for those
with all keypoints, printed is how unlikely the poses that are lifted are to the lifter's prior,
under an assumed field of view.

    python benchmarks/domain_adapter.py runs/geometric runs/adapted --json out.json
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from elepose_core.cli.run_reader import lift_of_run, read_run
from elepose_core.data.detector_noise import DetectorNoise, detector_like
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.conditions import Conditions
from elepose_core.evaluation.protocol import evaluate
from elepose_core.files import replacing
from elepose_core.skeleton import h36m_from
from elepose_core.training.adaptation import AdaptationParts

SETS = ('val', 'test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')
FIGURES = ('n_mpjpe_mm', 'pa_mpjpe_mm', 'elevation_mae_deg')
# Focal length of a usual photograph by its longer side: a field of view of 45 degrees.
FOCAL = 1.2


def wild_poses(data: Path) -> PoseSet:
    """Return people annotated in COCO, one clip each, where no keypoint is missing."""
    with np.load(data / 'coco_person_keypoints.npz', allow_pickle=False) as file:
        marked, size = file['keypoints'].astype(np.float64), file['wh']
    seen = (marked[..., 2] > 0).astype(np.float32)
    keypoints, scores = h36m_from(marked[..., :2], seen, 'coco_17')
    whole = np.flatnonzero((scores > 0).all(1))
    size = size[whole]
    matrix = np.zeros((len(whole), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = FOCAL * size.max(1)
    matrix[:, :2, 2] = (size - 1) / 2
    matrix[:, 2, 2] = 1
    index = np.arange(len(whole))
    arrays: dict[str, Any] = {
        'keypoints_px': keypoints[whole],
        'camera_matrix': matrix,
        'camera_index': index,
        'image_size': size,
        'clip_index': index,
        'frame_index': np.zeros_like(index),
        'fps': np.array(30.0),
    }
    return PoseSet.from_arrays(arrays, 'COCO')


def surprise(run: Path, poses: PoseSet) -> float:
    """Return the median of -log p of the 2D poses that are lifted, in nat."""
    module, _, _ = read_run(run)
    graph = module.graph if isinstance(module, AdaptationParts) else module
    with torch.no_grad():
        found = graph.surprise(torch.from_numpy(poses.rays).float(), torch.ones(len(poses), 17))
    return float(found.median())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('plain', type=Path)
    parser.add_argument('adapted', type=Path)
    parser.add_argument('--sets', nargs='*', choices=SETS, default=SETS)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    if 'ELEPOSE_DATA' not in os.environ:
        raise InputError('ELEPOSE_DATA is not set; expected the folder that holds mocap')
    data, noise = Path(os.environ['ELEPOSE_DATA']), DetectorNoise.load()
    runs = {'plain': options.plain, 'adapted': options.adapted}
    result: dict[str, Any] = {}
    print(f'{"set":<16} {"2D":<9} {"lifter":<8} {"N-MPJPE":>8} {"PA":>7} {"elevation":>9}')
    for name in options.sets:
        clean = PoseSet.load(data / 'mocap' / f'{name}.npz')
        for kind, poses in (('clean', clean), ('detected', detector_like(clean, noise))):
            for lifter, run in runs.items():
                found = evaluate(lift_of_run(run, poses), poses, Conditions())
                figures = {key: round(float(found[key]), 2) for key in FIGURES}
                result.setdefault(name, {}).setdefault(kind, {})[lifter] = figures
                values = ' '.join(f'{value:>8.1f}' for value in figures.values())
                print(f'{name:<16} {kind:<9} {lifter:<8} {values}')
    people = wild_poses(data)
    result['coco'] = {'people': len(people)} | {
        lifter: round(surprise(run, people), 1) for lifter, run in runs.items()
    }
    print(f'COCO, median of -log p in nat: {result["coco"]}')
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
