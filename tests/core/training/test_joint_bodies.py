# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Teacher and student together: who learns from whom."""

import math
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the graph holds a prior of FrEIA blocks')

from elepose_core.models.body_graph import BodyGraph  # noqa: E402
from elepose_core.models.body_student import BodyStudent, StudentConfig  # noqa: E402
from elepose_core.models.clip_teacher import ClipTeacher  # noqa: E402
from elepose_core.models.discriminator import DiscriminatorConfig, PoseJudges  # noqa: E402
from elepose_core.models.teacher import LifterConfig  # noqa: E402
from elepose_core.models.temporal import TemporalConfig  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig  # noqa: E402
from elepose_core.training.adversarial import AdversarialWeights  # noqa: E402
from elepose_core.training.body_lessons import BodyWeights  # noqa: E402
from elepose_core.training.clip_teaching import (  # noqa: E402
    ClipParts,
    ClipWeights,
    WindowConfig,
)
from elepose_core.training.clip_windows import window_starts  # noqa: E402
from elepose_core.training.distillation import Lessons  # noqa: E402
from elepose_core.training.joint_bodies import (  # noqa: E402
    JointBodies,
    JointParts,
    JointWeights,
)
from elepose_core.training.sampling import Keypoints2D, SamplingConfig  # noqa: E402

TINY = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)


@pytest.fixture
def recipe(crowd_of: Callable[..., Any], pose_set_of: Callable[..., Any]) -> JointBodies:
    torch.manual_seed(0)
    poses = pose_set_of(crowd_of(40), clip_length=4)
    clip = torch.from_numpy(poses.clip_index)
    rays, frame = torch.from_numpy(poses.rays).float(), torch.from_numpy(poses.frame_index)
    data = Keypoints2D(rays, clip, frame, clip)
    joints = torch.from_numpy(crowd_of(40).joints_cam_m).float()
    clips = ClipParts(
        ClipTeacher(TINY, TemporalConfig(width=8, blocks=1)),
        PoseJudges(DiscriminatorConfig(components=8, width=8, blocks=1)),
    )
    config = StudentConfig(
        **{'width': 8, 'blocks': 1, 'up_width': 8, 'up_blocks': 1},
        **{'completion_width': 8, 'completion_blocks': 1},
    )
    student = BodyStudent(config, TINY, TemporalConfig(width=8, blocks=1))
    prior = FlowPrior(PriorConfig(components=8, blocks=2, width=8), VIEW_CONDITIONS)
    return JointBodies(
        JointParts(clips, BodyGraph(student, prior.requires_grad_(False))),
        data,
        Lessons(joints, torch.zeros(40), torch.ones(40), torch.ones(40)),
        window_starts(data, 4),
        WindowConfig(frames=4),
        SamplingConfig(stretched_share=0),
        ClipWeights(),
        BodyWeights(),
        JointWeights(),
        AdversarialWeights(),
    )


def _reached(recipe: JointBodies, *names: str) -> set[str]:
    """Return which parts gradients of these terms reach."""
    recipe.module.zero_grad()
    draw = recipe.draw(32, torch.Generator().manual_seed(0))
    terms = recipe.terms(draw, 1)
    torch.stack([terms[name] for name in names]).sum().backward()
    clips = recipe.module.clips
    parts = {'teacher': clips.teacher, 'judges': clips.judges, 'student': recipe.module.graph}
    return {
        name
        for name, part in parts.items()
        if any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
    }


def test_each_term_has_a_weight(recipe: JointBodies) -> None:
    draw = recipe.draw(8, torch.Generator().manual_seed(0))
    terms = recipe.terms(draw, 1)
    assert set(terms) == set(recipe.weights(1))
    assert all(term.isfinite() for term in terms.values())


def test_who_learns_from_what(recipe: JointBodies) -> None:
    assert _reached(recipe, 'student_pose', 'student_velocity') == {'student'}
    assert _reached(recipe, 'student_frame_adversarial') == {'student'}
    assert _reached(recipe, 'student_motion_adversarial', 'student_smoothness') == {'student'}
    assert _reached(recipe, 'agreement') == {'teacher'}
    assert _reached(recipe, 'frame_adversarial', 'bone_constancy') == {'teacher'}
    assert _reached(recipe, 'frame_discriminator', 'motion_discriminator') == {'judges'}


def test_the_teacher_heeds_the_student_only_where_that_saw_whole_and_clean_clips(
    recipe: JointBodies,
) -> None:
    draw = recipe.draw(8, torch.Generator().manual_seed(0))
    clean = {
        **draw,
        'visible': torch.ones_like(draw['visible']),
        'noise': torch.zeros_like(draw['noise']),
    }
    assert recipe.terms(clean, 1)['agreement'] > 0
    shaken = {**clean, 'noise': draw['noise'] + 0.01}
    hidden = {**clean, 'visible': clean['visible'].clone()}
    hidden['visible'][:, 1, 5] = 0.0
    for not_clean in (shaken, hidden):
        assert recipe.terms(not_clean, 1)['agreement'] == 0


@pytest.mark.parametrize('logit', [-5.0, 5.0])
def test_judges_that_take_everybody_for_real_have_nothing_against_the_student(
    logit: float, recipe: JointBodies
) -> None:
    judges = recipe.module.clips.judges
    for judge in (judges.frame, judges.motion):
        torch.nn.init.zeros_(judge.head.weight)
        torch.nn.init.constant_(judge.head.bias, logit)
    terms = recipe.terms(recipe.draw(8, torch.Generator().manual_seed(0)), 1)
    expected = math.log1p(math.exp(-logit))
    for kind in ('frame', 'motion'):
        loss = float(terms[f'student_{kind}_adversarial'].detach())
        assert loss == pytest.approx(expected, rel=1e-5)
