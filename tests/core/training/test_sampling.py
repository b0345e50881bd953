# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Batches: which poses, which side, which joints."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training.sampling import (  # noqa: E402
    Keypoints2D,
    SamplingConfig,
    draw_angle,
    draw_rows,
    draw_visibility,
    mirrored,
)

LEFT, RIGHT = H36M_17.index('left_wrist'), H36M_17.index('right_wrist')


def _generator(seed: int = 0) -> 'torch.Generator':
    return torch.Generator().manual_seed(seed)


def _only(**shares: float) -> SamplingConfig:
    nothing = dict.fromkeys(('random_hidden_share', 'group_hidden_share'), 0.0)
    return SamplingConfig(**{**nothing, **shares})


def test_clips_are_counted_and_poses_chosen() -> None:
    index = torch.arange(4)
    clip = torch.tensor([0, 2, 2, 1])
    data = Keypoints2D(torch.randn(4, 17, 2), clip, frame=index, person=index * 10)
    assert (data.clips, data.people) == (3, 31)
    moved = data.to(torch.device('cpu')).select(torch.tensor([3, 1]))
    assert torch.equal(moved.rays, data.rays[[3, 1]])
    assert [moved.clip.tolist(), moved.frame.tolist(), moved.person.tolist()] == [
        *([1, 2], [3, 1], [30, 10]),
    ]


def test_every_row_is_drawn_as_often_as_any_other() -> None:
    rows, _ = draw_rows(5, 10_000, 0.0, _generator())
    share = torch.bincount(rows, minlength=6).double() / 10_000
    np.testing.assert_allclose(share, [0.2] * 5 + [0.0], atol=0.02)


@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_share_of_mirrored_poses_is_kept(share: float) -> None:
    _, flip = draw_rows(5, 10_000, share, _generator())
    assert abs(flip.double().mean() - share) < 0.02


@pytest.mark.parametrize('coordinates', [2, 3])
def test_mirrored_pose_by_hand(coordinates: int) -> None:
    points = torch.zeros(2, 17, coordinates)
    points[:, LEFT] = torch.tensor([0.3, 0.1, 4.0])[:coordinates]
    before, found = points.clone(), mirrored(points, torch.tensor([True, False]))
    # Left became right, and x changed sides; y and depth stay.
    assert found[0, RIGHT].tolist() == pytest.approx([-0.3, 0.1, 4.0][:coordinates])
    assert (found[0, LEFT] == 0).all()
    assert torch.equal(found[1], points[1])
    assert torch.equal(points, before)


def test_mirroring_twice_changes_nothing() -> None:
    points = torch.randn(6, 17, 3, generator=_generator())
    which = torch.tensor([True, False] * 3)
    assert torch.equal(mirrored(mirrored(points, which), which), points)


def test_angles_are_spread_evenly_within_their_bound() -> None:
    angle = draw_angle(20_000, 0.5, _generator())
    assert angle.abs().max() <= 0.5
    quarters = np.histogram(angle.numpy(), bins=4, range=(-0.5, 0.5))[0] / 20_000
    np.testing.assert_allclose(quarters, 0.25, atol=0.02)


def test_draws_follow_from_the_generator() -> None:
    torch.manual_seed(7)  # the global state neither matters nor moves
    state = torch.get_rng_state()
    for draw in (
        lambda g: draw_rows(50, 20, 0.5, g)[0],
        lambda g: draw_angle(20, 1.0, g),
        lambda g: draw_visibility(20, SamplingConfig(), g),
    ):
        first, again, other = (draw(_generator(seed)) for seed in (3, 3, 4))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
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
