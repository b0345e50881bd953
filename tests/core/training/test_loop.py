# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop with a recipe so small that every step is checked by hand."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from torch import Tensor, nn  # noqa: E402

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.training.checkpoint import load_checkpoint  # noqa: E402
from elepose_core.training.distributed import Processes  # noqa: E402
from elepose_core.training.loop import (  # noqa: E402
    Group,
    Progress,
    Stopped,
    TrainingConfig,
    train,
)
from elepose_core.training.precision import multiply_in  # noqa: E402

PLAIN: dict[str, Any] = {
    **{'batch_size': 8, 'optimiser': 'adam', 'learning_rate': 0.1, 'warm_up_steps': 1},
    **{'weight_decay': 0.0, 'largest_gradient': 0.0},
}


class Number(nn.Module):
    def __init__(self, start: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(start))


class Line:
    """Recipe that learns one number from draws around 3; `bend` makes terms of number and draw."""

    def __init__(
        self,
        bend: Callable[[Tensor, Tensor], dict[str, Tensor]] | None = None,
        weights: dict[str, float] | None = None,
    ) -> None:
        self.module = Number(1.0)
        self._bend = bend or (lambda w, x: {'distance': (w - x).square().mean()})
        self._weights = weights or {'distance': 1.0}

    @property
    def groups(self) -> list[Group]:
        return [Group(list(self.module.parameters()))]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {'x': 3 + torch.randn(batch_size, generator=generator)}

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        del step
        return self._bend(self.module.value, draw['x'])

    def weights(self, step: int) -> dict[str, float]:
        del step
        return self._weights

    def after_step(self, step: int) -> None:
        pass


def _downhill(w: Tensor, _: Tensor) -> dict[str, Tensor]:
    """Give a gradient of 1, by which Adam walks one learning rate per step."""
    return {'distance': w}


def _values(recipe: Line, run: Path, **settings: Any) -> list[float]:
    found = [recipe.module.value.item()]
    config = TrainingConfig(**{**PLAIN, **settings})
    train(recipe, config, run, lambda *_: found.append(recipe.module.value.item()))
    return found


def test_gradient_is_that_of_the_weighted_sum(tmp_path: Path) -> None:
    recipe = Line(lambda w, _: {'a': w, 'b': w * w}, {'a': 2.0, 'b': 3.0})
    found: list[tuple[float, dict[str, float]]] = []

    def on_step(step: int, terms: dict[str, float], module: Any) -> None:
        found.append((module.value.grad.item(), terms))

    train(recipe, TrainingConfig(**PLAIN, steps=1), tmp_path, on_step)
    assert found == [(2.0 + 3.0 * 2 * 1.0, {'a': 1.0, 'b': 1.0})]


def test_gradient_is_cut_to_its_longest(tmp_path: Path) -> None:
    found: list[float] = []
    config = TrainingConfig(**{**PLAIN, 'largest_gradient': 0.25}, steps=1)
    recipe = Line(_downhill)
    train(recipe, config, tmp_path, lambda _s, _t, m: found.append(m.value.grad.item()))
    assert found[0] == pytest.approx(0.25, rel=1e-4)


def test_groups_walk_at_their_own_rates_and_are_cut_apart(tmp_path: Path) -> None:
    class Pair(Line):
        def __init__(self) -> None:
            super().__init__(lambda w, _: {'distance': w + 100 * self.module.other})
            self.module.other = nn.Parameter(torch.tensor(1.0))

        @property
        def groups(self) -> list[Group]:
            return [Group([self.module.value]), Group([self.module.other], 0.5)]

    recipe = Pair()
    config = TrainingConfig(**{**PLAIN, 'largest_gradient': 2.0}, steps=1, schedule='linear')
    train(recipe, config, tmp_path, lambda *_: None)
    assert recipe.module.value.grad.item() == 1.0
    assert recipe.module.other.grad.item() == pytest.approx(2.0, rel=1e-4)
    assert recipe.module.value.item() == pytest.approx(1 - 0.1, rel=1e-4)
    assert recipe.module.other.item() == pytest.approx(1 - 0.05, rel=1e-4)


def test_what_no_gradient_changes_is_changed_after_each_step(tmp_path: Path) -> None:
    recipe, steps = Line(_downhill), []

    def after_step(step: int) -> None:
        steps.append((step, round(recipe.module.value.item(), 4)))

    recipe.after_step = after_step
    train(
        recipe,
        TrainingConfig(**PLAIN, steps=2, decay=1, schedule='exponential'),
        tmp_path,
        lambda *_: None,
    )
    assert steps == [(1, 0.9), (2, 0.8)]


def test_exponential_schedule_by_hand(tmp_path: Path) -> None:
    values = _values(
        Line(_downhill), tmp_path, steps=6, schedule='exponential', decay=0.5, decay_steps=2
    )
    walked = [before - after for before, after in pairwise(values)]
    assert walked == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025], rel=1e-4)


def test_linear_schedule_by_hand(tmp_path: Path) -> None:
    values = _values(Line(_downhill), tmp_path, steps=5, warm_up_steps=2)
    walked = [before - after for before, after in pairwise(values)]
    # The warm-up halves the first; 20 % fewer each step.
    assert walked == pytest.approx([0.05, 0.08, 0.06, 0.04, 0.02], rel=1e-3)


def test_weight_decay_is_that_of_the_named_optimiser(tmp_path: Path) -> None:
    # Without any gradient AdamW shrinks by rate times decay, Adam by a whole rate.
    still = Line(lambda w, _: {'distance': 0 * w})
    decoupled = _values(still, tmp_path / 'w', steps=1, optimiser='adamw', weight_decay=0.5)
    assert decoupled[1] == pytest.approx(1 - 0.1 * 0.5)
    still = Line(lambda w, _: {'distance': 0 * w})
    coupled = _values(still, tmp_path / 'a', steps=1, optimiser='adam', weight_decay=0.5)
    assert coupled[1] == pytest.approx(1 - 0.1)


def test_averaged_weights_are_what_is_validated_and_kept(tmp_path: Path) -> None:
    recipe, seen = Line(_downhill), {}

    def validate(step: int, module: Any) -> float:
        seen[step] = module.value.item()
        return -float(step)

    config = TrainingConfig(**PLAIN, steps=3, average=0.75, validate_every=1)
    walked: list[float] = []
    train(recipe, config, tmp_path, lambda _s, _t, m: walked.append(m.value.item()), validate)
    # The average starts at the weights after the first step.
    second = 0.75 * walked[0] + 0.25 * walked[1]
    third = 0.75 * second + 0.25 * walked[2]
    assert [seen[step] for step in (1, 2, 3)] == pytest.approx([walked[0], second, third])
    for name in ('best.pt', 'last.pt'):
        exported = load_checkpoint(tmp_path / name)['exported']
        assert exported['value'].item() == pytest.approx(third)


def test_validation_begins_with_the_untrained_module(tmp_path: Path) -> None:
    steps: list[int] = []
    config = TrainingConfig(**PLAIN, steps=5, validate_every=2)
    train(Line(), config, tmp_path, lambda *_: None, lambda step, _: steps.append(step) or 1.0)
    assert steps == [0, 2, 4]
    assert load_checkpoint(tmp_path / 'best.pt')['step'] == 2


FIGURES = {0: 9.0, 1: 5.0, 2: 4.0, 3: 4.5, 4: 3.0, 5: 3.0, 6: 7.0, 7: 1.0}
PATIENT = TrainingConfig(**PLAIN, steps=20, average=0.9, validate_every=1, patience=2, seed=3)


def _patient(run: Path, stop_at: int | None = None) -> tuple[Progress, list[int]]:
    """Train with scripted figures of val; return where it ended and the steps validated."""
    asked: list[int] = []

    def on_step(step: int, *_: Any) -> None:
        if step == stop_at:
            raise Stopped

    def validate(step: int, _: Any) -> float:
        asked.append(step)
        return FIGURES[step]

    return train(Line(), PATIENT, run, on_step, validate), asked


def test_early_stopping_by_hand(tmp_path: Path) -> None:
    progress, asked = _patient(tmp_path)
    # 3.0 at step 4; an equal figure is no better; the second in vain ends it before the 1.0.
    assert progress == Progress(step=6, best=3.0, best_step=4, waited=2)
    assert asked == [0, 1, 2, 3, 4, 5, 6]
    assert load_checkpoint(tmp_path / 'best.pt')['best'] == 3.0


def test_run_that_stopped_early_does_not_go_on(tmp_path: Path) -> None:
    _patient(tmp_path)
    before = (tmp_path / 'last.pt').read_bytes()
    progress, asked = _patient(tmp_path)
    assert (progress.step, asked) == (6, [])
    assert (tmp_path / 'last.pt').read_bytes() == before


@pytest.mark.parametrize('stop_at', [1, 3, 5])
def test_resumed_run_ends_alike_with_average_and_patience(stop_at: int, tmp_path: Path) -> None:
    whole, _ = _patient(tmp_path / 'whole')
    with pytest.raises(Stopped):
        _patient(tmp_path / 'cut', stop_at)
    resumed, asked = _patient(tmp_path / 'cut')
    assert resumed == whole
    assert asked[0] == stop_at + 1
    for name in ('last.pt', 'best.pt'):
        first, second = (load_checkpoint(tmp_path / run / name) for run in ('whole', 'cut'))
        assert _flat(first) == _flat(second)


def _flat(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _flat(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, Tensor) else state


def test_run_that_was_killed_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    def killed(step: int, *_: Any) -> None:
        if step == 6:
            raise RuntimeError('power is off')

    config = TrainingConfig(**PLAIN, steps=9, checkpoint_every=4, average=0.5)
    train(Line(), config, tmp_path / 'whole', lambda *_: None)
    with pytest.raises(RuntimeError, match='power is off'):
        train(Line(), config, tmp_path / 'cut', killed)
    assert load_checkpoint(tmp_path / 'cut' / 'last.pt')['step'] == 4
    steps: list[int] = []
    train(Line(), config, tmp_path / 'cut', lambda step, *_: steps.append(step))
    assert steps == [5, 6, 7, 8, 9]
    first, second = (load_checkpoint(tmp_path / run / 'last.pt') for run in ('whole', 'cut'))
    assert _flat(first) == _flat(second)


def test_seed_decides(tmp_path: Path) -> None:
    ends = [_values(Line(), tmp_path / str(i), steps=3, seed=s)[-1] for i, s in enumerate('001')]
    assert ends[0] == ends[1] != ends[2]


def test_checkpoint_that_is_damaged_or_of_other_settings_is_one_sentence(tmp_path: Path) -> None:
    config = TrainingConfig(**PLAIN, steps=1)
    train(Line(), config, tmp_path, lambda *_: None)
    other = Line()
    other.module.more = nn.Parameter(torch.zeros(2))
    with pytest.raises(InputError, match=r'last\.pt does not fit the settings of this run'):
        train(other, config, tmp_path, lambda *_: None)
    (tmp_path / 'last.pt').write_bytes(b'half of it')
    with pytest.raises(InputError, match=r'last\.pt is not a readable checkpoint'):
        train(Line(), config, tmp_path, lambda *_: None)


def test_settings_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match='finite'):
        TrainingConfig(learning_rate=float('inf'))


def test_term_that_is_not_finite_tells_what_to_try_and_keeps_the_last_state(
    tmp_path: Path,
) -> None:
    recipe = Line(lambda w, _: {'distance': w, 'logarithm': torch.log(w - 0.75)})
    recipe.weights = lambda step: {'distance': 1.0, 'logarithm': 0.0}
    config = TrainingConfig(**PLAIN, steps=9, checkpoint_every=2, schedule='exponential', decay=1)
    with pytest.raises(FloatingPointError) as caught:
        train(recipe, config, tmp_path, lambda *_: None)
    # 1 - 0.1 - 0.1 - 0.1 < 0.75
    assert str(caught.value).startswith('logarithm is nan at step 4 (learning rate 0.1)')
    assert 'a smaller learning_rate' in str(caught.value)
    assert '\n' not in str(caught.value)
    assert load_checkpoint(tmp_path / 'last.pt')['step'] == 2


def test_gradient_that_is_not_finite_is_told_though_every_term_is_finite(tmp_path: Path) -> None:
    recipe = Line(lambda w, _: {'distance': torch.sqrt(0 * w)})
    with pytest.raises(FloatingPointError, match=r'norm of the gradient is nan at step 1 '):
        train(recipe, TrainingConfig(**PLAIN, steps=2), tmp_path, lambda *_: None)
    assert recipe.module.value.item() == 1.0
    assert not (tmp_path / 'last.pt').exists()


def test_processes_share_a_batch_evenly_or_not_at_all() -> None:
    assert Processes().rows(9) == slice(0, 9)
    assert [Processes(rank, 2).rows(8) for rank in range(2)] == [slice(0, 4), slice(4, 8)]
    for batch_size in (9, 10):
        with pytest.raises(InputError, match=rf'batch_size is {batch_size}; .* multiple of 4'):
            Processes(1, 2).rows(batch_size)


def test_bfloat16_rounds_the_layers_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(64, 32)
    x = torch.randn(16, 64, generator=generator)
    exact, rotation = layer(x), torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q
    with multiply_in('bfloat16'):
        rounded, turned = layer(x), rotation @ rotation.T
    assert rounded.dtype == torch.float32
    error = (rounded - exact).abs().max() / exact.abs().max()
    assert 1e-5 < error < 2**-6  # eight bits of each factor
    torch.testing.assert_close(turned, torch.eye(3))
    rounded.square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert torch.isfinite(layer.weight.grad).all()
    assert torch.equal(layer(x), exact), 'outside of the context nothing is rounded'


def test_bfloat16_trains(tmp_path: Path) -> None:
    class Layer(Line):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(1, 1)

        def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
            out = self.module(torch.ones(8, 1))
            return {'distance': (out[:, 0] - 3).square().mean()}

    found: list[float] = []
    config = TrainingConfig(**PLAIN, steps=60, precision='bfloat16')
    train(Layer(), config, tmp_path, lambda _s, terms, _m: found.append(terms['distance']))
    assert found[-1] < 0.1 < found[0]
    assert math.isfinite(sum(found))
