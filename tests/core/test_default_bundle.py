# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle that the package ships."""

import math
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import open_bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Conditions, evaluate
from elepose_core.files import sha256_of
from elepose_core.geometry.camera import Camera, project
from elepose_core.geometry.elevation import level_from_camera
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import People2D, Person2D, Skeleton3D
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import H36M_17

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
TEST_SETS = ('test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')


@pytest.fixture(scope='module')
def predictor() -> Predictor:
    return Predictor('default')


@pytest.fixture(scope='module')
def lift_standing(
    predictor: Predictor, standing_m: NDArray[np.float64]
) -> Callable[..., tuple[Skeleton3D, Any]]:
    """Return a function that lifts somebody upright before a level camera, 4 m away."""
    options = LiftingOptions(stature_m=skeleton_stature(standing_m.astype(np.float32)))

    def lift(yaw_deg: float, reaches: bool = False) -> tuple[Skeleton3D, Any]:
        pose = standing_m.copy()
        if reaches:  # both forearms point to where the person looks
            for side in ('left', 'right'):
                elbow, wrist = (H36M_17.index(f'{side}_{part}') for part in ('elbow', 'wrist'))
                pose[wrist] = pose[elbow] + np.array([0.0, 0.0, -0.25])
        turn = math.radians(yaw_deg)
        cosine, sine = math.cos(turn), math.sin(turn)
        yaw = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        pixels = project(pose @ yaw.T + np.array([0.0, 0.0, 4.0]), CAMERA)
        person = Person2D('', pixels.astype(np.float32), np.ones(17, np.float32))
        result = PeopleLifter(predictor, options).lift(People2D(0, 'h36m_17', (person,)), CAMERA)
        return result.skeletons[0], result.elevation

    return lift


def _named(skeleton: Skeleton3D, name: str) -> NDArray[np.float32]:
    return skeleton.joints_cam_m[H36M_17.index(name)]


def test_default_opens_and_its_checksum_fits() -> None:
    bundle = open_bundle('default')
    assert bundle == open_bundle()
    assert bundle.manifest.sha256 == sha256_of(bundle.onnx_path)
    assert bundle.manifest.name == 'default'
    assert bundle.manifest.joint_layout == 'h36m_17'


def test_default_is_small() -> None:
    size = sum(p.stat().st_size for p in open_bundle().folder.iterdir())
    assert size < 12e6
    assert {p.name for p in open_bundle().folder.iterdir()} == {
        *('lifter.onnx', 'manifest.json', 'README.md')
    }


def test_default_says_what_it_was_trained_on_and_how_good_it_is() -> None:
    manifest = open_bundle().manifest
    assert {'data', 'data_licence', 'step', 'revision', 'config'} <= set(manifest.training)
    assert manifest.training['data_licence']
    assert {'val', *TEST_SETS} <= set(manifest.metrics)
    for name, figures in manifest.metrics.items():
        assert figures['n'] > 1000, name
        assert 0 < figures['pa_mpjpe_mm'] < figures['n_mpjpe_mm'] < 150, name
        assert 0 <= figures['flip_rate'] < 0.1, name
        assert figures['elevation_clip_mae_deg'] > 0, name
    worst = max(max(d.values()) for d in manifest.parity['largest_difference'].values())
    assert worst <= manifest.parity['tolerance']


@pytest.mark.parametrize('yaw_deg', [0, 180])
def test_standing_person_is_lifted_upright(
    yaw_deg: float, lift_standing: Callable[..., tuple[Skeleton3D, Any]]
) -> None:
    skeleton, elevation = lift_standing(yaw_deg)
    to_level = level_from_camera(elevation.up_cam)
    spine = to_level @ (_named(skeleton, 'thorax') - _named(skeleton, 'pelvis'))
    assert spine[2] / np.linalg.norm(spine) > math.cos(math.radians(25))
    assert _named(skeleton, 'head_top')[1] < _named(skeleton, 'left_ankle')[1]
    assert abs(math.degrees(elevation.elevation_rad)) < 20
    assert abs(skeleton.root_cam_m[2] - 4.0) < 0.6


def test_left_is_left(lift_standing: Callable[..., tuple[Skeleton3D, Any]]) -> None:
    """Facing the camera the left side is at larger x, seen from behind at smaller x."""
    for yaw_deg, sign in ((0, 1), (180, -1)):
        skeleton, _ = lift_standing(yaw_deg)
        for part in ('shoulder', 'hip'):
            across = _named(skeleton, f'left_{part}') - _named(skeleton, f'right_{part}')
            assert sign * across[0] > 0.1


def test_turned_person_has_the_near_side_nearer(
    lift_standing: Callable[..., tuple[Skeleton3D, Any]],
) -> None:
    """Somebody who looks to the right of the picture has the right shoulder in front."""
    for yaw_deg, nearer, farther in ((-50, 'right', 'left'), (50, 'left', 'right')):
        skeleton, _ = lift_standing(yaw_deg, reaches=True)
        near, far = (_named(skeleton, f'{side}_shoulder')[2] for side in (nearer, farther))
        assert near < far, f'turned by {yaw_deg} degrees'


def test_generated_people_are_lifted_better_than_flat_ones(
    predictor: Predictor, crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]
) -> None:
    """Limbs at random are not what it was trained on; flat people would err by 140 mm."""
    poses = pose_set_of(crowd_of(400, seed=3, elevation_deg=(-5.0, 20.0)))

    def flat(rays: Any, scores: Any, told: Any) -> Any:
        return np.concatenate([rays, np.ones_like(rays[..., :1])], -1), predictor.lift(
            rays, scores
        ).up_cam

    found, guess = (evaluate(lift, poses, Conditions()) for lift in (predictor.lift, flat))
    assert found['pa_mpjpe_mm'] < 0.8 * guess['pa_mpjpe_mm']
    assert found['n_mpjpe_mm'] < 0.8 * guess['n_mpjpe_mm']


def test_lift_takes_the_default_model(
    elepose: Callable[..., 'subprocess.CompletedProcess[str]'],
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., PoseSet],
    tmp_path: Path,
) -> None:
    pose_set_of(crowd_of(3)).save(tmp_path / 'in.npz')
    done = elepose('lift', tmp_path / 'in.npz', '--out', tmp_path / 'o.npz', '--model', 'default')
    assert (done.returncode, done.stderr) == (0, '')
    assert np.isfinite(PoseSet.load(tmp_path / 'o.npz').extra['lifted_joints_cam_m']).all()


@pytest.mark.parametrize('name', ['val', *TEST_SETS])
def test_stated_figures_are_those_of_the_full_data(name: str, predictor: Predictor) -> None:
    """Nothing is chosen here: the figures of the manifest are measured once more."""
    folder = os.environ.get('ELEPOSE_DATA')
    if not folder:
        pytest.skip('ELEPOSE_DATA is not set: the full data is not here')
    path = Path(folder) / 'mocap' / f'{name}.npz'
    if not path.exists():
        pytest.skip(f'{path} does not exist')
    stated = predictor.manifest.metrics[name]
    found = evaluate(predictor.lift, PoseSet.load(path), Conditions())
    assert found['n'] == stated['n']
    for key in ('n_mpjpe_mm', 'pa_mpjpe_mm', 'elevation_mae_deg', 'elevation_clip_mae_deg'):
        assert math.isclose(found[key], stated[key], rel_tol=1e-3), key
