# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Clips are lifted whole, with their last frame repeated where a window is longer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the lifter is a torch module')

from elepose_core.evaluation.clip_lift import clip_lift  # noqa: E402


def test_a_clip_is_lifted_as_one(
    crowd_of: Callable[..., Any], pose_set_of: Callable[..., Any]
) -> None:
    whole = pose_set_of(crowd_of(17), clip_length=7)  # clips of 7, 7 and 3 frames
    shuffled = np.random.default_rng(0).permutation(17)
    poses = whole.select(shuffled)
    asked: list[Any] = []

    def graph(rays: Any, scores: Any, up: Any, variance: Any) -> Any:
        asked.append((rays, variance))
        # Joints tell the frame's place in the window and the mean ray of the clip.
        place = torch.arange(rays.shape[1]).float()[None, :, None, None]
        joints = torch.cat([rays * 0 + rays.mean((1, 2, 3), keepdim=True)] * 2, dim=-1)[..., :3]
        return joints + place, up

    lift = clip_lift(graph, poses, torch.device('cpu'))
    joints, up = lift(poses.rays.astype(np.float32), poses.scores, None)[:2]
    ((rays, variance),) = asked
    assert rays.shape == (3, 7, 17, 2)
    assert torch.isinf(variance).all()
    assert up.shape == (17, 3)
    # The short clip's window goes on with its last frame.
    last = whole.rays[16].astype(np.float32)
    short = rays[2].numpy()
    np.testing.assert_array_equal(short[2:], np.broadcast_to(last, (5, 17, 2)))
    of_clip = whole.rays[:7].astype(np.float32).mean()
    row = int(np.flatnonzero(shuffled == 4)[0])
    np.testing.assert_allclose(joints[row], 4 + of_clip, rtol=1e-4)


def test_a_known_up_direction_is_certain(
    crowd_of: Callable[..., Any], pose_set_of: Callable[..., Any]
) -> None:
    poses = pose_set_of(crowd_of(6), clip_length=3)
    told = np.tile(np.array([0.0, -0.8, -0.6], np.float32), (6, 1))

    def graph(rays: Any, scores: Any, up: Any, variance: Any) -> Any:
        assert (variance == 0).all()
        return torch.zeros(*rays.shape[:-1], 3), up

    up = clip_lift(graph, poses, torch.device('cpu'))(
        poses.rays.astype(np.float32), poses.scores, told
    )[1]
    np.testing.assert_array_equal(up, told)
