# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A lifter in torch as the callable that the protocol measures."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from elepose_core.evaluation.protocol import Lift

__all__ = ['torch_lift']


def torch_lift(graph: nn.Module) -> Lift:
    """Wrap a `LiftingGraph` or `TeacherGraph`; the first is the one that is exported."""
    device = next(graph.parameters()).device

    def lift(
        rays: NDArray[np.float32],
        scores: NDArray[np.float32],
        up_cam: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], ...]:
        told = np.tile(np.array([0, -1, 0], np.float32), (len(rays), 1))
        variance = np.full(len(rays), np.inf if up_cam is None else 0.0, np.float32)
        arrays = (rays, scores, told if up_cam is None else up_cam, variance)
        inputs = (torch.from_numpy(array).to(device) for array in arrays)
        with torch.no_grad():
            outputs = graph(*inputs)
        return tuple(output.cpu().numpy() for output in outputs)

    return lift
