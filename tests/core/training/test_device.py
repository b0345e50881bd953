# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Every recipe draws on the CPU and judges on its device.

Torch's device `meta` has shapes but no numbers. Like a GPU it refuses tensors of the CPU beside
its own, so that a recipe that mixes them fails here, on machines without a GPU.
"""

from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.losses import (  # noqa: E402
    AlternationWeights,
    DiscoveryWeights,
    DistillationWeights,
)
from elepose_core.models.elepose_paper import ElePoseLifter, ElePoseLifterConfig  # noqa: E402
from elepose_core.models.graph import LiftingGraph  # noqa: E402
from elepose_core.models.lifter import Lifter  # noqa: E402
from elepose_core.models.teacher import LifterConfig, Teacher  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig  # noqa: E402
from elepose_core.training.alternation import (  # noqa: E402
    Alternation,
    AlternationConfig,
    Alternators,
)
from elepose_core.training.device import choose_device  # noqa: E402
from elepose_core.training.discovery import Discovery  # noqa: E402
from elepose_core.training.distillation import Distillation, Lessons  # noqa: E402
from elepose_core.training.distributed import Processes  # noqa: E402
from elepose_core.training.elepose_paper import PublishedLosses, PublishedRecipe  # noqa: E402
from elepose_core.training.loop import Recipe  # noqa: E402
from elepose_core.training.sampling import Keypoints2D, SamplingConfig  # noqa: E402

META = torch.device('meta')
LIFTER = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)


def _prior(conditions: int = 0) -> FlowPrior:
    config = PriorConfig(components=8, blocks=1, width=8)
    return FlowPrior(config, conditions).requires_grad_(False)


def _recipe(name: str) -> Recipe:
    index = torch.arange(60)
    data = Keypoints2D(torch.randn(60, 17, 2), index // 10, index % 10, index // 30).to(META)
    if name == 'discovery':
        prior = _prior().to(META)
        ratios = torch.ones(16, device=META)
        return Discovery(Teacher(LIFTER).to(META), data, prior, ratios, DiscoveryWeights(), 0.5)
    if name == 'alternation':
        parts = Alternators(
            Teacher(LIFTER), torch.zeros(6), _prior(VIEW_CONDITIONS), torch.ones(2, 16)
        )
        weights = AlternationWeights()
        return Alternation(parts.to(META), data, AlternationConfig(), weights, 0.5, seed=0)
    if name == 'distillation':
        graph = LiftingGraph(Lifter(LIFTER), _prior(VIEW_CONDITIONS)).to(META)
        one = torch.ones(60)
        lessons = Lessons(torch.randn(60, 17, 3), one, one, one).to(META)
        return Distillation(graph, lessons, DistillationWeights(), SamplingConfig())
    lifter = ElePoseLifter(ElePoseLifterConfig(width=8)).to(META)
    ratios = torch.ones(16, device=META)
    return PublishedRecipe(lifter, _prior().to(META), data.rays, ratios, PublishedLosses())


@pytest.mark.parametrize('name', ['discovery', 'alternation', 'distillation', 'published'])
def test_recipe_judges_on_its_device(name: str) -> None:
    recipe = _recipe(name)
    drawn = recipe.draw(8, torch.Generator().manual_seed(0))
    terms = recipe.terms({key: values.to(META) for key, values in drawn.items()}, 1)
    weights = recipe.weights(1)
    assert {term.device.type for term in terms.values()} == {'meta'}
    torch.stack([weights[key] * term for key, term in terms.items()]).sum().backward()
    gradients = [p.grad for group in recipe.groups for p in group.parameters]
    assert any(gradient is not None for gradient in gradients)


def _gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> list[Any]:
    """Pretend that so many GPUs are there; return the devices that are made current."""
    current: list[Any] = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    monkeypatch.setattr(torch.cuda, 'set_device', current.append)
    return current


def test_each_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    current = _gpus(monkeypatch, 4)
    assert choose_device('auto', Processes()) == torch.device('cuda', 0)
    assert choose_device('cuda:3', Processes()) == torch.device('cuda', 3)
    process = Processes(rank=6, count=8, local_rank=2, local_count=4)
    assert choose_device('cuda', process) == torch.device('cuda', 2)
    assert [device.index for device in current] == [0, 3, 2]
    assert choose_device('cpu', process) == torch.device('cpu')


def test_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, 1)
    with pytest.raises(InputError, match='cuda:1; expected GPU 1, but torch finds 1'):
        choose_device('cuda:1', Processes())
    with pytest.raises(InputError, match='device is auto; expected GPU 1, but torch finds 1'):
        choose_device('auto', Processes(1, 2, 1, 2))
    with pytest.raises(InputError, match=r'cuda:0; expected cuda, as each process takes its own'):
        choose_device('cuda:0', Processes(1, 2, 1, 2))
    _gpus(monkeypatch, 0)
    assert choose_device('auto', Processes()) == torch.device('cpu')
    with pytest.raises(InputError, match='device is cuda; expected GPU 0, but torch finds 0'):
        choose_device('cuda', Processes())
