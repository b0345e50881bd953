# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The prior at tiny size: it learns poses and views, follows from its seed, can diverge."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.priors.flow import (  # noqa: E402
    FlowPrior,
    PriorConfig,
    scaled_pose,
    view_condition,
)
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


def test_prior_that_is_told_the_view_expects_what_is_seen_from_there(
    crowd_of: Callable[..., Any], keypoints_of: Callable[..., Keypoints2D]
) -> None:
    """People seen from above look otherwise than people seen from below; so do near ones."""
    crowds = [crowd_of(300, seed=s, elevation_deg=e) for s, e in enumerate([(-30, -20), (40, 50)])]
    parts = [keypoints_of(crowd, clip_length=300) for crowd in crowds]
    rays = torch.cat([part.rays for part in parts]).float()
    clip = torch.arange(600) // 300
    data = Keypoints2D(rays, clip, torch.arange(600), clip)
    means = [float(crowd.elevation_rad.mean()) for crowd in crowds]
    config = CONFIG.model_copy(update={'steps': 200, 'learning_rate': 5e-3})
    prior = train_prior(data, config, 1, lambda *_: None, clip_elevation=torch.tensor(means))
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    fresh = [keypoints_of(crowd_of(200, seed=9, elevation_deg=e)) for e in ((-30, -20), (40, 50))]
    for part, true, wrong in zip(fresh, means, means[::-1], strict=True):
        seen = observe(part.rays.float(), torch.ones(part.rays.shape[:2]))
        components = prior.whitened(scaled_pose(seen.pose_2d))
        right, mistaken = (
            prior.negative_log_likelihood(
                components, view_condition(torch.full((200,), elevation), seen.scale)
            ).median()
            for elevation in (true, wrong)
        )
        assert right < mistaken - 0.5


def test_prior_that_diverges_names_the_step(data: Keypoints2D) -> None:
    rays = data.rays.clone()
    rays[:, 5] = float('nan')
    spoilt = Keypoints2D(rays, data.clip, data.frame, data.person)
    with pytest.raises((FloatingPointError, torch.linalg.LinAlgError)):
        train_prior(spoilt, CONFIG, 0, lambda *_: None)
