# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher of clips: what it is taught, by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='judges scale poses as the prior does')

from elepose_core.models.clip_teacher import ClipTeacher  # noqa: E402
from elepose_core.models.discriminator import DiscriminatorConfig, PoseJudges  # noqa: E402
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.models.teacher import LifterConfig  # noqa: E402
from elepose_core.models.temporal import TemporalConfig, up_of_frames  # noqa: E402
from elepose_core.priors.bones import bone_lengths  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training import clip_teaching  # noqa: E402
from elepose_core.training.adversarial import AdversarialWeights  # noqa: E402
from elepose_core.training.clip_teaching import (  # noqa: E402
    ClipParts,
    ClipTeaching,
    ClipWeights,
    WindowConfig,
    clip_teacher_terms,
    lift_of_rows,
    trembling,
)
from elepose_core.training.clip_windows import window_starts  # noqa: E402
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

TINY = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)


@pytest.fixture(scope='module')
def data(crowd_of: Callable[..., Any], pose_set_of: Callable[..., Any]) -> Keypoints2D:
    poses = pose_set_of(crowd_of(60), clip_length=6)
    clip = torch.from_numpy(poses.clip_index)
    rays = torch.from_numpy(poses.rays).float()
    return Keypoints2D(rays, clip, torch.from_numpy(poses.frame_index), clip)


def _recipe(data: Keypoints2D) -> ClipTeaching:
    torch.manual_seed(0)
    parts = ClipParts(
        ClipTeacher(TINY, TemporalConfig(width=8, blocks=1)),
        PoseJudges(DiscriminatorConfig(components=8, width=8, blocks=1)),
    )
    return ClipTeaching(
        parts,
        data,
        window_starts(data, 4),
        WindowConfig(frames=4),
        ClipWeights(),
        AdversarialWeights(),
    )


def test_each_term_has_a_weight_and_all_learn(data: Keypoints2D) -> None:
    recipe = _recipe(data)
    draw = recipe.draw(8, torch.Generator().manual_seed(0))
    assert draw['rays'].shape == (8, 4, 17, 2)
    terms, weights = recipe.terms(draw, 1), recipe.weights(1)
    assert set(terms) == set(weights)
    torch.stack([weights[name] * term for name, term in terms.items()]).sum().backward()
    learning = [p for group in recipe.groups for p in group.parameters]
    assert len(learning) == len(list(recipe.module.parameters()))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learning)


def test_flat_people_of_one_clip_keep_flat_bones(data: Keypoints2D) -> None:
    """Their bones in the image change from pose to pose, which is what speaks against them."""
    recipe = _recipe(data)
    still = {'rays': data.rays[:1, None].expand(2, 4, -1, -1), 'azimuth_rad': torch.zeros(2)}
    moving = {'rays': data.rays[:8].reshape(2, 4, 17, 2), 'azimuth_rad': torch.zeros(2)}
    terms = [recipe.terms(draw, 1) for draw in (still, moving)]
    assert terms[0]['bone_constancy'] < 1e-5
    assert terms[0]['smoothness'] < 1e-4
    assert terms[1]['bone_constancy'] > 0.01
    assert terms[1]['smoothness'] > 0.01


def test_steady_motion_does_not_tremble() -> None:
    start, way = torch.rand(1, 1, 17, 3), torch.rand(1, 1, 17, 3)
    way[..., 0, :] = 0.0
    # A person who grows would be scaled: bones move alike, so that none does.
    way = way.mean(2, keepdim=True).expand_as(way)
    steady = start + torch.arange(5.0)[None, :, None, None] * way
    assert trembling(steady) < 1e-4
    # A wrist a hundredth of a mean bone beside its forearm in the middle frame, which changes
    # no length to first order: its motion changes by 1, 2 and 1 hundredths.
    forearm = start[0, 0, 13] - start[0, 0, 12]
    beside = torch.nn.functional.normalize(
        torch.linalg.cross(forearm, torch.tensor([1.0, 0.0, 0.0])), dim=0
    )
    shaken = steady.clone()
    shaken[0, 2, 13] += 0.01 * bone_lengths(start[0]).mean() * beside
    assert float(trembling(shaken)) == pytest.approx(0.04 / 3 / 17, rel=0.1)


def test_rows_are_lifted_as_clips(data: Keypoints2D) -> None:
    teacher = _recipe(data).module.teacher.requires_grad_(False)
    torch.nn.init.normal_(teacher.frame.elevation_head.weight, std=0.3)
    rays = data.rays.numpy()
    scores = np.ones(rays.shape[:2], np.float32)
    joints, up = lift_of_rows(teacher, data)(rays, scores, None)[:2]
    rows = torch.arange(6, 12)
    seen = observe(data.rays[rows], torch.ones(6, 17))
    expected_up = teacher.up(seen, 6)
    expected = teacher(seen, up_of_frames(expected_up, seen, 6), 6) @ seen.rotation
    np.testing.assert_allclose(joints[rows], expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(up[rows], expected_up.expand(6, 3).numpy(), atol=1e-6)
    assert len(np.unique(up[:, 1])) == 10


class _Known:
    """Stands in for a teacher: says what it was told to say."""

    def __init__(self, joints: Any, told_rad: float, elevation_rad: float) -> None:
        self.joints, self.told, self.frame = joints, told_rad, self
        self.elevation = lambda seen: torch.full((len(seen.scale),), elevation_rad)

    def up(self, seen: Any, frames: int) -> Any:
        level = torch.tensor([0.0, -math.cos(self.told), -math.sin(self.told)])
        return level.expand(len(seen.scale) // frames, 3)

    def __call__(self, seen: Any, up: Any, frames: int) -> Any:
        return self.joints


def _known_terms(joints: Any, rays: Any) -> dict[str, Any]:
    teacher: Any = _Known(joints, told_rad=0.1, elevation_rad=0.3)
    draw = {'rays': rays, 'azimuth_rad': torch.zeros(len(rays))}
    torch.manual_seed(0)
    judges = PoseJudges(DiscriminatorConfig(components=8, width=8, blocks=1))
    return clip_teacher_terms(teacher, judges, draw, AdversarialWeights())[0]


def test_sides_and_elevations_that_differ_cost_what_is_worked_out_by_hand() -> None:
    """One upper arm is three bones long, all others one; one view is 0.2 rad higher."""
    ways = torch.nn.functional.normalize(torch.randn(16, 3, generator=_seeded()), dim=1) / 50
    joints = torch.tensor([0.0, 0.0, 1.0]).repeat(17, 1)
    for bone, (parent, child) in enumerate(H36M_17.bones):
        longer = 3.0 if child == H36M_17.index('left_elbow') else 1.0
        joints[child] = joints[parent] + longer * ways[bone]
    rays = (joints[:, :2] / joints[:, 2:]).expand(2, 4, 17, 2)
    terms = _known_terms(joints.expand(8, 17, 3), rays)
    mean = (15 + 3) / 16
    assert float(terms['bone_symmetry']) == pytest.approx(2 * (3 - 1) / mean / 16, rel=1e-4)
    assert float(terms['bone_constancy']) < 1e-6
    assert float(terms['elevation_consistency']) == pytest.approx(0.2, rel=1e-4)


def test_judges_see_neighbouring_frames(
    data: Keypoints2D, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def judged(judges: Any, real: Any, made: Any, weights: Any) -> dict[str, Any]:
        seen.extend((real, made))
        return {}

    monkeypatch.setattr(clip_teaching, 'adversarial_terms', judged)
    rays = data.rays[:8].reshape(2, 4, 17, 2)
    straight = observe(data.rays[:8], torch.ones(8, 17))
    joints = torch.nn.functional.pad(straight.pose_2d, (0, 1), value=1.0)
    _known_terms(joints, rays)
    # A person who is not turned is seen as before.
    for pairs in seen:
        torch.testing.assert_close(pairs.first, straight.pose_2d[[0, 2, 4, 6]])
        torch.testing.assert_close(pairs.second, straight.pose_2d[[1, 3, 5, 7]])


def _seeded() -> Any:
    return torch.Generator().manual_seed(0)
