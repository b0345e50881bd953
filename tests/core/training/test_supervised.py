# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A teacher that is told the truth, and the files that hold it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.cli.training_data import labelled_poses  # noqa: E402
from elepose_core.data.poseset import PoseSet  # noqa: E402
from elepose_core.errors import InputError  # noqa: E402
from elepose_core.geometry.elevation import up_cam_from_elevation  # noqa: E402
from elepose_core.training.distillation import Lessons  # noqa: E402
from elepose_core.training.loop import TrainingConfig, train  # noqa: E402
from elepose_core.training.sampling import SamplingConfig  # noqa: E402
from elepose_core.training.supervised import SupervisedTeaching  # noqa: E402

COUNT = 64


def _lessons(crowd: Any) -> Lessons:
    alike = torch.ones(len(crowd.joints_cam_m), dtype=torch.float64)
    joints = torch.from_numpy(crowd.joints_cam_m)
    return Lessons(joints, torch.from_numpy(crowd.elevation_rad), alike, alike)


@pytest.fixture
def recipe(crowd_of: Callable[..., Any], teacher_of: Callable[..., Any]) -> SupervisedTeaching:
    still = SamplingConfig(mirrored_share=0, stretched_share=0, new_view_share=0, tilted_share=0)
    return SupervisedTeaching(teacher_of(), _lessons(crowd_of(COUNT, seed=3)), still)


def test_errors_are_those_of_the_lifted_person(recipe: SupervisedTeaching) -> None:
    joints, elevation = recipe.lessons.joints[:1], recipe.lessons.elevation_rad[:1]
    up = torch.from_numpy(np.atleast_2d(up_cam_from_elevation(elevation.numpy())))
    # A flat person: what is missed is depth, and the depth along rays that goes with it.
    torch.nn.init.zeros_(recipe.module.depth_head.weight)
    torch.nn.init.zeros_(recipe.module.depth_head.bias)
    found = recipe.terms({'joints': joints, 'up': up}, 1)['pose'].item()
    axis = (joints[0, 0] / joints[0, 0].norm()).numpy()
    truth = joints[0].numpy() / (joints[0, 0].numpy() @ axis)
    flat = truth / (truth @ axis)[:, None]
    across = flat - axis
    size = np.linalg.norm(across, axis=-1).mean()
    assert found == pytest.approx(np.linalg.norm(flat - truth, axis=-1).mean() / size, rel=1e-6)


def test_the_teacher_is_told_the_true_up_of_its_virtual_camera(
    recipe: SupervisedTeaching, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = recipe.draw(8, torch.Generator().manual_seed(0))
    told: list[Any] = []
    forward = type(recipe.module).forward

    def listen(teacher: Any, seen: Any, up: Any) -> Any:
        told.append((up[:, None] @ seen.rotation)[:, 0])
        return forward(teacher, seen, up)

    monkeypatch.setattr(type(recipe.module), 'forward', listen)
    recipe.terms(draw, 1)
    torch.testing.assert_close(told[0], draw['up'])


def test_no_camera_rolls(recipe: SupervisedTeaching) -> None:
    draw = recipe.draw(32, torch.Generator().manual_seed(0))
    assert set(draw) == {'joints', 'up'}
    assert draw['up'][:, 0].abs().max() < 1e-12


def test_truth_is_learned(recipe: SupervisedTeaching, tmp_path: Path) -> None:
    told: list[dict[str, float]] = []
    config = TrainingConfig(steps=150, batch_size=32, learning_rate=3e-3, warm_up_steps=5)
    train(recipe, config, tmp_path, lambda _, terms, __: told.append(terms))
    for name in ('pose', 'elevation'):
        first, last = (np.mean([terms[name] for terms in some]) for some in (told[:5], told[-5:]))
        assert last < 0.6 * first, name


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'joints_cam_m': None}, 'has no joints_cam_m; expected the whole truth to learn'),
        ({'elevation_rad': None}, 'has no elevation_rad; expected the whole truth to learn'),
        ({'elevation_rad': np.nan}, 'has a not finite elevation_rad; expected the whole truth'),
    ],
)
def test_files_without_truth_are_refused(
    change: dict[str, Any],
    sentence: str,
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., PoseSet],
    tmp_path: Path,
) -> None:
    path = tmp_path / 'a.npz'
    poses = pose_set_of(crowd_of(20, seed=1))
    for name, value in change.items():
        old = getattr(poses, name)
        object.__setattr__(poses, name, value if value is None else np.full_like(old, value))
    poses.save(path)
    with pytest.raises(InputError, match=rf'a\.npz {sentence}'):
        labelled_poses([path])


def test_rolled_cameras_are_held_level(
    crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet], tmp_path: Path
) -> None:
    poses = pose_set_of(crowd_of(1000, seed=1))
    assert poses.joints_cam_m is not None
    poses.save(tmp_path / 'level.npz')
    # The same people before cameras that roll clockwise by a quarter: x becomes -y there.
    joints = poses.joints_cam_m
    rolled = np.stack([joints[..., 1], -joints[..., 0], joints[..., 2]], -1)
    k = poses.camera_matrix[poses.camera_index]
    pixels = np.einsum('nab,njb->nja', k, rolled / rolled[..., 2:])[..., :2].astype(np.float32)
    quarter = np.full(len(poses), np.pi / 2, np.float32)
    replace(poses, joints_cam_m=rolled, keypoints_px=pixels, roll_rad=quarter).save(
        tmp_path / 'rolled.npz'
    )
    level, held = (labelled_poses([tmp_path / f'{name}.npz']) for name in ('level', 'rolled'))
    torch.testing.assert_close(held.joints, level.joints, atol=1e-5, rtol=0)
    torch.testing.assert_close(held.seen.rays, level.seen.rays, atol=1e-4, rtol=0)
