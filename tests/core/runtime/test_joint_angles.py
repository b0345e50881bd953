# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Joint angles against the model's own kinematics, written down joint by joint as in the URDF."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from elepose_core.runtime.joint_angles import ANGLE_NAMES, body_angles
from elepose_core.skeleton import H36M_17

Array = NDArray[np.float64]
# name: parent link, axis, origin in the parent; a person 1.5 m tall, so that the unit is 0.2 m.
# Facts of human_description/urdf/human-tpl.xacro.
CHAIN: dict[str, tuple[str, tuple[float, float, float], tuple[float, float, float]]] = {
    'waist': ('body', (0, 1, 0), (0, 0, 0)),
    'r_head': ('waist', (1, 0, 0), (0, 0, 0.55 + 0.05)),
    'y_head': ('r_head', (0, 0, 1), (0, 0, 0)),
    'p_head': ('y_head', (0, -1, 0), (0, 0, 0)),
}
for _side, _s in (('l', 1), ('r', -1)):
    CHAIN |= {
        f'{_side}_y_shoulder': ('waist', (0, 0, -_s), (0, _s * 0.16, 0.55)),
        f'{_side}_p_shoulder': (f'{_side}_y_shoulder', (_s, 0, 0), (0, 0, 0)),
        f'{_side}_r_shoulder': (f'{_side}_p_shoulder', (0, 0, _s), (0, 0, 0)),
        f'{_side}_elbow': (f'{_side}_r_shoulder', (0, -1, 0), (0, 0, -0.32)),
        f'{_side}_y_hip': ('body', (0, 0, -1), (0, _s * 0.12, 0)),
        f'{_side}_p_hip': (f'{_side}_y_hip', (_s, 0, 0), (0, 0, 0)),
        f'{_side}_r_hip': (f'{_side}_p_hip', (0, -1, 0), (0, 0, 0)),
        f'{_side}_knee': (f'{_side}_r_hip', (0, -1, 0), (0, 0, -0.3)),
    }
# Our joints: the link that carries each and its place there.
CARRIED: dict[str, tuple[str, tuple[float, float, float]]] = {
    'pelvis': ('body', (0, 0, 0)),
    'spine': ('body', (0, 0, 0.3)),
    'thorax': ('waist', (0, 0, 0.6)),  # where the head's chain begins
    'neck_nose': ('p_head', (0, 0, 0.05)),
    'head_top': ('p_head', (0, 0, 0.2)),
}
for _name, _side in (('left', 'l'), ('right', 'r')):
    CARRIED |= {
        f'{_name}_shoulder': (f'{_side}_y_shoulder', (0, 0, 0)),
        f'{_name}_elbow': (f'{_side}_elbow', (0, 0, 0)),
        f'{_name}_wrist': (f'{_side}_elbow', (0, 0, -0.2)),
        f'{_name}_hip': (f'{_side}_y_hip', (0, 0, 0)),
        f'{_name}_knee': (f'{_side}_knee', (0, 0, 0)),
        f'{_name}_ankle': (f'{_side}_knee', (0, 0, -0.4)),
    }
# Angles that a body can take and that joints show without doubt.
LOW = {'waist': -0.3, 'head': -0.8, 'y_shoulder': -1.4, 'p_shoulder': 0.45, 'r_shoulder': -1.4}
LOW |= {'elbow': 0.2, 'y_hip': -0.6, 'p_hip': -0.5, 'r_hip': -0.5, 'knee': -2.4}
HIGH = {'waist': 1.2, 'head': 0.8, 'y_shoulder': 1.4, 'p_shoulder': 2.9, 'r_shoulder': 1.4}
HIGH |= {'elbow': 2.4, 'y_hip': 0.6, 'p_hip': 1.0, 'r_hip': 1.8, 'knee': -0.2}


def forward(angles: dict[str, float], camera_from_body: Array, pelvis: Array) -> Array:
    """Return the joints (17, 3) of a body."""
    links = {'body': (camera_from_body, pelvis)}
    for name, (parent, axis, origin) in CHAIN.items():
        rotation, place = links[parent]
        turn = Rotation.from_rotvec(np.multiply(axis, angles[name])).as_matrix()
        links[name] = (rotation @ turn, place + rotation @ np.array(origin))
    carried = (CARRIED[name] for name in H36M_17.joint_names)
    return np.array([links[link][1] + links[link][0] @ np.array(at) for link, at in carried])


def random_angles(rng: np.random.Generator) -> dict[str, float]:
    def draw(name: str) -> float:
        kind = name if name in LOW else name.partition('_')[2]
        return float(rng.uniform(LOW[kind], HIGH[kind]))

    return {name: 0.0 if name == 'y_head' else draw(name) for name in ANGLE_NAMES}


@pytest.fixture
def bodies(rng: np.random.Generator) -> tuple[list[dict[str, float]], Array, Array]:
    """Angles, rotations and joints of 50 bodies."""
    angles = [random_angles(rng) for _ in range(50)]
    rotations = Rotation.random(50, random_state=3).as_matrix()
    joints = [forward(a, r, rng.uniform(-3, 3, 3)) for a, r in zip(angles, rotations, strict=True)]
    return angles, rotations, np.array(joints)


def test_angles_come_back_from_the_joints_that_they_make(bodies: Any) -> None:
    angles, rotations, joints = bodies
    found = body_angles(joints)
    np.testing.assert_allclose(found.camera_from_body, rotations, atol=1e-9)
    wanted = [[a[name] for name in ANGLE_NAMES] for a in angles]
    np.testing.assert_allclose(found.angles_rad, wanted, atol=1e-7)


def test_names_are_those_of_the_model() -> None:
    assert set(ANGLE_NAMES) == set(CHAIN)
    assert len(ANGLE_NAMES) == len(CHAIN) == 20


def test_somebody_who_stands_straight_has_no_angles() -> None:
    # Faces the camera: the chest points against z, the left hand is at the larger x.
    facing = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    joints = forward(dict.fromkeys(ANGLE_NAMES, 0.0), facing, np.array([0.5, 0.2, 4.0]))
    found = body_angles(joints[None])
    np.testing.assert_allclose(found.angles_rad, 0, atol=1e-9)
    np.testing.assert_allclose(found.camera_from_body[0], facing, atol=1e-12)


@pytest.mark.parametrize(
    ('raised', 'expected'),
    [
        # Where the left wrist and elbow go from the shoulder: to the left, forward, up.
        ((0, 1, 0), {'l_y_shoulder': 0.0, 'l_p_shoulder': np.pi / 2}),
        ((1, 0, 0), {'l_y_shoulder': np.pi / 2, 'l_p_shoulder': np.pi / 2}),
        ((0, 0, 1), {'l_p_shoulder': np.pi}),
    ],
)
def test_a_straight_arm_by_hand(raised: Any, expected: dict[str, float]) -> None:
    joints = forward(dict.fromkeys(ANGLE_NAMES, 0.0), np.eye(3), np.zeros(3))
    shoulder = joints[H36M_17.index('left_shoulder')]
    for name, away in (('left_elbow', 0.32), ('left_wrist', 0.52)):
        joints[H36M_17.index(name)] = shoulder + away * np.array(raised, float)
    found = dict(zip(ANGLE_NAMES, body_angles(joints[None]).angles_rad[0], strict=True))
    wanted = {**dict.fromkeys(('l_r_shoulder', 'l_elbow'), 0.0), **expected}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-7)


def test_sitting_by_hand() -> None:
    joints = forward(dict.fromkeys(ANGLE_NAMES, 0.0), np.eye(3), np.zeros(3))
    for side in ('left', 'right'):
        hip = joints[H36M_17.index(f'{side}_hip')]
        joints[H36M_17.index(f'{side}_knee')] = hip + np.array([0.3, 0, 0])
        joints[H36M_17.index(f'{side}_ankle')] = hip + np.array([0.3, 0, -0.4])
    found = dict(zip(ANGLE_NAMES, body_angles(joints[None]).angles_rad[0], strict=True))
    for side in 'lr':
        assert found[f'{side}_r_hip'] == pytest.approx(np.pi / 2)
        assert found[f'{side}_knee'] == pytest.approx(-np.pi / 2)
        assert found[f'{side}_y_hip'] == pytest.approx(0)
        assert found[f'{side}_p_hip'] == pytest.approx(0)


def test_real_poses_are_met_by_the_model_within_its_means() -> None:
    """The directions of all limbs of real people, through angles and back."""
    path = Path(__file__).parents[2] / 'data' / 'poses_3d.npz'
    joints = np.load(path)['joints_cam_m'][::7][:200].astype(np.float64)
    found = body_angles(joints)
    assert np.isfinite(found.angles_rad).all()
    made = np.array(
        [
            forward(dict(zip(ANGLE_NAMES, row, strict=True)), rotation, np.zeros(3))
            for row, rotation in zip(found.angles_rad, found.camera_from_body, strict=True)
        ]
    )

    def ways(points: Array, first: str, last: str) -> Array:
        way = points[:, H36M_17.index(last)] - points[:, H36M_17.index(first)]
        return way / np.linalg.norm(way, axis=-1, keepdims=True)

    bones = [('thorax', 'head_top')]
    for side in ('left', 'right'):
        for a, b, c in (('hip', 'knee', 'ankle'), ('shoulder', 'elbow', 'wrist')):
            bones += [(f'{side}_{a}', f'{side}_{b}'), (f'{side}_{b}', f'{side}_{c}')]
    for bone in bones:
        cosine = (ways(made, *bone) * ways(joints, *bone)).sum(-1)
        degrees = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        assert degrees.max() < 3.0, bone  # a limb that is nearly straight
        assert np.median(degrees) < 1e-4, bone


def test_what_is_not_seen_takes_only_its_own_angles_along(bodies: Any) -> None:
    joints = bodies[2][:1]
    whole = body_angles(joints).angles_rad[0]

    def lost(*names: str) -> set[str]:
        hidden = joints.copy()
        hidden[:, [H36M_17.index(name) for name in names]] = np.nan
        found = body_angles(hidden).angles_rad[0]
        left = np.isfinite(found)
        kept = left & ~np.isin(ANGLE_NAMES, ['l_y_hip', 'l_p_hip', 'l_r_hip'])
        np.testing.assert_allclose(found[kept], whole[kept], atol=1e-9)
        return {name for name, is_left in zip(ANGLE_NAMES, left, strict=True) if not is_left}

    assert lost('left_wrist') == {'l_r_shoulder', 'l_elbow'}
    assert lost('right_elbow') == {f'r_{a}' for a in ('y_shoulder', 'p_shoulder')} | {
        'r_r_shoulder',
        'r_elbow',
    }
    assert lost('left_ankle') == {'l_knee'}
    assert lost('head_top') == {'r_head', 'y_head', 'p_head'}
    assert lost('left_hip', 'pelvis') == set(ANGLE_NAMES)


def test_nobody_and_a_body_without_extent() -> None:
    assert body_angles(np.zeros((0, 17, 3))).angles_rad.shape == (0, 20)
    nothing = body_angles(np.zeros((1, 17, 3)))
    assert np.isnan(nothing.angles_rad).all()
    assert np.isnan(nothing.camera_from_body).all()


def test_hanging_arms_that_tremble_do_not_flip(rng: np.random.Generator) -> None:
    straight = forward(dict.fromkeys(ANGLE_NAMES, 0.0), np.eye(3), np.zeros(3))
    joints = np.tile(straight, (100, 1, 1))
    for side in ('left', 'right'):
        joints[:, H36M_17.index(f'{side}_elbow'), 1] += rng.normal(0, 0.02, 100)
    found = body_angles(joints).angles_rad
    for side in 'lr':
        yaw = found[:, ANGLE_NAMES.index(f'{side}_y_shoulder')]
        assert np.abs(yaw).max() < 0.1
