# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher of clips."""

import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.geometry.virtual_camera import elevation_and_roll  # noqa: E402
from elepose_core.models.clip_teacher import ClipTeacher, ClipTeacherGraph  # noqa: E402
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.models.teacher import LifterConfig  # noqa: E402
from elepose_core.models.temporal import TemporalConfig, up_of_frames  # noqa: E402

TINY = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)
FRAMES = 5


def _teacher() -> ClipTeacher:
    torch.manual_seed(0)
    teacher = ClipTeacher(TINY, TemporalConfig(width=8, blocks=1))
    torch.nn.init.normal_(teacher.frame.elevation_head.weight, std=0.3)
    torch.nn.init.normal_(teacher.frame.depth_head.weight, std=0.3)
    return teacher.requires_grad_(False)


def _rays() -> 'torch.Tensor':
    return torch.rand(2, FRAMES, 17, 2, generator=torch.Generator().manual_seed(1)) * 0.3


def test_it_starts_as_the_teacher_of_single_frames() -> None:
    teacher = _teacher()
    seen = observe(_rays().flatten(0, 1), torch.ones(2 * FRAMES, 17))
    up = up_of_frames(teacher.up(seen, FRAMES), seen, FRAMES)
    torch.testing.assert_close(teacher(seen, up, FRAMES), teacher.frame(seen, up))


def test_a_clip_has_one_up_direction_without_roll() -> None:
    teacher = _teacher()
    seen = observe(_rays().flatten(0, 1), torch.ones(2 * FRAMES, 17))
    up = teacher.up(seen, FRAMES)
    assert up.shape == (2, 3)
    torch.testing.assert_close(up.norm(dim=1), torch.ones(2))
    _, roll = elevation_and_roll(up)
    torch.testing.assert_close(roll, torch.zeros(2), atol=1e-6, rtol=0)


def test_what_is_told_of_up_is_taken() -> None:
    graph, rays, scores = ClipTeacherGraph(_teacher()), _rays(), torch.ones(2, FRAMES, 17)
    told = torch.tensor([[0.0, -0.8, -0.6]]).expand(2, 3)
    unknown = graph(rays, scores, told, torch.full((2,), torch.inf))
    known = graph(rays, scores, told, torch.zeros(2))
    torch.testing.assert_close(known[1], unknown[1])
    assert (known[0] - unknown[0]).abs().max() > 1e-4
    seen = observe(rays.flatten(0, 1), torch.ones(2 * FRAMES, 17))
    expected = graph.teacher(seen, up_of_frames(told, seen, FRAMES), FRAMES) @ seen.rotation
    torch.testing.assert_close(known[0].flatten(0, 1), expected)


def test_what_frames_around_change_leaves_the_pelvis_where_it_is() -> None:
    teacher = _teacher()
    torch.nn.init.normal_(teacher.depth_head.weight, std=0.3)
    torch.nn.init.constant_(teacher.depth_head.bias, 0.2)
    seen = observe(_rays().flatten(0, 1), torch.ones(2 * FRAMES, 17))
    up = up_of_frames(teacher.up(seen, FRAMES), seen, FRAMES)
    joints = teacher(seen, up, FRAMES)
    torch.testing.assert_close(joints[:, 0, 2], torch.ones(2 * FRAMES))
    assert (joints - teacher.frame(seen, up)).abs().max() > 0.01
