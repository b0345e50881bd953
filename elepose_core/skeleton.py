# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Joint layouts and the way from each detector's layout to the 17 joints that are lifted.

A layout is data: joint names, parents (-1 = no parent) and nothing else. Left and right are read
from the names. The lifter knows one layout, `H36M_17`; `h36m_from` brings any other there by a
table of weights, so that a new detector needs one more table and no code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.errors import InputError

__all__ = [
    'COCO_17',
    'H36M_17',
    'HALPE_26',
    'LAYOUTS',
    'MEDIAPIPE_33',
    'OPENPOSE_18',
    'OPENPOSE_25',
    'Skeleton',
    'h36m_from',
    'layout_named',
]

Weights = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Skeleton:
    """Names and kinship of the joints of one layout.

    Attributes:
        name: Key of the layout in `LAYOUTS`.
        joint_names: One name per joint, in the order of the arrays.
        parents: Index of each joint's parent, -1 where it has none.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.joint_names)

    def index(self, joint_name: str) -> int:
        """Return the position of a joint; InputError names the known ones."""
        try:
            return self.joint_names.index(joint_name)
        except ValueError:
            raise InputError(
                f'joint {joint_name!r} is not in layout {self.name}; '
                f'expected one of {", ".join(self.joint_names)}'
            ) from None

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """Pairs (parent, child), one per joint that has a parent."""
        return tuple((p, c) for c, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def mirror_bones(self) -> tuple[int, ...]:
        """Permutation of `bones` that swaps left and right."""
        by_child = {child: bone for bone, (_, child) in enumerate(self.bones)}
        return tuple(by_child[self.mirror[child]] for _, child in self.bones)

    @cached_property
    def left(self) -> tuple[int, ...]:
        """Indices of the joints of the left half of the body."""
        return tuple(i for i, n in enumerate(self.joint_names) if n.startswith('left_'))

    @cached_property
    def right(self) -> tuple[int, ...]:
        """Indices of the joints of the right half of the body."""
        return tuple(i for i, n in enumerate(self.joint_names) if n.startswith('right_'))

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Permutation that swaps left and right: `pose[..., mirror, :]`."""
        swap = {'left_': 'right_', 'right_': 'left_'}

        def partner(name: str) -> str:
            side = next((s for s in swap if name.startswith(s)), None)
            return name if side is None else swap[side] + name.removeprefix(side)

        return tuple(self.joint_names.index(partner(n)) for n in self.joint_names)


def _skeleton(name: str, tree: str) -> Skeleton:
    """Read 'child<parent child<parent ...'; a child without '<' is a root."""
    pairs = [word.partition('<') for word in tree.split()]
    names = tuple(child for child, _, _ in pairs)
    parents = tuple(names.index(parent) if parent else -1 for _, _, parent in pairs)
    return Skeleton(name, names, parents)


H36M_17 = _skeleton(
    'h36m_17',
    'pelvis right_hip<pelvis right_knee<right_hip right_ankle<right_knee '
    'left_hip<pelvis left_knee<left_hip left_ankle<left_knee '
    'spine<pelvis thorax<spine neck_nose<thorax head_top<neck_nose '
    'left_shoulder<thorax left_elbow<left_shoulder left_wrist<left_elbow '
    'right_shoulder<thorax right_elbow<right_shoulder right_wrist<right_elbow',
)
COCO_17 = _skeleton(
    'coco_17',
    'nose left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye '
    'left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder '
    'right_elbow<right_shoulder left_wrist<left_elbow right_wrist<right_elbow '
    'left_hip<left_shoulder right_hip<right_shoulder left_knee<left_hip right_knee<right_hip '
    'left_ankle<left_knee right_ankle<right_knee',
)
OPENPOSE_18 = _skeleton(
    'openpose_18',
    'nose neck<nose right_shoulder<neck right_elbow<right_shoulder right_wrist<right_elbow '
    'left_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow '
    'right_hip<neck right_knee<right_hip right_ankle<right_knee '
    'left_hip<neck left_knee<left_hip left_ankle<left_knee '
    'right_eye<nose left_eye<nose right_ear<right_eye left_ear<left_eye',
)
OPENPOSE_25 = _skeleton(
    'openpose_25',
    'nose<neck neck<mid_hip right_shoulder<neck right_elbow<right_shoulder '
    'right_wrist<right_elbow left_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow '
    'mid_hip right_hip<mid_hip right_knee<right_hip right_ankle<right_knee '
    'left_hip<mid_hip left_knee<left_hip left_ankle<left_knee '
    'right_eye<nose left_eye<nose right_ear<right_eye left_ear<left_eye '
    'left_big_toe<left_ankle left_small_toe<left_big_toe left_heel<left_ankle '
    'right_big_toe<right_ankle right_small_toe<right_big_toe right_heel<right_ankle',
)
HALPE_26 = _skeleton(
    'halpe_26',
    'nose<neck left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye '
    'left_shoulder<neck right_shoulder<neck left_elbow<left_shoulder '
    'right_elbow<right_shoulder left_wrist<left_elbow right_wrist<right_elbow '
    'left_hip<mid_hip right_hip<mid_hip left_knee<left_hip right_knee<right_hip '
    'left_ankle<left_knee right_ankle<right_knee head_top<neck neck<mid_hip mid_hip '
    'left_big_toe<left_ankle right_big_toe<right_ankle left_small_toe<left_ankle '
    'right_small_toe<right_ankle left_heel<left_ankle right_heel<right_ankle',
)
MEDIAPIPE_33 = _skeleton(
    'mediapipe_33',
    'nose left_eye_inner<nose left_eye<left_eye_inner left_eye_outer<left_eye '
    'right_eye_inner<nose right_eye<right_eye_inner right_eye_outer<right_eye '
    'left_ear<left_eye_outer right_ear<right_eye_outer left_mouth<nose right_mouth<nose '
    'left_shoulder right_shoulder<left_shoulder left_elbow<left_shoulder '
    'right_elbow<right_shoulder left_wrist<left_elbow right_wrist<right_elbow '
    'left_pinky<left_wrist right_pinky<right_wrist left_index<left_wrist '
    'right_index<right_wrist left_thumb<left_wrist right_thumb<right_wrist '
    'left_hip<left_shoulder right_hip<right_shoulder left_knee<left_hip right_knee<right_hip '
    'left_ankle<left_knee right_ankle<right_knee left_heel<left_ankle right_heel<right_ankle '
    'left_foot_index<left_heel right_foot_index<right_heel',
)
LAYOUTS: dict[str, Skeleton] = {
    s.name: s for s in (H36M_17, COCO_17, OPENPOSE_18, OPENPOSE_25, HALPE_26, MEDIAPIPE_33)
}

_LIMBS: Weights = {
    f'{side}_{part}': {f'{side}_{part}': 1.0}
    for side in ('left', 'right')
    for part in ('hip', 'knee', 'ankle', 'shoulder', 'elbow', 'wrist')
}
# The trunk of detectors that mark no trunk. The spine stands 0.55 of the way from the pelvis to
# the thorax and the head's end lies level with the ears, as in the motion capture skeletons that
# the shipped model was trained on; the neck is half-way between thorax and head.
_PELVIS = {'left_hip': 0.5, 'right_hip': 0.5}
_THORAX = {'left_shoulder': 0.5, 'right_shoulder': 0.5}
_SPINE = {'left_hip': 0.225, 'right_hip': 0.225, 'left_shoulder': 0.275, 'right_shoulder': 0.275}
_HEAD = {'left_ear': 0.5, 'right_ear': 0.5}
_NECK = {'left_ear': 0.25, 'right_ear': 0.25, 'left_shoulder': 0.25, 'right_shoulder': 0.25}
_TRUNK: Weights = {
    'pelvis': _PELVIS,
    'spine': _SPINE,
    'thorax': _THORAX,
    'neck_nose': _NECK,
    'head_top': _HEAD,
}
_TO_H36M: dict[str, Weights] = {
    'h36m_17': {name: {name: 1.0} for name in H36M_17.joint_names},
    'coco_17': {**_LIMBS, **_TRUNK},
    'mediapipe_33': {**_LIMBS, **_TRUNK},
    'openpose_18': {**_LIMBS, **_TRUNK},
    'openpose_25': {**_LIMBS, **_TRUNK},
    'halpe_26': {**_LIMBS, **_TRUNK},
}
_MATRICES = {
    layout: np.array(
        [
            [table[joint].get(source, 0.0) for source in LAYOUTS[layout].joint_names]
            for joint in H36M_17.joint_names
        ],
        dtype=np.float32,
    )
    for layout, table in _TO_H36M.items()
}


def layout_named(name: str) -> Skeleton:
    """Return a layout.

    Raises:
        InputError: There is none of this name.
    """
    if name not in LAYOUTS:
        raise InputError(f'layout is {name!r}; expected one of {", ".join(LAYOUTS)}')
    return LAYOUTS[name]


def h36m_from(
    keypoints_px: ArrayLike, scores: ArrayLike, layout: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bring keypoints of any known layout to the 17 joints that are lifted.

    A joint that the source does not mark is the weighted mean of the keypoints that define it,
    scored with the lowest of their scores; it is missing when one of them is missing.

    Args:
        keypoints_px: (..., J, 2) pixels; NaN = missing.
        scores: (..., J) in 0..1; 0 = missing.
        layout: Key of `LAYOUTS`.

    Returns:
        (..., 17, 2) pixels with NaN where missing and (..., 17) scores with 0 there, float32.

    Raises:
        InputError: The layout is unknown or a shape does not fit it.

    Source: weights follow the joints that each layout's documentation names.
        Differs: the usual Human3.6M recipe for COCO puts the head's end above the eyes; ours lies
        between the ears, where the training skeletons have it.
    """
    joints = len(layout_named(layout))
    keypoints = np.asarray(keypoints_px, dtype=np.float32)
    score = np.asarray(scores, dtype=np.float32)
    if keypoints.shape[-2:] != (joints, 2) or score.shape != keypoints.shape[:-1]:
        raise InputError(
            f'keypoints have shape {keypoints.shape} and scores {score.shape}; '
            f'layout {layout} needs (..., {joints}, 2) and (..., {joints})'
        )
    # Two columns added are several times as fast as a sum over an axis of two. A sender's NaN may
    # be a signalling one, which numpy would warn of.
    with np.errstate(invalid='ignore'):
        seen = np.isfinite(keypoints[..., 0] + keypoints[..., 1]) & (score > 0)
    matrix = _MATRICES[layout]
    mean_px = matrix @ np.where(seen[..., None], keypoints, 0.0)
    # A source that a joint does not use counts as certain, so that it never lowers the minimum.
    by_source = np.where(matrix > 0, np.where(seen, score, 0.0)[..., None, :], np.inf)
    joint_score = by_source.min(-1)
    missing = joint_score <= 0
    return (
        np.where(missing[..., None], np.nan, mean_px).astype(np.float32),
        np.where(missing, 0.0, joint_score).astype(np.float32),
    )
