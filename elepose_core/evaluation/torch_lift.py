# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A lifter in torch as the callable that the protocol measures."""

import numpy as np
import torch
from numpy.typing import NDArray

from elepose_core.evaluation.protocol import Lift
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter

__all__ = ['torch_lift']


def torch_lift(lifter: Lifter) -> Lift:
    """Wrap a lifter; the graph is the one that is exported."""
    graph = LiftingGraph(lifter)
    device = next(lifter.parameters()).device

    def lift(
        rays: NDArray[np.float32],
        scores: NDArray[np.float32],
        up_cam: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], ...]:
        told = np.zeros((len(rays), 3), np.float32) if up_cam is None else up_cam
        known = np.full(len(rays), up_cam is not None, np.float32)
        inputs = (torch.from_numpy(array).to(device) for array in (rays, scores, told, known))
        with torch.no_grad():
            return tuple(output.cpu().numpy() for output in graph(*inputs))

    return lift
