# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Geometric self-supervision: pairs of poses, the views they are seen from, and the lessons."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the scale of poses stands beside the prior')

from torch import Tensor, nn  # noqa: E402

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.models.discriminator import DiscriminatorConfig, PoseJudges  # noqa: E402
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.models.teacher import Teacher  # noqa: E402
from elepose_core.training import geometric  # noqa: E402
from elepose_core.training.adversarial import AdversarialWeights  # noqa: E402
from elepose_core.training.geometric import (  # noqa: E402
    Geometric,
    GeometricParts,
    GeometricWeights,
    ViewsConfig,
    lessons_of,
    pair_starts,
)
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.round_trip import NewView, turned, view_after  # noqa: E402
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

PAIRS = 4
USUAL = AdversarialWeights()


@pytest.fixture(scope='module')
def data(crowd_of: Callable[..., Any], keypoints_of: Callable[..., Keypoints2D]) -> Keypoints2D:
    return keypoints_of(crowd_of(180, seed=5), 3)


@pytest.fixture
def recipe_of(data: Keypoints2D, teacher_of: Callable[..., Teacher]) -> Callable[..., Geometric]:
    def make(adversarial: AdversarialWeights = USUAL, **views: Any) -> Geometric:
        torch.manual_seed(0)
        judges = PoseJudges(DiscriminatorConfig(width=16, blocks=1)).double()
        recipe = Geometric(
            GeometricParts(teacher_of(), judges),
            data,
            pair_starts(data),
            ViewsConfig(mirrored_share=0.0, **views),
            GeometricWeights(),
            adversarial,
        )
        recipe.prepare()
        return recipe

    return make


def _draw(recipe: Geometric, seed: int = 0) -> dict[str, Tensor]:
    draw = recipe.draw(PAIRS, torch.Generator().manual_seed(seed))
    return {name: values.double() for name, values in draw.items()}


def test_pairs_are_neighbouring_frames_of_one_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, clip = torch.tensor([0, 1, 3, 4, 5, 0]), torch.tensor([0, 0, 0, 0, 1, 1])
    data = Keypoints2D(torch.zeros(6, 17, 2), clip, frame, clip)
    with pytest.raises(InputError, match='2 poses are followed by the next frame of their clip'):
        pair_starts(data)
    monkeypatch.setattr(geometric, '_ENOUGH_PAIRS', 2)
    assert pair_starts(data).tolist() == [0, 2]


@pytest.mark.parametrize('mirrored_share', [0.0, 1.0])
def test_drawn_pairs_follow_each_other(mirrored_share: float, data: Keypoints2D) -> None:
    torch.manual_seed(0)
    parts = GeometricParts(nn.Identity(), nn.Identity())  # type: ignore[arg-type]
    views = ViewsConfig(mirrored_share=mirrored_share)
    weights = GeometricWeights(), AdversarialWeights()
    recipe = Geometric(parts, data, pair_starts(data), views, *weights)
    drawn = recipe.draw(PAIRS, torch.Generator().manual_seed(1))['rays']
    first, second = drawn.abs().unbind(1)  # mirrored: sides and signs change, for both alike
    for row in range(PAIRS):
        found = [
            start
            for start in pair_starts(data).tolist()
            if torch.allclose(first[row].sum(0), data.rays[start].abs().sum(0))
        ]
        assert len(found) == 1
        torch.testing.assert_close(second[row].sum(0), data.rays[found[0] + 1].abs().sum(0))


@pytest.mark.parametrize('views', ['level', 'published'])
def test_both_poses_of_a_pair_turn_alike_in_the_camera(
    views: str, recipe_of: Callable[..., Geometric], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rotation of the world, as each of the two virtual cameras has it."""
    recipe, made = recipe_of(views=views), []
    inner = {name: getattr(geometric, name) for name in ('new_view', 'view_after')}

    def spy(name: str) -> Callable[..., NewView]:
        def call(*arguments: Tensor) -> NewView:
            made.append(inner[name](*arguments))
            return made[-1]

        return call

    for name in inner:
        monkeypatch.setattr(geometric, name, spy(name))
    draw = _draw(recipe)
    recipe.terms(draw, 1)
    (view,) = made
    rays = draw['rays'].transpose(0, 1).flatten(0, 1)
    virtual = observe(rays, torch.ones_like(rays[..., 0])).rotation
    turn = view.turn if views == 'published' else virtual.mT @ view.turn @ virtual
    turn = turn.detach()
    torch.testing.assert_close(turn[:PAIRS], turn[PAIRS:])
    angle = Rotation.from_matrix(turn[:PAIRS].numpy()).magnitude()
    if views == 'level':
        wanted = np.abs(draw['azimuth_rad'].numpy())
        np.testing.assert_allclose(angle, wanted, atol=1e-6)
    else:
        parts = [draw['azimuth_rad'].numpy(), draw['tilt_rad'].numpy()]
        azimuth = Rotation.from_rotvec(parts[0][:, None] * [0.0, -1.0, 0.0])
        tilt = Rotation.from_rotvec(parts[1][:, None] * [1.0, 0.0, 0.0])
        np.testing.assert_allclose(turn[:PAIRS], (tilt * azimuth).as_matrix(), atol=1e-6)


def test_tilt_stays_within_its_bound(recipe_of: Callable[..., Geometric]) -> None:
    recipe = recipe_of(views='published', elevation_deg=5.0)
    tilt = recipe.draw(500, torch.Generator().manual_seed(0))['tilt_rad'].abs()
    assert 0.9 * np.radians(5) < tilt.max() <= np.radians(5)


@pytest.mark.parametrize('views', ['level', 'published'])
@pytest.mark.parametrize('frame', [0.0, 1.0])
@pytest.mark.parametrize('motion', [0.0, 0.3])
def test_terms_are_the_weighted_ones_and_follow_from_the_generator(
    views: str, frame: float, motion: float, recipe_of: Callable[..., Geometric]
) -> None:
    recipe = recipe_of(AdversarialWeights(frame=frame, motion=motion), views=views)
    first, again, other = (recipe.terms(_draw(recipe, seed), 1) for seed in (0, 0, 1))
    assert set(first) == set(recipe.weights(1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['consistency_3d'], other['consistency_3d'])


def test_everything_learns(recipe_of: Callable[..., Geometric]) -> None:
    recipe = recipe_of()
    weights = recipe.weights(1)
    sum(weights[name] * term for name, term in recipe.terms(_draw(recipe), 1).items()).backward()
    learning = {id(p) for group in recipe.groups for p in group.parameters}
    for name, parameter in recipe.module.named_parameters():
        assert id(parameter) in learning, name
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_no_up_direction_is_learned_from_published_views(
    recipe_of: Callable[..., Geometric],
) -> None:
    recipe = recipe_of(views='published')
    weights = recipe.weights(1)
    sum(weights[name] * term for name, term in recipe.terms(_draw(recipe), 1).items()).backward()
    assert all(p.grad is None for p in recipe.module.teacher.elevation_head.parameters())


def test_teacher_starts_at_the_usual_elevation(
    data: Keypoints2D, recipe_of: Callable[..., Geometric]
) -> None:
    teacher = recipe_of(usual_elevation_deg=10.0).module.teacher
    nn.init.zeros_(teacher.elevation_head.weight)
    first = observe(data.rays, torch.ones_like(data.rays[..., 0]))
    wanted = torch.full((180,), np.radians(10.0))
    torch.testing.assert_close(teacher.elevation(first), wanted, check_dtype=False)


def test_view_after_a_turn_is_the_picture_of_the_turned(data: Keypoints2D) -> None:
    first = observe(data.rays[:3], torch.ones(3, 17, dtype=torch.float64))
    joints = torch.cat([first.pose_2d, torch.ones(3, 17, 1, dtype=torch.float64)], dim=-1)
    turn = torch.from_numpy(Rotation.from_euler('yx', [[0.3, 0.1]] * 3).as_matrix())
    after = turned(joints, turn)
    seen = view_after(joints, turn).observation.pose_2d
    torch.testing.assert_close(seen, after[..., :2] / after[..., 2:])


def test_lessons_lie_on_the_rays_and_know_their_clip(
    data: Keypoints2D, teacher_of: Callable[..., Teacher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometric, '_AT_ONCE', 7)
    elevation = torch.linspace(-0.2, 0.4, data.clips, dtype=torch.float64)
    teacher = teacher_of()
    lessons = lessons_of(teacher, data, elevation)
    torch.testing.assert_close(lessons.joints[..., :2] / lessons.joints[..., 2:], data.rays)
    torch.testing.assert_close(lessons.elevation_rad, elevation[data.clip])
    first = observe(data.rays, torch.ones_like(data.rays[..., 0]))
    told = teacher(first, first.level_up(elevation[data.clip]))
    distance = torch.linalg.vector_norm(lessons.joints, dim=-1)
    torch.testing.assert_close(distance, torch.linalg.vector_norm(told, dim=-1))
    assert (lessons.pose_weight == 1).all()


def test_self_consistency_becomes_less_without_judges(
    recipe_of: Callable[..., Geometric], data: Keypoints2D, tmp_path: Path
) -> None:
    recipe = recipe_of(AdversarialWeights(frame=0, motion=0))
    recipe.module.float()
    singles = Keypoints2D(data.rays.float(), data.clip, data.frame, data.person)
    recipe = Geometric(
        recipe.module,
        singles,
        recipe.starts,
        recipe.config,
        recipe.loss_weights,
        recipe.adversarial,
    )
    seen: list[float] = []
    schedule = TrainingConfig(steps=60, batch_size=16, learning_rate=1e-2, warm_up_steps=3)
    train(recipe, schedule, tmp_path, lambda _, terms, __: seen.append(terms['consistency_3d']))
    assert sum(seen[-5:]) < 0.7 * sum(seen[:5])
