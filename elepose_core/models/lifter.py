# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The lifter: 2D joints of one person, some missing or shaken, to 3D and the up direction."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import image_turn
from elepose_core.models.completion import Completion
from elepose_core.models.observation import Observation, ResidualTrunk, back_project
from elepose_core.models.teacher import LifterConfig, Teacher
from elepose_core.skeleton import H36M_17

__all__ = ['Lifted', 'Lifter', 'UpEstimate']

_JOINTS = len(H36M_17)
_ROOT = H36M_17.index('pelvis')
# A told direction is never taken to be surer than this: keeps the logarithm finite.
_LEAST_DEVIATION_RAD = 0.02


class UpEstimate(NamedTuple):
    """The up direction in the virtual camera as two angles, each with its spread.

    Attributes:
        elevation_rad: (B,) of the virtual camera.
        roll_rad: (B,) of the virtual camera.
        elevation_deviation_rad: (B,) mean absolute error to expect.
        roll_deviation_rad: (B,) likewise.
    """

    elevation_rad: Tensor
    roll_rad: Tensor
    elevation_deviation_rad: Tensor
    roll_deviation_rad: Tensor


class Lifted(NamedTuple):
    """Output of `Lifter.forward`.

    Attributes:
        joints: (B, 17, 3) in the virtual camera, root at depth 1; missing joints are completed.
        sigma: (B, 17) radius in which 68 % of the errors are expected, same unit.
    """

    joints: Tensor
    sigma: Tensor


class Lifter(nn.Module):
    """Joints given the up direction, and the up direction that is assumed when nobody tells it.

    The input is turned in the image until up lies in the plane of the virtual camera's y and z,
    so that the network never sees a rolled person; its output is turned back. It has the size of
    the teacher, from which it starts. Missing joints are guessed first, in the image, so that the
    teacher's view of a whole person holds for them too.
    """

    def __init__(self, config: LifterConfig) -> None:
        super().__init__()
        self.config = config
        seen = 3 * _JOINTS + 1
        self.completion = Completion(config.completion_width, config.completion_blocks)
        self.up_trunk = ResidualTrunk(seen, config.elevation_width, config.elevation_blocks)
        self.up_head = nn.Linear(config.elevation_width, 4)
        self.trunk = ResidualTrunk(seen + 3, config.width, config.blocks)
        self.depth_head = nn.Linear(config.width, _JOINTS)
        self.pose_head = nn.Linear(config.width, 2 * _JOINTS)
        self.sigma_head = nn.Linear(config.width, _JOINTS)
        # Training starts from a flat person and a level camera, with spreads of a usual size.
        for head in (self.up_head, self.depth_head, self.pose_head, self.sigma_head):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)
        with torch.no_grad():
            self.up_head.bias[2:] = -2.0
            self.sigma_head.bias.fill_(-1.5)

    @torch.no_grad()
    def start_from(self, teacher: Teacher) -> None:
        """Take over what the teacher knows: the same output for complete poses, up told or not.

        The teacher is told up as a vector, without roll (0, -cos e, -sin e); the lifter sin e and
        cos e. What only the lifter is told starts without weight.
        """
        pose = slice(0, 2 * _JOINTS)
        for mine, its in ((self.up_trunk, teacher.elevation_trunk), (self.trunk, teacher.trunk)):
            mine.body.load_state_dict(its.body.state_dict())
            mine.entry.bias.copy_(its.entry.bias)
            weight, told = mine.entry.weight, its.entry.weight
            weight.zero_()
            weight[:, pose] = told[:, pose]
            weight[:, 3 * _JOINTS] = told[:, 2 * _JOINTS]
        vector = teacher.trunk.entry.weight[:, 2 * _JOINTS + 1 :]
        self.trunk.entry.weight[:, 3 * _JOINTS + 1] = -vector[:, 2]
        self.trunk.entry.weight[:, 3 * _JOINTS + 2] = -vector[:, 1]
        self.depth_head.load_state_dict(teacher.depth_head.state_dict())
        self.up_head.weight[0] = teacher.elevation_head.weight[0]
        self.up_head.bias[0] = teacher.elevation_head.bias[0]

    def up(self, observation: Observation) -> UpEstimate:
        """Estimate the up direction from one frame."""
        out = self.up_head(self.up_trunk(_features(observation.pose_2d, observation)))
        angles = 1.5 * torch.tanh(out[:, :2])
        deviations = torch.exp(out[:, 2:].clamp(-5.0, 1.0))
        return UpEstimate(angles[:, 0], angles[:, 1], deviations[:, 0], deviations[:, 1])

    def forward(
        self,
        observation: Observation,
        elevation_rad: Tensor,
        roll_rad: Tensor,
        deviation_rad: Tensor,
    ) -> Lifted:
        """Lift.

        Args:
            observation: A whole person, completed by `completion`.
            elevation_rad: (B,) of the virtual camera.
            roll_rad: (B,) of the virtual camera.
            deviation_rad: (B,) how far off the elevation may be; 0 = certain.
        """
        turn = image_turn(roll_rad)
        pose_2d = observation.pose_2d @ turn
        elevation, deviation = elevation_rad[:, None], deviation_rad[:, None]
        told = [
            torch.sin(elevation),
            torch.cos(elevation),
            torch.log(deviation + _LEAST_DEVIATION_RAD),
        ]
        hidden = self.trunk(torch.cat([_features(pose_2d, observation), *told], dim=1))
        scale = observation.scale[:, None]
        offset = self.depth_head(hidden)
        offset = offset - offset[:, _ROOT, None]
        correction = self.pose_head(hidden).reshape(-1, _JOINTS, 2) * scale[..., None]
        joints = back_project(pose_2d + correction, 1.0 + offset * scale)
        joints = torch.cat([joints[..., :2] @ turn.transpose(1, 2), joints[..., 2:]], dim=-1)
        sigma = torch.exp(self.sigma_head(hidden).clamp(-8.0, 3.0))
        return Lifted(joints, sigma * scale)


def _features(pose_2d: Tensor, observation: Observation) -> Tensor:
    """Return (B, 52): scaled joints, which of them were seen, logarithm of the angular size."""
    scaled = pose_2d / observation.scale[:, None, None]
    log_scale = torch.log(observation.scale)[:, None]
    return torch.cat([scaled.flatten(1), observation.visible, log_scale], dim=1)
