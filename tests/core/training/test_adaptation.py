# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""An adapter that is shown unpaired poses of two kinds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from torch import Tensor  # noqa: E402

from elepose_core.models.adapter import AdapterConfig, PoseAdapter  # noqa: E402
from elepose_core.models.discriminator import DiscriminatorConfig, frame_judge  # noqa: E402
from elepose_core.models.graph import LiftingGraph  # noqa: E402
from elepose_core.models.lifter import Lifter  # noqa: E402
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.models.teacher import Teacher  # noqa: E402
from elepose_core.priors.flow import FlowPrior  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training.adaptation import (  # noqa: E402
    Adaptation,
    AdaptationParts,
    AdaptationWeights,
)
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

HEAD = H36M_17.index('head_top')


@pytest.fixture
def recipe(
    crowd_of: Callable[..., Any],
    keypoints_of: Callable[..., Keypoints2D],
    prior_of: Callable[..., FlowPrior],
    teacher_of: Callable[..., Teacher],
) -> Adaptation:
    """Wild heads are marked 0.4 sizes too low; other people stand for those that are clean."""
    wild, clean = (keypoints_of(crowd_of(600, seed=seed)).rays.float() for seed in (1, 2))
    size = observe(wild, torch.ones(600, 17)).scale
    wild = wild.clone()
    wild[:, HEAD, 1] += 0.4 * size
    torch.manual_seed(0)
    graph = LiftingGraph(
        Lifter(teacher_of().config),
        prior_of(clean.double(), 2).float(),
        PoseAdapter(AdapterConfig(width=32, blocks=1)),
    )
    parts = AdaptationParts(graph, frame_judge(DiscriminatorConfig(width=32, blocks=1)))
    recipe = Adaptation(parts, wild, clean, AdaptationWeights(change=4.0))
    recipe.prepare()
    return recipe


def _draw(recipe: Adaptation) -> dict[str, Tensor]:
    return recipe.draw(16, torch.Generator().manual_seed(0))


def test_only_adapter_and_judge_learn(recipe: Adaptation) -> None:
    weights, terms = recipe.weights(1), recipe.terms(_draw(recipe), 1)
    assert set(weights) == set(terms)
    sum(weights[name] * term for name, term in terms.items()).backward()
    learning = {id(p) for group in recipe.groups for p in group.parameters}
    for name, parameter in recipe.module.named_parameters():
        inside = name.startswith(('graph.adapter.', 'judge.'))
        assert (id(parameter) in learning) == inside, name
        assert (parameter.grad is not None) == inside, name


def test_known_offset_is_recovered(recipe: Adaptation, tmp_path: Path) -> None:
    schedule = TrainingConfig(steps=500, batch_size=64, learning_rate=1e-3, warm_up_steps=10)
    train(recipe, schedule, tmp_path, lambda *_: None)
    with torch.no_grad():
        seen = observe(recipe.wild, torch.ones(600, 17))
        offsets = recipe.module.adapter.offsets(seen).mean(0)
    # Moving costs, so that not the whole of 0.4 is put right; nothing else moves as far.
    assert -0.5 < offsets[HEAD, 1].item() < -0.2
    assert abs(offsets[HEAD, 0].item()) < 0.1
    others = torch.arange(17) != HEAD
    assert offsets[others].abs().max() < -0.7 * offsets[HEAD, 1].item()
