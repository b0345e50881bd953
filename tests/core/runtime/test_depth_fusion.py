# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Two depths of a joint become one, on its ray; hand-worked numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from elepose_core.runtime.depth_fusion import angular_sizes, fuse, unflipped

Float32 = NDArray[np.float32]


class Person(NamedTuple):
    """What `fuse` is given of N people."""

    joints_cam: Float32
    sigma: Float32
    rays: Float32
    depth: Float32
    depth_sigma: Float32


@pytest.fixture
def person() -> Person:
    """Return one whose pelvis lies at (0, 0, 1), all else on the ray (0.17, 0) at depth 1.1.

    The angular size is 16 / 17 * 0.17 = 0.16, so that a depth of 1.25 sizes is 0.2 and its sigma
    of 0.5 is 0.08.
    """
    rays = np.zeros((1, 17, 2), np.float32)
    rays[0, 1:, 0] = 0.17
    depths = np.ones((1, 17, 1), np.float32)
    depths[0, 1:] = 1.1
    joints = np.concatenate([rays, np.ones((1, 17, 1), np.float32)], -1) * depths
    one = np.ones((1, 17), np.float32)
    return Person(joints, 0.06 * one, rays, 1.25 * one, 0.5 * one)


def test_depth_is_the_mean_by_inverse_variances(person: Person) -> None:
    """0.06^2 : 0.08^2 = 36 : 64, so 0.1 becomes 0.1 + 0.36 * (0.2 - 0.1), sigma 0.06 * 0.8."""
    joints, sigma = fuse(*person)
    assert joints.dtype == sigma.dtype == np.float32
    np.testing.assert_allclose(joints[0, 1:, 2], 1.136, rtol=1e-6)
    np.testing.assert_allclose(joints[0, 1:, :2] / joints[0, 1:, 2:], person.rays[0, 1:])
    np.testing.assert_allclose(sigma[0, 1:], 0.048, rtol=1e-6)
    np.testing.assert_array_equal(joints[0, 0], person.joints_cam[0, 0])
    assert sigma[0, 0] == np.float32(0.06)


def test_unit_of_the_joints_does_not_matter(person: Person) -> None:
    joints, sigma = fuse(*person)
    large = person._replace(joints_cam=4 * person.joints_cam, sigma=4 * person.sigma)
    np.testing.assert_allclose(fuse(*large)[0], 4 * joints, rtol=1e-6)
    np.testing.assert_allclose(fuse(*large)[1], 4 * sigma, rtol=1e-6)


def test_who_stands_aside_is_fused_as_in_the_middle(person: Person) -> None:
    turn = Rotation.from_euler('yx', [0.5, -0.3]).as_matrix().T
    joints = (person.joints_cam @ turn).astype(np.float32)
    aside = person._replace(joints_cam=joints, rays=joints[..., :2] / joints[..., 2:])
    np.testing.assert_allclose(fuse(*aside)[0], fuse(*person)[0] @ turn, atol=1e-6)
    np.testing.assert_allclose(fuse(*aside)[1], fuse(*person)[1], rtol=1e-5)


def test_angular_size_is_the_one_that_networks_learn_with(
    crowd_of: Callable[..., Any], random: np.random.Generator
) -> None:
    torch = pytest.importorskip('torch')
    from elepose_core.models.observation import observe

    points = crowd_of(50, seed=4).joints_cam_m
    rays = (points[..., :2] / points[..., 2:]).astype(np.float32)
    rays[random.random((50, 17)) < 0.2] = np.nan
    seen = np.isfinite(rays).all(-1)
    wanted = observe(
        torch.from_numpy(np.nan_to_num(rays)), torch.from_numpy(seen.astype(np.float32))
    )
    axis, size = angular_sizes(rays)
    np.testing.assert_allclose(size, wanted.scale, rtol=1e-4)
    np.testing.assert_allclose(axis, wanted.rotation[:, 2], atol=1e-6)


def test_depths_that_a_network_is_taught_put_flat_people_where_they_are(
    crowd_of: Callable[..., Any],
) -> None:
    """What the network should say of the truth, and surely, gives the truth up to one scale."""
    torch = pytest.importorskip('torch')
    taught = pytest.importorskip('elepose_core.models.image_depth', exc_type=ImportError)
    truth = crowd_of(50, seed=5).joints_cam_m
    rays = truth[..., :2] / truth[..., 2:]
    depth = taught.depth_offsets(torch.from_numpy(truth), torch.from_numpy(rays)).numpy()
    flat = np.concatenate([rays, np.ones((50, 17, 1))], -1).astype(np.float32)
    certain, unsure = (np.full((50, 17), value, np.float32) for value in (1e-4, 0.1))
    joints, sigma = fuse(flat, unsure, rays, depth.astype(np.float32), certain)
    np.testing.assert_allclose(joints, truth / truth[:, :1, 2:], atol=2e-5)
    assert (sigma[:, 1:] < 1e-3).all()
    _, is_flipped = unflipped(joints, sigma, rays, depth.astype(np.float32), certain)
    assert not is_flipped.any()


@pytest.mark.parametrize(
    ('depth', 'deviation'),
    [
        *[(np.nan, 0.5), (0.5, np.nan), (0.5, 0.0), (0.5, -1.0), (np.inf, 0.5), (0.5, np.inf)],
        # Beyond any body: a person would be put a hair's breadth before the camera.
        *[(1e30, 1e-6), (-1e38, 0.5), (21.0, 1e-6)],
    ],
)
def test_what_is_no_measurement_changes_nothing(
    depth: float, deviation: float, person: Person
) -> None:
    person.depth[0, 5], person.depth_sigma[0, 5] = depth, deviation
    joints, sigma = fuse(*person)
    np.testing.assert_allclose(joints[0, 5], person.joints_cam[0, 5], rtol=1e-6)
    assert sigma[0, 5] == person.sigma[0, 5]
    assert joints[0, 6, 2] == pytest.approx(1.136, rel=1e-6)


def test_nothing_comes_nearer_than_three_tenths_and_missing_rays_are_no_trouble(
    person: Person,
) -> None:
    near = person._replace(depth=-15 * np.ones((1, 17), np.float32))
    assert fuse(*near)[0][0, 1:, 2] == pytest.approx(0.3, rel=1e-6)
    person.rays[0, 3:9] = np.nan
    joints, sigma = fuse(*person)
    assert np.isfinite(joints).all()
    assert np.isfinite(sigma).all()
    nobody = Person(*(part[:0] for part in person))
    assert [part.shape for part in fuse(*nobody)] == [(0, 17, 3), (0, 17)]
    assert [part.shape for part in unflipped(*nobody)] == [(0, 17, 3), (0,)]


def _flipped(person: Person) -> Person:
    """Return four people: flipped, right, with a picture that hardly tells, all but flat."""
    sign = np.where(np.arange(17) % 2, 1.0, -1.0)
    sign[0] = 0.0
    offsets = 0.1 * sign[None] * np.array([1, 1, 1, 0.1])[:, None]
    rays = np.repeat(person.rays, 4, axis=0)
    whole = np.concatenate([rays, np.ones((4, 17, 1))], -1) * (1 + offsets[..., None])
    agrees = np.array([-1, 1, -1, -1])[:, None]
    deviation = np.array([0.5, 0.5, 10.0, 0.5])[:, None] * np.ones(17)
    return Person(
        whole.astype(np.float32),
        np.repeat(person.sigma, 4, axis=0),
        rays,
        (agrees * offsets / 0.16).astype(np.float32),
        deviation.astype(np.float32),
    )


def test_clearly_flipped_poses_are_turned_and_no_others(person: Person) -> None:
    """16 joints each say 2 * 0.1 * 0.1 / (0.06^2 + 0.08^2) = 2, together 32 / 3 > log(10 * 49)."""
    people = _flipped(person)
    joints, is_flipped = unflipped(*people)
    assert is_flipped.tolist() == [True, False, False, False]
    np.testing.assert_array_equal(joints[1:], people.joints_cam[1:])
    np.testing.assert_allclose(joints[0, :, 2], 2 - people.joints_cam[0, :, 2], rtol=1e-6)
    np.testing.assert_allclose(joints[0, :, :2] / joints[0, :, 2:], people.rays[0], atol=1e-7)
    assert joints.dtype == np.float32
