# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Student and graph of bodies: what must hold of them whatever their weights are."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from scipy.spatial.transform import Rotation  # noqa: E402

from elepose_core.models.body import BodyModel  # noqa: E402
from elepose_core.models.body_graph import BodyGraph  # noqa: E402
from elepose_core.models.body_student import BodyStudent, StudentConfig  # noqa: E402
from elepose_core.models.graph import unknown_up  # noqa: E402
from elepose_core.models.rotations import rotation_from_columns  # noqa: E402
from elepose_core.models.teacher import LifterConfig  # noqa: E402
from elepose_core.models.temporal import TemporalConfig  # noqa: E402
from elepose_core.priors.bones import bone_lengths  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig  # noqa: E402

FRAMES = 4
TINY = StudentConfig(
    **{'width': 8, 'blocks': 1, 'up_width': 8, 'up_blocks': 1},
    **{'completion_width': 8, 'completion_blocks': 1},
)
TINY_LIFTER = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)
JOINTS, UP, SIGMA, PLAUSIBILITY, UP_VARIANCE, VERTICES, PARAMETERS = range(7)


@pytest.fixture(scope='module')
def graph() -> BodyGraph:
    torch.manual_seed(0)
    config = TINY
    prior = FlowPrior(PriorConfig(components=8, blocks=2, width=8), VIEW_CONDITIONS)
    prior.fit_components(torch.randn(64, 34))
    student = BodyStudent(config, TINY_LIFTER, TemporalConfig(width=8, blocks=1))
    for name in ('up_head', 'pose_head', 'shape_head', 'joint_head', 'completion_head'):
        torch.nn.init.normal_(getattr(student, name).weight, std=0.1)
    return BodyGraph(student, prior).eval().requires_grad_(False)


def _rays(seed: int = 0) -> 'torch.Tensor':
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.uniform(-0.2, 0.2, (3, FRAMES, 17, 2))).float()


def _lift(graph: BodyGraph, rays: 'torch.Tensor', scores: 'torch.Tensor | None' = None) -> 'tuple':
    shown = torch.ones(rays.shape[:-1]) if scores is None else scores
    return graph(rays, shown, *unknown_up(rays))


def test_an_untrained_student_shows_what_its_lifter_sees() -> None:
    """Directions of limbs are those of the lifted joints; here those of the teacher."""
    student = BodyStudent(TINY, TINY_LIFTER, TemporalConfig(width=8, blocks=1))
    torch.nn.init.normal_(student.lifter.frame.depth_head.weight, std=0.3)
    rays, scores, zero = _rays(), torch.ones(3, FRAMES, 17), torch.zeros(3 * FRAMES)
    with torch.no_grad():
        seen = student.seen(rays, scores, *unknown_up(rays))
        joints = student.joints(student(seen, zero, zero, zero))
        up = torch.tensor([[0.0, -1.0, 0.0]]).expand(3 * FRAMES, 3)
        lifted = student.lifter(seen.frame, up, FRAMES) @ seen.frame.rotation
    for start, end in ((1, 2), (2, 3), (11, 12), (15, 16)):
        own = joints[..., end, :] - joints[..., start, :]
        its = (lifted[:, end] - lifted[:, start]).reshape(own.shape)
        cosine = torch.nn.functional.cosine_similarity(own, its, dim=-1)
        assert cosine.min() > 0.98, (start, end)


def test_bones_keep_their_lengths_within_a_clip(graph: BodyGraph) -> None:
    rays = _rays()
    joints, _ = graph.of_all_frames(rays, torch.ones(3, FRAMES, 17), *unknown_up(rays))
    lengths = bone_lengths(joints.flatten(0, 1)).reshape(3, FRAMES, 16)
    relative = lengths / lengths.mean(2, keepdim=True)
    # All but those that end at the spine: the trunk is more than one bone.
    rigid = [0, 1, 2, 3, 4, 5, 11, 12, 14, 15]
    spread = relative[..., rigid] / relative[..., rigid].mean(1, keepdim=True) - 1
    assert spread.abs().max() < 0.05
    between = relative[:, 0, rigid].std(0) / relative[:, 0, rigid].mean(0)
    assert between.max() > 0.001  # people differ


def test_the_graph_lifts_the_last_frame_as_all_frames_are_lifted(graph: BodyGraph) -> None:
    rays = _rays()
    joints, up = graph.of_all_frames(rays, torch.ones(3, FRAMES, 17), *unknown_up(rays))
    found = _lift(graph, rays)
    torch.testing.assert_close(found[JOINTS], joints[:, -1])
    torch.testing.assert_close(found[UP], up)


def test_body_parameters_say_joints_and_mesh(graph: BodyGraph) -> None:
    """As docs/conventions.md has it: place, size, phenotypes, columns of orientations."""
    found = _lift(graph, _rays())
    parameters = found[PARAMETERS]
    assert parameters.shape == (3, 130)
    place, size, phenotypes = parameters[:, :3], parameters[:, 3:4], parameters[:, 4:10]
    orientations = rotation_from_columns(parameters[:, 10:].reshape(3, 20, 6))
    body = BodyModel().requires_grad_(False)
    posed = body(body.shape(phenotypes), orientations, torch.zeros(3))
    for points, given in ((posed.joints, found[JOINTS]), (posed.vertices, found[VERTICES])):
        assert points is not None
        expected = points * size[..., None] + place[:, None]
        torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-4)


def test_people_turn_with_the_camera(graph: BodyGraph) -> None:
    pan = torch.from_numpy(Rotation.from_euler('y', 20, degrees=True).as_matrix()).float()
    rays = _rays()
    full = torch.nn.functional.pad(rays, (0, 1), value=1.0) @ pan.T
    before, after = _lift(graph, rays), _lift(graph, full[..., :2] / full[..., 2:])
    for output in (JOINTS, VERTICES):
        torch.testing.assert_close(after[output], before[output] @ pan.T, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(after[SIGMA], before[SIGMA], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize('missing', [1, FRAMES - 1, FRAMES])
def test_frames_before_a_person_was_seen_may_be_missing(graph: BodyGraph, missing: int) -> None:
    rays, scores = _rays(), torch.ones(3, FRAMES, 17)
    rays[:, :missing], scores[:, :missing] = torch.nan, 0.0
    found = _lift(graph, rays, scores)
    assert all(output.isfinite().all() for output in found)
    # What stands in missing frames does not matter.
    again = _lift(graph, torch.where(rays == rays, rays, 0.7), scores)
    for one, other in zip(found, again, strict=True):
        torch.testing.assert_close(one, other)


def test_missing_joints_are_completed_and_not_looked_at(graph: BodyGraph) -> None:
    rays, scores = _rays(), torch.ones(3, FRAMES, 17)
    scores[:, :, [3, 12]] = 0.0
    other = rays.clone()
    other[:, :, [3, 12]] += 1.0
    for one, two in zip(_lift(graph, rays, scores), _lift(graph, other, scores), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, two)


def test_a_rolled_image_is_completed_as_the_upright_one(graph: BodyGraph) -> None:
    from elepose_core.geometry.virtual_camera import image_turn, up_from_elevation_and_roll

    rays, scores, zero = _rays(), torch.ones(3, FRAMES, 17), torch.zeros(3)
    scores[:, :, [3, 12]] = 0.0
    completed = []
    for roll in (zero, zero + 0.4):
        turn = image_turn(roll)[:, None].transpose(-1, -2)
        up_cam = up_from_elevation_and_roll(zero, roll)
        seen = graph.student.seen(rays @ turn, scores, up_cam, zero)
        completed.append(seen.rays.unflatten(0, (3, FRAMES)) @ turn.transpose(-1, -2))
    assert (completed[0] - rays)[:, :, 3].abs().max() > 1e-3
    torch.testing.assert_close(completed[1], completed[0], atol=1e-5, rtol=0)


def test_poses_teach_nothing_of_where_missing_joints_are() -> None:
    student = BodyStudent(TINY, TINY_LIFTER, TemporalConfig(width=8, blocks=1))
    rays, scores, zero = _rays(), torch.ones(3, FRAMES, 17), torch.zeros(3 * FRAMES)
    scores[:, :, 3] = 0.0
    seen = student.seen(rays, scores, *unknown_up(rays))
    student.joints(student(seen, zero, zero, zero)).sum().backward()
    assert student.completion_head.bias.grad is None
    seen.rays.sum().backward()
    assert student.completion_head.bias.grad.abs().max() > 0


def test_a_joint_seen_long_ago_is_first_taken_to_be_where_it_was() -> None:
    student = BodyStudent(TINY, TINY_LIFTER, TemporalConfig(width=8, blocks=1))
    torch.nn.init.zeros_(student.completion_head.weight)
    rays = _rays()[:1, :1].expand(1, 60, 17, 2)
    scores = torch.ones(1, 60, 17)
    scores[:, 1:, 16] = 0.0
    seen = student.seen(rays, scores, *unknown_up(rays))
    torch.testing.assert_close(seen.rays[-1], rays[0, 0])


def test_a_told_up_direction_is_weighed_by_its_variance(graph: BodyGraph) -> None:
    rays, scores = _rays(), torch.ones(3, FRAMES, 17)
    told = torch.tensor([[0.0, -0.8, -0.6]]).expand(3, 3)
    seen = graph.student.seen(rays, scores, *unknown_up(rays))
    unknown = graph.student.up(seen, told, torch.full((3,), torch.inf))
    torch.testing.assert_close(unknown.elevation_rad, unknown.own.elevation_rad)
    certain = graph.student.up(seen, told, torch.zeros(3))
    # Up in the virtual cameras of the frames is the same direction of the camera.
    from elepose_core.geometry.virtual_camera import rotated, up_from_elevation_and_roll

    up = up_from_elevation_and_roll(certain.elevation_rad, certain.roll_rad)
    back = rotated(up, seen.frame.rotation.transpose(1, 2))
    torch.testing.assert_close(back, told.repeat_interleave(FRAMES, 0), atol=1e-3, rtol=0)
