# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Sigma and plausibility of a graph, calibrated on errors and poses that are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip('torch', reason='the graph is a torch module')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.export.calibration import calibrate_plausibility, calibrate_sigma  # noqa: E402
from elepose_core.models.graph import LiftingGraph  # noqa: E402
from elepose_core.models.lifter import Lifter  # noqa: E402
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.models.teacher import LifterConfig  # noqa: E402
from elepose_core.priors.flow import (  # noqa: E402
    VIEW_CONDITIONS,
    FlowPrior,
    PriorConfig,
    scaled_pose,
)

Float32 = NDArray[np.float32]
COUNT = 2000


@pytest.fixture(scope='module')
def rays(crowd_of: Callable[..., Any]) -> Float32:
    joints = crowd_of(COUNT, seed=4).joints_cam_m
    return np.float32(joints[..., :2] / joints[..., 2:])


@pytest.fixture
def graph(rays: Float32) -> LiftingGraph:
    """Return a graph whose prior knows the components of people, not more."""
    torch.manual_seed(0)
    lifter = Lifter(LifterConfig(width=16, blocks=1, elevation_width=16, elevation_blocks=1))
    prior = FlowPrior(PriorConfig(components=12, blocks=1, width=8), VIEW_CONDITIONS)
    seen = observe(torch.from_numpy(rays), torch.ones(COUNT, 17))
    prior.fit_components(scaled_pose(seen.pose_2d))
    return LiftingGraph(lifter, prior.requires_grad_(False)).eval()


def _lift(graph: LiftingGraph, rays: Float32) -> list[NDArray[np.float64]]:
    level = torch.tensor([[0.0, -1.0, 0.0]]).expand(len(rays), 3)
    unknown = torch.full((len(rays),), torch.inf)
    with torch.no_grad():
        outputs = graph(torch.from_numpy(rays), torch.ones(rays.shape[:2]), level, unknown)
    return [output.double().numpy() for output in outputs]


@pytest.fixture
def truth(graph: LiftingGraph, rays: Float32) -> Float32:
    """Return joints off the lifted ones: each joint by more than the one before it."""
    random = np.random.default_rng(0)
    error = random.normal(size=(COUNT, 17, 3)) * np.linspace(0.01, 0.05, 17)[:, None]
    error[:, 0] = 0.0
    return np.float32(1.7 * (_lift(graph, rays)[0] + 0.1 * error))


def _share_within(graph: LiftingGraph, rays: Float32, truth: Float32) -> NDArray[np.float64]:
    """Return, of each joint but the root, the share of errors within sigma; least squares."""
    joints, _, sigma, *_ = _lift(graph, rays)
    pose, wanted = joints - joints[:, :1], (truth - truth[:, :1]).astype(np.float64)
    factor = (pose * wanted).sum((1, 2)) / (pose * pose).sum((1, 2))
    error = np.linalg.norm(factor[:, None, None] * pose - wanted, axis=-1)
    return np.asarray((error < factor[:, None] * sigma).mean(0))[1:]


def test_sixty_eight_percent_of_each_joint_lie_within_its_sigma(
    graph: LiftingGraph, rays: Float32, truth: Float32
) -> None:
    half, scores = COUNT // 2, np.ones((COUNT, 17), np.float32)
    assert np.abs(_share_within(graph, rays, truth) - 0.68).max() > 0.2
    calibrate_sigma(graph, rays[:half], scores[:half], truth[:half])
    # Poses that it did not see, too.
    np.testing.assert_allclose(_share_within(graph, rays[half:], truth[half:]), 0.68, atol=0.05)
    factors = graph.sigma_factor.clone()
    # The pelvis, on which poses are laid together, gets what is usual.
    assert factors[0].item() == pytest.approx(np.median(factors[1:].numpy()))
    calibrate_sigma(graph, rays[:half], scores[:half], truth[:half])
    torch.testing.assert_close(graph.sigma_factor, factors)


def test_poses_that_lack_joints_are_left_out(
    graph: LiftingGraph, rays: Float32, truth: Float32
) -> None:
    scores = np.ones((COUNT, 17), np.float32)
    calibrate_sigma(graph, rays[:600], scores[:600], truth[:600])
    calibrate_plausibility(graph, rays[:600], scores[:600])
    factors, quantiles = graph.sigma_factor.clone(), graph.surprise_quantiles.clone()
    some, unknown = rays.copy(), truth.copy()
    some[600:900, 0], scores[900:1200, 5], unknown[1200:, 3] = np.nan, 0.0, np.nan
    calibrate_sigma(graph, some, scores, unknown)
    calibrate_plausibility(graph, some[:1200], scores[:1200])
    torch.testing.assert_close(graph.sigma_factor, factors)
    torch.testing.assert_close(graph.surprise_quantiles, quantiles)


def test_too_few_poses_are_one_sentence(
    graph: LiftingGraph, rays: Float32, truth: Float32
) -> None:
    scores = np.ones((COUNT, 17), np.float32)
    scores[255:, 3] = 0.0
    sentence = '255 poses have all joints; expected 256 or more to calibrate on'
    with pytest.raises(InputError, match=sentence):
        calibrate_sigma(graph, rays, scores, truth)
    with pytest.raises(InputError, match=sentence):
        calibrate_plausibility(graph, rays, scores)


def test_plausibility_is_the_share_of_usual_poses_that_are_less_likely(
    graph: LiftingGraph, rays: Float32
) -> None:
    calibrate_plausibility(graph, rays, np.ones((COUNT, 17), np.float32))
    quantiles = graph.surprise_quantiles
    assert (quantiles.diff() >= 0).all()
    plausibility = _lift(graph, rays)[3]
    # Clean poses are a little likelier than those that detectors shake.
    assert 0.4 < np.median(plausibility) < 0.75
    assert plausibility.min() < 0.1
    assert plausibility.max() > 0.9
    disorder = rays[:, np.random.default_rng(1).permutation(17)]
    assert np.median(_lift(graph, disorder)[3]) < 0.02
