# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The flow is a density: inverse, Jacobian by autograd, integral one."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the prior is a torch module')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.priors.flow import (  # noqa: E402
    VIEW_CONDITIONS,
    FlowPrior,
    PriorConfig,
    scaled_pose,
    view_condition,
)


def _prior(components: int = 4, seed: int = 0, conditions: int = 0) -> FlowPrior:
    torch.manual_seed(seed)
    config = PriorConfig(components=components, blocks=2, width=8)
    prior = FlowPrior(config, conditions).double()
    for parameter in prior.parameters():  # away from the near-identity it starts as
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return prior


def test_scaled_pose_has_mean_joint_distance_one_whatever_its_size() -> None:
    pose = torch.randn(5, 17, 2, dtype=torch.float64)
    scaled = scaled_pose(pose)
    assert scaled.shape == (5, 34)
    np.testing.assert_allclose(scaled.reshape(5, 17, 2).norm(dim=-1).mean(1), 1.0)
    torch.testing.assert_close(scaled_pose(0.01 * pose), scaled)
    # Coordinates stay together: x0, y0, x1, y1, ...
    torch.testing.assert_close(scaled[:, :2] / scaled[:, 2:4], pose[:, 0] / pose[:, 1])


def test_collapsed_pose_is_finite() -> None:
    assert torch.isfinite(scaled_pose(torch.zeros(1, 17, 2))).all()


def test_components_of_the_fitted_poses_are_white() -> None:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(34, 34)) * np.geomspace(3, 0.01, 34)
    poses = torch.from_numpy(random.normal(size=(4000, 34)) @ mixing.T + 5.0)
    prior = _prior(components=8)
    prior.fit_components(poses)
    components = prior.whitened(poses).numpy()
    np.testing.assert_allclose(components.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(components.T, bias=True), np.eye(8), atol=1e-9)
    # They are the directions of the largest variance, by an eigen-decomposition.
    values, vectors = np.linalg.eigh(np.cov(poses.numpy().T, bias=True))
    axes = vectors[:, ::-1][:, :8] / np.sqrt(values[::-1][:8])
    np.testing.assert_allclose(
        np.abs(axes.T @ prior.whitening.numpy() @ np.eye(8)).diagonal(),
        1 / values[::-1][:8],
        rtol=1e-6,
    )


def test_density_follows_from_the_jacobian_that_autograd_finds() -> None:
    prior = _prior()
    for point in torch.randn(5, 4, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda x: prior.flow(x[None])[0][0], point)
        latent = prior.flow(point[None])[0][0]
        wanted = 0.5 * latent.square().sum() - torch.linalg.slogdet(jacobian).logabsdet
        found = prior.negative_log_likelihood(point[None])[0]
        torch.testing.assert_close(found, wanted)


def test_flow_undoes_itself() -> None:
    prior = _prior()
    points = torch.randn(20, 4, dtype=torch.float64)
    again, _ = prior.flow(prior.flow(points)[0], rev=True)
    torch.testing.assert_close(again, points, atol=1e-6, rtol=1e-6)


def test_density_integrates_to_one() -> None:
    prior = _prior(components=2)
    ticks = torch.linspace(-30, 30, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(ticks, ticks)
    with torch.no_grad():
        density = torch.exp(-prior.negative_log_likelihood(grid)) / (2 * math.pi)
    assert math.isclose(density.sum().item() * 0.1**2, 1.0, rel_tol=0.01)


def test_same_seed_builds_the_same_flow_with_its_fixed_rotations() -> None:
    first, second = _prior(seed=5).state_dict(), _prior(seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = _prior(seed=6).state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_gradient_reaches_the_pose() -> None:
    prior = _prior(components=6)
    prior.fit_components(torch.randn(100, 34, dtype=torch.float64))
    pose = torch.randn(2, 17, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda p: prior.negative_log_likelihood(prior.whitened(scaled_pose(p))), (pose,)
    )


def test_components_keep_their_spread_where_nothing_is_whitened() -> None:
    random = np.random.default_rng(0)
    poses = torch.from_numpy(random.normal(size=(500, 34)) * np.geomspace(3, 0.01, 34))
    prior = FlowPrior(PriorConfig(components=8, blocks=1, width=8, whiten=False)).double()
    prior.fit_components(poses)
    values = np.linalg.eigvalsh(np.cov(poses.numpy().T, bias=True))[::-1]
    found = prior.whitened(poses).numpy()
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.diag(values[:8]), atol=1e-9)


def test_view_condition_by_hand() -> None:
    # The usual view is told as zeros; one spread higher and one spread larger as ones.
    usual = torch.tensor([0.17]), torch.exp(torch.tensor([-2.6]))
    torch.testing.assert_close(view_condition(*usual), torch.zeros(1, 2), atol=1e-6, rtol=0)
    other = torch.tensor([0.47]), torch.exp(torch.tensor([-2.1]))
    torch.testing.assert_close(view_condition(*other), torch.ones(1, 2), atol=1e-5, rtol=0)


def test_conditional_density_is_one_for_every_view() -> None:
    prior = _prior(components=2, conditions=VIEW_CONDITIONS)
    ticks = torch.linspace(-30, 30, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(ticks, ticks)
    densities = []
    for view in ((0.0, 0.0), (1.5, -1.0)):
        condition = torch.tensor([view], dtype=torch.float64).expand(len(grid), 2)
        with torch.no_grad():
            surprise = prior.negative_log_likelihood(grid, condition)
        densities.append(torch.exp(-surprise) / (2 * math.pi))
        assert math.isclose(densities[-1].sum().item() * 0.1**2, 1.0, rel_tol=0.01)
    # And it is another one: some of its mass lies elsewhere.
    assert (densities[0] - densities[1]).abs().sum().item() * 0.1**2 > 0.01


def test_gradient_reaches_the_condition() -> None:
    prior = _prior(components=4, conditions=VIEW_CONDITIONS)
    components = torch.randn(3, 4, dtype=torch.float64)
    condition = torch.randn(3, VIEW_CONDITIONS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda c: prior.negative_log_likelihood(components, c), (condition,)
    )
