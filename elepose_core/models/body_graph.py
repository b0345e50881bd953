# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The graph of bodies: a window of rays and scores in, joints and mesh of its last frame out."""

import torch
from torch import Tensor, nn

from elepose_core.models.body_student import BodyStudent, SeenClips, UpOfClips
from elepose_core.models.graph import OUTPUT_NAMES, variances_of
from elepose_core.models.lifter import UpEstimate
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
        student, (seen, up) = self.student, self._seen(rays, scores, up_cam, up_variance)
        angles = (up.elevation_rad, up.roll_rad, up.deviation_rad)
        estimate = student(seen, *angles, for_node=True)
        parts = (estimate.orientations, estimate.size, estimate.place, estimate.sigma)
        orientations, size, place, sigma = (part[:, 0] for part in parts)
        body = student.body(estimate.shape, orientations, torch.zeros_like(place))
        assert body.vertices is not None
        joints, vertices = (
            points * size[:, None, None] + place[:, None]
            for points in (body.joints, body.vertices)
        )
        own = UpEstimate(*(_last(angle, seen.frames) for angle in up.own))
        surprise = self._surprise(seen, up)
        columns = orientations[..., :2].transpose(-1, -2).flatten(1)
        return (
            joints,
            up.up_cam,
            sigma * self.sigma_factor,
            (surprise[:, None] < self.surprise_quantiles).to(surprise.dtype).mean(1),
            torch.stack(variances_of(own), dim=1),
            vertices,
            torch.cat([place, size[:, None], estimate.phenotypes, columns], dim=1),
        )

    def of_all_frames(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lift all frames of clips at once, each helped by those before and after.

        Returns:
            joints_cam: (B, T, 17, 3).
            up_cam_estimate: (B, 3).
        """
        seen, up = self._seen(rays, scores, up_cam, up_variance)
        estimate = self.student(seen, up.elevation_rad, up.roll_rad, up.deviation_rad)
        return self.student.joints(estimate), up.up_cam

    def surprise(self, rays: Tensor, scores: Tensor) -> Tensor:
        """Return -log p (B,) of the last frames of windows, completed, up unknown."""
        level = rays.new_tensor([0.0, -1.0, 0.0]).expand(len(rays), 3)
        unknown = rays.new_full((len(rays),), torch.inf)
        return self._surprise(*self._seen(rays, scores, level, unknown))

    def _seen(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[SeenClips, UpOfClips]:
        seen = self.student.seen(rays, scores, up_cam, up_variance)
        return seen, self.student.up(seen, up_cam, up_variance)

    def _surprise(self, seen: SeenClips, up: UpOfClips) -> Tensor:
        """Return -log p (B,) of the last frame, as it was completed."""
        pose_2d, scale = (
            _last(part, seen.frames) for part in (seen.frame.pose_2d, seen.frame.scale)
        )
        components = self.prior.whitened(scaled_pose(pose_2d))
        condition = view_condition(_last(up.elevation_rad, seen.frames), scale)
        return self.prior.negative_log_likelihood(components, condition)


def _last(frames: Tensor, count: int) -> Tensor:
    """Return the last of `count` frames of each clip (B, ...), of (B * T, ...)."""
    return of_clips(frames, count)[:, -1]
