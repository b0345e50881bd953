# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark compares what computes the same: its plain loop and our recipe agree."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.models.elepose_paper import ElePoseLifter, ElePoseLifterConfig  # noqa: E402
from elepose_core.priors.flow import FlowPrior, PriorConfig  # noqa: E402
from elepose_core.training.elepose_paper import PublishedLosses, PublishedRecipe  # noqa: E402

SCRIPT = Path(__file__).parents[3] / 'benchmarks' / 'training_step.py'


@pytest.fixture(scope='module')
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location('training_step', SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules['training_step'] = module
    spec.loader.exec_module(module)
    return module


def _give_weights(plain: 'torch.nn.Module', lifter: ElePoseLifter) -> None:
    """Let the plain lifter compute what ours does: x before y, angle of the other sign."""
    ours = lifter.state_dict()
    names = {
        'entry': 'shared.0',
        'shared': 'shared.1',
        'depth_blocks': 'depth_head',
        'angle_blocks': 'elevation_head',
        'depth_exit': 'depth_head.2',
        'angle_exit': 'elevation_head.2',
    }
    state = {}
    for name in plain.state_dict():
        part, rest = name.split('.', 1)
        state[name] = ours[f'{names[part]}.{rest}'].clone()
    state['entry.weight'] = state['entry.weight'].reshape(-1, 17, 2).transpose(1, 2).flatten(1)
    for name in ('angle_exit.weight', 'angle_exit.bias'):
        state[name] *= -1
    plain.load_state_dict(state)


def test_both_loops_have_the_same_losses_and_gradients(benchmark: ModuleType) -> None:
    torch.manual_seed(0)
    rays = benchmark.generated_rays(64)
    lifter = ElePoseLifter(ElePoseLifterConfig(width=16))
    lifter.fit_scale(rays)
    poses = lifter.normalised(rays)
    config = PriorConfig(components=12, blocks=2, width=16, hidden_layers=1, whiten=False)
    prior = FlowPrior(config).requires_grad_(False)
    prior.fit_components(poses.flatten(1))
    ratios = torch.ones(16)
    recipe = PublishedRecipe(lifter, prior, rays, ratios, PublishedLosses())
    draw = recipe.draw(32, torch.Generator().manual_seed(1))
    ours = recipe.terms(draw, 1)
    plain_lifter = benchmark.PlainLifter(16)
    _give_weights(plain_lifter, lifter)
    chosen = lifter.normalised(draw['rays'])
    batch = {
        'poses': torch.cat([chosen[..., 0], chosen[..., 1]], dim=1),
        'azimuth': draw['azimuth_rad'],
        'standard': draw['standard_elevation'],
    }
    plain = benchmark.plain_terms(plain_lifter, prior, ratios, batch)
    assert plain.keys() == ours.keys()
    for name, term in ours.items():
        torch.testing.assert_close(plain[name], term, rtol=1e-3, atol=1e-5)
    sum(ours.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    sum(plain.values(), torch.zeros(())).backward()
    # Our angle is minus theirs, and so is its gradient.
    pairs = (
        (lifter.depth_head[2].weight, plain_lifter.depth_exit.weight, 1),
        (lifter.elevation_head[2].weight, plain_lifter.angle_exit.weight, -1),
        (lifter.shared[1].first.weight, plain_lifter.shared.first.weight, 1),
    )
    for mine, theirs, sign in pairs:
        torch.testing.assert_close(sign * theirs.grad, mine.grad, rtol=1e-2, atol=1e-4)


def test_figures_belong_together(benchmark: ModuleType) -> None:
    result = benchmark.measure(steps=2, batch_size=16, width=16)
    step_s, speed = result['step_s'], result['poses_per_s']
    assert result['ratio'] == pytest.approx(step_s['plain'] / step_s['ours'])
    assert speed['ours'] == pytest.approx(16 / step_s['ours'])
