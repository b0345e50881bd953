# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who learns from what: elevations of clips, the teacher, the two priors and the bones."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from torch import Tensor, nn  # noqa: E402

from elepose_core.geometry.elevation import up_cam_from_elevation  # noqa: E402
from elepose_core.losses import AlternationWeights  # noqa: E402
from elepose_core.models.observation import Observation, observe  # noqa: E402
from elepose_core.models.teacher import Teacher  # noqa: E402
from elepose_core.priors.bones import bone_lengths  # noqa: E402
from elepose_core.priors.flow import (  # noqa: E402
    VIEW_CONDITIONS,
    FlowPrior,
    scaled_pose,
    view_condition,
)
from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training import alternation  # noqa: E402
from elepose_core.training.alternation import (  # noqa: E402
    Alternation,
    AlternationConfig,
    Alternators,
    clip_elevations,
)
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.round_trip import new_view  # noqa: E402
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

CLIPS = 4
WEIGHTS = AlternationWeights()
ROUND_TRIP = {'reprojection', 'consistency_3d', 'pairwise_deformation'}


@pytest.fixture(scope='module')
def people(crowd_of: Callable[..., Any]) -> Any:
    return crowd_of(40, seed=3)


@pytest.fixture(scope='module')
def recipe_of(
    people: Any,
    keypoints_of: Callable[..., Keypoints2D],
    teacher_of: Callable[..., Teacher],
    prior_of: Callable[..., FlowPrior],
) -> Callable[..., Alternation]:
    """Return a function that makes the recipe of four clips, in double precision."""
    data = keypoints_of(people, clip_length=len(people.elevation_rad) // CLIPS)
    prior = prior_of(data.rays, VIEW_CONDITIONS)

    def make(
        seed: int = 0, data: Keypoints2D = data, teacher: Teacher | None = None, **settings: Any
    ) -> Alternation:
        elevation = torch.linspace(-0.2, 0.4, data.clips, dtype=torch.float64)
        ratios = torch.linspace(0.5, 1.5, 16, dtype=torch.float64).repeat(data.people, 1)
        ratios += torch.arange(data.people)[:, None] / 10
        teacher = copy.deepcopy(teacher_of() if teacher is None else teacher)
        module = Alternators(teacher, elevation, copy.deepcopy(prior), ratios)
        config = AlternationConfig(**settings)
        return Alternation(module, data, config, WEIGHTS, 0.5, seed)

    return make


def _draw(recipe: Alternation, seed: int = 0, batch_size: int = 16) -> dict[str, Tensor]:
    draw = recipe.draw(batch_size, torch.Generator().manual_seed(seed))
    return {name: v.double() if v.is_floating_point() else v for name, v in draw.items()}


def _unlike(recipe: Alternation) -> Alternation:
    """Move the density of made poses away from that of seen ones."""
    torch.manual_seed(9)
    for parameter in recipe.module.made.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return recipe


def _gradient(term: Tensor, parameters: list[nn.Parameter]) -> float:
    """Return the largest number of the gradient of a term, 0 where there is none."""
    if not term.requires_grad:
        return 0.0
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return max((g.abs().max().item() for g in found if g is not None), default=0.0)


def _fixed(prior: FlowPrior) -> dict[str, Tensor]:
    return {
        name: values.detach().clone()
        for name, values in prior.named_parameters()
        if name.rpartition('.')[2].startswith('w_')
    }


def test_elevations_of_clips_learn_what_a_finite_difference_says(
    recipe_of: Callable[..., Alternation],
) -> None:
    recipe = _unlike(recipe_of())
    parts, draw = recipe.module, _draw(recipe)
    weights = recipe.weights(1)
    terms = recipe.terms(draw, 1)
    sum(weights[name] * term for name, term in terms.items()).backward()
    first = observe(draw['rays'], torch.ones_like(draw['rays'][..., 0]))
    start = parts.elevation.detach().numpy()

    def lifted(elevation: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor]:
        up_cam = torch.from_numpy(up_cam_from_elevation(elevation[draw['clip']]))
        up = torch.einsum('nab,nb->na', first.rotation, up_cam)
        return parts.teacher(first, up), up

    # The densities are asked for a view from where the clip stands now.
    joints, up = lifted(start)
    scale = new_view(joints, up, draw['azimuth_rad']).observation.scale
    condition = view_condition(torch.asin(-up[:, 2]), scale)

    def judged(elevation: np.ndarray[Any, Any]) -> float:
        joints, up = lifted(elevation)
        pose_2d = new_view(joints, up, draw['azimuth_rad']).observation.pose_2d
        components = parts.seen.whitened(scaled_pose(pose_2d))
        seen, made = (
            prior.negative_log_likelihood(components, condition).clamp(max=500).mean()
            for prior in (parts.seen, parts.made)
        )
        lengths = bone_lengths(joints)
        relative = lengths / lengths.mean(1, keepdim=True)
        bones = (relative - parts.bone_ratios[draw['clip']]).square().sum(1).mean()
        return float(WEIGHTS.likelihood_ratio * (seen - made) + WEIGHTS.bone_ratio * bones)

    with torch.no_grad():
        for clip in range(CLIPS):
            step = np.eye(CLIPS)[clip] * 1e-5
            wanted = (judged(start + step) - judged(start - step)) / 2e-5
            assert abs(wanted) > 1e-4
            assert parts.elevation.grad[clip].item() == pytest.approx(wanted, rel=1e-4)


def test_round_trip_does_not_draw_the_elevations(recipe_of: Callable[..., Alternation]) -> None:
    recipe = _unlike(recipe_of())
    for name, term in recipe.terms(_draw(recipe), 1).items():
        pulled = _gradient(term, [recipe.module.elevation]) > 0
        assert pulled == (name == 'clip_elevation'), name


def test_everybody_learns_from_their_own_terms(recipe_of: Callable[..., Alternation]) -> None:
    recipe = _unlike(recipe_of())
    teacher, elevation, seen, made = (list(group.parameters) for group in recipe.groups)
    assert elevation == [recipe.module.elevation]
    heads = ('elevation_trunk', 'elevation_head')
    own = recipe.module.teacher.named_parameters()
    of_elevation = [p for name, p in own if name.startswith(heads)]
    of_depth = [p for p in teacher if not any(p is q for q in of_elevation)]
    for name, term in recipe.terms(_draw(recipe), 1).items():
        assert (_gradient(term, seen) > 0) == (name == 'seen'), name
        assert (_gradient(term, made) > 0) == (name == 'made'), name
        assert (_gradient(term, of_elevation) > 0) == (name == 'elevation'), name
        judges_depth = name in ROUND_TRIP | {'likelihood_ratio', 'bone_ratio'}
        assert (_gradient(term, of_depth) > 0) == judges_depth, name


def test_terms_are_the_weighted_ones_and_rates_those_of_the_settings(
    recipe_of: Callable[..., Alternation],
) -> None:
    recipe = recipe_of(elevation_rate=7.0, prior_rate=2.0)
    assert set(recipe.terms(_draw(recipe), 1)) == set(recipe.weights(1))
    assert [group.rate for group in recipe.groups] == [1.0, 7.0, 2.0, 2.0]
    first, again, other = (_draw(recipe, seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['rays'], other['rays'])
    assert all(len(values) == 16 for values in first.values())


def test_ratio_is_nothing_as_long_as_both_kinds_of_views_are_alike(
    recipe_of: Callable[..., Alternation],
) -> None:
    recipe = recipe_of()
    term = recipe.terms(_draw(recipe), 1)['likelihood_ratio']
    assert abs(term.item()) < 1e-12
    assert _gradient(term, list(recipe.module.teacher.parameters())) < 1e-12
    # Without the second density it is plain likelihood.
    plain, half = (recipe_of(ratio=r).terms(_draw(recipe), 1) for r in (0.0, 0.5))
    assert plain['likelihood_ratio'].abs() > 1e-3
    torch.testing.assert_close(half['likelihood_ratio'], 0.5 * plain['likelihood_ratio'])


def test_elevation_of_frames_is_taught_what_the_clip_says(
    recipe_of: Callable[..., Alternation], teacher_of: Callable[..., Teacher]
) -> None:
    teacher = _level(teacher_of(), 0.3)
    recipe = recipe_of(teacher=teacher)
    draw = _draw(recipe)
    rotation = observe(draw['rays'], torch.ones_like(draw['rays'][..., 0])).rotation.numpy()
    clip = recipe.module.elevation.detach().numpy()[draw['clip']]
    up = np.einsum('nab,nb->na', rotation, up_cam_from_elevation(clip))
    # It says 0.3 of both views, whatever it sees.
    wanted = 2 * np.abs(0.3 - np.arcsin(-up[:, 2])).mean()
    assert recipe.terms(draw, 1)['elevation'].item() == pytest.approx(wanted)


def test_fixed_rotations_of_the_flow_do_not_learn(
    recipe_of: Callable[..., Alternation], tmp_path: Path
) -> None:
    recipe = recipe_of()
    recipe.module.float()
    data = recipe._data
    recipe._data = Keypoints2D(data.rays.float(), data.clip, data.frame, data.person)
    parts = recipe.module
    before = {kind: _fixed(getattr(parts, kind)) for kind in ('seen', 'made')}
    learned = {id(p): p.detach().clone() for group in recipe.groups for p in group.parameters}
    settings = TrainingConfig(steps=3, batch_size=16, warm_up_steps=1, weight_decay=0.1)
    train(recipe, settings, tmp_path, lambda *_: None)
    for kind, rotations in before.items():
        assert len(rotations) >= 2
        after = _fixed(getattr(parts, kind))
        for name, values in rotations.items():
            assert torch.equal(after[name], values), (kind, name)
            torch.testing.assert_close(values @ values.T, torch.eye(len(values)))
    for group in recipe.groups:
        assert any(not torch.equal(p, learned[id(p)]) for p in group.parameters)


class Knowing(nn.Module):
    """Says the true up direction of people who come in their order."""

    def __init__(self, elevation: np.ndarray[Any, Any]) -> None:
        super().__init__()
        self._up_cam = torch.from_numpy(up_cam_from_elevation(elevation))
        self._said = 0

    def up(self, observation: Observation) -> Tensor:
        rows = slice(self._said, self._said + len(observation.pose_2d))
        self._said = rows.stop
        return torch.einsum('nab,nb->na', observation.rotation, self._up_cam[rows])


def test_elevation_of_a_clip_is_the_mean_over_its_frames_in_the_real_camera(
    people: Any, keypoints_of: Callable[..., Keypoints2D], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternation, '_AT_ONCE', 7)
    data = keypoints_of(people)
    clip = torch.tensor([0, 2, 2, 3] * 10)
    data = Keypoints2D(data.rays, clip, data.frame, data.person)
    means, counts = clip_elevations(Knowing(people.elevation_rad), data, 4)
    assert counts.tolist() == [10, 0, 20, 10]
    for index in (0, 2, 3):
        wanted = people.elevation_rad[clip.numpy() == index].mean()
        assert means[index].item() == pytest.approx(wanted, abs=1e-6)


def _level(teacher: Teacher, elevation_rad: float) -> Teacher:
    """Make a teacher that says one elevation of everybody and lifts nobody off the plane."""
    nn.init.zeros_(teacher.elevation_head.weight)
    nn.init.constant_(teacher.elevation_head.bias, float(np.arctanh(elevation_rad / 1.5)))
    nn.init.zeros_(teacher.depth_head.weight)
    nn.init.zeros_(teacher.depth_head.bias)
    return teacher


def test_clips_and_bones_are_refreshed_by_hand(
    recipe_of: Callable[..., Alternation], teacher_of: Callable[..., Teacher]
) -> None:
    """Flat people on the axis, seen again and again; who is between them has no frame."""
    person = torch.from_numpy(np.random.default_rng(0).uniform(-0.2, 0.2, (17, 2)))
    person[0] = 0.0
    clip = torch.tensor([0, 2] * 10)
    data = Keypoints2D(person.expand(20, 17, 2), clip, clip, clip)
    teacher = _level(teacher_of(), 0.3)
    recipe = recipe_of(
        data=data, teacher=teacher, refresh_every=5, smoothing=0.25, bone_update=0.5
    )
    parts = recipe.module
    elevation, ratios = parts.elevation.detach().clone(), parts.bone_ratios.clone()
    recipe.after_step(4)
    assert torch.equal(parts.elevation, elevation)
    assert torch.equal(parts.bone_ratios, ratios)
    recipe.after_step(5)
    wanted = elevation + 0.25 * (0.3 - elevation)
    wanted[1] = elevation[1]
    torch.testing.assert_close(parts.elevation.detach(), wanted, atol=1e-6, rtol=0)
    lengths = {
        child: float(np.linalg.norm(person[parent] - person[child]))
        for parent, child in H36M_17.bones
    }
    bones = np.array(
        [(lengths[child] + lengths[H36M_17.mirror[child]]) / 2 for _, child in H36M_17.bones]
    )
    halfway = (ratios.numpy() + bones / bones.mean()) / 2
    halfway[1] = ratios[1]
    np.testing.assert_allclose(parts.bone_ratios, halfway, rtol=1e-5)


def test_refreshment_follows_from_seed_and_step(recipe_of: Callable[..., Alternation]) -> None:
    def refreshed(seed: int, step: int) -> Tensor:
        recipe = recipe_of(seed=seed, refresh_every=5)
        torch.manual_seed(seed + step)  # the global state does not matter
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alternation, '_REFRESHED', 30)
            patch.setattr(alternation, '_ENOUGH_POSES', 1)
            recipe.after_step(step)
        return torch.cat([recipe.module.elevation.detach()[:, None], recipe.module.bone_ratios], 1)

    first = refreshed(0, 5)
    assert torch.equal(first, refreshed(0, 5))
    assert not torch.equal(first, refreshed(1, 5))
    assert not torch.equal(first, refreshed(0, 10))
