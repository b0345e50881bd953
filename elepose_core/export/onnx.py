# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From a trained lifter to a bundle, with a numeric comparison that can refuse it."""

import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from elepose_core.bundle import Bundle, Manifest, write_bundle
from elepose_core.errors import InputError
from elepose_core.export.compact_prior import CompactPrior
from elepose_core.export.parity import (
    PARITY_BATCHES,
    change_when_panned,
    largest_differences,
)
from elepose_core.export.serialized import OPSET, Precision, serialized, with_half_weights
from elepose_core.models.body_graph import BODY_OUTPUT_NAMES, BodyGraph
from elepose_core.models.graph import INPUT_NAMES, OUTPUT_NAMES, LiftingGraph

__all__ = ['PAN_TOLERANCE', 'PARITY_TOLERANCE', 'Exported', 'export_bundle']

Exported = LiftingGraph | BodyGraph

# In units of the root's depth: 1e-4 is 0.5 mm for a person five metres away.
PARITY_TOLERANCE: dict[Precision, float] = {'float32': 1e-4, 'float16': 6e-4}
# A pose between two of the hundred usual ones may count as either.
PLAUSIBILITY_TOLERANCE = 0.03
# Of orientations of bones and of phenotypes: how a straight limb is turned hardly shows.
PARAMETER_TOLERANCE: dict[Precision, float] = {'float32': 2e-3, 'float16': 2e-2}
# Of the up direction of several frames, which they vote for by their certainty: 0.2 degrees.
UP_TOLERANCE: dict[Precision, float] = {'float32': 2e-4, 'float16': 4e-3}
# In units of the root's depth, for people who are moved across the image by turning the camera.
PAN_TOLERANCE = 4e-4


def export_bundle(
    graph: Exported,
    folder: Path,
    manifest: Manifest,
    rays: NDArray[np.float32],
    scores: NDArray[np.float32],
    precision: Precision = 'float32',
) -> Bundle:
    """Write a bundle whose graph agrees with torch on real poses.

    Args:
        graph: Trained and calibrated.
        folder: Name of the bundle, `<name>.elepose`.
        manifest: Everything that is known; names, opset, sha256 and parity are filled in.
        rays: (N, 17, 2) real poses, or (N, T, 17, 2) windows of a graph of bodies, N >= 64; a
            third of them is also lifted with hidden joints.
        scores: (N, 17) or (N, T, 17).
        precision: Of the stored weights; the graph computes in float32.

    Raises:
        InputError: There are too few poses to compare on.
        ArithmeticError: An output differs by more than `PARITY_TOLERANCE`, or people change by
            more than `PAN_TOLERANCE` when the camera turns; nothing is written.
    """
    if len(rays) < max(PARITY_BATCHES):
        raise InputError(f'{len(rays)} poses are given; expected {max(PARITY_BATCHES)} or more')
    graph = graph.eval()
    outputs = BODY_OUTPUT_NAMES if isinstance(graph, BodyGraph) else OUTPUT_NAMES
    known = manifest.model_copy(
        update={'input_names': INPUT_NAMES, 'output_names': outputs, 'opset': OPSET}
    )
    written = _serialized(graph, rays.shape[1:], outputs)
    if precision == 'float16':
        written = with_half_weights(written)
    differences = largest_differences(graph, written, rays, scores, outputs)
    allowed = _tolerances(outputs, precision)
    _check(differences, allowed)
    panned = change_when_panned(written, rays, scores)
    if not panned <= PAN_TOLERANCE:
        raise ArithmeticError(
            f'people change by {panned:.2g} when the camera turns; allowed {PAN_TOLERANCE}'
        )
    parity = {
        'weights': precision,
        'tolerance': PARITY_TOLERANCE[precision],
        'tolerance_by_output': allowed,
        'largest_difference': differences,
        'change_when_panned': panned,
    }
    known = known.model_copy(update={'parity': parity})
    return write_bundle(folder, known, lambda path: _write(path, written))


def _tolerances(outputs: tuple[str, ...], precision: Precision) -> dict[str, float]:
    """Return how far each output may be from torch."""
    allowed = dict.fromkeys(outputs, PARITY_TOLERANCE[precision])
    allowed['plausibility'] = PLAUSIBILITY_TOLERANCE
    if outputs == BODY_OUTPUT_NAMES:
        allowed['body_parameters'] = PARAMETER_TOLERANCE[precision]
        allowed['up_cam_estimate'] = UP_TOLERANCE[precision]
    return allowed


def _check(differences: dict[str, dict[str, float]], allowed: dict[str, float]) -> None:
    for by_output in differences.values():
        for name, difference in by_output.items():
            # A NaN is no difference that is allowed.
            if not difference <= allowed[name]:
                raise ArithmeticError(
                    f'{name} of the exported graph differs from torch by {difference:.2g}; '
                    f'allowed {allowed[name]}'
                )


def _write(path: Path, written: bytes) -> None:
    path.write_bytes(written)


def _serialized(trained: Exported, of_one: tuple[int, ...], outputs: tuple[str, ...]) -> bytes:
    graph = copy.deepcopy(trained)
    graph.add_module('prior', CompactPrior(trained.prior))
    level = torch.tensor([[0.0, -1.0, 0.0]]).expand(2, 3)
    example = (
        torch.randn(2, *of_one) * 0.1,
        torch.ones(2, *of_one[:-1]),
        level,
        torch.ones(2),
    )
    return serialized(graph, example, INPUT_NAMES, outputs)
