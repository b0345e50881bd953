# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Cut small PoseSets out of large ones for tests and examples.

python tools/sample_poses.py SOURCE.npz OUT.npz --clips 30 [--frames 50 --steps-per-px 8]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from elepose_core.data.poseset import PoseSet


def main() -> None:
    """Take whole beginnings of clips, spread over the source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--clips', type=int, required=True)
    parser.add_argument('--frames', type=int, default=50)
    parser.add_argument('--steps-per-px', type=int, help='round: fewer digits make smaller files')
    options = parser.parse_args()
    poses = PoseSet.load(options.source)
    clips = np.unique(poses.clip_index)
    chosen = clips[np.linspace(0, len(clips) - 1, options.clips).astype(int)]
    rows = np.concatenate(
        [np.flatnonzero(poses.clip_index == clip)[: options.frames] for clip in chosen]
    )
    sample = poses.select(rows)
    if options.steps_per_px:
        rounded = np.round(sample.keypoints_px * options.steps_per_px) / options.steps_per_px
        sample = replace(sample, keypoints_px=rounded)
    sample.save(options.out)
    print(f'{options.out}: {len(rows)} poses, {options.out.stat().st_size / 1e3:.0f} kB')


if __name__ == '__main__':
    main()
