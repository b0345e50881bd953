# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The published recipe: rotations and losses by hand, learning, resuming, its settings."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.config import PublishedConfig, read_experiment, write_experiment  # noqa: E402
from elepose_core.models.elepose_paper import ElePoseLifter, ElePoseLifterConfig  # noqa: E402
from elepose_core.priors.flow import FlowPrior, PriorConfig  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training.checkpoint import load_checkpoint  # noqa: E402
from elepose_core.training.elepose_paper import (  # noqa: E402
    PublishedLosses,
    PublishedRecipe,
    new_view,
    train_published_prior,
)
from elepose_core.training.loop import Stopped, TrainingConfig, train  # noqa: E402

ROOT = Path(__file__).parents[3]
PRIOR = PriorConfig(
    components=12, blocks=2, width=16, hidden_layers=1, whiten=False, noise=0, steps=30
)
SCHEDULE = TrainingConfig(
    steps=30,
    batch_size=32,
    optimiser='adam',
    learning_rate=2e-3,
    schedule='exponential',
    decay_steps=10,
    warm_up_steps=1,
    largest_gradient=0.0,
    checkpoint_every=4,
    seed=3,
)


@pytest.fixture(scope='module')
def rays(crowd_of: Callable[..., Any]) -> 'torch.Tensor':
    joints = torch.from_numpy(crowd_of(600).joints_cam_m).float()
    return joints[..., :2] / joints[..., 2:]


def _lifter(rays: 'torch.Tensor') -> ElePoseLifter:
    torch.manual_seed(0)
    lifter = ElePoseLifter(ElePoseLifterConfig(width=16))
    lifter.fit_scale(rays)
    return lifter


@pytest.fixture(scope='module')
def prior(rays: 'torch.Tensor') -> FlowPrior:
    found: list[float] = []
    prior = train_published_prior(
        rays, _lifter(rays), PRIOR, 1, lambda _, loss: found.append(loss)
    )
    assert sum(found[-5:]) < sum(found[:5])
    return prior


@pytest.fixture
def recipe(rays: 'torch.Tensor', prior: FlowPrior) -> PublishedRecipe:
    losses = PublishedLosses()
    lifter = _lifter(rays)
    return PublishedRecipe(lifter, prior, rays, losses.ratios(lifter.normalised(rays)), losses)


def _pole(elevation_deg: float) -> 'torch.Tensor':
    """Return what a camera of this elevation sees of a pole that stands on its root."""
    e = math.radians(elevation_deg)
    return torch.tensor([[[0.0, 0.0, 0.0], [0.0, -math.cos(e), -math.sin(e)]]])


@pytest.mark.parametrize('azimuth_deg', [0.0, 75.0, -160.0])
def test_what_stands_upright_is_seen_under_the_new_elevation(azimuth_deg: float) -> None:
    angles = [torch.tensor([math.radians(a)]) for a in (30.0, azimuth_deg, -10.0)]
    turned, _ = new_view(_pole(30.0), *angles)
    torch.testing.assert_close(turned, _pole(-10.0))


def test_a_quarter_turn_brings_what_was_far_to_the_right() -> None:
    ahead = torch.tensor([[[0.0, 0.0, 2.0]]])
    quarter, level = torch.tensor([math.pi / 2]), torch.zeros(1)
    turned, _ = new_view(ahead, level, quarter, level)
    torch.testing.assert_close(turned, torch.tensor([[[2.0, 0.0, 0.0]]]))


def test_rotation_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    elevation, azimuth, wanted = random.uniform(-1, 1, (3, 4))
    joints = random.normal(size=(4, 17, 3))
    turned, rotation = new_view(*map(torch.from_numpy, (joints, elevation, azimuth, wanted)))
    expected = (
        Rotation.from_euler('x', wanted[:, None])
        * Rotation.from_euler('y', azimuth[:, None])
        * Rotation.from_euler('x', -elevation[:, None])
    )
    np.testing.assert_allclose(rotation, expected.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(turned[2], expected[2].apply(joints[2]), atol=1e-12)


def test_draw_follows_from_the_generator_and_azimuths_go_round(recipe: PublishedRecipe) -> None:
    first, again, other = (
        recipe.draw(4000, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert {len(values) for values in first.values()} == {4000}
    azimuth = first['azimuth_rad']
    assert azimuth.min() > -math.pi
    assert azimuth.max() < math.pi
    assert abs(azimuth.std().item() - math.pi / math.sqrt(3)) < 0.05
    assert abs(first['standard_elevation'].std().item() - 1) < 0.05


def test_terms_are_those_of_a_plain_loop_over_the_poses(recipe: PublishedRecipe) -> None:
    lifter = recipe.module
    draw = recipe.draw(6, torch.Generator().manual_seed(5))
    terms = {name: term.item() for name, term in recipe.terms(draw, 1).items()}
    pose_2d = lifter.normalised(draw['rays'])
    with torch.no_grad():
        joints, elevation = lifter(pose_2d)
    standard = draw['standard_elevation'].numpy()
    new = elevation.mean().item() + elevation.numpy().std(ddof=1) * standard
    found: dict[str, list[float]] = {name: [] for name in terms}
    moved = []
    for row in range(6):
        pose = joints[row].double().numpy()
        turn = (
            Rotation.from_euler('x', new[row])
            * Rotation.from_euler('y', draw['azimuth_rad'][row].item())
            * Rotation.from_euler('x', -elevation[row].item())
        )
        turned = turn.apply(pose)
        seen = torch.tensor(turned[:, :2] / (turned[:, 2:] + 10), dtype=torch.float32)
        with torch.no_grad():
            again = lifter(seen[None])[0][0].numpy()
            surprise = recipe.prior.negative_log_likelihood(
                recipe.prior.whitened(seen.reshape(1, 34))
            )
        back = turn.inv().apply(again)
        back_2d = back[:, :2] / (back[:, 2:] + 10)
        lengths = np.array([np.linalg.norm(pose[a] - pose[b]) for a, b in H36M_17.bones])
        relative = lengths / lengths.mean()
        found['likelihood'].append(surprise.item())
        found['consistency_3d'].append(np.sqrt(((turned - again) ** 2).sum()))
        found['reprojection'].append(np.abs(back_2d - pose_2d[row].numpy()).sum())
        found['bone_ratio'].append(((relative - recipe.bone_ratios.numpy()) ** 2).sum())
        moved.append(pose - back)
    found['pairwise_deformation'] = [np.linalg.norm(moved[i] - moved[i + 1]) for i in (0, 2, 4)]
    assert set(found) == set(recipe.weights(1))
    for name, values in found.items():
        np.testing.assert_allclose(terms[name], np.mean(values), rtol=2e-3, err_msg=name)


def test_likelihood_teaches_the_elevation_and_its_spread(recipe: PublishedRecipe) -> None:
    draw = recipe.draw(16, torch.Generator().manual_seed(0))
    recipe.terms(draw, 1)['likelihood'].backward()  # type: ignore[no-untyped-call]
    head = recipe.module.elevation_head[-1]
    assert head.weight.grad is not None
    assert head.weight.grad.abs().max() > 0
    # A common shift of all elevations cancels for level and tilt only when nothing is turned.
    assert head.bias.grad is not None
    assert head.bias.grad.abs().item() > 0
    assert not any(parameter.requires_grad for parameter in recipe.prior.parameters())


def _train(
    recipe: PublishedRecipe, run: Path, stop_at: int | None = None
) -> tuple[dict[str, Any], list[float]]:
    totals: list[float] = []

    def on_step(step: int, terms: dict[str, float], _: Any) -> None:
        weights = recipe.weights(step)
        totals.append(sum(weights[name] * value for name, value in terms.items()))
        if step == stop_at:
            raise Stopped

    train(recipe, SCHEDULE, run, on_step)
    return recipe.module.state_dict(), totals


def test_it_learns_and_a_stopped_run_ends_at_the_same_bits(
    rays: 'torch.Tensor', recipe: PublishedRecipe, tmp_path: Path
) -> None:
    whole, totals = _train(recipe, tmp_path / 'whole')
    assert sum(totals[-5:]) < sum(totals[:5]) - 5  # nat and more
    cut = PublishedRecipe(_lifter(rays), recipe.prior, rays, recipe.bone_ratios, PublishedLosses())
    with pytest.raises(Stopped):
        _train(cut, tmp_path / 'cut', stop_at=7)
    assert load_checkpoint(tmp_path / 'cut' / 'last.pt')['step'] == 7
    resumed, rest = _train(cut, tmp_path / 'cut')
    assert rest == totals[7:]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_bone_ratios_are_named_or_estimated(rays: 'torch.Tensor') -> None:
    named = PublishedLosses(bone_ratios=(2.0,) * 8 + (6.0,) * 8).ratios(rays)
    assert named.tolist() == [0.5] * 8 + [1.5] * 8
    estimated = PublishedLosses().ratios(rays)
    assert math.isclose(estimated.mean().item(), 1.0, rel_tol=1e-5)
    thigh, hip = estimated[H36M_17.index('left_knee') - 1], estimated[0]
    assert thigh > 2 * hip


@pytest.mark.parametrize('ratios', [(1.0,) * 15, (1.0,) * 15 + (0.0,)])
def test_bone_ratios_that_fit_no_skeleton_are_refused(ratios: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match='expected 16 ratios > 0, or none'):
        PublishedLosses(bone_ratios=ratios)


def test_published_settings_stand_in_their_file_and_come_back(tmp_path: Path) -> None:
    experiment = read_experiment(ROOT / 'configs' / 'elepose_paper.toml')
    assert isinstance(experiment, PublishedConfig)
    assert experiment.elepose_lifter == ElePoseLifterConfig()
    assert experiment.elepose_losses == PublishedLosses()
    assert (experiment.prior.components, experiment.prior.whiten) == (26, False)
    schedule = experiment.training
    assert (schedule.learning_rate, schedule.weight_decay) == (2e-4, 1e-5)
    # 100 epochs of decay, as published, however many steps there are.
    assert schedule.steps == 100 * schedule.decay_steps
    write_experiment(tmp_path / 'config.toml', experiment)
    assert read_experiment(tmp_path / 'config.toml') == experiment
