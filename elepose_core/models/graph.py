# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The graph that is deployed: rays and scores in, joints in the camera frame out.

The maths between the two stands here once; training, evaluation and the exported bundle share it.
"""

import torch
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import (
    elevation_and_roll,
    rotated,
    up_from_elevation_and_roll,
)
from elepose_core.models.adapter import PoseAdapter
from elepose_core.models.completion import assumed_roll, whole
from elepose_core.models.lifter import Lifted, Lifter, UpEstimate
from elepose_core.models.observation import Observation, observe
from elepose_core.priors.flow import FlowPrior, scaled_pose, view_condition
from elepose_core.skeleton import H36M_17

__all__ = [
    'INPUT_NAMES',
    'OUTPUT_NAMES',
    'LiftingGraph',
    'fused',
    'unknown_up',
    'variances_of',
]

INPUT_NAMES = ('rays', 'scores', 'up_cam', 'up_variance')
OUTPUT_NAMES = ('joints_cam', 'up_cam_estimate', 'sigma', 'plausibility', 'up_variance_estimate')
_JOINTS = len(H36M_17)
# A told direction with variance 0 outweighs the estimate by far, in finite numbers.
_LEAST_VARIANCE = 1e-8


class LiftingGraph(nn.Module):
    """Virtual camera, up direction, missing joints, lifting and the way back.

    Attributes:
        lifter: Trained.
        prior: Conditional density of complete poses.
        adapter: Brings the keypoints of detectors to those that the lifter learned from; None
            where they are alike.
        sigma_factor: (17,) from the lifter's sigma to the calibrated one.
        surprise_quantiles: (Q,) rising quantiles of -log p over training poses.
    """

    sigma_factor: Tensor
    surprise_quantiles: Tensor

    def __init__(
        self, lifter: Lifter, prior: FlowPrior, adapter: PoseAdapter | None = None
    ) -> None:
        super().__init__()
        self.lifter = lifter
        self.prior = prior
        self.adapter = adapter
        self.register_buffer('sigma_factor', torch.ones(_JOINTS))
        self.register_buffer('surprise_quantiles', torch.linspace(-50.0, 150.0, 101))

    def forward(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Lift one person per row.

        Args:
            rays: (B, 17, 2) undistorted x/z, y/z; NaN = missing.
            scores: (B, 17); 0 = missing.
            up_cam: (B, 3) unit vector against gravity in the camera frame, from elsewhere; any
                unit vector if unknown.
            up_variance: (B,) of its elevation and roll, rad^2: 0 = certain, infinite = unknown.
                In between it is fused with the graph's own estimate.

        Returns:
            joints_cam: (B, 17, 3) in the camera frame, in units of the root's depth in the
                virtual camera: the person's place and shape up to one scale. Missing joints are
                completed.
            up_cam_estimate: (B, 3) the graph's own estimate, told or not.
            sigma: (B, 17) radius in which 68 % of the errors lie, same unit.
            plausibility: (B,) share of usual poses that are less likely than this one.
            up_variance_estimate: (B, 2) of elevation and roll of the own estimate, rad^2.
        """
        seen = self._seen(rays, scores, up_cam, up_variance)
        lifted, own, elevation = self._lifted(seen, up_cam, up_variance)
        up = up_from_elevation_and_roll(own.elevation_rad, own.roll_rad)
        surprise = self._surprise(seen, elevation)
        return (
            lifted.joints @ seen.rotation,
            # Rows of the rotation are the virtual axes: v_cam = R^T v_virtual.
            rotated(up, seen.rotation.transpose(1, 2)),
            lifted.sigma * self.sigma_factor,
            (surprise[:, None] < self.surprise_quantiles).to(surprise.dtype).mean(1),
            torch.stack(variances_of(own), dim=1),
        )

    def surprise(self, rays: Tensor, scores: Tensor) -> Tensor:
        """Return -log p (B,) of poses (see `forward`), completed by what is lifted, up unknown."""
        seen = self._seen(rays, scores, *unknown_up(rays))
        return self._surprise(seen, self.lifter.up(seen).elevation_rad)

    def _lifted(
        self, seen: Observation, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Lifted, UpEstimate, Tensor]:
        """Return joints in the virtual camera, the own up, and the elevation that was used."""
        own = self.lifter.up(seen)
        elevation_variance, roll_variance = variances_of(own)
        told = rotated(up_cam, seen.rotation)
        told_elevation, told_roll = elevation_and_roll(told)
        elevation, variance = fused(
            own.elevation_rad, elevation_variance, told_elevation, up_variance
        )
        roll, _ = fused(own.roll_rad, roll_variance, told_roll, up_variance)
        return self.lifter(seen, elevation, roll, torch.sqrt(variance / 2)), own, elevation

    def _seen(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> Observation:
        """Return whole people; where their missing joints are depends on what is up."""
        finite = (rays == rays).all(-1) & (rays.abs() < 1e4).all(-1)
        visible = (finite & (scores > 0)).to(rays.dtype)
        seen = observe(torch.where(visible[..., None] > 0, rays, 0.0), visible)
        _, told_roll = elevation_and_roll(rotated(up_cam, seen.rotation))
        seen = whole(seen, self.lifter.completion(seen, assumed_roll(told_roll, up_variance)))
        return seen if self.adapter is None else self.adapter(seen)

    def _surprise(self, seen: Observation, elevation: Tensor) -> Tensor:
        components = self.prior.whitened(scaled_pose(seen.pose_2d))
        condition = view_condition(elevation, seen.scale)
        return self.prior.negative_log_likelihood(components, condition)


def unknown_up(rays: Tensor) -> tuple[Tensor, Tensor]:
    """Return `up_cam` and `up_variance` that say nothing, for people (B, 17, 2)."""
    level = rays.new_tensor([0.0, -1.0, 0.0]).expand(len(rays), 3)
    return level, rays.new_full((len(rays),), torch.inf)


def variances_of(own: UpEstimate) -> tuple[Tensor, Tensor]:
    """Return the variances (B,) of elevation and roll whose errors have exponential tails."""
    return 2 * own.elevation_deviation_rad**2, 2 * own.roll_deviation_rad**2


def fused(
    own: Tensor, own_variance: Tensor, told: Tensor, told_variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Weigh two angles (B,) by their inverse variances; return the mean and its variance."""
    # A bound, not a sum: the ONNX exporter drops summands this small.
    own_weight = 1.0 / own_variance.clamp(min=_LEAST_VARIANCE)
    told_weight = 1.0 / told_variance.clamp(min=_LEAST_VARIANCE)
    total = own_weight + told_weight
    return (own_weight * own + told_weight * told) / total, 1.0 / total
