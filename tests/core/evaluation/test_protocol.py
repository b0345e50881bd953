# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluation, judged by lifters whose figures are known beforehand."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import (
    Conditions,
    Lift,
    evaluate,
    measure,
)
from elepose_core.evaluation.report import text_table
from elepose_core.geometry.elevation import up_cam_from_elevation

Array = NDArray[Any]
PERFECT = Conditions()


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(60, seed=2))


def _oracle(poses: PoseSet, flip: bool = False, scale: float = 0.37) -> Lift:
    """Lift with the true depths; the roll is read off the rays, as the image was turned."""

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        assert poses.joints_cam_m is not None
        assert poses.elevation_rad is not None
        depth = poses.joints_cam_m[..., 2:].astype(np.float64)
        before, after = (r[..., 0] + 1j * r[..., 1] for r in (poses.rays, rays))
        # The scene turns against the camera, clockwise being positive in an image with y down.
        roll = -np.angle(np.nansum(after * before.conj(), axis=1))
        joints = np.concatenate([rays * depth, depth], axis=-1)
        if flip:
            joints[..., 2] = 2 * joints[:, :1, 2] - joints[..., 2]
        up = up_cam_from_elevation(poses.elevation_rad, roll)
        return (scale * joints).astype(np.float32), up.astype(np.float32)

    return lift


@pytest.mark.parametrize('roll_deg', [0.0, 20.0, 180.0])
def test_perfect_lifter_has_no_error_and_the_truth_turns_with_the_image(
    roll_deg: float, poses: PoseSet
) -> None:
    result = evaluate(_oracle(poses), poses, Conditions(roll_deg=roll_deg, seed=3))
    assert result['n'] == 60
    for name in ('n_mpjpe_mm', 'n_mpjpe_norm_mm', 'pa_mpjpe_mm', 'pa_mpjpe_reflective_mm'):
        assert result[name] < 0.01, name
    for name in ('elevation_mae_deg', 'elevation_clip_mae_deg', 'roll_mae_deg', 'up_mae_deg'):
        assert result[name] < 0.01, name
    assert result['flip_rate'] == 0.0
    assert result['pck150'] == 1.0
    assert math.isclose(result['auc'], 30 / 31)
    assert result['cps'] == 300.0
    assert result['mpjve_mm'] < 0.01


def test_roll_turns_each_clip_by_its_own_angle_within_the_limit(poses: PoseSet) -> None:
    seen: list[Array] = []

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        seen.append(rays)
        return _oracle(poses)(rays, scores, told)

    evaluate(lift, poses, Conditions(roll_deg=20.0))
    before, after = (r[..., 0] + 1j * r[..., 1] for r in (poses.rays, seen[0]))
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-6)
    turn = np.degrees(np.angle((after * before.conj()).sum(1))).reshape(6, 10)
    np.testing.assert_allclose(turn, np.broadcast_to(turn[:, :1], turn.shape), atol=1e-3)
    assert np.abs(turn).max() <= 20
    assert np.ptp(turn[:, 0]) > 5


def test_roll_of_the_camera_itself_is_part_of_the_truth(poses: PoseSet) -> None:
    joints = poses.joints_cam_m
    assert joints is not None
    assert poses.elevation_rad is not None
    level = up_cam_from_elevation(poses.elevation_rad).astype(np.float32)
    rolled = replace(poses, roll_rad=np.full(len(poses), 0.1, np.float32))
    result = evaluate(lambda *_: (joints, level), rolled, Conditions())
    assert math.isclose(result['roll_mae_deg'], math.degrees(0.1), rel_tol=1e-4)
    assert result['elevation_mae_deg'] < 1e-4


def test_lifter_that_ignores_roll_is_charged_for_it(poses: PoseSet) -> None:
    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        joints, _ = _oracle(poses)(rays, scores, told)
        assert poses.elevation_rad is not None
        return joints, up_cam_from_elevation(poses.elevation_rad).astype(np.float32)

    result = evaluate(lift, poses, Conditions(roll_deg=20.0))
    assert 1 < result['roll_mae_deg'] < 20
    # The angle between two ups that differ by a roll is cos(elevation) times it, about.
    assert result['up_mae_deg'] < result['roll_mae_deg']
    assert result['elevation_mae_deg'] < 0.01
    assert result['n_mpjpe_mm'] < 0.01


def test_depth_flipped_lifter_is_told_apart(poses: PoseSet) -> None:
    result = evaluate(_oracle(poses, flip=True), poses, PERFECT)
    assert result['pa_mpjpe_reflective_mm'] < 0.01
    assert result['pa_mpjpe_mm'] > 50
    assert result['flip_rate'] == 1.0
    assert result['n_mpjpe_mm'] > result['pa_mpjpe_mm']
    assert result['pck150'] < 0.9


def test_elevation_figures_by_hand(poses: PoseSet) -> None:
    """Errors of +4 and -2 degrees in turn: 3 absolute and 3 in the median, 1 as a clip's mean."""
    error = np.radians(np.where(np.arange(60) % 2, -2.0, 4.0))
    assert poses.elevation_rad is not None
    up = up_cam_from_elevation(poses.elevation_rad + error).astype(np.float32)

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        return _oracle(poses)(rays, scores, told)[0], up

    result = evaluate(lift, poses, PERFECT)
    for name, degrees in {
        'elevation_mae_deg': 3.0,
        'elevation_median_deg': 3.0,
        'elevation_bias_deg': 1.0,
        'elevation_clip_mae_deg': 1.0,
        'up_mae_deg': 3.0,
    }.items():
        assert math.isclose(result[name], degrees, abs_tol=1e-3), name


def test_actions_are_reported_apart(poses: PoseSet) -> None:
    """Clips stand and walk in turn; the walking ones are lifted upside down in depth."""
    perfect, flipped = _oracle(poses), _oracle(poses, flip=True)

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        joints, up = perfect(rays, scores, told)
        walks = poses.clip_index % 2 == 1
        joints[walks] = flipped(rays, scores, told)[0][walks]
        return joints, up

    result = evaluate(lift, poses, PERFECT)
    assert set(result['by_action']) == {'stand', 'walk'}
    stand, walk = result['by_action']['stand'], result['by_action']['walk']
    assert (stand['n'], walk['n']) == (30, 30)
    assert (stand['flip_rate'], walk['flip_rate'], result['flip_rate']) == (0.0, 1.0, 0.5)
    assert math.isclose(result['n_mpjpe_mm'], (stand['n_mpjpe_mm'] + walk['n_mpjpe_mm']) / 2)


def test_result_is_json_and_a_table(poses: PoseSet) -> None:
    result = evaluate(_oracle(poses), poses, PERFECT)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    lines = text_table({'generated': result}).splitlines()
    assert any(line.startswith('PA-MPJPE strict, mm') and line.endswith('0.0') for line in lines)
    assert any('N-PCK at 150 mm, %' in line and line.endswith('100.0') for line in lines)
    assert any('walk (30)' in line for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_several_sets_are_columns_of_one_table(poses: PoseSet) -> None:
    result = evaluate(_oracle(poses), poses, PERFECT)
    plain = evaluate(_oracle(poses), replace(poses, action=None), PERFECT)
    plain.pop('elevation_mae_deg')
    lines = text_table({'first': result, 'second': plain}).splitlines()
    assert lines[0].split() == ['first', 'second']
    assert len({len(line) for line in lines}) == 1
    (elevation,) = (line for line in lines if 'elevation mean absolute' in line)
    assert elevation.split()[-1] == '0.0'
    assert elevation.endswith(' ' * 10), 'the second set has no such figure'
    assert any('walk (30/0)' in line for line in lines)


def test_frames_that_are_no_neighbours_have_no_velocity(poses: PoseSet) -> None:
    apart = replace(poses, frame_index=poses.frame_index * 10)
    result = evaluate(_oracle(apart), apart, PERFECT)
    assert result['mpjve_mm'] is None
    json.dumps(result, allow_nan=False)


def test_set_without_elevation_has_no_angles(poses: PoseSet) -> None:
    plain = replace(poses, elevation_rad=None, action=None)

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        return _oracle(poses)(rays, scores, told)

    result = evaluate(lift, plain, PERFECT)
    assert not any('elevation' in name or 'roll' in name for name in result)
    assert 'by_action' not in result
    assert result['n_mpjpe_mm'] < 0.01


def test_known_up_is_handed_to_the_lifter(poses: PoseSet) -> None:
    told_ups: list[Any] = []

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        told_ups.append(told)
        return _oracle(poses)(rays, scores, told)

    evaluate(lift, poses, PERFECT)
    assert told_ups[0] is None
    evaluate(lift, poses, Conditions(up_known=True, roll_deg=30))
    _, up = _oracle(poses)(poses.rays, poses.scores, None)
    assert told_ups[1].shape == up.shape
    assert told_ups[1].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(told_ups[1], axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(told_ups[1][:, 2], up[:, 2], atol=1e-6)  # roll keeps elevation
    assert np.abs(told_ups[1][:, 0]).max() > 0.05


def _inputs(poses: PoseSet, conditions: Conditions) -> tuple[Array, Array]:
    seen: list[tuple[Array, Array]] = []

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        seen.append((rays, scores))
        return _oracle(poses)(np.nan_to_num(rays), scores, told)

    evaluate(lift, poses, conditions)
    return seen[0]


def test_noise_has_the_stated_size_in_pixels(poses: PoseSet) -> None:
    rays, _ = _inputs(poses, Conditions(noise_px=5.0))
    noise_px = (rays - poses.rays) * 600.0
    assert abs(noise_px.std() - 5.0) < 0.3
    assert abs(noise_px.mean()) < 0.5
    again, _ = _inputs(poses, Conditions(noise_px=5.0))
    np.testing.assert_array_equal(rays, again)
    other, _ = _inputs(poses, Conditions(noise_px=5.0, seed=1))
    assert not np.array_equal(rays, other)


def test_missing_joints_are_nan_with_score_zero_and_not_too_many(poses: PoseSet) -> None:
    rays, scores = _inputs(poses, Conditions(max_missing=3))
    hidden = scores == 0
    assert np.array_equal(hidden, np.isnan(rays).all(-1))
    assert set(hidden.sum(1)) == {0, 1, 2, 3}
    assert hidden.any(0).sum() > 12  # any joint may be hit
    assert (poses.scores == 1).all(), 'the set itself must not change'


def test_exactly_so_many_joints_are_missing_in_each_pose(poses: PoseSet) -> None:
    rays, scores = _inputs(poses, Conditions(missing=3))
    assert np.array_equal(scores == 0, np.isnan(rays).all(-1))
    assert set((scores == 0).sum(1)) == {3}
    assert ((scores == 0).sum(0) > 0).all(), 'any joint may be hit'


def test_seen_joints_are_told_apart_from_hidden_ones(poses: PoseSet) -> None:
    """A lifter that is right where it sees and 100 mm off, nearer or farther, where not."""

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        joints, up = _oracle(poses)(poses.rays, scores, told)
        sides = np.where(np.arange(17) % 2, 1, -1)
        joints[..., 2] += 0.37 * 0.1 * sides * (scores == 0)
        return joints, up

    plain = evaluate(lift, poses, PERFECT)
    assert 'n_mpjpe_seen_mm' not in plain
    result = evaluate(lift, poses, Conditions(missing=3))
    # The root is the 17th joint of a pose: where it is hidden all others are off.
    assert result['n_mpjpe_mm'] > 1.2 * result['n_mpjpe_seen_mm']
    measured = measure(lift, poses, Conditions(missing=3))
    seen = measured.view.scores > 0
    errors = np.linalg.norm(measured.pose_mm - measured.target_mm, axis=-1)
    plainly = [float(e[s].mean()) for e, s in zip(errors, seen, strict=True)]
    np.testing.assert_allclose(measured.columns['n_mpjpe_seen_mm'], plainly)


def test_noise_grows_with_the_person(poses: PoseSet) -> None:
    """One person stands 300 px high, the next one is 150 px high, the last lies 450 px long."""
    box = np.linspace(0, 1, 17)[:, None] * np.array([[60, 300], [30, 150], [450, 90]])[:, None]
    keypoints = np.tile(box.astype(np.float32), (20, 1, 1))
    known = replace(poses, keypoints_px=keypoints)
    rays, _ = _inputs(known, Conditions(noise_px_at_300=6.0))
    noise_px = ((rays - known.rays) * 600.0).reshape(20, 3, 34)
    np.testing.assert_allclose(noise_px.std((0, 2)), [6.0, 3.0, 9.0], rtol=0.1)
    both, _ = _inputs(known, Conditions(noise_px_at_300=6.0, noise_px=8.0))
    noise_px = ((both - known.rays) * 600.0).reshape(20, 3, 34)
    np.testing.assert_allclose(noise_px[:, 0].std(), 10.0, rtol=0.1)  # 6 and 8 add in squares


def test_height_is_that_of_the_joints_that_are_seen(poses: PoseSet) -> None:
    keypoints, scores = poses.keypoints_px.copy(), poses.scores.copy()
    keypoints[:, 4] = (1e6, 0)
    scores[:, 4] = 0
    far = replace(poses, keypoints_px=keypoints, scores=scores)
    rays, _ = _inputs(far, Conditions(noise_px_at_300=5.0))
    assert np.nanstd((rays - far.rays) * 600.0) < 10
    unseen = replace(poses, scores=np.zeros_like(scores))
    rays, _ = _inputs(unseen, Conditions(noise_px_at_300=5.0))
    assert np.isnan(rays).all()


def test_joints_that_the_set_misses_stay_missing(poses: PoseSet) -> None:
    keypoints, scores = poses.keypoints_px.copy(), poses.scores.copy()
    keypoints[:, 4], scores[:, 4] = np.nan, 0
    rays, found = _inputs(replace(poses, keypoints_px=keypoints, scores=scores), PERFECT)
    assert np.isnan(rays[:, 4]).all()
    assert (found[:, 4] == 0).all()


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'max_missing': -1}, r'max_missing is -1; expected 0\.\.11'),
        ({'max_missing': 12}, r'max_missing is 12; expected 0\.\.11'),
        ({'missing': 12}, r'missing is 12; expected 0\.\.11'),
        ({'missing': 1, 'max_missing': 2}, r'max_missing is 2 and missing 1; expected one'),
        ({'noise_px': -1.0}, r'noise_px is -1\.0'),
        ({'noise_px_at_300': math.inf}, r'noise_px_at_300 is inf'),
        ({'noise_px': math.nan}, r'noise_px is nan'),
        ({'roll_deg': 181.0}, r'roll_deg is 181\.0'),
        ({'roll_deg': math.nan}, r'roll_deg is nan'),
        ({'seed': -1}, r'seed is -1; expected 0 or more'),
    ],
)
def test_impossible_conditions_are_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Conditions(**changes)


def test_set_that_cannot_be_evaluated_is_one_sentence(poses: PoseSet) -> None:
    lift = _oracle(poses)
    with pytest.raises(InputError, match='no joints_cam_m; expected 3D truth'):
        evaluate(lift, replace(poses, joints_cam_m=None), PERFECT)
    with pytest.raises(InputError, match='no joints_cam_m; expected 3D truth'):
        evaluate(lift, poses.select(np.zeros(60, bool)), PERFECT)
    with pytest.raises(InputError, match='no elevation_rad; expected it for a known up'):
        evaluate(lift, replace(poses, elevation_rad=None), Conditions(up_known=True))


@pytest.mark.parametrize('key', ['joints_cam_m', 'elevation_rad'])
def test_truth_with_holes_is_one_sentence(key: str, poses: PoseSet) -> None:
    truth = getattr(poses, key).copy()
    truth[7] = np.nan
    with pytest.raises(InputError, match=f'{key} is not finite in pose 7'):
        evaluate(_oracle(poses), replace(poses, **{key: truth}), PERFECT)


def test_lifter_that_gives_no_numbers_is_named(poses: PoseSet) -> None:
    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        joints, up = _oracle(poses)(rays, scores, told)
        joints[3, 2] = np.nan
        return joints, up

    with pytest.raises(ArithmeticError, match='the lifter gave no finite joints for pose 3'):
        evaluate(lift, poses, PERFECT)


def _with_errors(poses: PoseSet, sigma: float, said: float) -> Lift:
    """Lift with errors of 68 % radius `sigma` metres and say that it is `said`, both times 0.37.

    The distance of an isotropic normal error lies below 1.8724 standard deviations in 68 % of the
    cases (Maxwell distribution).
    """

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        joints, up = _oracle(poses)(rays, scores, told)
        assert joints is not None
        assert up is not None
        error = np.random.default_rng(0).normal(size=joints.shape) * 0.37 * sigma / 1.8724
        error[:, 0] = 0  # the root is where the pose is centred
        return joints + error.astype(np.float32), up, np.full(joints.shape[:2], 0.37 * said)

    return lift


def test_sigma_holds_68_percent_when_it_is_right(poses: PoseSet) -> None:
    right = evaluate(_with_errors(poses, 0.05, 0.05), poses, PERFECT)
    assert abs(right['sigma_within'] - 0.68) < 0.05
    assert abs(right['sigma_mm'] - 50) < 2, 'sigma is scaled with the joints'
    timid = evaluate(_with_errors(poses, 0.05, 0.10), poses, PERFECT)
    assert timid['sigma_within'] > 0.95
    bold = evaluate(_with_errors(poses, 0.05, 0.025), poses, PERFECT)
    assert bold['sigma_within'] < 0.3
    assert set(bold['by_action']['walk']) == set(bold) - {'by_action'}
    assert 'within 1 sigma' in text_table({'a': bold})


def test_sigma_by_hand_leaves_the_root_out(poses: PoseSet) -> None:
    """Joint 3 errs by more than its sigma, all others do not: 15 of 16 lie within."""

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        joints, up = _oracle(poses)(rays, scores, told)
        assert joints is not None
        joints[:, 3, 2] += 0.37 * 0.02
        sigma = np.full(joints.shape[:2], 0.37 * 0.1)
        sigma[:, 0], sigma[:, 3] = 1e-9, 0.37 * 0.01
        return joints, up, sigma

    measured = measure(lift, poses, PERFECT)
    np.testing.assert_allclose(measured.columns['sigma_within'], 15 / 16)
    assert measured.error_in_sigmas is not None
    assert measured.error_in_sigmas.shape == (60, 16)
    np.testing.assert_allclose(measured.error_in_sigmas[:, 2], 2.0, atol=0.3)


def test_lifter_without_sigma_and_plausibility_has_no_such_figures(poses: PoseSet) -> None:
    result = evaluate(_oracle(poses), poses, PERFECT)
    assert not any('sigma' in name or 'plausibility' in name for name in result)


def test_plausibility_is_compared_with_the_error(poses: PoseSet) -> None:
    """A lifter that says of each pose how good it is, by a falling but crooked measure."""
    noise = (
        np.random.default_rng(1).normal(size=(60, 17, 3)) * np.linspace(0.01, 1, 60)[:, None, None]
    )

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        joints, up = _oracle(poses)(rays, scores, told)
        assert joints is not None
        wrong = (joints + 0.1 * noise).astype(np.float32)
        error = evaluate_columns(wrong, up)
        return wrong, up, None, np.exp(-error).astype(np.float32)

    def evaluate_columns(wrong: Array, up: Array | None) -> Array:
        return measure(lambda *_: (wrong, up), poses, PERFECT).columns['n_mpjpe_mm'] / 30

    result = evaluate(lift, poses, PERFECT)
    assert math.isclose(result['plausibility_correlation'], -1.0, abs_tol=1e-6)
    assert result['by_action']['walk']['plausibility_correlation'] < -0.99
    same = evaluate(
        lambda *a: (*_oracle(poses)(*a), None, np.ones(60, np.float32)), poses, PERFECT
    )
    assert same['plausibility_correlation'] is None


@pytest.mark.parametrize(
    ('extra', 'sentence'),
    [
        ((np.full((60, 17), np.nan),), 'no finite sigma for pose 0'),
        ((np.zeros((60, 17)),), r'a sigma of 0\.0; expected > 0'),
        ((None, np.full(60, np.inf)), 'no finite plausibility for pose 0'),
    ],
)
def test_sigma_that_is_no_number_is_named(
    extra: tuple[Any, ...], sentence: str, poses: PoseSet
) -> None:
    with pytest.raises(ArithmeticError, match=sentence):
        evaluate(lambda *a: (*_oracle(poses)(*a), *extra), poses, PERFECT)
