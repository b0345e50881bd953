# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Write a PoseSet as the shipped detector would see it, by its measured noise.

Truth stays as it is. With --half only every second clip is kept, so that a clean and a noisy set
made of one file share no clip: adapters are trained on unpaired poses.

    python tools/detector_like.py val.npz val_detected.npz
    python tools/detector_like.py train_2d.npz wild.npz --half even
    python tools/detector_like.py train_2d.npz clean.npz --half odd --clean
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from elepose_core.data.detector_noise import DetectorNoise, detector_like
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError


def main() -> int:
    """Write one set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', type=Path)
    parser.add_argument('target', type=Path)
    parser.add_argument('--half', choices=('even', 'odd'))
    parser.add_argument('--clean', action='store_true', help='leave the keypoints as they are')
    parser.add_argument('--noise', type=Path, help='measured by benchmarks/detector_noise.py')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    poses = PoseSet.load(options.source)
    if options.half is not None:
        _, clip = np.unique(poses.clip_index, return_inverse=True)
        poses = poses.select(np.flatnonzero(clip % 2 == (options.half == 'odd')))
    if not options.clean:
        noise = (
            DetectorNoise.load() if options.noise is None else DetectorNoise.load(options.noise)
        )
        poses = detector_like(poses, noise, options.seed)
    poses.save(options.target)
    print(f'{options.target}: {len(poses)} poses')
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
