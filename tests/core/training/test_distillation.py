# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lessons seen in all ways: what is drawn is judged by the room of elevations and by SciPy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from torch import Tensor, nn  # noqa: E402

from elepose_core.geometry.elevation import (  # noqa: E402
    elevation_from_up_cam,
    roll_from_up_cam,
    up_cam_from_elevation,
)
from elepose_core.losses import DistillationWeights  # noqa: E402
from elepose_core.models.graph import LiftingGraph  # noqa: E402
from elepose_core.models.lifter import Lifter  # noqa: E402
from elepose_core.models.observation import observe, project  # noqa: E402
from elepose_core.models.teacher import Teacher  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training.distillation import Distillation, Lessons, stretched  # noqa: E402
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.sampling import Keypoints2D, SamplingConfig  # noqa: E402

COUNT = 12
STILL: dict[str, Any] = {
    **{'mirrored_share': 0.0, 'random_hidden_share': 0.0, 'group_hidden_share': 0.0},
    **{
        'noisy_share': 0.0,
        'stretched_share': 0.0,
        'new_view_share': 0.0,
        'tilted_share': 0.0,
        'rolled_share': 0.0,
    },
}


@pytest.fixture(scope='module')
def people(crowd_of: Callable[..., Any]) -> Any:
    return crowd_of(COUNT, seed=5)


def _lessons(crowd: Any) -> Lessons:
    joints, elevation = map(torch.from_numpy, (crowd.joints_cam_m, crowd.elevation_rad))
    return Lessons(joints, elevation, torch.ones_like(elevation), torch.ones_like(elevation))


@pytest.fixture(scope='module')
def recipe_of(
    people: Any,
    keypoints_of: Callable[..., Keypoints2D],
    teacher_of: Callable[..., Teacher],
    prior_of: Callable[..., FlowPrior],
) -> Callable[..., Distillation]:
    """Return a function that makes the recipe with a lifter that starts from a teacher."""
    prior = prior_of(keypoints_of(people).rays, VIEW_CONDITIONS)

    def make(lessons: Lessons | None = None, **sampling: Any) -> Distillation:
        teacher = teacher_of()
        torch.manual_seed(0)
        lifter = Lifter(teacher.config).double()
        lifter.start_from(teacher)
        graph = LiftingGraph(lifter, prior)
        lessons = _lessons(people) if lessons is None else lessons
        return Distillation(graph, lessons, DistillationWeights(), SamplingConfig(**sampling))

    return make


def _draw(recipe: Distillation, count: int = 64, seed: int = 0) -> dict[str, Tensor]:
    draw = recipe.draw(count, torch.Generator().manual_seed(seed))
    return {name: values.double() for name, values in draw.items()}


def _turn_of(drawn: Any, people: Any) -> tuple[int, Rotation, float]:
    """Find the lesson (not mirrored) that a drawn pose is, turned, and how far off it is."""
    best: tuple[int, Rotation, float] | None = None
    for row, joints in enumerate(people.joints_cam_m):
        wanted, given = drawn - drawn[0], joints - joints[0]
        turn, _ = Rotation.align_vectors(wanted, given)
        miss = float(np.abs(turn.apply(given) - wanted).max())
        if best is None or miss < best[2]:
            best = (row, turn, miss)
    assert best is not None
    return best


@pytest.mark.parametrize(
    'ways',
    [
        {},
        {'new_view_share': 1.0},
        {'rolled_share': 1.0},
        {'new_view_share': 1.0, 'tilted_share': 1.0},
        {'new_view_share': 1.0, 'tilted_share': 1.0, 'rolled_share': 1.0},
    ],
    ids=lambda ways: '+'.join(ways) or 'still',
)
def test_drawn_people_are_lessons_turned_with_their_up(
    ways: dict[str, float], recipe_of: Callable[..., Distillation], people: Any
) -> None:
    recipe = recipe_of(**{**STILL, **ways, 'tilt_deg': 10.0, 'roll_deg': 30.0})
    draw = _draw(recipe)
    elevations, rolls, azimuths = [], [], []
    for drawn, up in zip(draw['joints'].numpy(), draw['up'].numpy(), strict=True):
        row, turn, miss = _turn_of(drawn, people)
        assert miss < 1e-9, 'a person keeps its shape'
        level = up_cam_from_elevation(people.elevation_rad[row])
        np.testing.assert_allclose(turn.apply(level), up, atol=1e-9)
        # The camera keeps its distance: the pelvis moves about the optical axis at most.
        before, after = people.joints_cam_m[row, 0], drawn[0]
        np.testing.assert_allclose(after[2], before[2])
        roll = float(roll_from_up_cam(up))
        about = Rotation.from_euler('z', -roll)
        np.testing.assert_allclose(after, about.apply(before), atol=1e-9)
        elevations.append(float(elevation_from_up_cam(up)) - people.elevation_rad[row])
        rolls.append(roll)
        # Unroll and untilt: what is left turns about up alone.
        untilted = Rotation.align_vectors([level], [about.inv().apply(up)])[0]
        upright = untilted * about.inv() * turn
        np.testing.assert_allclose(untilted.as_rotvec()[1:], 0, atol=1e-9)
        np.testing.assert_allclose(upright.apply(level), level, atol=1e-9)
        azimuths.append(upright.magnitude())
    tilts = np.degrees(elevations)
    assert (np.abs(tilts) > 1e-6).any() == ('tilted_share' in ways)
    assert (np.abs(rolls) > 1e-9).any() == ('rolled_share' in ways)
    assert (np.array(azimuths) > 1e-6).any() == ('new_view_share' in ways)
    if 'tilted_share' in ways:
        assert 6 < tilts.std() < 14
    if 'rolled_share' in ways:
        assert 20 < np.degrees(rolls).max() <= 30
        assert -30 <= np.degrees(rolls).min() < -20


def test_people_who_are_only_seen_by_a_rolled_camera_have_a_turned_image(
    recipe_of: Callable[..., Distillation], people: Any
) -> None:
    draw = _draw(recipe_of(**{**STILL, 'rolled_share': 1.0}))
    for drawn, up in zip(draw['joints'].numpy(), draw['up'].numpy(), strict=True):
        row, _, _ = _turn_of(drawn, people)
        camera = Rotation.from_euler('z', roll_from_up_cam(up))
        points = camera.inv().apply(people.joints_cam_m[row])
        np.testing.assert_allclose(
            drawn[:, :2] / drawn[:, 2:], points[:, :2] / points[:, 2:], atol=1e-9
        )


def _bones(joints: Tensor) -> Tensor:
    """Return the bones (B, 16, 3) from parent to child."""
    parents, children = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    return joints[:, children] - joints[:, parents]


def test_stretched_person_has_the_same_posture_and_longer_bones_on_both_sides(
    people: Any,
) -> None:
    joints = torch.from_numpy(people.joints_cam_m)
    stretch = torch.randn(COUNT, 16, generator=torch.Generator().manual_seed(0)).double() * 0.2
    found = stretched(joints, stretch)
    torch.testing.assert_close(found[:, 0], joints[:, 0])
    children = [child for _, child in H36M_17.bones]
    for bone, (before, after) in enumerate(
        zip(_bones(joints).unbind(1), _bones(found).unbind(1), strict=True)
    ):
        child = children[bone]
        # What was drawn for the right side holds for the left one, too.
        drawn = children.index(H36M_17.mirror[child]) if child in H36M_17.left else bone
        torch.testing.assert_close(after, before * torch.exp(stretch[:, drawn, None]))
    torch.testing.assert_close(stretched(joints, 0 * stretch), joints)


def test_made_up_people_come_to_their_share_with_bones_of_the_stated_spread(
    people: Any, recipe_of: Callable[..., Distillation]
) -> None:
    lessons = Lessons(*(values[:1] for values in vars(_lessons(people)).values()))
    recipe = recipe_of(lessons, **{**STILL, 'stretched_share': 0.6, 'stretch': 0.1})
    joints = _draw(recipe, count=3000)['joints']
    factor = torch.log(_bones(joints).norm(dim=-1) / _bones(lessons.joints).norm(dim=-1))
    made_up = factor.abs().max(1).values > 1e-6
    assert abs(made_up.double().mean() - 0.6) < 0.03
    np.testing.assert_allclose(factor[made_up].std(0), 0.1, rtol=0.1)
    np.testing.assert_allclose(factor[made_up].mean(0), 0.0, atol=0.02)
    torch.testing.assert_close(joints[:, 0], lessons.joints[:, 0].expand(3000, 3))


def test_mirrored_lesson_has_the_same_camera(
    recipe_of: Callable[..., Distillation], people: Any
) -> None:
    draw = _draw(recipe_of(**{**STILL, 'mirrored_share': 1.0}))
    assert draw['up'][:, 0].abs().max() == 0.0
    right = {tuple(np.round(pose[2], 9)) for pose in people.joints_cam_m}  # right knees
    left = {tuple(np.round([-x, y, z], 9)) for x, y, z in draw['joints'][:, 5].tolist()}
    assert left <= right


def test_shares_of_being_told_are_kept(recipe_of: Callable[..., Distillation]) -> None:
    draw = _draw(recipe_of(told_share=0.6, told_deviation_deg=20.0), count=6000)
    told, deviation = draw['told'] > 0, draw['told_deviation_rad']
    assert abs(told.double().mean() - 0.6) < 0.02
    # A third of the told ones is told exactly; nobody else is told anything.
    assert abs((told & (deviation == 0)).double().mean() - 0.2) < 0.02
    assert (deviation[~told] == 0).all()
    assert np.radians(19) < deviation.max() <= np.radians(20)


def test_noise_is_in_units_of_the_person_and_comes_to_its_share(
    recipe_of: Callable[..., Distillation],
) -> None:
    draw = _draw(recipe_of(noisy_share=0.5, noise=0.1), count=4000)
    spread = draw['noise'].flatten(1).std(1)
    assert abs((spread > 0).double().mean() - 0.5) < 0.03
    assert spread.max() < 0.15  # the largest deviation, and the chance of 34 numbers
    shaken = spread[spread > 0]
    assert abs(shaken.mean() - 0.05) < 0.005  # evenly up to the largest


def test_draws_follow_from_the_generator(recipe_of: Callable[..., Distillation]) -> None:
    recipe = recipe_of()
    first, again, other = (_draw(recipe, seed=seed) for seed in (0, 0, 1))
    for name, values in first.items():
        assert len(values) == 64, name
        assert torch.equal(values, again[name]), name
    assert not torch.equal(first['joints'], other['joints'])


def test_lessons_are_weighed_by_hand() -> None:
    joints, elevation = torch.zeros(3, 17, 3), torch.tensor([0.1, 0.2, 0.3])
    moved = torch.tensor([0.0, 0.1, 0.2])
    deviation = torch.tensor([0.0, 0.05, 0.1])
    lessons = Lessons.weighted(joints, elevation, moved, deviation)
    pose = np.exp([0.0, -1.0, -4.0])
    np.testing.assert_allclose(lessons.pose_weight, pose / pose.mean(), rtol=1e-5)
    certain = np.array([1, 1 / 2, 1 / 5])
    np.testing.assert_allclose(lessons.elevation_weight, certain / certain.mean(), rtol=1e-5)
    assert torch.equal(lessons.elevation_rad, elevation)


def test_lessons_that_all_moved_far_still_have_weights() -> None:
    lessons = Lessons.weighted(
        torch.zeros(3, 17, 3), torch.zeros(3), torch.tensor([3.0, 2.0, 4.0]), torch.ones(3)
    )
    assert torch.isfinite(lessons.pose_weight).all()
    assert lessons.pose_weight.mean().item() == pytest.approx(1.0)


def test_lesson_without_weight_teaches_neither_pose_nor_elevation(
    recipe_of: Callable[..., Distillation],
) -> None:
    recipe = recipe_of()
    draw = _draw(recipe)
    without = {**draw, 'pose_weight': draw['pose_weight'] * 0}
    assert recipe.terms(without, 1)['pose'] == 0.0
    without = {**draw, 'elevation_weight': draw['elevation_weight'] * 0}
    assert recipe.terms(without, 1)['elevation'] == 0.0
    doubled = {**draw, 'pose_weight': draw['pose_weight'] * 2}
    first, second = (recipe.terms(d, 1)['pose'] for d in (draw, doubled))
    torch.testing.assert_close(second, 2 * first)


def test_lifter_that_is_right_is_charged_nothing_for_pose_and_place(
    people: Any, recipe_of: Callable[..., Distillation]
) -> None:
    """Lessons that are what the lifter itself makes of their rays, told up exactly."""
    recipe = recipe_of(**STILL, told_share=1.0, told_deviation_deg=0.0)
    lifter, lessons = recipe.module.lifter, recipe.lessons
    nn.init.zeros_(lifter.pose_head.weight)
    rays = lessons.joints[..., :2] / lessons.joints[..., 2:]
    with torch.no_grad():
        infinite = torch.zeros(COUNT, dtype=torch.float64)
        up = torch.from_numpy(up_cam_from_elevation(people.elevation_rad))
        joints, *_ = recipe.module(rays, torch.ones_like(rays[..., 0]), up, infinite)
    own = Lessons(5.0 * joints, lessons.elevation_rad, lessons.pose_weight, lessons.pose_weight)
    right = Distillation(recipe.module, own, recipe.loss_weights, recipe.sampling)
    terms = right.terms(_draw(right), 1)
    assert terms['pose'] < 2e-4  # the constant that keeps the gradient of the root finite
    assert terms['place'] < 1e-6
    assert recipe.terms(_draw(recipe), 1)['pose'] > 0.05


def test_terms_and_gradients_are_finite_with_six_joints_seen(
    recipe_of: Callable[..., Distillation],
) -> None:
    recipe = recipe_of()
    draw = _draw(recipe)
    order = torch.rand(64, 17, generator=torch.Generator().manual_seed(0)).argsort(1)
    draw['visible'] = (order < 6).double()
    assert (draw['visible'].sum(1) == 6).all()
    terms = recipe.terms(draw, 1)
    assert set(terms) == set(recipe.weights(1))
    sum(recipe.weights(1)[name] * term for name, term in terms.items()).backward()
    assert all(torch.isfinite(term) for term in terms.values())
    learning = {id(p) for group in recipe.groups for p in group.parameters}
    for name, parameter in recipe.module.lifter.named_parameters():
        assert id(parameter) in learning, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    assert all(p.grad is None for p in recipe.module.prior.parameters())


def test_hidden_joints_are_not_seen(recipe_of: Callable[..., Distillation]) -> None:
    recipe = recipe_of(**STILL, told_share=0.0)
    draw = _draw(recipe)
    draw['visible'][:, 13] = 0.0
    rays = project(draw['joints'] / draw['joints'][:, :1, 2:])
    seen: list[Tensor] = []
    hook = recipe.module.lifter.trunk.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    recipe.terms(draw, 1)
    far = {**draw, 'noise': draw['noise'].clone()}
    far['noise'][:, 13] = 7.0
    recipe.terms(far, 1)
    hook.remove()
    assert rays[:, 13].abs().min() > 1e-6
    torch.testing.assert_close(seen[0], seen[1])
    assert (seen[0][:, 34 + 13] == 0).all(), 'the mask says so'


def test_sigma_learns_the_size_of_known_errors(
    people: Any, crowd_of: Callable[..., Any], recipe_of: Callable[..., Distillation]
) -> None:
    """Lessons lie off the lifter's own joints along the rays, by lengths of a known spread."""
    crowd = crowd_of(400, seed=8)
    recipe = recipe_of(_lessons(crowd), **STILL, told_share=1.0, told_deviation_deg=0.0)
    lifter = recipe.module.lifter
    nn.init.zeros_(lifter.pose_head.weight)
    joints = torch.from_numpy(crowd.joints_cam_m)
    rays = joints[..., :2] / joints[..., 2:]
    up = torch.from_numpy(up_cam_from_elevation(crowd.elevation_rad))
    exact = torch.zeros(400, dtype=torch.float64)
    with torch.no_grad():
        joints, *_ = recipe.module(rays, torch.ones_like(rays[..., 0]), up, exact)
    random = np.random.default_rng(0)
    size = observe(rays, torch.ones_like(rays[..., 0])).scale.numpy()[:, None]
    length = random.exponential(0.2, (400, 17)) * size * random.choice([-1, 1], (400, 17))
    length[:, 0] = 0.0
    farther = joints * (
        1 + torch.from_numpy(length)[..., None] / joints.norm(dim=-1, keepdim=True)
    )
    elevation = torch.from_numpy(crowd.elevation_rad)
    own = Lessons(farther, elevation, torch.ones(400), torch.ones(400))
    recipe = Distillation(recipe.module, own, recipe.loss_weights, recipe.sampling)
    optimiser = torch.optim.Adam(lifter.sigma_head.parameters(), 0.02)
    for seed in range(150):
        optimiser.zero_grad()
        recipe.terms(_draw(recipe, seed=seed), 1)['sigma'].backward()
        optimiser.step()
    with torch.no_grad():
        _, _, sigma, *_ = recipe.module(rays, torch.ones_like(rays[..., 0]), up, exact)
    within = (np.abs(length[:, 1:]) < sigma[:, 1:].numpy()).mean()
    assert 0.65 < within < 0.71
    assert np.median(sigma[:, 1:].numpy() / size) == pytest.approx(0.2 * 1.139, rel=0.1)


def test_lifter_starts_where_its_teacher_stands(
    people: Any, teacher_of: Callable[..., Teacher]
) -> None:
    teacher = teacher_of()
    torch.manual_seed(3)
    lifter = Lifter(teacher.config).double()
    lifter.start_from(teacher)
    joints = torch.from_numpy(people.joints_cam_m)
    rays = joints[..., :2] / joints[..., 2:]
    seen = observe(rays - rays[:, :1], torch.ones_like(rays[..., 0]))
    own = lifter.up(seen)
    torch.testing.assert_close(own.elevation_rad, teacher.elevation(seen))
    assert own.roll_rad.abs().max() < 0.02
    level = torch.zeros(COUNT, dtype=torch.float64)
    for elevation in (own.elevation_rad, torch.linspace(-0.5, 1.0, COUNT, dtype=torch.float64)):
        up = torch.from_numpy(up_cam_from_elevation(elevation.detach()))
        wanted = teacher(seen, up)
        assert (wanted[..., 2] - 1).abs().max() > 0.02, 'the teacher is not trivial'
        for deviation in (level, level + 0.2):
            lifted = lifter(seen, elevation, level, deviation)
            torch.testing.assert_close(lifted.joints[..., 2], wanted[..., 2])
            miss = (lifted.joints - wanted).norm(dim=-1) / seen.scale[:, None]
            assert miss.max() < 0.02, 'what was seen is hardly corrected at first'


def test_lifter_learns(
    crowd_of: Callable[..., Any], recipe_of: Callable[..., Distillation], tmp_path: Path
) -> None:
    lessons = _lessons(crowd_of(300))
    lessons = Lessons(*(values.float() for values in vars(lessons).values()))
    recipe = recipe_of(lessons)
    recipe.module.float()
    totals: list[float] = []

    def on_step(step: int, terms: dict[str, float], _: nn.Module) -> None:
        totals.append(sum(value * recipe.weights(step)[name] for name, value in terms.items()))

    schedule = TrainingConfig(steps=60, batch_size=48, learning_rate=5e-3, warm_up_steps=3)
    train(recipe, schedule, tmp_path, on_step)
    assert np.mean(totals[-10:]) < np.mean(totals[:10]) - 0.2
