# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The prior at tiny size: it learns, follows from its seed, and says when it diverges."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.priors.flow import FlowPrior, PriorConfig, scaled_pose  # noqa: E402
from elepose_core.training.prior import train_prior  # noqa: E402
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

CONFIG = PriorConfig(components=12, blocks=2, width=16, steps=40, batch_size=64)


@pytest.fixture(scope='module')
def data(crowd_of: Callable[..., Any]) -> Keypoints2D:
    joints = torch.from_numpy(crowd_of(600).joints_cam_m).float()
    index = torch.arange(600)
    return Keypoints2D(joints[..., :2] / joints[..., 2:], index // 10, index % 10, index // 100)


@pytest.fixture(scope='module')
def prior_and_losses(data: Keypoints2D) -> tuple[FlowPrior, list[float]]:
    found: list[float] = []
    prior = train_prior(data, CONFIG, 1, lambda _, loss: found.append(loss))
    return prior, found


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_prior_learns_and_is_frozen_then(
    data: Keypoints2D, prior_and_losses: tuple[FlowPrior, list[float]]
) -> None:
    prior, found = prior_and_losses
    assert len(found) == CONFIG.steps
    assert sum(found[-5:]) < sum(found[:5])
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    # What it has seen is likelier than limbs in disorder.
    poses = observe(data.rays, torch.ones(data.rays.shape[:2])).pose_2d
    shuffled = poses[:, torch.randperm(17, generator=torch.Generator().manual_seed(0))]
    likely, unlikely = (
        prior.negative_log_likelihood(prior.whitened(scaled_pose(p))).median()
        for p in (poses, shuffled)
    )
    assert likely < unlikely - 2


def test_prior_follows_from_its_seed(
    data: Keypoints2D, prior_and_losses: tuple[FlowPrior, list[float]]
) -> None:
    again = train_prior(data, CONFIG, 1, lambda *_: None)
    assert _same(again.state_dict(), prior_and_losses[0].state_dict())
    other = train_prior(data, CONFIG, 2, lambda *_: None)
    assert not _same(other.state_dict(), prior_and_losses[0].state_dict())


def test_prior_that_diverges_names_the_step(data: Keypoints2D) -> None:
    rays = data.rays.clone()
    rays[:, 5] = float('nan')
    spoilt = Keypoints2D(rays, data.clip, data.frame, data.person)
    with pytest.raises((FloatingPointError, torch.linalg.LinAlgError)):
        train_prior(spoilt, CONFIG, 0, lambda *_: None)
