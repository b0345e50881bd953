# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""PoseNet3D: a teacher of clips without 3D, a student that gives bodies, and both together."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from elepose_core.cli.methods.body_bundle import write_body_bundle
from elepose_core.cli.methods.method import Method, holding
from elepose_core.cli.methods.refined_lessons import level_lessons
from elepose_core.cli.methods.shared_stages import (
    frame_recipe,
    prior_of_views,
    untrained_frames,
)
from elepose_core.cli.stages import Stages, seeded
from elepose_core.cli.training_data import complete_poses, facts_of_poses
from elepose_core.config import PoseNet3DConfig
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.clip_lift import clip_lift
from elepose_core.evaluation.protocol import Lift
from elepose_core.evaluation.torch_lift import of_whole_people, torch_lift
from elepose_core.models.body_graph import BodyGraph
from elepose_core.models.body_student import BodyStudent
from elepose_core.models.clip_teacher import ClipTeacher, ClipTeacherGraph
from elepose_core.models.discriminator import PoseJudges
from elepose_core.models.teacher import TeacherGraph
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior
from elepose_core.refinement.clips import Lift as RowLift
from elepose_core.refinement.clips import RefinementConfig, refine
from elepose_core.skeleton import H36M_17
from elepose_core.training.body_lessons import BodyLessons, fit_body
from elepose_core.training.clip_teaching import ClipParts, ClipTeaching, lift_of_rows
from elepose_core.training.clip_windows import window_starts
from elepose_core.training.distillation import Lessons
from elepose_core.training.geometric import GeometricParts, pair_starts
from elepose_core.training.joint_bodies import JointBodies, JointParts
from elepose_core.training.loop import Progress
from elepose_core.training.round_trip import relative_bone_lengths
from elepose_core.training.sampling import Keypoints2D

__all__ = ['METHOD']

# Where the first stages keep their checkpoints, inside the run.
_FRAMES, _TEACHER, _STUDENT = Path('frames'), Path('teacher'), Path('student')


def _train(
    experiment: PoseNet3DConfig,
    data: Keypoints2D,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    """Train up to the stage `until`; returns how the last went."""
    seed = experiment.training.seed
    torch.manual_seed(seed)
    alone = frame_recipe(experiment, experiment.frame_losses, data, device)
    progress = stages.train(alone, seeded(experiment.frames, seed), _FRAMES)
    if until == 'frames':
        return progress
    on_device = alone.data
    torch.manual_seed(seed)
    clips = _untrained_clips(experiment).to(device)
    clips.teacher.frame.load_state_dict(alone.module.teacher.state_dict())
    clips.judges.load_state_dict(alone.module.judges.state_dict())
    starts = window_starts(on_device, experiment.windows.frames)
    teaching = ClipTeaching(
        clips,
        on_device,
        starts,
        experiment.windows,
        experiment.teacher_losses,
        experiment.adversarial_losses,
    )
    progress = stages.train(teaching, seeded(experiment.teacher, seed), _TEACHER)
    if until == 'teacher':
        return progress
    lessons = stages.lessons(
        partial(_lessons, experiment.refinement, clips.teacher, on_device)
    ).to(device)
    graph, progress = _student(experiment, data, clips.teacher, lessons, stages)
    if until == 'student':
        return progress
    joint = JointBodies(
        JointParts(clips, graph),
        on_device,
        lessons,
        starts,
        experiment.windows,
        experiment.sampling,
        experiment.teacher_losses,
        experiment.student_losses,
        experiment.losses,
        experiment.adversarial_losses,
    )
    return stages.train(joint, experiment.training, Path())


def _check(experiment: PoseNet3DConfig, data: Keypoints2D, until: str | None) -> None:
    pair_starts(data)
    if until != 'frames':
        window_starts(data, experiment.windows.frames)


def _student(
    experiment: PoseNet3DConfig,
    data: Keypoints2D,
    teacher: ClipTeacher,
    lessons: Lessons,
    stages: Stages,
) -> tuple[BodyGraph, Progress]:
    """Teach a student, which starts as its teacher.

    The prior that judges plausibility knows the cameras of the lessons.
    """
    seed = experiment.training.seed
    of_clip = torch.zeros(data.clips).index_copy_(0, data.clip, lessons.elevation_rad.cpu())
    prior = prior_of_views(experiment, data, of_clip, seed, stages, _STUDENT)
    torch.manual_seed(seed)
    student = _untrained_bodies(experiment)
    student.lifter.load_state_dict(teacher.state_dict())
    student.to(lessons.joints.device)
    fit_body(student, lessons.joints, seed)
    graph = BodyGraph(student, prior).to(lessons.joints.device)
    recipe = BodyLessons(
        graph,
        lessons,
        window_starts(data, experiment.windows.frames),
        experiment.windows.frames,
        experiment.student_losses,
        experiment.sampling,
    )
    progress = stages.train(recipe, seeded(experiment.student, seed), _STUDENT)
    return graph, progress


def _lessons(
    config: RefinementConfig,
    teacher: ClipTeacher,
    data: Keypoints2D,
    on_part: Callable[[int, int], None],
) -> Lessons:
    """Refine what the teacher makes of whole clips: bones of one person, smooth motion."""
    lift = lift_of_rows(teacher, data)
    clip, frame, person = (part.cpu().numpy() for part in (data.clip, data.frame, data.person))
    rays = data.rays.cpu().numpy()
    refined = refine(
        rays,
        clip,
        frame,
        person,
        lift,
        _bone_ratios(lift, data),
        config.at_rate(data.fps),
        on_part,
    )
    return level_lessons(refined)


def _bone_ratios(lift: RowLift, data: Keypoints2D) -> NDArray[np.float64]:
    """Return mean relative bone lengths (P, 16) of each person, as the teacher lifts them."""
    order = np.lexsort((data.frame.cpu().numpy(), data.clip.cpu().numpy()))
    rays = data.rays.cpu().numpy()[order]
    joints = lift(rays, np.ones(rays.shape[:2], np.float32), None)[0]
    assert joints is not None
    relative = relative_bone_lengths(torch.from_numpy(joints))
    person = data.person.cpu()[torch.from_numpy(order)]
    total = torch.zeros(data.people, relative.shape[1]).index_add_(0, person, relative)
    ratios = total / torch.bincount(person, minlength=data.people)[:, None]
    return ((ratios + ratios[:, list(H36M_17.mirror_bones)]) / 2).double().numpy()


def _untrained_clips(experiment: PoseNet3DConfig) -> ClipParts:
    teacher = ClipTeacher(experiment.lifter, experiment.temporal)
    return ClipParts(teacher, PoseJudges(experiment.judges))


def _untrained_bodies(experiment: PoseNet3DConfig) -> BodyStudent:
    return BodyStudent(experiment.bodies, experiment.lifter, experiment.temporal)


def _untrained_student(experiment: PoseNet3DConfig) -> BodyGraph:
    prior = FlowPrior(experiment.prior, VIEW_CONDITIONS).requires_grad_(False)
    return BodyGraph(_untrained_bodies(experiment), prior)


def _untrained(experiment: PoseNet3DConfig) -> JointParts:
    return JointParts(_untrained_clips(experiment), _untrained_student(experiment))


def _lift(module: nn.Module, poses: PoseSet) -> Lift:
    device = next(module.parameters()).device
    if isinstance(module, GeometricParts):
        return of_whole_people(torch_lift(TeacherGraph(module.teacher)))
    if isinstance(module, ClipParts):
        return of_whole_people(clip_lift(ClipTeacherGraph(module.teacher), poses, device))
    graph = module.graph if isinstance(module, JointParts) else module
    assert isinstance(graph, BodyGraph)
    return clip_lift(graph.of_all_frames, poses, device)


METHOD = Method(
    name='posenet3d',
    read=complete_poses,
    facts=facts_of_poses,
    train=_train,
    untrained=_untrained,
    lift=_lift,
    write_bundle=write_body_bundle,
    stages=('frames', 'teacher', 'student', 'joint'),
    of_stage={
        'frames': holding(untrained_frames),
        'teacher': holding(_untrained_clips),
        'student': holding(_untrained_student),
    },
    check=_check,
    whole_clips=True,
)
