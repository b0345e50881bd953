# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle of a network that sees depths in pictures."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from elepose_core.bundle import Bundle, Manifest, write_bundle
from elepose_core.errors import InputError
from elepose_core.export.serialized import OPSET, Precision, serialized, with_half_weights
from elepose_core.models.image_depth import DepthSeen

__all__ = ['DEPTH_INPUTS', 'DEPTH_OUTPUTS', 'calibrate_depth_sigma', 'export_depth_bundle']

DEPTH_INPUTS = ('crops',)
DEPTH_OUTPUTS = ('depth', 'sigma')
# In angular sizes, about half a metre: 0.5 mm and 5 mm.
_TOLERANCE: dict[Precision, float] = {'float32': 1e-3, 'float16': 1e-2}
_BATCHES = (1, 3, 64)
# Share of errors that lie within one sigma; fewer people do not say where they end.
_WITHIN = 0.68
_ENOUGH_PEOPLE = 256


def calibrate_depth_sigma(graph: DepthSeen, depth: Tensor, sigma: Tensor, truth: Tensor) -> None:
    """Scale the sigma of each joint until 68 % of the errors of its depth lie within.

    Args:
        graph: Gets the factors.
        depth: (N, 17) what the network says of pictures that it did not learn from.
        sigma: (N, 17) its own sigma of these.
        truth: (N, 17) see `models.image_depth.depth_offsets`; NaN = unknown.

    Raises:
        InputError: Too few people have the truth of all joints.
    """
    known = torch.isfinite(truth).all(1)
    if (count := int(known.sum())) < _ENOUGH_PEOPLE:
        raise InputError(
            f'{count} people have the depths of all joints; expected {_ENOUGH_PEOPLE} or more to '
            'calibrate on'
        )
    ratio = ((depth - truth).abs() / sigma)[known]
    factor = torch.quantile(ratio, _WITHIN, dim=0)
    # The pelvis has no error: its sigma stays as small as it is.
    graph.sigma_factor.copy_(torch.where(factor > 0, factor, torch.ones_like(factor)))


def export_depth_bundle(
    graph: DepthSeen, folder: Path, manifest: Manifest, crops: Tensor, precision: Precision
) -> Bundle:
    """Write a bundle whose graph agrees with torch on real pictures.

    Inputs and outputs of the graph: `crops` (B, 3, S, S) float32 RGB 0..1; `depth` and `sigma`
    (B, 17) in angular sizes, relative to the pelvis.

    Args:
        graph: Trained and calibrated.
        folder: Name of the bundle, `<name>.elepose`.
        manifest: Everything that is known; names, opset, sha256 and parity are filled in.
        crops: (N, 3, S, S) uint8 to compare on, N >= 64.
        precision: Of the stored weights; the graph computes in float32.

    Raises:
        InputError: There are too few pictures to compare on.
        ArithmeticError: An output differs from torch; nothing is written.
    """
    if len(crops) < max(_BATCHES):
        raise InputError(f'{len(crops)} pictures are given; expected {max(_BATCHES)} or more')
    graph = graph.eval()
    pictures = crops.float() / 255
    written = serialized(graph, (pictures[:2],), DEPTH_INPUTS, DEPTH_OUTPUTS)
    if precision == 'float16':
        written = with_half_weights(written)
    differences = _differences(graph, written, pictures)
    # A NaN is no difference that is allowed; max of Python would pass over it.
    worst = np.max([list(by_output.values()) for by_output in differences.values()])
    if not worst <= _TOLERANCE[precision]:
        raise ArithmeticError(
            f'the exported graph differs from torch by {worst:.2g}; allowed '
            f'{_TOLERANCE[precision]}'
        )
    parity = {
        'weights': precision,
        'tolerance': _TOLERANCE[precision],
        'largest_difference': differences,
    }
    known = manifest.model_copy(
        update={
            'input_names': DEPTH_INPUTS,
            'output_names': DEPTH_OUTPUTS,
            'opset': OPSET,
            'parity': parity,
        }
    )

    def write(path: Path) -> None:
        path.write_bytes(written)

    return write_bundle(folder, known, write)


def _differences(
    graph: DepthSeen, written: bytes, pictures: Tensor
) -> dict[str, dict[str, float]]:
    """Return the largest difference between torch and ONNX by batch size and output."""
    session = onnxruntime.InferenceSession(written, providers=['CPUExecutionProvider'])
    result = {}
    for size in _BATCHES:
        feed = pictures[:size]
        found = session.run(list(DEPTH_OUTPUTS), {'crops': feed.numpy()})
        with torch.no_grad():
            wanted = graph(feed)
        result[str(size)] = {
            name: float(np.abs(f - w.numpy()).max())
            for name, f, w in zip(DEPTH_OUTPUTS, found, wanted, strict=True)
        }
    return result
