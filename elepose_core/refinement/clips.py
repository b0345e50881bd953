# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""PROVISIONAL, by LEAD: only the names that cli/stages.py and config.py import. REFINE replaces this file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

__all__ = ['Refined', 'RefinementConfig', 'refine']

Float32 = NDArray[np.float32]


class RefinementConfig(BaseModel):
    """Weights; REFINE fills them in (rounds = 1 by default)."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)


@dataclass(frozen=True)
class Refined:
    """Result."""

    joints_cam: Float32
    up_cam: NDArray[np.float64]
    elevation_deviation_rad: NDArray[np.float64]
    moved: NDArray[np.float64]


def refine(
    rays: Float32,
    clip: NDArray[np.int64],
    frame: NDArray[np.int64],
    person: NDArray[np.int64] | None,
    lift: Callable[..., tuple[Any, ...]],
    bone_ratios: Float32,
    config: RefinementConfig,
    on_part: Callable[[int, int], None],
) -> Refined:
    """Refine whole clips."""
    raise NotImplementedError
