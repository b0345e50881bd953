# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Batches: which poses, which side, which joints."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training.sampling import (  # noqa: E402
    SamplingConfig,
    draw_rays,
    draw_visibility,
)


def _generator(seed: int = 0) -> 'torch.Generator':
    return torch.Generator().manual_seed(seed)


def _only(**shares: float) -> SamplingConfig:
    nothing = dict.fromkeys(
        ('mirrored_share', 'random_hidden_share', 'group_hidden_share', 'noisy_share'), 0.0
    )
    return SamplingConfig(**{**nothing, **shares})


def test_drawn_poses_are_rows_of_the_data() -> None:
    rays = torch.arange(5.0)[:, None, None].expand(5, 17, 2)
    drawn = draw_rays(rays, 200, _only(), _generator())
    assert drawn.shape == (200, 17, 2)
    assert set(drawn[:, 0, 0].tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert (drawn == drawn[:, :1, :1]).all()


def test_mirrored_pose_by_hand() -> None:
    rays = torch.zeros(1, 17, 2)
    left, right = H36M_17.index('left_wrist'), H36M_17.index('right_wrist')
    rays[0, left] = torch.tensor([0.3, 0.1])
    drawn = draw_rays(rays, 4, _only(mirrored_share=1.0), _generator())
    torch.testing.assert_close(drawn[:, right], torch.tensor([[-0.3, 0.1]]).expand(4, 2))
    assert (drawn[:, left] == 0).all()


def test_half_of_the_poses_are_mirrored() -> None:
    rays = torch.ones(1, 17, 2)
    drawn = draw_rays(rays, 4000, SamplingConfig(), _generator())
    assert 0.45 < (drawn[:, 0, 0] < 0).float().mean() < 0.55


def test_draws_follow_from_the_generator() -> None:
    rays = torch.randn(50, 17, 2)
    first = draw_rays(rays, 20, SamplingConfig(), _generator(3))
    assert torch.equal(first, draw_rays(rays, 20, SamplingConfig(), _generator(3)))
    assert not torch.equal(first, draw_rays(rays, 20, SamplingConfig(), _generator(4)))
    torch.manual_seed(7)  # the global state neither matters nor moves
    state = torch.get_rng_state()
    draw_visibility(20, SamplingConfig(), _generator(3))
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_is_hidden_where_nothing_shall_be() -> None:
    assert (draw_visibility(100, _only(), _generator()) == 1).all()


def test_shares_of_hiding_are_kept() -> None:
    config = _only(random_hidden_share=0.3, group_hidden_share=0.3)
    hidden = (draw_visibility(5000, config, _generator()) == 0).any(1).float().mean()
    # Some of the 30 % at random hide nothing, because their rate is near zero.
    assert 0.5 < hidden < 0.6


def test_random_hiding_takes_up_to_the_rate_of_each_joint() -> None:
    config = _only(random_hidden_share=1.0)
    rate = (draw_visibility(8000, config, _generator()) == 0).float().mean(0).numpy()
    np.testing.assert_allclose(rate, 0.2, atol=0.02)  # uniform up to 0.4


def test_groups_are_limbs_of_one_side_or_the_lower_body() -> None:
    masks = draw_visibility(400, _only(group_hidden_share=1.0), _generator())
    hidden = {tuple(torch.nonzero(row == 0)[:, 0].tolist()) for row in masks}
    names = H36M_17.joint_names
    assert (12, 13) in hidden  # left elbow and wrist
    assert (15, 16) in hidden
    assert (9, 10) in hidden  # the head
    waist = next(group for group in hidden if 0 in group)
    assert {names[i] for i in waist} == {
        *('pelvis', 'spine', 'left_hip', 'right_hip', 'left_knee', 'right_knee'),
        *('left_ankle', 'right_ankle'),
    }
    mirror = H36M_17.mirror
    assert hidden == {tuple(sorted(mirror[i] for i in group)) for group in hidden}
