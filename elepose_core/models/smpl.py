# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""SMPL behind the interface of `BodyModel`, for those who hold its licence: it is not here."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from elepose_core.errors import InputError, MissingDependency
from elepose_core.models.body import PosedBody
from elepose_core.skeleton import H36M_17

__all__ = ['SmplBody', 'SmplShape', 'open_smpl']

_ARRAYS = ('v_template', 'shapedirs', 'posedirs', 'J_regressor', 'kintree_table', 'weights', 'f')
_VERTICES, _BONES, _SHAPES = 6890, 24, 10
# Which of SMPL's joints each of ours is; two are vertices: tip of the nose, top of the head.
_JOINTS = {
    **{'pelvis': 0, 'right_hip': 2, 'right_knee': 5, 'right_ankle': 8},
    **{'left_hip': 1, 'left_knee': 4, 'left_ankle': 7, 'spine': 6, 'thorax': 12},
    **{'left_shoulder': 16, 'left_elbow': 18, 'left_wrist': 20},
    **{'right_shoulder': 17, 'right_elbow': 19, 'right_wrist': 21},
}
_MARKS = {'neck_nose': 331, 'head_top': 411}
# SMPL's y points up and its bodies face along z.
_CAMERA_FROM_SMPL = (1.0, -1.0, -1.0)


class SmplShape(NamedTuple):
    """People by their shape parameters.

    Attributes:
        betas: (B, 10).
    """

    betas: Tensor


class SmplBody(nn.Module):
    """SMPL in our axes: a body in the reference pose stands upright and faces the camera.

    Attributes:
        layer: The model as smplx computes it.

    Source: Loper et al. 2015, by the package smplx.
        Differs: orientations in the camera frame instead of rotations against the parents;
        bodies are placed by their pelvis.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer('axes', torch.tensor(_CAMERA_FROM_SMPL), persistent=False)

    def shape(self, betas: Tensor) -> SmplShape:
        """Return people by their shape parameters (B, 10)."""
        return SmplShape(betas)

    def forward(self, shape: SmplShape, orientations: Tensor, place: Tensor) -> PosedBody:
        """Pose people.

        Args:
            shape: Of each of B people.
            orientations: (B, 24, 3, 3) of SMPL's bones in the camera frame.
            place: (B, 3) of the pelvis, metres.
        """
        axes = torch.as_tensor(self.axes)
        own = axes[:, None] * orientations * axes
        parents = torch.as_tensor(self.layer.parents).clamp(min=0)
        turns = own[:, parents].transpose(-1, -2) @ own
        turns = torch.cat([own[:, :1], turns[:, 1:]], dim=1)
        body: Any = self.layer(
            betas=shape.betas, body_pose=turns[:, 1:], global_orient=turns[:, :1], pose2rot=False
        )
        vertices, bones = body.vertices * axes, body.joints[:, :_BONES] * axes
        found = {name: bones[:, bone] for name, bone in _JOINTS.items()}
        found |= {name: vertices[:, vertex] for name, vertex in _MARKS.items()}
        joints = torch.stack([found[name] for name in H36M_17.joint_names], dim=1)
        move = (place - joints[:, 0])[:, None]
        return PosedBody(joints + move, bones + move, vertices + move)


def open_smpl(path: Path) -> SmplBody:
    """Open a file of SMPL that the user holds a licence for.

    Args:
        path: An npz with the arrays of SMPL's own file under their names. That file is a pickle,
            which may run code when it is opened: convert it once, where you trust it.

    Raises:
        MissingDependency: The package smplx is not installed.
        InputError: The file cannot be read, or lacks an array, or one has another shape.
    """
    try:
        from smplx import SMPLLayer
    except ImportError:
        raise MissingDependency(
            'SMPL needs the package smplx, which is not installed; pip install "elepose[smpl]"'
        ) from None
    arrays = _read(Path(path))
    return SmplBody(SMPLLayer(model_path='', data_struct=SimpleNamespace(**arrays)))


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != '.npz':
        raise InputError(
            f'{path} is no npz; expected the arrays of SMPL saved with numpy.savez (its own file '
            'is a pickle, which is not opened here)'
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f'{path} is not a readable npz of plain arrays ({error})') from None
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise InputError(f'{path} has no {missing[0]}; expected {", ".join(_ARRAYS)}')
    shapes = {
        'v_template': (_VERTICES, 3),
        'shapedirs': (_VERTICES, 3, _SHAPES),
        'posedirs': (_VERTICES, 3, 9 * (_BONES - 1)),
        'J_regressor': (_BONES, _VERTICES),
        'weights': (_VERTICES, _BONES),
        'kintree_table': (2, _BONES),
    }
    # Some files hold 300 of them.
    if arrays['shapedirs'].ndim == 3:
        arrays['shapedirs'] = arrays['shapedirs'][..., :_SHAPES]
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise InputError(f'{path}: {name} has shape {arrays[name].shape}; expected {shape}')
    # The root's parent is written as the largest number of its type.
    arrays['kintree_table'] = arrays['kintree_table'].astype(np.int64)
    arrays['kintree_table'][0, 0] = -1
    return {name: arrays[name] for name in _ARRAYS}
