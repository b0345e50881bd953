# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Joints at rest, in motion, hidden and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from elepose_core.runtime.smoothing import Smoother

Array = NDArray[np.float64]
HZ = 30.0
POSE = np.random.default_rng(1).normal(0, 0.4, (17, 3))
POSE[0] = 0.0


def _run(
    smoother: Smoother, joints: Array, root: Array, numbers: Sequence[int] = (0,), start: int = 0
) -> tuple[Array, Array]:
    """Smooth frames of people: joints (T, N, 17, 3) and root (T, N, 3)."""
    found = [
        smoother.smooth(numbers, j.astype(np.float32), r, round((start + t) * 1e9 / HZ))
        for t, (j, r) in enumerate(zip(joints, root, strict=True))
    ]
    return np.array([j for j, _ in found], np.float64), np.array([r for _, r in found])


def _walk(frames: int, speed_m_s: float) -> tuple[Array, Array]:
    """Return a stiff person who moves along x."""
    root = np.tile(np.array([0.0, 0.0, 4.0]), (frames, 1, 1))
    root[:, 0, 0] = speed_m_s * np.arange(frames) / HZ
    return root[:, :, None] + POSE, root


def test_the_first_frame_is_as_it_comes() -> None:
    joints, root = _walk(1, 0.0)
    found = _run(Smoother(1.0, 3.0, 0.5), joints, root)
    np.testing.assert_allclose(found[0], joints, atol=1e-6)
    np.testing.assert_array_equal(found[1], root)


def test_rest_trembles_less(random: np.random.Generator) -> None:
    joints, root = _walk(300, 0.0)
    noisy = joints + random.normal(0, 0.02, joints.shape)
    found, _ = _run(Smoother(1.0, 3.0, 0.5), noisy, root)
    assert found[60:].std(0).mean() < 0.5 * noisy[60:].std(0).mean()
    assert np.abs(found[60:].mean(0) - joints[0]).max() < 0.01


def test_walking_hardly_lags() -> None:
    joints, root = _walk(90, 1.4)
    _, found = _run(Smoother(1.0, 3.0, 0.5), joints, root)
    behind_s = (root - found)[60:, 0, 0] / 1.4
    assert 0 < behind_s.mean() < 0.05
    _, stiff = _run(Smoother(1.0, 0.0, 0.5), joints, root)
    assert (root - stiff)[60:, 0, 0].mean() / 1.4 > 0.1


def test_no_cutoff_is_no_smoothing(random: np.random.Generator) -> None:
    joints, root = _walk(10, 0.5)
    noisy = joints + random.normal(0, 0.1, joints.shape)
    found = _run(Smoother(0.0, 3.0, 0.5), noisy, root)
    np.testing.assert_array_equal(found[0], noisy.astype(np.float32))


def test_filter_does_not_depend_on_the_axes(random: np.random.Generator) -> None:
    joints, root = _walk(40, 0.8)
    joints += random.normal(0, 0.05, joints.shape)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    plain = _run(Smoother(1.0, 3.0, 0.5), joints, root)
    turned = _run(Smoother(1.0, 3.0, 0.5), joints @ turn, root @ turn)
    np.testing.assert_allclose(turned[0], plain[0] @ turn, atol=1e-4)


def test_a_hidden_joint_goes_on_if_it_is_soon_back() -> None:
    joints, root = _walk(40, 0.0)
    joints[20:, 0, 10] += 0.3
    joints[15:20, 0, 10] = np.nan
    found, _ = _run(Smoother(1.0, 0.0, 0.5), joints, root)
    assert np.isnan(found[15:20, 0, 10]).all()
    assert np.isfinite(np.delete(found, 10, axis=2)).all()
    step = found[20, 0, 10] - found[14, 0, 10]
    assert (step > 0.05).all()
    assert (step < 0.25).all()


def test_after_a_long_gap_it_starts_anew() -> None:
    joints, root = _walk(40, 0.0)
    joints[20:, 0, 10] += 0.3
    joints[2:20, 0, 10] = np.nan
    found, _ = _run(Smoother(1.0, 0.0, 0.5), joints, root)
    np.testing.assert_allclose(found[20, 0, 10], joints[20, 0, 10], atol=1e-6)


def test_people_do_not_mix_and_can_be_forgotten() -> None:
    joints, root = _walk(10, 0.0)
    smoother = Smoother(1.0, 0.0, 0.5)
    _run(smoother, joints, root, numbers=(3,))
    other, other_root = joints[:1] + 1.0, root[:1] + 1.0
    for number in (4, 3):
        if number == 3:
            smoother.forget((3, 99))
        found = _run(smoother, other, other_root, numbers=(number,), start=10)
        np.testing.assert_allclose(found[0], other, atol=1e-6)
    smoother.reset()
    found = _run(smoother, joints[:1], root[:1], numbers=(4,), start=11)
    np.testing.assert_allclose(found[0], joints[:1], atol=1e-6)


def test_the_same_stamp_twice_takes_the_newer() -> None:
    joints, root = _walk(3, 0.0)
    smoother = Smoother(1.0, 3.0, 0.5)
    _run(smoother, joints, root)
    found = _run(smoother, joints[:1] + 0.5, root[:1], start=2)
    np.testing.assert_allclose(found[0], joints[:1] + 0.5, atol=1e-6)
    assert np.isfinite(_run(smoother, joints[:1], root[:1], start=3)[0]).all()


def test_nobody_is_nobody() -> None:
    joints, root = _walk(1, 0.0)
    found = Smoother(1.0, 3.0, 0.5).smooth((), joints[0, :0].astype(np.float32), root[0, :0], 0)
    assert found[0].shape == (0, 17, 3)
