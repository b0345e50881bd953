# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""2D poses of motion capture as a detector would mark them, by measured noise."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.skeleton import COCO_17, H36M_17, h36m_from

__all__ = ['DetectorNoise', 'detector_like']

Array = NDArray[np.float64]
_MEASURED = Path(__file__).with_name('detector_noise.json')
_HIPS = [H36M_17.index(f'{side}_hip') for side in ('left', 'right')]


@dataclass(frozen=True)
class DetectorNoise:
    """How detected COCO keypoints differ from joints of motion capture.

    Attributes:
        down: Part of the body -> median offset downwards in the image, in heights of the person.
        deviation: Part of the body -> standard deviation of each coordinate, in heights.
        hip_width: How many times as far apart hips are marked as hip joints are.
    """

    down: Mapping[str, float]
    deviation: Mapping[str, float]
    hip_width: float

    @classmethod
    def load(cls, path: Path = _MEASURED) -> 'DetectorNoise':
        """Read what `benchmarks/detector_noise.py` measured; the shipped detector's by default.

        Raises:
            InputError: The file cannot be read or lacks a part of the body.
        """
        try:
            tree = json.loads(Path(path).read_text(encoding='utf-8'))
            parts = {_part(name): tree['parts'][_part(name)] for name in COCO_17.joint_names}
            return cls(
                {part: float(row['down']) for part, row in parts.items()},
                {part: float(row['deviation']) for part, row in parts.items()},
                float(tree['hip_width']),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'{path} is no noise model ({type(error).__name__}: {error}); expected what '
                'benchmarks/detector_noise.py wrote'
            ) from None


def detector_like(poses: PoseSet, noise: DetectorNoise, seed: int = 0) -> PoseSet:
    """Return the set with keypoints as a detector of COCO-17 and our table would give them.

    Hips are marked farther apart, every keypoint has the offset and deviation of its part, and
    trunk and head are made of the others (`skeleton.h36m_from`), so that they lie where they lie
    for every detector. Both ears stand for the head's end, as in that table. Deviations are drawn
    anew for each frame; those of a real detector last, but nobody has measured how long.

    Args:
        poses: Clean; joints that are missing stay so.
        noise: See there.
        seed: Of the deviations.
    """
    points = poses.keypoints_px.astype(np.float64)
    seen = np.isfinite(points).all(-1, keepdims=True)
    low = np.where(seen, points, np.inf).min(1)
    height = np.where(seen, points, -np.inf).max(1) - low
    height_px = np.maximum(height, 0.0).max(1)[:, None, None]
    middle = points[:, _HIPS].mean(1, keepdims=True)
    wider = middle + noise.hip_width * (points[:, _HIPS] - middle)
    # One hip alone stays where it is.
    points[:, _HIPS] = np.where(np.isnan(wider), points[:, _HIPS], wider)
    marked = np.stack([points[:, H36M_17.index(_joint(n))] for n in COCO_17.joint_names], axis=1)
    deviation = np.array([noise.deviation[_part(name)] for name in COCO_17.joint_names])
    down = np.array([noise.down[_part(name)] for name in COCO_17.joint_names])
    random = np.random.default_rng(seed)
    offset = random.normal(size=marked.shape) * deviation[:, None]
    offset[..., 1] += down
    marked += offset * height_px
    scores = np.stack([poses.scores[:, H36M_17.index(_joint(n))] for n in COCO_17.joint_names], 1)
    keypoints, scores = h36m_from(marked, scores, 'coco_17')
    return replace(poses, keypoints_px=keypoints, scores=scores)


def _part(name: str) -> str:
    return name.split('_')[-1]


def _joint(name: str) -> str:
    """Return the joint of `H36M_17` that stands for a keypoint of COCO-17."""
    return name if name in H36M_17.joint_names else 'head_top'
