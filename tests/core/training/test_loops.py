# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The two loops at tiny size: they learn, and a run that was cut off ends at the same bits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.losses import LossWeights  # noqa: E402
from elepose_core.models.lifter import Lifter, LifterConfig, observe  # noqa: E402
from elepose_core.priors.bones import bone_ratios_from_2d  # noqa: E402
from elepose_core.priors.flow import FlowPrior, PriorConfig, scaled_pose  # noqa: E402
from elepose_core.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from elepose_core.training.loop import Stopped, TrainingConfig, train  # noqa: E402
from elepose_core.training.objective import Objective  # noqa: E402
from elepose_core.training.prior import train_prior  # noqa: E402
from elepose_core.training.sampling import SamplingConfig  # noqa: E402

PRIOR = PriorConfig(components=12, blocks=2, width=16, steps=40, batch_size=64)
LIFTER = LifterConfig(width=16, blocks=1, elevation_width=16, elevation_blocks=1)
SCHEDULE = TrainingConfig(steps=12, batch_size=16, warm_up_steps=3, checkpoint_every=4, seed=4)


@pytest.fixture(scope='module')
def rays(crowd_of: Callable[..., Any]) -> 'torch.Tensor':
    joints = torch.from_numpy(crowd_of(600).joints_cam_m).float()
    return joints[..., :2] / joints[..., 2:]


def _whole(rays: 'torch.Tensor') -> 'torch.Tensor':
    return observe(rays, torch.ones(rays.shape[:2])).pose_2d


@pytest.fixture(scope='module')
def prior_and_losses(rays: 'torch.Tensor') -> tuple[FlowPrior, list[float]]:
    found: list[float] = []
    prior = train_prior(rays, PRIOR, SamplingConfig(), 1, lambda _, loss: found.append(loss))
    return prior, found


@pytest.fixture(scope='module')
def objective(rays: 'torch.Tensor', prior_and_losses: Any) -> Callable[..., Objective]:
    """Return a function that makes the recipe with a fresh lifter."""
    ratios = bone_ratios_from_2d(_whole(rays))

    def make(lifter: LifterConfig = LIFTER, seed: int = 4) -> Objective:
        torch.manual_seed(seed)
        return Objective(
            Lifter(lifter), rays, prior_and_losses[0], ratios, LossWeights(), SamplingConfig()
        )

    return make


def _train(
    recipe: Objective,
    run: Path,
    stop_at: int | None = None,
    schedule: TrainingConfig = SCHEDULE,
) -> tuple[dict[str, Any], list[int]]:
    steps: list[int] = []

    def on_step(step: int, terms: dict[str, float], _: Any) -> None:
        steps.append(step)
        assert set(terms) == set(LossWeights().at(1))
        if step == stop_at:
            raise Stopped

    train(recipe, schedule, run, on_step)
    return recipe.module.state_dict(), steps


@pytest.fixture(scope='module')
def whole(objective: Callable[..., Objective], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp('whole')
    _train(objective(), folder)
    return folder


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_prior_learns_and_is_frozen_then(
    rays: 'torch.Tensor', prior_and_losses: tuple[FlowPrior, list[float]]
) -> None:
    prior, found = prior_and_losses
    assert len(found) == PRIOR.steps
    assert sum(found[-5:]) < sum(found[:5])
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    # What it has seen is likelier than limbs in disorder.
    poses = _whole(rays)
    shuffled = poses[:, torch.randperm(17, generator=torch.Generator().manual_seed(0))]
    likely, unlikely = (
        prior.negative_log_likelihood(prior.whitened(scaled_pose(p))).median()
        for p in (poses, shuffled)
    )
    assert likely < unlikely - 2


def test_prior_follows_from_its_seed(
    rays: 'torch.Tensor', prior_and_losses: tuple[FlowPrior, list[float]]
) -> None:
    again = train_prior(rays, PRIOR, SamplingConfig(), 1, lambda *_: None)
    assert _same(again.state_dict(), prior_and_losses[0].state_dict())
    other = train_prior(rays, PRIOR, SamplingConfig(), 2, lambda *_: None)
    assert not _same(other.state_dict(), prior_and_losses[0].state_dict())


def test_prior_that_diverges_names_the_step(rays: 'torch.Tensor') -> None:
    spoilt = rays.clone()
    spoilt[:, 5] = float('nan')
    with pytest.raises((FloatingPointError, torch.linalg.LinAlgError)):
        train_prior(spoilt, PRIOR, SamplingConfig(), 0, lambda *_: None)


def test_lifter_learns(objective: Callable[..., Objective], tmp_path: Path) -> None:
    totals: list[float] = []
    weights = LossWeights().at(10_000)

    def on_step(step: int, terms: dict[str, float], lifter: Any) -> None:
        totals.append(sum(weights[name] * value for name, value in terms.items()))

    schedule = SCHEDULE.model_copy(update={'steps': 60, 'batch_size': 48, 'learning_rate': 5e-3})
    train(objective(), schedule, tmp_path, on_step)
    assert sum(totals[-10:]) < 0.9 * sum(totals[:10])


@pytest.mark.parametrize('stop_at', [1, 4, 12])
def test_run_that_was_stopped_and_resumed_ends_at_the_same_bits(
    stop_at: int, objective: Callable[..., Objective], whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        _train(objective(), tmp_path / 'cut', stop_at)
    assert load_checkpoint(tmp_path / 'cut' / 'last.pt')['step'] == stop_at
    resumed, steps = _train(objective(), tmp_path / 'cut')
    assert steps == list(range(stop_at + 1, SCHEDULE.steps + 1))
    ends = [load_checkpoint(run / 'last.pt') for run in (whole, tmp_path / 'cut')]
    assert _same(ends[0]['module'], resumed)
    assert torch.equal(ends[0]['generator'], ends[1]['generator'])


def test_run_that_was_killed_goes_on_from_the_last_checkpoint(
    objective: Callable[..., Objective], whole: Path, tmp_path: Path
) -> None:
    def killed(step: int, terms: dict[str, float], lifter: Any) -> None:
        if step == 6:
            raise RuntimeError('power is off')

    with pytest.raises(RuntimeError, match='power is off'):
        train(objective(), SCHEDULE, tmp_path / 'cut', killed)
    assert load_checkpoint(tmp_path / 'cut' / 'last.pt')['step'] == 4
    resumed, steps = _train(objective(), tmp_path / 'cut')
    assert steps[0] == 5
    assert _same(load_checkpoint(whole / 'last.pt')['module'], resumed)


def test_finished_run_is_not_trained_again(
    objective: Callable[..., Objective], whole: Path
) -> None:
    first = load_checkpoint(whole / 'last.pt')
    again, steps = _train(objective(), whole)
    assert steps == []
    assert _same(first['module'], again)


def test_other_seed_ends_elsewhere(objective: Callable[..., Objective], tmp_path: Path) -> None:
    schedule = SCHEDULE.model_copy(update={'steps': 2})
    first, _ = _train(objective(), tmp_path / 'a', schedule=schedule)
    other = schedule.model_copy(update={'seed': 5})
    second, _ = _train(objective(), tmp_path / 'b', schedule=other)
    assert not _same(first, second)


def test_damaged_checkpoint_is_one_sentence(
    objective: Callable[..., Objective], tmp_path: Path
) -> None:
    (tmp_path / 'last.pt').write_bytes(b'half of it')
    with pytest.raises(InputError, match=r'last\.pt is not a readable checkpoint'):
        _train(objective(), tmp_path)


def test_loss_that_is_not_finite_names_term_and_step_and_keeps_the_checkpoint(
    objective: Callable[..., Objective], tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        _train(objective(), tmp_path, stop_at=3)
    state = load_checkpoint(tmp_path / 'last.pt')
    state['module']['depth_head.bias'][2] = float('nan')
    save_checkpoint(tmp_path / 'last.pt', state)
    with pytest.raises(FloatingPointError, match=r'\w+ is nan at step 4'):
        _train(objective(), tmp_path)
    assert load_checkpoint(tmp_path / 'last.pt')['step'] == 3


def test_resuming_with_other_settings_is_one_sentence(
    objective: Callable[..., Objective], tmp_path: Path
) -> None:
    _train(objective(), tmp_path)
    wider = LifterConfig(width=24, blocks=1, elevation_width=16, elevation_blocks=1)
    with pytest.raises(InputError, match=r'last\.pt does not fit the settings of this run'):
        train(objective(wider), SCHEDULE, tmp_path, lambda *_: None)


def test_settings_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match='finite'):
        TrainingConfig(learning_rate=float('inf'))
