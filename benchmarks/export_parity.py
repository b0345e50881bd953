# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How far exported bundles are from torch on whole sets of poses, in millimetres.

    python benchmarks/export_parity.py RUN DATA BUNDLE [BUNDLE ...]

DATA holds mocap/test_*.npz. Every pose is lifted by torch and by each bundle; both are scaled by
the factor that brings torch's joints to the truth, so that people have their real size.
"""

import argparse
import os
from pathlib import Path

# Before torch is loaded: threads that spin while they wait slow down shared cores.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import numpy as np

from elepose_core.cli.run_reader import lift_of_run
from elepose_core.data.poseset import PoseSet
from elepose_core.metrics import root_centred
from elepose_core.runtime.predictor import Predictor


def main() -> None:
    """Print the largest and the mean difference of a joint by set and bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('run', type=Path)
    parser.add_argument('data', type=Path)
    parser.add_argument('bundles', nargs='+')
    options = parser.parse_args()
    for path in sorted((options.data / 'mocap').glob('test_*.npz')):
        poses = PoseSet.load(path)
        assert poses.joints_cam_m is not None
        rays = poses.rays.astype(np.float32)
        lift = lift_of_run(options.run, poses)
        joints = lift(rays, poses.scores, None)[0].astype(np.float64)
        pose, truth = root_centred(joints), root_centred(1000.0 * poses.joints_cam_m)
        scale = (pose * truth).sum((1, 2)) / (pose * pose).sum((1, 2))
        for bundle in options.bundles:
            found = Predictor(bundle).lift(rays, poses.scores).joints_cam
            difference_mm = np.linalg.norm(found - joints, axis=-1) * scale[:, None]
            print(
                f'{path.stem}: {Path(bundle).stem} differs from torch by at most '
                f'{difference_mm.max():.3f} mm, on average {difference_mm.mean():.4f} mm'
            )


if __name__ == '__main__':
    main()
