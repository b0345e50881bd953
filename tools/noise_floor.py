# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What keypoint noise alone costs: the error of true depths on shaken rays.

python tools/noise_floor.py SET.npz [SET.npz ...] [--noise-px-at-300 5]

No network is asked. A single-frame lifter that knows all depths but cannot tell noise from motion
is no better than this; what it gains, it gains by knowing what people look like.
"""

import argparse
from pathlib import Path

import numpy as np

from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.conditions import Conditions, view_of
from elepose_core.metrics import n_mpjpe_mm, root_centred


def main() -> None:
    """Print one line for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('sets', type=Path, nargs='+')
    parser.add_argument('--noise-px-at-300', type=float, default=5.0)
    options = parser.parse_args()
    for path in options.sets:
        view = view_of(PoseSet.load(path), Conditions(noise_px_at_300=options.noise_px_at_300))
        depth = view.joints_cam_m[..., 2:]
        shaken = np.concatenate([view.rays * depth, depth], axis=-1)
        pose, truth = (1000 * root_centred(joints) for joints in (shaken, view.joints_cam_m))
        error_mm = n_mpjpe_mm(pose, truth).mean()
        print(f'{path.name}: N-MPJPE {error_mm:.1f} mm with true depths')


if __name__ == '__main__':
    main()
