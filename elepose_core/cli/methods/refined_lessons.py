# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From refined clips to what is taught."""

import numpy as np
import torch

from elepose_core.geometry.elevation import (
    elevation_from_up_cam,
    roll_from_up_cam,
    without_roll,
)
from elepose_core.refinement.clips import Refined
from elepose_core.training.distillation import Lessons

__all__ = ['level_lessons']


def level_lessons(refined: Refined) -> Lessons:
    """Return lessons with cameras held level: what is taught has no roll."""
    joints = without_roll(refined.joints_cam, roll_from_up_cam(refined.up_cam))
    columns = (
        joints,
        elevation_from_up_cam(refined.up_cam),
        refined.moved,
        refined.elevation_deviation_rad,
    )
    return Lessons.weighted(*(torch.from_numpy(np.float32(column)) for column in columns))
