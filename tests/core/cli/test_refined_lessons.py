# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What is taught of refined clips."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='lessons are tensors')

from elepose_core.cli.methods import elevation, posenet3d  # noqa: E402
from elepose_core.cli.methods.refined_lessons import level_lessons  # noqa: E402
from elepose_core.geometry.elevation import up_cam_from_elevation  # noqa: E402
from elepose_core.refinement.clips import Refined  # noqa: E402


def test_lessons_of_rolled_cameras_are_level() -> None:
    """A camera that rolls by 30 degrees sees who stands upright leaning by as much."""
    up_cam = np.float32(up_cam_from_elevation([0.0, 0.2], [np.pi / 6, -0.1]))
    joints = np.tile(np.float32([0, 0, 4]), (2, 17, 1))
    joints[:, 10] += up_cam  # a head one unit above the pelvis
    ones = np.ones(2, np.float32)
    refined = Refined(joints, up_cam, ones, ones, np.arange(1), np.ones((1, 16), np.float32))
    lessons = level_lessons(refined)
    above = (lessons.joints[:, 10] - lessons.joints[:, 0]).numpy()
    np.testing.assert_allclose(above, up_cam_from_elevation([0.0, 0.2]), atol=1e-6)
    np.testing.assert_allclose(lessons.elevation_rad.numpy(), [0.0, 0.2], atol=1e-6)
    # All methods that refine teach so.
    assert {method.level_lessons for method in (elevation, posenet3d)} == {level_lessons}
