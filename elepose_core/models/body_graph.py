# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The graph of bodies: a window of rays and scores in, joints and mesh of its last frame out."""

import torch
from torch import Tensor, nn

from elepose_core.models.body_student import BodyEstimate, BodyStudent, SeenClips, UpOfClips
from elepose_core.models.completion import whole
from elepose_core.models.graph import OUTPUT_NAMES, variances_of
from elepose_core.models.lifter import UpEstimate
from elepose_core.models.observation import Observation, project
from elepose_core.models.temporal import of_clips
from elepose_core.priors.flow import FlowPrior, scaled_pose, view_condition
from elepose_core.skeleton import H36M_17

__all__ = ['BODY_OUTPUT_NAMES', 'BodyGraph']

BODY_OUTPUT_NAMES = (*OUTPUT_NAMES, 'vertices_cam', 'body_parameters')
_JOINTS = len(H36M_17)


class BodyGraph(nn.Module):
    """Student, body model and prior.

    Attributes:
        student: Trained.
        prior: Conditional density of complete poses.
        sigma_factor: (17,) from the student's sigma to the calibrated one.
        surprise_quantiles: (Q,) rising quantiles of -log p over training poses.
    """

    sigma_factor: Tensor
    surprise_quantiles: Tensor

    def __init__(self, student: BodyStudent, prior: FlowPrior) -> None:
        super().__init__()
        self.student = student
        self.prior = prior
        self.register_buffer('sigma_factor', torch.ones(_JOINTS))
        self.register_buffer('surprise_quantiles', torch.linspace(-50.0, 150.0, 101))

    def forward(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Tensor, ...]:
        """Lift the last frame of a window per row, helped by those before.

        Args:
            rays: (B, T, 17, 2) undistorted x/z, y/z; NaN = missing. Frames before a person was
                first seen have no joint at all.
            scores: (B, T, 17); 0 = missing.
            up_cam: (B, 3) unit vector against gravity in the camera frame, from elsewhere; any
                unit vector if unknown.
            up_variance: (B,) of its elevation and roll, rad^2: 0 = certain, infinite = unknown.

        Returns:
            `LiftingGraph.forward`'s outputs of the last frame, and
            vertices_cam: (B, V, 3) of the mesh, in the camera frame, same unit as the joints.
            body_parameters: (B, 130) see docs/conventions.md.
        """
        student = self.student
        seen, up, estimate = self._estimated(rays, scores, up_cam, up_variance)
        last = BodyEstimate(estimate.phenotypes, *(part[:, -1] for part in estimate[1:]))
        shape = student.body.shape(last.phenotypes)
        body = student.body(shape, last.orientations, torch.zeros_like(last.place))
        assert body.vertices is not None
        joints, vertices = (
            points * last.size[:, None, None] + last.place[:, None]
            for points in (body.joints, body.vertices)
        )
        own = UpEstimate(*(_last(angle, seen.frames) for angle in up.own))
        surprise = self._surprise(seen, up, joints)
        return (
            joints,
            up.up_cam,
            last.sigma * self.sigma_factor,
            (surprise[:, None] < self.surprise_quantiles).to(surprise.dtype).mean(1),
            torch.stack(variances_of(own), dim=1),
            vertices,
            _parameters(last),
        )

    def of_all_frames(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lift all frames of clips at once, each helped by those before and after.

        Returns:
            joints_cam: (B, T, 17, 3).
            up_cam_estimate: (B, 3).
        """
        _, up, estimate = self._estimated(rays, scores, up_cam, up_variance)
        return self.student.joints(estimate), up.up_cam

    def surprise(self, rays: Tensor, scores: Tensor) -> Tensor:
        """Return -log p (B,) of the last frames of windows, completed, up unknown."""
        level = rays.new_tensor([0.0, -1.0, 0.0]).expand(len(rays), 3)
        unknown = rays.new_full((len(rays),), torch.inf)
        seen, up, estimate = self._estimated(rays, scores, level, unknown)
        return self._surprise(seen, up, self.student.joints(estimate)[:, -1])

    def _estimated(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[SeenClips, UpOfClips, BodyEstimate]:
        seen = self.student.seen(rays, scores)
        up = self.student.up(seen, up_cam, up_variance)
        return seen, up, self.student(seen, up.elevation_rad, up.roll_rad, up.deviation_rad)

    def _surprise(self, seen: SeenClips, up: UpOfClips, joints: Tensor) -> Tensor:
        """Return -log p (B,) of the last frame, completed by joints (B, 17, 3)."""
        parts = (seen.frame.pose_2d, seen.frame.visible, seen.frame.scale, seen.frame.rotation)
        last = Observation(*(_last(part, seen.frames) for part in parts))
        guess = project(joints @ last.rotation.transpose(1, 2))
        complete = whole(last, torch.where(last.visible[..., None] > 0, last.pose_2d, guess))
        components = self.prior.whitened(scaled_pose(complete.pose_2d))
        elevation = _last(up.elevation_rad, seen.frames)
        condition = view_condition(elevation, complete.scale)
        return self.prior.negative_log_likelihood(components, condition)


def _last(frames: Tensor, count: int) -> Tensor:
    """Return the last of `count` frames of each clip (B, ...), of (B * T, ...)."""
    return of_clips(frames, count)[:, -1]


def _parameters(body: BodyEstimate) -> Tensor:
    """Return (B, 130): place, size, phenotypes, first two columns of the orientations."""
    columns = body.orientations[..., :2].transpose(-1, -2).flatten(1)
    return torch.cat([body.place, body.size[:, None], body.phenotypes, columns], dim=1)
