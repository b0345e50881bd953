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
from elepose_core.evaluation.windows import over_windows, window_rows
from elepose_core.geometry.elevation import up_cam_from_elevation

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
    assert window_rows(few, 3).tolist() == [
        [none, 0, 1],
        [0, 1, 2],
        [1, 2, none],
        [5, 3, none],
        [none, 4, none],
        [none, 5, 3],
    ]
    # An even number of frames has one more before than after.
    assert window_rows(few, 4)[2].tolist() == [0, 1, 2, none]
    assert window_rows(few, 4)[3].tolist() == [none, 5, 3, none]


def test_rows_are_those_of_a_plain_search(poses: PoseSet, random: np.random.Generator) -> None:
    kept = poses.select(random.permutation(60)[:45])
    found = window_rows(kept, 7)
    for row in range(45):
        for offset in range(7):
            clip, frame = kept.clip_index[row], kept.frame_index[row] + offset - 3
            (same,) = np.nonzero((kept.clip_index == clip) & (kept.frame_index == frame))
            assert found[row, offset] == (same[0] if len(same) else 45)


def test_lifter_sees_its_window_and_gives_the_middle(poses: PoseSet) -> None:
    """A lifter that knows the truth of the windows that it should see."""
    rows = window_rows(poses, 6)
    assert poses.joints_cam_m is not None
    assert poses.elevation_rad is not None
    truth = np.concatenate([poses.joints_cam_m, np.zeros((1, 17, 3), np.float32)])
    up = up_cam_from_elevation(poses.elevation_rad).astype(np.float32)
    calls: list[tuple[int, ...]] = []

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        calls.append(rays.shape)
        there = rows < 60
        np.testing.assert_array_equal(scores > 0, np.broadcast_to(there[..., None], scores.shape))
        assert np.isnan(rays[~there]).all()
        np.testing.assert_allclose(rays[there], poses.rays[rows[there]], atol=1e-6)
        return truth[rows], up if told is None else told, np.zeros(1)

    measured = measure(over_windows(lift, poses, 0.2), poses, Conditions())
    assert calls == [(60, 6, 17, 2)]
    assert measured.columns['n_mpjpe_mm'].max() < 0.01
    assert measured.columns['up_mae_deg'].max() < 0.01
    known = measure(over_windows(lift, poses, 0.2), poses, Conditions(up_known=True))
    assert known.columns['up_mae_deg'].max() < 0.01


def test_many_windows_are_lifted_in_parts(poses: PoseSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('elepose_core.evaluation.windows._WINDOWS_AT_ONCE', 25)

    def lift(rays: Array, scores: Array, told: Array | None) -> tuple[Array, ...]:
        flat = np.concatenate([np.nan_to_num(rays), np.ones_like(rays[..., :1])], -1)
        assert told is not None
        return flat, told

    rays = poses.rays.astype(np.float32)
    up = np.tile(np.arange(60, dtype=np.float32)[:, None], (1, 3))
    result = over_windows(lift, poses, 0.1)(rays, poses.scores, up)
    np.testing.assert_array_equal(result[0][..., :2], rays)
    np.testing.assert_array_equal(result[1], up)


@pytest.mark.parametrize('window_s', [0.0, 0.04, -1.0, 61.0, float('nan')])
def test_window_that_is_none_is_one_sentence(window_s: float, poses: PoseSet) -> None:
    with pytest.raises(InputError, match='at 30 frames per second; expected two frames'):
        over_windows(lambda *_: (), poses, window_s)
