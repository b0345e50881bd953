# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Whole clips, from a noisy first lift to something closer to the truth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core import metrics
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import angle_between, elevation_from_up_cam
from elepose_core.refinement.clips import Refined, refine
from elepose_core.refinement.config import RefinementConfig
from elepose_core.skeleton import H36M_17

Array = NDArray[np.float64]
WalkOf = Callable[..., Any]
# Generated people differ from these by a few percent, as real ones do from the mean.
RATIOS = np.array(
    [0.36, 1.65, 1.7, 0.36, 1.65, 1.7, 1.15, 0.9, 0.5, 0.5, 0.75, 1.2, 0.85, 0.75, 1.2, 0.85]
)


def _refined(walk: Any, lift: Any, person: Any = 0, **changes: Any) -> Refined:
    persons = None if person is None else np.full(len(walk.clip), person)
    config = RefinementConfig(**changes)
    return refine(walk.rays, walk.clip, walk.frame, persons, lift, RATIOS, config)


def _error(joints: Any, walk: Any) -> float:
    pose = metrics.root_centred(joints.astype(np.float64))
    truth = metrics.root_centred(walk.joints_cam)
    return float(metrics.n_mpjpe_mm(pose, truth).mean())


def _up_error_deg(up: Any, walk: Any) -> float:
    return float(np.degrees(angle_between(up, walk.up_cam)).mean())


@pytest.fixture(scope='module')
def walk(walk_of: WalkOf) -> Any:
    return walk_of()


@pytest.fixture(scope='module')
def lift(walk: Any, lifter_of: WalkOf) -> Any:
    return lifter_of(walk)


@pytest.fixture(scope='module')
def refined(walk: Any, lift: Any) -> Refined:
    return _refined(walk, lift)


def test_the_walk_keeps_its_bones_and_its_floor(walk: Any) -> None:
    """The truth of these tests is true."""
    parents, children = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    joints = walk.joints_cam
    lengths = np.linalg.norm(joints[:, parents] - joints[:, children], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(walk.bones, lengths.shape), atol=0.02)
    heights = np.einsum('njk,nk->nj', joints[:, [3, 6]], walk.up_cam).min(1)
    for clip in range(3):
        assert np.ptp(heights[walk.clip == clip]) < 0.02
    assert (joints[..., 2] > 5).all()


def test_poses_up_and_bones_come_closer_to_the_truth(
    walk: Any, lift: Any, refined: Refined
) -> None:
    joints, up = lift(walk.rays, np.ones((len(walk.clip), 17), np.float32), None)
    assert _error(refined.joints_cam, walk) < 0.4 * _error(joints, walk)
    assert _up_error_deg(up, walk) > 3.5
    assert _up_error_deg(refined.up_cam, walk) < 1.5
    assert np.abs(refined.bone_lengths[0] - walk.bones).max() < 0.05
    # Metres are what is sought: the distance of the person comes out in mean bone lengths.
    distance = np.linalg.norm(refined.joints_cam[:, 0], axis=1)
    truth = np.linalg.norm(walk.joints_cam[:, 0], axis=1)
    assert np.abs(distance / truth - 1).max() < 0.05


def test_joints_stay_on_their_rays(walk: Any, refined: Refined) -> None:
    joints = refined.joints_cam.astype(np.float64)
    np.testing.assert_allclose(joints[..., :2] / joints[..., 2:], walk.rays, atol=1e-5)


def test_one_up_per_clip_and_one_set_of_bones_per_person(walk: Any, refined: Refined) -> None:
    for clip in range(3):
        assert np.ptp(refined.up_cam[walk.clip == clip], axis=0).max() == 0
        assert np.ptp(refined.elevation_deviation_rad[walk.clip == clip]) == 0
    np.testing.assert_allclose(np.linalg.norm(refined.up_cam, axis=1), 1, atol=1e-6)
    assert refined.person.tolist() == [0]
    assert refined.bone_lengths.shape == (1, 16)
    assert refined.bone_lengths.mean() == pytest.approx(1, abs=1e-3)


def test_nobody_named_means_bones_of_each_clip(walk: Any, lift: Any, refined: Refined) -> None:
    alone = _refined(walk, lift, person=None)
    assert alone.person.tolist() == [0, 1, 2]
    assert alone.bone_lengths.shape == (3, 16)
    spread = np.ptp(alone.bone_lengths, axis=0)
    assert spread.max() > 1e-3
    assert _error(alone.joints_cam, walk) > _error(refined.joints_cam, walk)


def test_order_of_the_input_does_not_matter(
    walk_of: WalkOf, lifter_of: WalkOf, random: np.random.Generator
) -> None:
    walk = walk_of(clips=2, frames=12)
    lift = lifter_of(walk)
    straight = _refined(walk, lift)
    order = random.permutation(len(walk.clip))
    shuffled = refine(
        walk.rays[order], 7 - walk.clip[order], walk.frame[order], None, _swapped(lift), RATIOS
    )
    again = refine(walk.rays, walk.clip, walk.frame, None, lift, RATIOS)
    np.testing.assert_allclose(shuffled.joints_cam, again.joints_cam[order], atol=1e-4)
    np.testing.assert_allclose(shuffled.up_cam, again.up_cam[order], atol=1e-6)
    assert straight.joints_cam.shape == shuffled.joints_cam.shape


def _swapped(lift: Any) -> Any:
    """Return the lifter for the same two clips in the other order."""

    def swapped(rays: Any, scores: Any, told: Any) -> tuple[Any, ...]:
        half = len(rays) // 2
        joints, up = lift(rays, scores, told)
        return np.roll(joints, half, axis=0), np.roll(up, half, axis=0)

    return swapped


def test_a_clip_without_motion_keeps_the_lifters_up(walk_of: WalkOf, lifter_of: WalkOf) -> None:
    walk = walk_of(clips=1, frames=30, speed=0.0)
    still = walk_of(clips=1, frames=30, speed=0.0)
    still.joints_cam[:] = walk.joints_cam[:1]
    lift = lifter_of(still)
    _, up = lift(still.rays, np.ones((30, 17), np.float32), None)
    refined = _refined(still, lift)
    change = elevation_from_up_cam(refined.up_cam)[0] - elevation_from_up_cam(up).mean()
    assert abs(np.degrees(change)) < 0.5
    # Nothing but the prior of 3 degrees is known of its elevation.
    assert np.degrees(refined.elevation_deviation_rad[0]) == pytest.approx(3, abs=0.3)


def test_motion_in_depth_determines_the_elevation(walk: Any, refined: Refined) -> None:
    assert np.degrees(refined.elevation_deviation_rad).max() < 1.5


def test_moved_is_the_distance_from_the_lift(walk: Any, lift: Any, refined: Refined) -> None:
    joints, _ = lift(walk.rays, np.ones((len(walk.clip), 17), np.float32), None)
    distance = np.linalg.norm(refined.joints_cam[:, 0], axis=1)
    scaled = joints * (distance / np.linalg.norm(joints[:, 0], axis=1))[:, None, None]
    expected = np.linalg.norm(scaled - refined.joints_cam, axis=-1).mean(1)
    np.testing.assert_allclose(refined.moved, expected, atol=1e-4)


def test_a_gap_in_frames_is_no_motion(walk_of: WalkOf, lifter_of: WalkOf) -> None:
    walk = walk_of(clips=1, frames=40)
    kept = np.r_[0:10, 25:40]
    cut = type(walk)(walk.joints_cam[kept], walk.up_cam[kept], walk.clip[kept], kept, walk.bones)
    lift = lifter_of(cut)
    joints, _ = lift(cut.rays, np.ones((25, 17), np.float32), None)
    refined = _refined(cut, lift)
    assert _error(refined.joints_cam, cut) < 0.6 * _error(joints, cut)
    # Told that the frames follow each other, the two halves are drawn together.
    joined = type(walk)(cut.joints_cam, cut.up_cam, cut.clip, np.arange(25), walk.bones)
    depth = refined.joints_cam[:, 0, 2]
    drawn = _refined(joined, lift).joints_cam[:, 0, 2]
    assert abs(depth[10] - depth[9]) > abs(drawn[10] - drawn[9])


@pytest.mark.parametrize('frames', [1, 2])
def test_shortest_clips(walk_of: WalkOf, lifter_of: WalkOf, frames: int) -> None:
    walk = walk_of(clips=2, frames=frames)
    refined = _refined(walk, lifter_of(walk))
    for array in vars(refined).values():
        assert np.isfinite(array).all()


def test_parts_and_rounds_are_told(walk_of: WalkOf, lifter_of: WalkOf) -> None:
    walk = walk_of(clips=4, frames=6)
    told: list[tuple[int, int]] = []
    config = RefinementConfig(poses_at_once=12, rounds=2)
    refined = refine(
        walk.rays,
        walk.clip,
        walk.frame,
        np.repeat([5, 3], 12),
        lifter_of(walk),
        RATIOS,
        config,
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert refined.person.tolist() == [3, 5]


def test_a_person_with_too_many_poses_is_cut(walk_of: WalkOf, lifter_of: WalkOf) -> None:
    walk = walk_of(clips=4, frames=6)
    told: list[tuple[int, int]] = []
    refine(
        walk.rays,
        walk.clip,
        walk.frame,
        np.zeros(24, int),
        lifter_of(walk),
        RATIOS,
        RefinementConfig(poses_at_once=12, rounds=1),
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]


def test_each_person_may_have_bones_of_their_own(walk_of: WalkOf, lifter_of: WalkOf) -> None:
    walk = walk_of(clips=3, frames=6)
    longer_legs = RATIOS * np.where(np.isin(np.arange(16), [1, 2, 4, 5]), 1.1, 1.0)
    expected = np.stack([RATIOS, longer_legs]) * [[1.0], [3.0]]
    certain = RefinementConfig(bone_ratio=1e-4)
    person = np.repeat([9, 4, 9], 6)
    refined = refine(walk.rays, walk.clip, walk.frame, person, lifter_of(walk), expected, certain)
    assert refined.person.tolist() == [4, 9]
    normed = expected / expected.mean(1, keepdims=True)
    np.testing.assert_allclose(refined.bone_lengths, normed, atol=5e-3)


def test_bad_input_is_named(walk_of: WalkOf, lifter_of: WalkOf) -> None:
    walk = walk_of(clips=2, frames=3)
    lift = lifter_of(walk)
    good = {'rays': walk.rays, 'clip': walk.clip, 'frame': walk.frame, 'person': None}

    def say(**changes: Any) -> str:
        with pytest.raises(InputError) as caught:
            refine(**{**good, **changes}, lift=lift, bone_ratios=RATIOS)
        return str(caught.value)

    hole = walk.rays.copy()
    hole[4, 2] = np.nan
    assert 'rays of pose 4' in say(rays=hole)
    assert 'rays have shape' in say(rays=walk.rays[:, :16])
    assert 'frame has shape (5,)' in say(frame=walk.frame[:5])
    assert 'clip 0 has frame 0 more than once' in say(clip=np.zeros(6, int))
    assert 'person changes within clip 1' in say(person=np.array([0, 0, 0, 1, 1, 2]))
    for wrong in (RATIOS[:15], np.ones((3, 16)), -RATIOS):
        with pytest.raises(InputError, match='bone_ratios'):
            refine(**good, lift=lift, bone_ratios=wrong)


def test_a_lifter_that_gives_no_numbers_is_an_error(walk_of: WalkOf) -> None:
    walk = walk_of(clips=1, frames=3)

    def broken(rays: Any, scores: Any, told: Any) -> tuple[Any, ...]:
        return np.full((3, 17, 3), np.nan, np.float32), np.ones((3, 3), np.float32)

    with pytest.raises(ArithmeticError, match='no finite joints'):
        _refined(walk, broken)
