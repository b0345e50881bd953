# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of order in depth against people whose depths are known by construction."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.skeleton import H36M_17
from elepose_core.training.ordinal_labels import (
    PAIR_KINDS,
    PAIRS,
    OrdinalLabels,
    lifter_labels,
    nearer_person,
    perspective_labels,
)

Array = NDArray[np.float64]
DISTANCE_M = 4.0


def seen_from(body: Array, yaw_deg: float, elevation_deg: float) -> tuple[Array, Array]:
    """Return rays (1, 17, 2) and depths (17,) of a body that turned left by `yaw_deg`.

    The camera looks at the pelvis from 4 m away; the body faces it at yaw 0.
    """
    yaw, tilt = math.radians(yaw_deg), math.radians(elevation_deg)
    x, y, z = body.T
    # About the vertical, seen from above counter-clockwise: the left hand (x > 0) goes away.
    x, z = x * math.cos(yaw) - z * math.sin(yaw), x * math.sin(yaw) + z * math.cos(yaw)
    y, z = y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt)
    depth = z + DISTANCE_M
    return np.stack([x / depth, y / depth], -1)[None], depth


def up(elevation_deg: float) -> torch.Tensor:
    return torch.from_numpy(up_cam_from_elevation(math.radians(elevation_deg))[None]).float()


def labels_of(rays: Array, elevation_deg: float) -> OrdinalLabels:
    return perspective_labels(torch.from_numpy(rays).float(), up(elevation_deg))


def label(labels: OrdinalLabels, kind: str) -> tuple[float, float]:
    column = PAIR_KINDS.index(kind)
    return float(labels.first_nearer[0, column]), float(labels.confidence[0, column])


@pytest.mark.parametrize('elevation_deg', [25.0, -25.0])
@pytest.mark.parametrize('yaw_deg', [70.0, -70.0])
def test_of_two_level_joints_the_one_farther_from_the_horizon_is_nearer(
    standing_m: Array, yaw_deg: float, elevation_deg: float
) -> None:
    rays, depth = seen_from(standing_m, yaw_deg, elevation_deg)
    labels = labels_of(rays, elevation_deg)
    for part in ('hip', 'knee', 'ankle', 'shoulder'):
        left, right = H36M_17.index(f'left_{part}'), H36M_17.index(f'right_{part}')
        order, confidence = label(labels, f'left-right {part}')
        assert order == np.sign(depth[right] - depth[left])
        assert order == -np.sign(yaw_deg)  # turned to the left, the left side is away
        assert confidence > 0.1


def test_the_confidence_of_hips_is_the_one_worked_out_by_hand(standing_m: Array) -> None:
    """All joints on one ring give an angular size of 0.1; the hips differ by 0.004 in height."""
    angle = np.arange(17) * math.tau / 17
    rays = 0.1 * np.stack([np.cos(angle), np.sin(angle)], -1)
    rays[0] = 0.0
    rays[H36M_17.index('left_hip')] = (0.1, 0.004)
    rays[H36M_17.index('right_hip')] = (-0.1, 0.0)
    order, confidence = label(labels_of(rays[None], 20.0), 'left-right hip')
    # Up is (0, -cos 20, -sin 20); the left hip is 0.004 cos 20 lower, both 0.342 below the
    # horizon and a little. The pelvis counts 0 and the left hip 0.10008 towards the size.
    size = (15 * 0.1 + math.hypot(0.1, 0.004)) / 17
    cosine, sine = math.cos(math.radians(20)), math.sin(math.radians(20))
    slope = sine + 0.002 * cosine
    uneven = math.hypot(0.03, 0.02)
    seen = 0.004 * cosine / size
    score = slope * 0.4 * seen / (uneven * math.hypot(slope * 0.4, uneven))
    assert order == 1.0
    assert confidence == pytest.approx(math.erf(score / math.sqrt(2)), abs=1e-4)


def test_a_level_camera_learns_nothing_from_hips_at_its_height(standing_m: Array) -> None:
    rays, _ = seen_from(standing_m, 70.0, 0.0)
    labels = labels_of(rays, 0.0)
    assert label(labels, 'left-right hip')[1] < 0.1
    assert label(labels, 'thorax-pelvis')[1] < 0.1


def test_a_lifted_foot_gets_no_label_by_its_height(standing_m: Array) -> None:
    body = standing_m.copy()
    body[H36M_17.index('left_ankle')] -= (0.0, 0.7, 0.0)
    rays, _ = seen_from(body, 0.0, 10.0)
    assert label(labels_of(rays, 10.0), 'left-right ankle')[1] == 0.0


@pytest.mark.parametrize('elevation_deg', [20.0, -20.0])
def test_of_somebody_upright_the_upper_joint_is_nearer_to_a_camera_that_looks_down(
    standing_m: Array, elevation_deg: float
) -> None:
    rays, depth = seen_from(standing_m, 30.0, elevation_deg)
    labels = labels_of(rays, elevation_deg)
    for kind in ('head_top-pelvis', 'thorax-pelvis', 'head_top-ankle'):
        order, confidence = label(labels, kind)
        upper, lower = PAIRS[PAIR_KINDS.index(kind)]
        assert order == np.sign(depth[lower] - depth[upper]) == np.sign(elevation_deg)
        assert confidence > 0.9


def test_who_leans_to_the_side_is_trusted_less_and_who_hangs_not_at_all(
    standing_m: Array,
) -> None:
    turn = math.radians(50)
    leaning = standing_m.copy()
    leaning[:, 0] = standing_m[:, 0] * math.cos(turn) - standing_m[:, 1] * math.sin(turn)
    leaning[:, 1] = standing_m[:, 0] * math.sin(turn) + standing_m[:, 1] * math.cos(turn)
    confidences = [
        label(labels_of(seen_from(body, 0.0, 20.0)[0], 20.0), 'thorax-pelvis')[1]
        for body in (standing_m, leaning, standing_m * [1.0, -1.0, 1.0])
    ]
    assert confidences[0] > 0.95
    assert 0.1 < confidences[1] < 0.6
    assert confidences[2] == 0.0


def test_a_missing_joint_has_no_label(standing_m: Array) -> None:
    rays, _ = seen_from(standing_m, 70.0, 25.0)
    rays[0, H36M_17.index('left_hip')] = np.nan
    labels = labels_of(rays, 25.0)
    assert label(labels, 'left-right hip')[1] == 0.0
    assert torch.isfinite(labels.confidence).all()
    assert label(labels, 'left-right knee')[1] > 0.0


def test_a_lifter_orders_all_pairs_by_its_depths_and_its_sigma() -> None:
    joints = np.zeros((1, 17, 3), np.float32)
    joints[0, :, 2] = 1.0
    joints[0, 3, 2] = 0.9
    rays = np.zeros((1, 17, 2), np.float32)
    rays[0, 5] = np.nan
    labels = lifter_labels(joints, np.full((1, 17), 0.05, np.float32), rays)
    assert labels.pairs.shape == (17 * 16 // 2, 2)
    of = {tuple(pair): i for i, pair in enumerate(labels.pairs.tolist())}
    assert labels.first_nearer[0, of[3, 4]] == 1.0
    assert labels.first_nearer[0, of[2, 3]] == -1.0
    # 0.1 over 0.05 sqrt 2 is 1.414 deviations: 84.3 % of a normal distribution lie within.
    assert float(labels.confidence[0, of[3, 4]]) == pytest.approx(0.8427, abs=1e-3)
    assert labels.confidence[0, of[3, 5]] == 0.0


def test_of_two_people_the_larger_torso_is_nearer(standing_m: Array) -> None:
    near = torch.from_numpy(standing_m[None, :, :2] / 3.0)
    far = torch.from_numpy(standing_m[None, :, :2] / 5.0)
    order, confidence = nearer_person(near, far)
    assert order.item() == 1.0
    # log(5 / 3) = 0.511 is 3 deviations of 0.12 sqrt 2.
    assert confidence.item() > 0.97
    assert nearer_person(far, near)[0].item() == -1.0
    assert nearer_person(near, near)[1].item() == 0.0
