# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of the loss, judged by a lifter that knows the truth: it must find no fault with it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.geometry.elevation import up_cam_from_elevation  # noqa: E402
from elepose_core.losses import LossWeights  # noqa: E402
from elepose_core.models.lifter import (  # noqa: E402
    Lifted,
    Lifter,
    LifterConfig,
    Observation,
    observe,
)
from elepose_core.priors.bones import bone_lengths  # noqa: E402
from elepose_core.priors.flow import FlowPrior, PriorConfig  # noqa: E402
from elepose_core.training.objective import Objective  # noqa: E402
from elepose_core.training.sampling import SamplingConfig  # noqa: E402

COUNT = 6
WHOLE = SamplingConfig(random_hidden_share=0, group_hidden_share=0, noisy_share=0)
# What a lifter that is right may be charged: likelihood and completion are another matter.
GEOMETRY = (
    'reprojection',
    'consistency_3d',
    'pairwise_deformation',
    'bone_ratio',
    'elevation_consistency',
)


class Oracle:
    """Lifts people whom it knows, whatever side they are seen from."""

    def __init__(self, joints: NDArray[np.float64], up: NDArray[np.float64]) -> None:
        rays = torch.from_numpy(joints[..., :2] / joints[..., 2:])
        turn = observe(rays, torch.ones(rays.shape[:2])).rotation.numpy()
        distance = np.linalg.norm(joints[:, :1], axis=-1, keepdims=True)
        self.pose = np.einsum('nab,njb->nja', turn, joints) / distance
        self.up = np.einsum('nab,nb->na', turn, up)

    def elevation(self, observation: Observation) -> 'torch.Tensor':
        return torch.asin(torch.from_numpy(-self.up[:, 2]))

    def __call__(self, observation: Observation, up: 'torch.Tensor') -> Lifted:
        np.testing.assert_allclose(up, self.up, atol=1e-6)
        depth = np.stack([self._depth(row, observation) for row in range(len(self.pose))])
        completion = torch.zeros(len(depth), 17, 2, dtype=torch.float64)
        return Lifted(torch.from_numpy(depth), completion)

    def _depth(self, row: int, observation: Observation) -> NDArray[np.float64]:
        """Find the azimuth at which the known person looks as observed."""
        root = np.array([0.0, 0.0, 1.0])
        seen = observation.pose_2d[row].numpy()

        def turned(azimuth: float) -> NDArray[np.float64]:
            rotation = Rotation.from_rotvec(azimuth * self.up[row])
            return rotation.apply(self.pose[row] - root) + root

        def miss(azimuth: float) -> float:
            points = turned(azimuth)
            return float(((points[:, :2] / points[:, 2:] - seen) ** 2).sum())

        start = min(np.linspace(-np.pi, np.pi, 73), key=miss)
        best = minimize_scalar(miss, bounds=(start - 0.1, start + 0.1), options={'xatol': 1e-9})
        assert miss(best.x) < 1e-9
        return turned(best.x)[:, 2]


@pytest.fixture(scope='module')
def prior() -> FlowPrior:
    torch.manual_seed(0)
    prior = FlowPrior(PriorConfig(components=8, blocks=1, width=8))
    prior.fit_components(torch.randn(200, 34))
    return prior.double().requires_grad_(False)


@pytest.fixture(scope='module')
def people(crowd_of: Callable[..., Any]) -> Any:
    return crowd_of(COUNT, seed=5)


def _objective(
    prior: FlowPrior, people: Any, lifter: Any, sampling: SamplingConfig = WHOLE
) -> Objective:
    lengths = bone_lengths(torch.from_numpy(people.joints_cam_m))[0]
    ratios = lengths / lengths.mean()
    return Objective(lifter, _rays(people), prior, ratios, LossWeights(), sampling)


def _rays(people: Any) -> 'torch.Tensor':
    return torch.from_numpy(people.joints_cam_m[..., :2] / people.joints_cam_m[..., 2:])


def _lifter() -> Lifter:
    torch.manual_seed(0)
    config = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)
    return Lifter(config).double()


def _terms(objective: Objective, seed: int = 0) -> dict[str, 'torch.Tensor']:
    """Return the terms of every person once, in their order, as the oracle needs it."""
    draw = objective.draw(len(objective.rays), torch.Generator().manual_seed(seed))
    draw = {name: values.double() for name, values in draw.items()} | {'rays': objective.rays}
    return objective.terms(draw, 1)


@pytest.mark.parametrize('seed', [0, 1])
def test_lifter_that_knows_the_truth_is_charged_nothing_by_geometry(
    seed: int, prior: FlowPrior, people: Any
) -> None:
    oracle = Oracle(people.joints_cam_m, up_cam_from_elevation(people.elevation_rad))
    terms = _terms(_objective(prior, people, oracle), seed)
    for name in GEOMETRY:
        assert terms[name] < 1e-4, f'{name} is {terms[name]:.2g}'


def test_lifter_that_errs_is_charged(prior: FlowPrior, people: Any) -> None:
    terms = _terms(_objective(prior, people, _lifter()))
    for name in ('consistency_3d', 'pairwise_deformation', 'bone_ratio'):
        assert terms[name] > 1e-2, f'{name} is {terms[name]:.2g}'


def test_terms_are_the_weighted_ones_and_follow_from_the_generator(
    prior: FlowPrior, people: Any
) -> None:
    objective = _objective(prior, people, _lifter(), SamplingConfig())
    terms = _terms(objective)
    assert set(terms) == set(GEOMETRY) | {'likelihood', 'completion'}
    again, other = _terms(objective), _terms(objective, seed=1)
    assert all(torch.equal(terms[name], again[name]) for name in terms)
    assert not torch.equal(terms['consistency_3d'], other['consistency_3d'])


def test_every_weight_of_the_lifter_learns(prior: FlowPrior, people: Any) -> None:
    lifter = _lifter()
    hidden = SamplingConfig(group_hidden_share=1.0, random_hidden_share=0)
    objective = _objective(prior, people, lifter, hidden)
    weights = objective.weights(1)
    sum(weights[name] * term for name, term in _terms(objective).items()).backward()
    for name, parameter in lifter.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    assert all(p.grad is None for p in prior.parameters())


def test_absurd_pose_does_not_drown_the_batch(prior: FlowPrior, people: Any) -> None:
    objective = _objective(prior, people, _lifter())
    objective.rays[0, 5:9] += 500.0
    assert _terms(objective)['likelihood'] <= 500.0
