# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The deployed graph: geometry that must hold whatever the weights are."""

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='the graph is a torch module')

from elepose_core.geometry.elevation import up_cam_from_elevation  # noqa: E402
from elepose_core.models.graph import INPUT_NAMES, OUTPUT_NAMES, LiftingGraph  # noqa: E402
from elepose_core.models.lifter import Lifter, LifterConfig  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig  # noqa: E402

COUNT = 12
Outputs = tuple['torch.Tensor', ...]


@pytest.fixture(scope='module')
def graph() -> LiftingGraph:
    torch.manual_seed(3)
    lifter = Lifter(LifterConfig(width=16, blocks=1, elevation_width=16, elevation_blocks=1))
    # The heads start near zero; larger ones let a mistake show.
    for head in (lifter.depth_head, lifter.up_head, lifter.sigma_head, lifter.pose_head):
        torch.nn.init.normal_(head.weight, std=0.2)
    prior = FlowPrior(PriorConfig(components=8, blocks=2, width=16), VIEW_CONDITIONS)
    torch.nn.init.normal_(prior.whitening, std=0.3)
    return LiftingGraph(lifter, prior).double().eval()


@pytest.fixture(scope='module')
def rays(crowd_of: Callable[..., Any]) -> 'torch.Tensor':
    joints = crowd_of(COUNT).joints_cam_m
    return torch.from_numpy(joints[..., :2] / joints[..., 2:])


def _up(elevation_deg: float, roll_deg: float = 0.0, count: int = COUNT) -> 'torch.Tensor':
    up = up_cam_from_elevation(math.radians(elevation_deg), math.radians(roll_deg))
    return torch.from_numpy(up).expand(count, 3)


def _lift(
    graph: LiftingGraph,
    rays: 'torch.Tensor',
    scores: 'torch.Tensor | None' = None,
    up: 'torch.Tensor | None' = None,
    variance: float = 0.0,
) -> Outputs:
    count = len(rays)
    scores = torch.ones(count, 17, dtype=torch.float64) if scores is None else scores
    variance = math.inf if up is None else variance
    told = _up(0.0, count=count) if up is None else up
    with torch.no_grad():
        return graph(rays, scores, told, torch.full((count,), variance, dtype=torch.float64))


def test_names_of_inputs_and_outputs_have_the_documented_shapes(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    assert INPUT_NAMES == ('rays', 'scores', 'up_cam', 'up_variance')
    shapes = dict(zip(OUTPUT_NAMES, (o.shape for o in _lift(graph, rays)), strict=True))
    assert shapes == {
        'joints_cam': (COUNT, 17, 3),
        'up_cam_estimate': (COUNT, 3),
        'sigma': (COUNT, 17),
        'plausibility': (COUNT,),
        'up_variance_estimate': (COUNT, 2),
    }


def test_root_is_one_away_in_the_virtual_camera_and_up_is_a_unit_vector(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    joints, up, sigma, plausibility, variance = _lift(graph, rays)
    axis = torch.cat([rays[:, 0], torch.ones(COUNT, 1, dtype=torch.float64)], dim=1)
    depth = (joints[:, 0] * axis / axis.norm(dim=1, keepdim=True)).sum(1)
    np.testing.assert_allclose(depth, 1.0)
    np.testing.assert_allclose(up.norm(dim=-1), 1.0)
    assert (sigma > 0).all()
    assert (variance > 0).all()
    assert ((plausibility >= 0) & (plausibility <= 1)).all()


def _panned(rays: 'torch.Tensor') -> tuple['torch.Tensor', 'torch.Tensor']:
    """Pan the camera by 25 degrees: rays in the new camera, and the turn into it."""
    pan = torch.from_numpy(Rotation.from_euler('y', 25, degrees=True).as_matrix())
    points = torch.cat([rays, torch.ones_like(rays[..., :1])], dim=-1) @ pan.T
    return points[..., :2] / points[..., 2:], pan


@pytest.mark.parametrize('told', [False, True])
def test_person_at_the_edge_is_lifted_like_one_in_the_middle(
    told: bool, graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    edge, pan = _panned(rays)
    up = _up(16.0, 10.0) if told else None
    joints, estimate, *rest = _lift(graph, rays, up=up)
    panned, panned_estimate, *panned_rest = _lift(
        graph, edge, up=None if up is None else up @ pan.T
    )
    torch.testing.assert_close(panned, joints @ pan.T)
    torch.testing.assert_close(panned_estimate, estimate @ pan.T)
    for mine, theirs in zip(panned_rest, rest, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('roll_deg', [-170.0, -40.0, 15.0, 90.0])
@pytest.mark.parametrize('hidden', [[], [0, 4, 16]])
def test_rolled_camera_that_is_told_sees_the_same_person_rolled(
    roll_deg: float, hidden: list[int], graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    """Turning image and up about the optical axis turns the joints, wherever the person stands."""
    edge, _ = _panned(rays)
    scores = torch.ones(COUNT, 17, dtype=torch.float64)
    scores[:, hidden] = 0.0
    turn = torch.from_numpy(Rotation.from_euler('z', roll_deg, degrees=True).as_matrix())
    joints, _, sigma, _, _ = _lift(graph, edge, scores, up=_up(20.0, 5.0))
    rolled = edge @ turn[:2, :2].T
    found = _lift(graph, rolled, scores, up=_up(20.0, 5.0) @ turn.T)
    # What is certain outweighs the own estimate by far, not entirely.
    torch.testing.assert_close(found[0], joints @ turn.T, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[2], sigma, atol=1e-5, rtol=1e-5)


def test_people_of_a_batch_do_not_meet(graph: LiftingGraph, rays: 'torch.Tensor') -> None:
    together = _lift(graph, rays)
    for row in range(COUNT):
        for alone, among in zip(_lift(graph, rays[row : row + 1]), together, strict=True):
            torch.testing.assert_close(alone[0], among[row])


@pytest.mark.parametrize('hidden', [[0], [3, 6], list(range(1, 17))])
def test_missing_joint_may_hold_anything(
    hidden: list[int], graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    scores = torch.ones(COUNT, 17, dtype=torch.float64)
    scores[:, hidden] = 0.0
    wanted = _lift(graph, rays, scores)
    for content in (float('nan'), 1e9, -3.0):
        spoilt = rays.clone()
        spoilt[:, hidden] = content
        found = _lift(graph, spoilt, scores)
        torch.testing.assert_close(found, wanted)
        assert all(torch.isfinite(part).all() for part in found)
    # NaN alone says missing too.
    spoilt = rays.clone()
    spoilt[:, hidden] = float('nan')
    torch.testing.assert_close(_lift(graph, spoilt), wanted)


def test_nobody_seen_at_all_still_gives_numbers(graph: LiftingGraph) -> None:
    nothing = torch.full((2, 17, 2), float('nan'), dtype=torch.float64)
    assert all(torch.isfinite(part).all() for part in _lift(graph, nothing))


def test_own_estimate_does_not_depend_on_what_is_told(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    """A node that feeds its mean of these estimates back therefore closes no loop."""
    joints, estimate, _, _, variance = _lift(graph, rays)
    for told in (_up(37.0), _up(-20.0, 100.0)):
        for said in (0.0, 0.01, 10.0):
            found = _lift(graph, rays, up=told, variance=said)
            torch.testing.assert_close(found[1], estimate, atol=0, rtol=0)
            torch.testing.assert_close(found[4], variance, atol=0, rtol=0)
    assert (_lift(graph, rays, up=_up(37.0, 30.0))[0] - joints).abs().max() > 1e-3


def test_telling_up_counts_more_the_surer_it_is(graph: LiftingGraph, rays: 'torch.Tensor') -> None:
    """From unknown to certain: the ends are those of the two modes, and no step is a jump."""
    up = _up(35.0, -20.0)
    deviations = [math.inf, 100.0, *np.geomspace(3.0, 1e-4, 31).tolist(), 0.0]
    lifted = [_lift(graph, rays, up=up, variance=d**2)[0] for d in deviations]
    unknown, certain = _lift(graph, rays)[0], _lift(graph, rays, up=up)[0]
    torch.testing.assert_close(lifted[0], unknown)
    torch.testing.assert_close(lifted[-1], certain)
    way = (certain - unknown).abs().max()
    steps = [(after - before).abs().max() for before, after in itertools.pairwise(lifted)]
    assert max(steps) < 0.4 * way
    assert steps[0] < 1e-2 * way
    assert steps[-1] < 1e-2 * way


def test_mean_of_own_and_told_is_weighted_by_their_variances(
    graph: LiftingGraph, rays: 'torch.Tensor', monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told 0.3 and -0.2 rad with variance v on the axis: mean (o/a + t/v) / (1/a + 1/v)."""
    straight = rays - rays[:, :1]
    with torch.no_grad():
        own = graph.lifter.up(_observed(straight))
    used: list[Any] = []
    plain = Lifter.forward

    def forward(lifter: Lifter, *inputs: 'torch.Tensor') -> Any:
        used.append(inputs[1:])
        return plain(lifter, *inputs)

    monkeypatch.setattr(Lifter, 'forward', forward)
    v = 0.02
    _lift(graph, straight, up=_up(math.degrees(0.3), math.degrees(-0.2)), variance=v)
    elevation, roll, deviation = used[0]
    # The deviation is the mean absolute error of a two-sided exponential: variance 2 d^2.
    a, b = 2 * own.elevation_deviation_rad**2, 2 * own.roll_deviation_rad**2
    wanted = (own.elevation_rad / a + 0.3 / v) / (1 / a + 1 / v)
    torch.testing.assert_close(elevation, wanted)
    torch.testing.assert_close(roll, (own.roll_rad / b - 0.2 / v) / (1 / b + 1 / v))
    torch.testing.assert_close(deviation, torch.sqrt(1 / (1 / a + 1 / v) / 2))


def _observed(rays: 'torch.Tensor') -> Any:
    from elepose_core.models.observation import observe

    return observe(rays, torch.ones(rays.shape[:2], dtype=rays.dtype))


def test_sigma_factor_scales_the_sigma_of_its_joint(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    calibrated = copy.deepcopy(graph)
    calibrated.sigma_factor.copy_(torch.linspace(0.5, 2.0, 17))
    wanted = _lift(graph, rays)[2] * calibrated.sigma_factor
    torch.testing.assert_close(_lift(calibrated, rays)[2], wanted)


def test_plausibility_is_the_share_of_usual_poses_that_are_less_likely(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    with torch.no_grad():
        surprise = graph.surprise(rays, torch.ones(COUNT, 17, dtype=torch.float64)).sort()
    calibrated = copy.deepcopy(graph)
    # One usual pose between each two of ours.
    calibrated.surprise_quantiles = (surprise.values[1:] + surprise.values[:-1]) / 2
    plausibility = _lift(calibrated, rays)[3]
    # The most ordinary is less surprising than all 11, the oddest than none.
    wanted = torch.arange(COUNT - 1, -1, -1, dtype=torch.float64) / (COUNT - 1)
    torch.testing.assert_close(plausibility[surprise.indices], wanted)
