# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Generated people, tiny models and the command line, for the tests of `elepose_core`."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from elepose_core.bundle import SCHEMA_VERSION, Bundle, Manifest
from elepose_core.data.poseset import PoseSet
from elepose_core.skeleton import H36M_17

Array = NDArray[np.float64]
ROOT = Path(__file__).parents[2]
FOCAL_PX, WIDTH, HEIGHT = 600.0, 640, 480

# Bones of somebody who faces the camera, from parent to child, metres: x to the right of the
# picture, y down, z away from the camera.
REST_M = {
    'right_hip': (-0.12, 0.02, 0.0),
    'right_knee': (0.0, 0.43, 0.0),
    'right_ankle': (0.0, 0.42, 0.0),
    'left_hip': (0.12, 0.02, 0.0),
    'left_knee': (0.0, 0.43, 0.0),
    'left_ankle': (0.0, 0.42, 0.0),
    'spine': (0.0, -0.24, 0.0),
    'thorax': (0.0, -0.25, 0.02),
    'neck_nose': (0.0, -0.10, -0.03),
    'head_top': (0.0, -0.12, 0.0),
    'left_shoulder': (0.18, 0.02, 0.0),
    'left_elbow': (0.0, 0.29, 0.0),
    'left_wrist': (0.0, 0.25, 0.0),
    'right_shoulder': (-0.18, 0.02, 0.0),
    'right_elbow': (0.0, 0.29, 0.0),
    'right_wrist': (0.0, 0.25, 0.0),
}
# Bends of the bone that ends at a joint: least and greatest turn about x, then about z (radians).
# Positive about x moves what hangs down away from where the person looks: a knee bends so.
BENDS = {
    'knee': (-0.9, 0.5, -0.3, 0.3),
    'ankle': (0.0, 1.3, 0.0, 0.0),
    'spine': (-0.3, 0.2, -0.2, 0.2),
    'neck_nose': (-0.3, 0.2, -0.2, 0.2),
    'elbow': (-1.4, 0.8, -0.9, 0.9),
    'wrist': (-1.8, 0.0, 0.0, 0.0),
}


class Crowd(NamedTuple):
    """Generated people (N, 17, 3) in metres, optical frame, and the camera's elevation (N,)."""

    joints_cam_m: Array
    elevation_rad: Array


def make_crowd(
    count: int,
    seed: int = 0,
    bones_m: Mapping[str, tuple[float, float, float]] = REST_M,
    elevation_deg: tuple[float, float] = (-15.0, 30.0),
    distance_m: tuple[float, float] = (2.5, 7.0),
) -> Crowd:
    """Generate articulated people before cameras without roll that look about at them."""
    random = np.random.default_rng(seed)
    yaw = Rotation.from_euler('y', random.uniform(-np.pi, np.pi, (count, 1)))
    turn = {'pelvis': yaw * Rotation.from_euler('x', random.uniform(-0.15, 0.15, (count, 1)))}
    joints = np.zeros((count, 17, 3))
    for child, parent in enumerate(H36M_17.parents):
        if parent < 0:
            continue
        name, parent_name = H36M_17.joint_names[child], H36M_17.joint_names[parent]
        low_x, high_x, low_z, high_z = BENDS.get(name.split('_', 1)[-1], BENDS.get(name, (0,) * 4))
        bend = np.stack(
            [
                random.uniform(low_x, high_x, count),
                random.uniform(low_z, high_z, count),
            ],
            axis=-1,
        )
        turn[name] = turn[parent_name] * Rotation.from_euler('xz', bend)
        joints[:, child] = joints[:, parent] + turn[name].apply(np.array(bones_m[name]))
    elevation = np.radians(random.uniform(*elevation_deg, count))
    distance = random.uniform(*distance_m, count)
    # Into the camera: tilt by the elevation, then put the pelvis near the axis.
    cosine, sine = np.cos(elevation)[:, None], np.sin(elevation)[:, None]
    x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
    joints = np.stack([x, y * cosine - z * sine, z * cosine + y * sine], axis=-1)
    place = np.stack([random.uniform(-0.2, 0.2, count), random.uniform(-0.1, 0.1, count)], -1)
    joints[..., :2] += (place * distance[:, None])[:, None]
    joints[..., 2] += distance[:, None]
    return Crowd(joints, elevation)


def make_pose_set(crowd: Crowd, clip_length: int = 10, truth: bool = True) -> PoseSet:
    """Photograph people with the 600 px camera; each clip is `clip_length` of them."""
    count = len(crowd.joints_cam_m)
    clips = np.arange(count) // clip_length
    elevation = crowd.elevation_rad[clips * clip_length]
    rays = crowd.joints_cam_m[..., :2] / crowd.joints_cam_m[..., 2:]
    matrix = np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1]])
    arrays: dict[str, Any] = {
        'keypoints_px': rays * FOCAL_PX + (WIDTH / 2, HEIGHT / 2),
        'camera_matrix': matrix,
        'image_size': np.array([WIDTH, HEIGHT]),
        'clip_index': clips,
        'frame_index': np.arange(count) % clip_length,
        'fps': np.array(30.0),
    }
    if truth:
        names = np.array(['stand', 'walk'])
        arrays |= {
            'joints_cam_m': crowd.joints_cam_m,
            'elevation_rad': elevation,
            'action': names[np.arange(clips.max() + 1) % 2],
        }
    return PoseSet.from_arrays(arrays, source='generated')


def pytest_configure() -> None:
    if importlib.util.find_spec('torch') is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope='session')
def crowd_of() -> Callable[..., Crowd]:
    return make_crowd


@pytest.fixture(scope='session')
def pose_set_of() -> Callable[..., PoseSet]:
    return make_pose_set


@pytest.fixture(scope='session')
def rest_m() -> dict[str, tuple[float, float, float]]:
    return dict(REST_M)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture(scope='session')
def standing_m() -> Array:
    """Return (17, 3): somebody upright who faces the camera, pelvis at the origin, arms down."""
    joints = np.zeros((17, 3))
    for child, parent in enumerate(H36M_17.parents):
        if parent >= 0:
            joints[child] = joints[parent] + REST_M[H36M_17.joint_names[child]]
    return joints


def make_manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        'schema_version': SCHEMA_VERSION,
        'name': 'tiny',
        'method': 'untrained',
        'joint_layout': 'h36m_17',
        'input_names': (),
        'output_names': (),
        'opset': 18,
        'sha256': '0' * 64,
        'parity': {},
        'training': {'data': 'generated'},
        'metrics': {'generated': {'elevation_clip_mae_deg': 4.0}},
    }
    return Manifest(**{**values, **changes})


@pytest.fixture(scope='session')
def manifest_of() -> Callable[..., Manifest]:
    return make_manifest


@pytest.fixture(scope='session')
def tiny_graph() -> Any:
    """Return an untrained graph: nearly flat people and a level camera, small and fixed."""
    import torch

    from elepose_core.models.graph import LiftingGraph
    from elepose_core.models.lifter import Lifter, LifterConfig
    from elepose_core.models.observation import observe
    from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig, scaled_pose

    torch.manual_seed(0)
    lifter = Lifter(LifterConfig(width=16, blocks=1, elevation_width=16, elevation_blocks=1))
    prior = FlowPrior(PriorConfig(components=8, blocks=2, width=16), VIEW_CONDITIONS)
    rays = torch.from_numpy(make_pose_set(make_crowd(256)).rays).float()
    prior.fit_components(scaled_pose(observe(rays, torch.ones(256, 17)).pose_2d))
    return LiftingGraph(lifter, prior).eval()


@pytest.fixture(scope='session')
def tiny_bundle(tiny_graph: Any, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    from elepose_core.export.onnx import export_bundle

    poses = make_pose_set(make_crowd(256))
    folder = tmp_path_factory.mktemp('bundles') / 'tiny.elepose'
    return export_bundle(
        tiny_graph, folder, make_manifest(), poses.rays.astype(np.float32), poses.scores
    )


Elepose = Callable[..., 'subprocess.CompletedProcess[str]']


@pytest.fixture(scope='session')
def elepose() -> Elepose:
    """Return a function that runs `python -m elepose_core` with arguments, in a process."""

    def run(*arguments: object) -> 'subprocess.CompletedProcess[str]':
        command = [sys.executable, '-m', 'elepose_core', *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
        )

    return run
