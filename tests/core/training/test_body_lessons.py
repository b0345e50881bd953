# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The student of bodies and its lessons."""

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the graph holds a prior of FrEIA blocks')

from scipy.spatial.transform import Rotation  # noqa: E402

from elepose_core.body.data import POSE_BONES  # noqa: E402
from elepose_core.geometry.virtual_camera import up_from_elevation_and_roll  # noqa: E402
from elepose_core.models.body import BodyModel, BodyShape, oriented  # noqa: E402
from elepose_core.models.body_graph import BodyGraph  # noqa: E402
from elepose_core.models.body_student import BodyStudent, StudentConfig  # noqa: E402
from elepose_core.models.teacher import LifterConfig  # noqa: E402
from elepose_core.models.temporal import TemporalConfig, up_of_frames  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402
from elepose_core.training.body_lessons import (  # noqa: E402
    BodyLessons,
    BodyWeights,
    body_terms,
    fit_body,
    implausible_turn,
    varied,
)
from elepose_core.training.distillation import Lessons  # noqa: E402
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.sampling import SamplingConfig  # noqa: E402

FRAMES = 6
PLAIN = SamplingConfig(
    **{'mirrored_share': 0, 'random_hidden_share': 0, 'group_hidden_share': 0, 'noisy_share': 0},
    **{'stretched_share': 0, 'new_view_share': 0, 'rolled_share': 0, 'told_share': 0},
)


def _lessons(count: int = 20) -> Lessons:
    """Return somebody who turns about and raises the left arm, four metres away."""
    body = BodyModel().requires_grad_(False)
    shape = body.shape(torch.full((1, 6), 0.5), with_skin=False)
    pose = np.tile(np.eye(3), (count, 20, 1, 1))
    share = np.linspace(0, 1, count)
    pose[:, 0] = Rotation.from_rotvec(np.outer(share, [0, 1.0, 0])).as_matrix()
    arm = POSE_BONES.index('upperarm01.L')
    pose[:, arm] = Rotation.from_rotvec(np.outer(share, [0, 0, -1.2])).as_matrix()
    place = torch.tensor([0.0, 0.0, 4.0])
    joints = body(BodyShape(*shape), oriented(torch.from_numpy(pose).float()), place).joints
    ones = torch.ones(count)
    return Lessons(joints / 4.0, torch.full((count,), 0.1), ones, ones)


def _recipe(sampling: SamplingConfig, frames: int = FRAMES) -> BodyLessons:
    torch.manual_seed(0)
    prior = FlowPrior(PriorConfig(components=8, blocks=2, width=8), VIEW_CONDITIONS)
    config = StudentConfig(
        **{'width': 16, 'blocks': 1, 'up_width': 8, 'up_blocks': 1},
        **{'completion_width': 8, 'completion_blocks': 1},
    )
    tiny = LifterConfig(width=16, blocks=1, elevation_width=8, elevation_blocks=1)
    student = BodyStudent(config, tiny, TemporalConfig(width=8, blocks=1))
    lessons = _lessons()
    starts = torch.arange(len(lessons.joints) - frames + 1)
    graph = BodyGraph(student, prior.requires_grad_(False))
    return BodyLessons(graph, lessons, starts, frames, BodyWeights(), sampling)


def test_each_term_has_a_weight_and_the_student_learns_from_all_input() -> None:
    recipe = _recipe(SamplingConfig())
    draw = recipe.draw(16, torch.Generator().manual_seed(0))
    terms, weights = recipe.terms(draw, 1), recipe.weights(1)
    assert set(terms) == set(weights)
    torch.stack([weights[name] * term for name, term in terms.items()]).sum().backward()
    for parameter in recipe.groups[0].parameters:
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_windows_that_are_seen_as_they_were_stay_as_they_are() -> None:
    recipe = _recipe(PLAIN)
    draw = recipe.draw(4, torch.Generator().manual_seed(0))
    seen = varied(draw)
    torch.testing.assert_close(seen['joints'], draw['joints'])
    expected = torch.tensor([0.0, -math.cos(0.1), -math.sin(0.1)])
    torch.testing.assert_close(seen['up'], expected.expand(4, 3))


def test_one_turn_for_all_frames_of_a_window() -> None:
    recipe = _recipe(PLAIN.model_copy(update={'new_view_share': 1.0, 'tilted_share': 0.0}))
    draw = recipe.draw(4, torch.Generator().manual_seed(0))
    before, after = draw['joints'], varied(draw)['joints']
    # About up: heights stay, and distances between frames, pelvis to pelvis.
    up = torch.tensor([0.0, -math.cos(0.1), -math.sin(0.1)])
    relative = [joints - joints[..., :1, :] for joints in (before, after)]
    torch.testing.assert_close(relative[1] @ up, relative[0] @ up, atol=1e-6, rtol=0)
    moved = [(joints[:, 1:] - joints[:, :-1]).norm(dim=-1) for joints in relative]
    torch.testing.assert_close(moved[1], moved[0], atol=1e-6, rtol=0)
    assert (after - before).abs().max() > 0.01


def test_masks_hide_beginnings_whole_frames_and_joints() -> None:
    recipe = _recipe(SamplingConfig())
    visible = recipe.draw(2000, torch.Generator().manual_seed(0))['visible']
    present = visible.amax(2)
    assert (present[:, -1] == 1).float().mean() > 0.9  # the last frame is what is asked for
    assert 0.05 < (present[:, 0] == 0).float().mean() < 0.35
    assert 0.03 < 1 - visible[present > 0].mean() < 0.2


def _made_of(recipe: BodyLessons, joints: 'torch.Tensor', draw: dict[str, Any]) -> dict[str, Any]:
    """Return the terms of a student that makes these joints."""
    student = recipe.module.student
    student.joints = lambda _: joints  # type: ignore[method-assign]
    return body_terms(recipe.module, draw)[0]


def test_true_joints_in_any_unit_cost_nothing_and_shaken_ones_complete_nothing() -> None:
    recipe = _recipe(SamplingConfig(noisy_share=1.0, random_hidden_share=0, group_hidden_share=0))
    draw = varied(recipe.draw(16, torch.Generator().manual_seed(0)))
    draw['visible'] = torch.ones_like(draw['visible'])
    terms = _made_of(recipe, 0.3 * draw['joints'], draw)
    assert max(terms[name] for name in ('pose', 'velocity', 'reprojection')) < 2e-4
    assert terms['completion'] == 0
    draw['visible'][:, :, 5] = 0.0
    assert _made_of(recipe, draw['joints'], draw)['completion'] > 0


def test_motion_is_that_in_the_camera_not_in_the_camera_that_turns_with_the_person() -> None:
    """Whoever walks past, wrists a hand's breadth off in a fixed direction, moves as is meant."""
    recipe = _recipe(PLAIN)
    draw = varied(recipe.draw(4, torch.Generator().manual_seed(0)))
    draw['visible'] = torch.ones_like(draw['visible'])
    where = torch.linspace(-0.6, 0.6, FRAMES)
    past = torch.stack([where.sin(), torch.zeros(FRAMES), where.cos()], dim=-1)[:, None]
    truth = draw['joints'][:, :1] - draw['joints'][:, :1, :1] + past
    off = truth.clone()
    wrists = [H36M_17.index(f'{side}_wrist') for side in ('left', 'right')]
    off[..., wrists, 0] += 0.05
    terms = _made_of(recipe, off, {**draw, 'joints': truth})
    assert terms['pose'] > 0.01
    assert terms['velocity'] < 0.05 * terms['pose']


def test_lessons_count_as_much_as_their_weight() -> None:
    recipe = _recipe(PLAIN)
    draw = varied(recipe.draw(2, torch.Generator().manual_seed(0)))
    draw['visible'] = torch.ones_like(draw['visible'])
    joints = draw['joints'].clone()
    joints[1, :, 13] += 0.05
    for weight in (0.0, 2.0):
        weights = torch.ones(2, FRAMES)
        weights[1] = weight
        term = _made_of(recipe, joints, {**draw, 'pose_weight': weights})['pose']
        if weight == 0:
            assert term < 2e-4
        else:
            plain = _made_of(recipe, joints, draw)['pose']
            assert float(term) == pytest.approx(2 * float(plain), rel=0.01)


@pytest.mark.parametrize('told', [0.0, 1.0])
def test_the_student_is_told_the_up_that_is_or_takes_its_own_and_learns_nothing_of_it(
    told: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled = {'rolled_share': 1.0, 'told_share': told, 'told_deviation_deg': 0.0}
    recipe = _recipe(PLAIN.model_copy(update=rolled))
    draw = varied(recipe.draw(8, torch.Generator().manual_seed(0)))
    heard: list[Any] = []
    forward = BodyStudent.forward

    def listen(student: Any, seen: Any, *angles: Any, **more: Any) -> Any:
        heard.extend((seen, *angles))
        return forward(student, seen, *angles, **more)

    monkeypatch.setattr(BodyStudent, 'forward', listen)
    body_terms(recipe.module, draw)
    seen, elevation, roll, deviation = heard
    assert not any(angle.requires_grad for angle in (elevation, roll, deviation))
    up = up_from_elevation_and_roll(elevation, roll)
    true = up_of_frames(draw['up'], seen.frame, FRAMES)
    assert ((up - true).norm(dim=1).max() < 1e-3) == bool(told)
    assert (deviation.max() == 0) == bool(told)


def test_a_student_learns_a_motion(tmp_path: 'pytest.TempPathFactory') -> None:
    recipe = _recipe(PLAIN)
    poses: list[float] = []
    config = TrainingConfig(steps=60, batch_size=8, learning_rate=5e-3, warm_up_steps=5)
    train(recipe, config, tmp_path, lambda _, terms, __: poses.append(terms['pose']))
    assert poses[-1] < 0.3 * poses[0]


def test_the_body_is_fitted_before_the_student_learns() -> None:
    """People whose thorax and knees lie elsewhere than the mesh has them."""
    lessons, student = _lessons(), _recipe(PLAIN).module.student
    thorax, knee = H36M_17.index('thorax'), H36M_17.index('left_knee')
    joints = lessons.joints.clone()
    joints[:, thorax, 1] += 0.025  # ten centimetres, four metres away
    joints[:, knee, 1] += 0.01
    fit_body(student, joints, seed=0)
    offset = student.body.joint_offset.detach()
    assert 0.06 < offset[thorax, 1] < 0.14
    assert 0.02 < offset[knee, 1] < 0.06
    assert student.shape_head.bias.abs().max() > 0
    assert all(p.grad is None or not p.grad.any() for p in student.parameters())


def test_turns_within_limits_cost_nothing() -> None:
    pose = torch.eye(3).expand(1, 20, 3, 3).clone()
    assert implausible_turn(oriented(pose)) == 0
    head = POSE_BONES.index('head')

    def turned(degrees: float) -> float:
        matrix = Rotation.from_euler('y', degrees, degrees=True).as_matrix()
        pose[0, head] = torch.from_numpy(matrix).float()
        return float(implausible_turn(oriented(pose)))

    assert turned(44) == pytest.approx(0, abs=1e-6)
    # Of one bone among twenty: cos 45 - cos 90.
    assert turned(90) == pytest.approx(math.cos(math.radians(45)) / 20, rel=1e-4)
