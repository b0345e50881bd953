# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of the loss, judged by a teacher that knows the truth: it must find no fault."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from torch import Tensor, nn  # noqa: E402

from elepose_core.geometry.elevation import up_cam_from_elevation  # noqa: E402
from elepose_core.losses import DiscoveryWeights  # noqa: E402
from elepose_core.models.observation import Observation, observe, project  # noqa: E402
from elepose_core.models.teacher import Teacher  # noqa: E402
from elepose_core.priors.bones import bone_lengths  # noqa: E402
from elepose_core.priors.flow import FlowPrior  # noqa: E402
from elepose_core.training.discovery import Discovery  # noqa: E402
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.round_trip import (  # noqa: E402
    new_view,
    relative_bone_lengths,
    round_trip_terms,
    turned,
)
from elepose_core.training.sampling import Keypoints2D  # noqa: E402

ROUND_TRIP = ('reprojection', 'consistency_3d', 'pairwise_deformation')
ROOT = np.array([0.0, 0.0, 1.0])


class Oracle(nn.Module):
    """Lifts people whom it knows, whatever side they are seen from."""

    def __init__(self, crowd: Any) -> None:
        super().__init__()
        joints = crowd.joints_cam_m
        rays = torch.from_numpy(joints[..., :2] / joints[..., 2:])
        rotation = observe(rays, torch.ones_like(rays[..., 0])).rotation.numpy()
        distance = np.linalg.norm(joints[:, :1], axis=-1, keepdims=True)
        self.pose = np.einsum('nab,njb->nja', rotation, joints) / distance
        up = np.einsum('nab,nb->na', rotation, up_cam_from_elevation(crowd.elevation_rad))
        self.true_up = torch.from_numpy(up)

    def up(self, observation: Observation) -> Tensor:
        assert len(observation.pose_2d) == len(self.true_up)
        return self.true_up

    def elevation(self, observation: Observation) -> Tensor:
        del observation  # a turn about up does not change it
        return torch.asin(-self.true_up[:, 2])

    def forward(self, observation: Observation, up: Tensor) -> Tensor:
        torch.testing.assert_close(up, self.true_up, atol=1e-6, rtol=0)
        people = [self._seen(row, observation) for row in range(len(self.pose))]
        return torch.from_numpy(np.stack(people))

    def _seen(self, row: int, observation: Observation) -> np.ndarray[Any, Any]:
        """Find the azimuth at which the known person looks as observed."""
        seen = observation.pose_2d[row].numpy()

        def person(azimuth: float) -> np.ndarray[Any, Any]:
            rotation = Rotation.from_rotvec(azimuth * self.true_up[row].numpy())
            return np.asarray(rotation.apply(self.pose[row] - ROOT) + ROOT)

        def miss(azimuth: float) -> float:
            points = person(azimuth)
            return float(((points[:, :2] / points[:, 2:] - seen) ** 2).sum())

        start = min(np.linspace(-np.pi, np.pi, 73), key=miss)
        best = minimize_scalar(miss, bounds=(start - 0.1, start + 0.1), options={'xatol': 1e-9})
        assert miss(best.x) < 1e-9
        return person(best.x)


@pytest.fixture(scope='module')
def people(crowd_of: Callable[..., Any]) -> Any:
    return crowd_of(6, seed=5)


@pytest.fixture(scope='module')
def data(people: Any, keypoints_of: Callable[..., Keypoints2D]) -> Keypoints2D:
    return keypoints_of(people)


@pytest.fixture(scope='module')
def recipe_of(
    people: Any, data: Keypoints2D, prior_of: Callable[..., FlowPrior]
) -> Callable[..., Discovery]:
    """Return a function that makes the recipe for a teacher."""
    lengths = bone_lengths(torch.from_numpy(people.joints_cam_m))[0]
    prior = prior_of(torch.cat([data.rays, data.rays + 0.02 * torch.randn(6, 17, 2)]))

    def make(teacher: Any, mirrored_share: float = 0.0) -> Discovery:
        ratios = lengths / lengths.mean()
        return Discovery(teacher, data, prior, ratios, DiscoveryWeights(), mirrored_share)

    return make


def _terms(recipe: Discovery, seed: int = 0) -> dict[str, Tensor]:
    """Return the terms of every person once, in their order, as the oracle needs it."""
    rays = recipe.data.rays
    draw = recipe.draw(len(rays), torch.Generator().manual_seed(seed))
    return recipe.terms({'rays': rays, 'azimuth_rad': draw['azimuth_rad'].double()}, 1)


def _first(rays: Tensor) -> Observation:
    return observe(rays, torch.ones_like(rays[..., 0]))


def test_new_view_keeps_pelvis_height_and_distances(people: Any, data: Keypoints2D) -> None:
    oracle = Oracle(people)
    up = oracle.up(_first(data.rays))
    joints = torch.from_numpy(oracle.pose)
    azimuth = torch.linspace(-3, 3, 6, dtype=torch.float64)
    view = new_view(joints, up, azimuth)
    after = turned(joints, view.turn)
    # The pelvis stays on the axis at distance 1: so does the camera's distance from it.
    torch.testing.assert_close(after[:, 0], joints[:, 0])
    assert view.observation.pose_2d[:, 0].abs().max() < 1e-12
    torch.testing.assert_close(torch.cdist(after, after), torch.cdist(joints, joints))
    torch.testing.assert_close((after * up[:, None]).sum(-1), (joints * up[:, None]).sum(-1))
    # It is the picture of the turned person, by SciPy.
    for row in range(6):
        turn = Rotation.from_rotvec(azimuth[row].item() * up[row].numpy())
        points = turn.apply(oracle.pose[row] - ROOT) + ROOT
        np.testing.assert_allclose(
            view.observation.pose_2d[row], points[:, :2] / points[:, 2:], atol=1e-9
        )
    size = view.observation.pose_2d.norm(dim=-1).mean(1)
    torch.testing.assert_close(view.observation.scale, size, atol=1e-6, rtol=0)
    assert (view.observation.visible == 1).all()


def test_no_turn_shows_the_first_view_again(people: Any, data: Keypoints2D) -> None:
    first, oracle = _first(data.rays), Oracle(people)
    still = torch.zeros(6, dtype=torch.float64)
    view = new_view(torch.from_numpy(oracle.pose), oracle.up(first), still)
    torch.testing.assert_close(view.observation.pose_2d, first.pose_2d)
    torch.testing.assert_close(view.observation.scale, first.scale)


def test_relative_bone_lengths_by_hand() -> None:
    joints = torch.zeros(1, 17, 3)
    joints[0, 1:, 0] = 1.0  # of 16 bones only those from the pelvis are long
    found = relative_bone_lengths(joints)
    lengths = bone_lengths(joints)[0]
    assert set(lengths.tolist()) == {0.0, 1.0}
    torch.testing.assert_close(found[0], lengths * 16 / lengths.sum())


@pytest.mark.parametrize('seed', [0, 1])
def test_teacher_that_knows_the_truth_is_charged_nothing(
    seed: int, recipe_of: Callable[..., Discovery], people: Any
) -> None:
    terms = _terms(recipe_of(Oracle(people)), seed)
    for name in (*ROUND_TRIP, 'bone_ratio', 'elevation_consistency'):
        assert terms[name] < 1e-4, f'{name} is {terms[name]:.2g}'


def test_round_trip_charges_what_comes_back_otherwise_by_hand(
    people: Any, data: Keypoints2D
) -> None:
    """After half a turn a teacher puts everything but the pelvis 0.1 further off than it is."""
    oracle, first = Oracle(people), _first(data.rays)
    joints, up = torch.from_numpy(oracle.pose), oracle.up(first)
    second = new_view(joints, up, torch.full((6,), torch.pi, dtype=torch.float64))

    class Off(nn.Module):
        def forward(self, observation: Observation, up: Tensor) -> Tensor:
            again = oracle(observation, up)
            again[:, 1:, 2] += 0.1
            return again

    terms = round_trip_terms(Off(), first, joints, up, second)
    # 16 of 17 joints are off by 0.1 in units of each person's size.
    wanted = (0.1 / first.scale * 16 / 17).mean()
    torch.testing.assert_close(terms['consistency_3d'], wanted, atol=1e-4, rtol=0)
    # Turned back, "further off" of a person is its own direction; for pairs only sizes differ.
    off = second.turn.mT[:, :, 2] * 0.1 / first.scale[:, None]
    pairs = (off[0::2] - off[1::2]).norm(dim=1).mean() * 16 / 17
    torch.testing.assert_close(terms['pairwise_deformation'], pairs, atol=1e-4, rtol=0)
    moved = joints.clone()
    moved[:, 1:] += (second.turn.mT[:, :, 2] * 0.1)[:, None]
    miss = (project(moved) - first.pose_2d).norm(dim=-1) / first.scale[:, None]
    torch.testing.assert_close(terms['reprojection'], miss.mean(), atol=1e-4, rtol=0)


def test_teacher_that_errs_is_charged(
    recipe_of: Callable[..., Discovery], teacher_of: Callable[..., Teacher]
) -> None:
    terms = _terms(recipe_of(teacher_of()))
    for name in (*ROUND_TRIP, 'bone_ratio', 'elevation_consistency'):
        assert terms[name] > 1e-2, f'{name} is {terms[name]:.2g}'


def test_terms_are_the_weighted_ones_and_follow_from_the_generator(
    recipe_of: Callable[..., Discovery], teacher_of: Callable[..., Teacher]
) -> None:
    recipe = recipe_of(teacher_of(), mirrored_share=0.5)
    first, again, other = (_terms(recipe, seed) for seed in (0, 0, 1))
    assert set(first) == set(recipe.weights(1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['consistency_3d'], other['consistency_3d'])


def test_every_weight_of_the_teacher_learns_and_the_prior_does_not(
    recipe_of: Callable[..., Discovery], teacher_of: Callable[..., Teacher]
) -> None:
    recipe = recipe_of(teacher_of())
    weights = recipe.weights(1)
    sum(weights[name] * term for name, term in _terms(recipe).items()).backward()
    learning = {id(p) for group in recipe.groups for p in group.parameters}
    for name, parameter in recipe.module.named_parameters():
        assert id(parameter) in learning, name
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    assert all(p.grad is None for p in recipe.prior.parameters())


def test_absurd_pose_does_not_drown_the_batch(
    recipe_of: Callable[..., Discovery], teacher_of: Callable[..., Teacher]
) -> None:
    recipe = recipe_of(teacher_of())
    rays = recipe.data.rays.clone()
    rays[0, 5:9] += 500.0
    azimuth = torch.zeros(6, dtype=torch.float64)
    terms = recipe.terms({'rays': rays, 'azimuth_rad': azimuth}, 1)
    assert terms['likelihood'] <= 500.0


def test_teacher_learns(
    crowd_of: Callable[..., Any],
    keypoints_of: Callable[..., Keypoints2D],
    teacher_of: Callable[..., Teacher],
    prior_of: Callable[..., FlowPrior],
    tmp_path: Any,
) -> None:
    data = keypoints_of(crowd_of(300))
    data = Keypoints2D(data.rays.float(), data.clip, data.frame, data.person)
    prior = prior_of(data.rays.double()).float()
    weights = DiscoveryWeights()
    recipe = Discovery(teacher_of().float(), data, prior, torch.ones(16), weights, 0.5)
    totals: list[float] = []

    def on_step(step: int, terms: dict[str, float], _: nn.Module) -> None:
        del step
        totals.append(sum(weights.at(10_000)[name] * value for name, value in terms.items()))

    schedule = TrainingConfig(steps=60, batch_size=48, learning_rate=5e-3, warm_up_steps=3)
    train(recipe, schedule, tmp_path, on_step)
    assert sum(totals[-10:]) < 0.9 * sum(totals[:10])
