# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Discriminators and what they see."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='discriminators are torch modules')
pytest.importorskip('FrEIA', reason='the scale of poses stands beside the prior')

from torch import Tensor  # noqa: E402

from elepose_core.models.discriminator import (  # noqa: E402
    Discriminator,
    DiscriminatorConfig,
    PoseJudges,
    motion_features,
)
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.priors.flow import scaled_pose  # noqa: E402

SMALL = DiscriminatorConfig(width=16, blocks=1, components=20)


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any]) -> Tensor:
    joints = crowd_of(400, seed=3).joints_cam_m
    rays = torch.from_numpy(joints[..., :2] / joints[..., 2:])
    return observe(rays, torch.ones_like(rays[..., 0])).pose_2d


@pytest.fixture(scope='module')
def judges(poses: Tensor) -> PoseJudges:
    torch.manual_seed(0)
    judges = PoseJudges(SMALL).double()
    judges.fit(poses[:200], poses[200:])
    return judges


def _alone(judges: PoseJudges, poses: Tensor) -> Tensor:
    return judges.frame.whitened(scaled_pose(poses))


def _in_a_row(judges: PoseJudges, first: Tensor, second: Tensor) -> Tensor:
    return judges.motion.whitened(motion_features(first, second))


def test_frozen_judges_alike_and_learns_nothing() -> None:
    torch.manual_seed(1)
    judge = Discriminator(4, 4, SMALL).double()
    seen = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(judge.frozen(seen), judge(seen))
    judge.frozen(seen).sum().backward()
    assert seen.grad is not None
    assert seen.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in judge.parameters())


def test_usual_poses_have_deviation_one_without_correlation(
    judges: PoseJudges, poses: Tensor
) -> None:
    alone = _alone(judges, poses).numpy()
    both = _in_a_row(judges, poses[:200], poses[200:]).numpy()
    assert alone.shape == (400, 20)
    assert both.shape == (200, 40)
    for features in (alone, both):
        spread = np.cov(features.T, bias=True)
        wide = np.diag(spread) > 0.5  # the crowd bends few joints: the other axes are bounded
        assert wide.sum() >= 10
        np.testing.assert_allclose(spread[np.ix_(wide, wide)], np.eye(wide.sum()), atol=1e-6)


def test_how_far_away_somebody_is_does_not_show(judges: PoseJudges, poses: Tensor) -> None:
    near = _alone(judges, poses * 3)
    torch.testing.assert_close(near, _alone(judges, poses), atol=1e-3, rtol=0)
    apart = _in_a_row(judges, poses[:9] * 3, poses[9:18] * 3)
    seen = _in_a_row(judges, poses[:9], poses[9:18])
    torch.testing.assert_close(apart, seen, atol=1e-3, rtol=0)


def test_coming_nearer_is_motion(judges: PoseJudges, poses: Tensor) -> None:
    still = _in_a_row(judges, poses[:9], poses[:9])
    nearer = _in_a_row(judges, poses[:9], poses[:9] * 1.1)
    assert (still - nearer).abs().max() > 0.1
