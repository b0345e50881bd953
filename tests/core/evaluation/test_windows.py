# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Windows over clips: the frames about each pose, and nothing from elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Conditions, measure
from elepose_core.evaluation.windows import lifted_bone_ratios, over_windows, window_rows
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.skeleton import H36M_17

Array = NDArray[Any]


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(60, seed=2))


def test_rows_of_windows_by_hand(poses: PoseSet) -> None:
    """Two clips, one with a gap and in no order."""
    few = replace(
        poses.select(np.arange(6)),
        clip_index=np.array([3, 3, 3, 1, 1, 1]),
        frame_index=np.array([7, 8, 9, 5, 2, 4]),
    )
    none = 6
    assert window_rows(few, 2).tolist() == [[4, none], [5, 3], [0, 1], [2, none]]
    assert window_rows(few, 4).tolist() == [[4, none, 5, 3], [0, 1, 2, none]]


def test_every_pose_is_in_one_window_of_its_clip(
    poses: PoseSet, random: np.random.Generator
) -> None:
    kept = poses.select(random.permutation(60)[:45])
    rows = window_rows(kept, 7)
    assert sorted(rows[rows < 45]) == list(range(45))
    for window in rows:
        there = window[window < 45]
        assert len(set(kept.clip_index[there])) == 1
        (place,) = np.nonzero(window < 45)
        assert len(set(kept.frame_index[there] - place)) == 1


def test_lifter_sees_its_window_alone(poses: PoseSet) -> None:
    """A lifter that knows the truth of the windows that it should see."""
    rows = window_rows(poses, 6)
    assert poses.joints_cam_m is not None
    assert poses.elevation_rad is not None
    truth = np.concatenate([poses.joints_cam_m, np.zeros((1, 17, 3), np.float32)])
    up = up_cam_from_elevation(poses.elevation_rad).astype(np.float32)[rows.min(1)]
    calls: list[tuple[int, ...]] = []

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        calls.append(rays.shape)
        there = rows < 60
        np.testing.assert_array_equal(scores > 0, np.broadcast_to(there[..., None], scores.shape))
        assert np.isnan(rays[~there]).all()
        np.testing.assert_allclose(rays[there], poses.rays[rows[there]], atol=1e-6)
        return truth[rows], up if told is None else told, np.zeros(1)

    measured = measure(over_windows(lift, poses, 0.2), poses, Conditions())
    assert calls == [(len(rows), 6, 17, 2)]
    assert measured.columns['n_mpjpe_mm'].max() < 0.01
    known = measure(over_windows(lift, poses, 0.2), poses, Conditions(up_known=True))
    assert known.columns['up_mae_deg'].max() < 0.01


def test_many_windows_are_lifted_in_parts(poses: PoseSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('elepose_core.evaluation.windows._WINDOWS_AT_ONCE', 3)
    calls: list[int] = []

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        calls.append(len(rays))
        flat = np.concatenate([np.nan_to_num(rays), np.ones_like(rays[..., :1])], -1)
        assert told is not None
        return flat, told

    rays = poses.rays.astype(np.float32)
    up = np.tile(poses.clip_index[:, None].astype(np.float32), (1, 3))
    result = over_windows(lift, poses, 0.1)(rays, poses.scores, up)
    np.testing.assert_array_equal(result[0][..., :2], rays)
    np.testing.assert_array_equal(result[1], up)
    assert len(calls) > 1
    assert max(calls) == 3


def test_bones_are_those_that_the_lifter_sees(poses: PoseSet) -> None:
    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        assert told is None
        assert poses.joints_cam_m is not None
        return 3 * poses.joints_cam_m, scores

    ratios = lifted_bone_ratios(lift, poses)
    assert ratios.shape == (16,)
    assert ratios.mean() == pytest.approx(1)
    assert poses.joints_cam_m is not None
    bones = [np.linalg.norm(p[c] - p[q]) for p in poses.joints_cam_m for q, c in H36M_17.bones]
    lengths = np.array(bones).reshape(-1, 16)
    relative = (lengths / lengths.mean(1, keepdims=True)).mean(0)
    thighs = [H36M_17.bones.index((1, 2)), H36M_17.bones.index((4, 5))]
    assert ratios[thighs] == pytest.approx(relative[thighs].mean(), rel=1e-4)


@pytest.mark.parametrize('window_s', [0.0, 0.04, -1.0, 61.0, float('nan')])
def test_window_that_is_none_is_one_sentence(window_s: float, poses: PoseSet) -> None:
    with pytest.raises(InputError, match='at 30 frames per second; expected two frames'):
        over_windows(lambda *_: (), poses, window_s)


def test_two_poses_of_a_clip_in_one_frame_are_told(poses: PoseSet) -> None:
    """One of the two would be in no window, and counted as a person without size."""
    twice = replace(poses, frame_index=poses.frame_index // 2)
    with pytest.raises(InputError, match=r'clip \d+ has two poses in frame \d+; expected one'):
        window_rows(twice, 6)
