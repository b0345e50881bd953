# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What refining clips finds of a camera that is not quite level, by `refinement.roll_deg`.

    ELEPOSE_DATA=/folder/with/mocap python benchmarks/rolled_cameras.py --json FILE

The lifter is held level, as the teacher is: of its up direction only the elevation is taken. Clips
of val are rolled by up to so many degrees. Chooses `roll_deg` of configs/human36m.toml and
configs/mpi_inf_3dhp.toml.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core import metrics
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.conditions import Conditions, view_of
from elepose_core.evaluation.windows import lifted_bone_ratios
from elepose_core.geometry.elevation import (
    angle_between,
    elevation_from_up_cam,
    up_cam_from_elevation,
)
from elepose_core.refinement.clips import refine
from elepose_core.refinement.config import RefinementConfig
from elepose_core.runtime.predictor import Predictor

ROLLED_DEG = (0.0, 1.0, 2.0, 4.0)
ALLOWED_DEG = (0.1, 1.0, 2.5, 5.0)
CLIPS = 80
Float32 = NDArray[np.float32]


class Level:
    """The shipped lifter, which may not roll."""

    def __init__(self) -> None:
        self._predictor = Predictor('default', threads=1)
        self.free = self._predictor.lift

    def __call__(
        self, rays: Float32, scores: Float32, up_cam: Float32 | None
    ) -> tuple[Float32 | None, ...]:
        if up_cam is None:
            elevation = elevation_from_up_cam(self.free(rays, scores, None)[1])
            up_cam = up_cam_from_elevation(elevation).astype(np.float32)
        return self.free(rays, scores, up_cam)[0], up_cam


def figures(poses: PoseSet, lift: Level, rolled_deg: float, allowed_deg: float) -> dict[str, Any]:
    """Refine all clips and compare them with the truth."""
    view = view_of(poses, Conditions(roll_deg=rolled_deg, seed=1))
    assert view.up_cam is not None
    assert poses.subject is not None
    _, person = np.unique(poses.subject[poses.clip_index], return_inverse=True)
    found = refine(
        view.rays.astype(np.float32),
        poses.clip_index,
        poses.frame_index,
        person,
        lift,
        lifted_bone_ratios(lift.free, poses),
        RefinementConfig(roll_deg=allowed_deg).at_rate(poses.fps),
    )
    pose = metrics.root_centred(found.joints_cam.astype(np.float64))
    target = metrics.root_centred(view.joints_cam_m) * 1000
    off = elevation_from_up_cam(found.up_cam) - elevation_from_up_cam(view.up_cam)
    return {
        'rolled_deg': rolled_deg,
        'roll_deg': allowed_deg,
        'n_mpjpe_mm': float(metrics.n_mpjpe_mm(pose, target).mean()),
        'elevation_mae_deg': float(np.degrees(np.abs(off)).mean()),
        'up_mae_deg': float(np.degrees(angle_between(found.up_cam, view.up_cam)).mean()),
    }


def main() -> None:
    """Measure every pair, print a line each, write them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--mocap', type=Path, help='folder of the sets; else ELEPOSE_DATA/mocap')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    folder = options.mocap or Path(os.environ['ELEPOSE_DATA']) / 'mocap'
    val = PoseSet.load(folder / 'val.npz')
    val = val.select(val.clip_index < CLIPS)
    lift = Level()
    rows = []
    print(f'{len(val)} poses of val')
    for rolled_deg in ROLLED_DEG:
        for allowed_deg in ALLOWED_DEG:
            row = figures(val, lift, rolled_deg, allowed_deg)
            rows.append(row)
            print(
                f'rolled by up to {rolled_deg:g} degrees, roll_deg {allowed_deg:g}: N-MPJPE '
                f'{row["n_mpjpe_mm"]:.1f} mm, elevation {row["elevation_mae_deg"]:.2f} and up '
                f'{row["up_mae_deg"]:.2f} degrees off',
                flush=True,
            )
    if options.json is not None:
        tree = {'poses': len(val), 'rows': rows}
        options.json.write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
