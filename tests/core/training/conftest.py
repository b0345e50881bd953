# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Generated people as the stages of training take them, and small networks with large heads."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from torch import Tensor  # noqa: E402

from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.models.teacher import LifterConfig, Teacher  # noqa: E402
from elepose_core.priors.flow import FlowPrior, PriorConfig, scaled_pose  # noqa: E402
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

TINY = LifterConfig(
    width=16,
    blocks=1,
    elevation_width=16,
    elevation_blocks=1,
    completion_width=16,
    completion_blocks=1,
)


def _keypoints(crowd: Any, clip_length: int = 1) -> Keypoints2D:
    """Photograph people in double precision; `clip_length` of them make a clip of one person."""
    rays = torch.from_numpy(crowd.joints_cam_m[..., :2] / crowd.joints_cam_m[..., 2:])
    index = torch.arange(len(rays))
    clip = index // clip_length
    return Keypoints2D(rays, clip, index % clip_length, clip)


def _teacher(seed: int = 1, config: LifterConfig = TINY) -> Teacher:
    """Return a teacher with heads that are larger than at the start, so that mistakes show."""
    torch.manual_seed(seed)
    teacher = Teacher(config).double()
    for head in (teacher.depth_head, teacher.elevation_head):
        torch.nn.init.normal_(head.weight, std=0.1)
    return teacher


def _prior(rays: Tensor, conditions: int = 0, seed: int = 0) -> FlowPrior:
    """Return a density that knows the components of these poses; nothing else is fitted."""
    torch.manual_seed(seed)
    prior = FlowPrior(PriorConfig(components=8, blocks=2, width=8), conditions).double()
    prior.fit_components(scaled_pose(observe(rays, torch.ones_like(rays[..., 0])).pose_2d))
    for parameter in prior.parameters():  # away from the near-identity it starts as
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return prior.requires_grad_(False)


@pytest.fixture(scope='session')
def keypoints_of() -> Callable[..., Keypoints2D]:
    return _keypoints


@pytest.fixture(scope='session')
def teacher_of() -> Callable[..., Teacher]:
    return _teacher


@pytest.fixture(scope='session')
def prior_of() -> Callable[..., FlowPrior]:
    return _prior
