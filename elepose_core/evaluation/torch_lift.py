# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A lifter in torch as the callable that the protocol measures."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.models.graph import unknown_up

__all__ = ['of_whole_people', 'torch_lift']

Float32 = NDArray[np.float32]


def torch_lift(graph: nn.Module) -> Lift:
    """Wrap a `LiftingGraph` or `TeacherGraph`; the first is the one that is exported."""
    device = next(graph.parameters()).device

    def lift(rays: Float32, scores: Float32, up_cam: Float32 | None) -> tuple[Float32, ...]:
        seen = torch.from_numpy(rays).to(device)
        told, variance = unknown_up(seen)
        if up_cam is not None:
            told, variance = torch.from_numpy(up_cam).to(device), torch.zeros_like(variance)
        with torch.no_grad():
            outputs = graph(seen, torch.from_numpy(scores).to(device), told, variance)
        return tuple(output.cpu().numpy() for output in outputs)

    return lift


def of_whole_people(lift: Lift) -> Lift:
    """Return a lifter that refuses people with missing joints, as teachers do not know them."""

    def whole(
        rays: Float32, scores: Float32, up_cam: Float32 | None
    ) -> tuple[Float32 | None, ...]:
        if not ((scores > 0).all() and np.isfinite(rays).all()):
            raise InputError(
                'a keypoint is missing; a teacher lifts whole people only: measure the last stage'
            )
        return lift(rays, scores, up_cam)

    return whole
