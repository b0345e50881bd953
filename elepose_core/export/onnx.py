# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From a trained lifter to a bundle, with a numeric comparison that can refuse it."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from elepose_core.bundle import Bundle, Manifest, write_bundle
from elepose_core.errors import InputError
from elepose_core.models.graph import INPUT_NAMES, OUTPUT_NAMES, LiftingGraph

__all__ = ['OPSET', 'PARITY_BATCHES', 'PARITY_TOLERANCE', 'export_bundle']

OPSET = 18
PARITY_BATCHES = (1, 3, 64)
# In units of the root's depth: 1e-4 is 0.5 mm for a person five metres away.
PARITY_TOLERANCE = 1e-4


def export_bundle(
    graph: LiftingGraph,
    folder: Path,
    manifest: Manifest,
    rays: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> Bundle:
    """Write a bundle whose graph agrees with torch on real poses.

    Args:
        graph: Trained and calibrated.
        folder: Name of the bundle, `<name>.elepose`.
        manifest: Everything that is known; names, opset, sha256 and parity are filled in.
        rays: (N, 17, 2) real poses, N >= 64; a third of them is also lifted with hidden joints.
        scores: (N, 17).

    Raises:
        InputError: There are too few poses to compare on.
        ArithmeticError: An output differs by more than `PARITY_TOLERANCE`; nothing is written.
    """
    if len(rays) < max(PARITY_BATCHES):
        raise InputError(f'{len(rays)} poses are given; expected {max(PARITY_BATCHES)} or more')
    graph = graph.eval()
    known = manifest.model_copy(
        update={'input_names': INPUT_NAMES, 'output_names': OUTPUT_NAMES, 'opset': OPSET}
    )
    serialized = _serialized(graph)
    parity = _parity(graph, serialized, rays, scores)
    # Not Python's max, which loses a NaN.
    worst = np.max([list(by_output.values()) for by_output in parity.values()])
    if not worst <= PARITY_TOLERANCE:
        raise ArithmeticError(
            f'the exported graph differs from torch by {worst:.2g}; allowed {PARITY_TOLERANCE}'
        )
    known = known.model_copy(
        update={'parity': {'tolerance': PARITY_TOLERANCE, 'largest_difference': parity}}
    )
    return write_bundle(folder, known, lambda path: _write(path, serialized))


def _write(path: Path, serialized: bytes) -> None:
    path.write_bytes(serialized)


def _serialized(graph: LiftingGraph) -> bytes:
    level = torch.tensor([[0.0, -1.0, 0.0]]).expand(2, 3)
    example = (torch.randn(2, 17, 2) * 0.1, torch.ones(2, 17), level, torch.ones(2))
    batch = torch.export.Dim('batch', min=1, max=4096)
    shapes = {name: {0: batch} for name in INPUT_NAMES}
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    # The exporter talks on stdout and warns of its own deprecations.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            input_names=list(INPUT_NAMES),
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The exporter notes where in whose checkout each node was written: nobody's business.
    for entry in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del entry.metadata_props[:]
    return bytes(model.SerializeToString())


def _parity(
    graph: LiftingGraph,
    serialized: bytes,
    rays: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> dict[str, dict[str, float]]:
    """Return the largest difference by batch size and output."""
    session = onnxruntime.InferenceSession(serialized, providers=['CPUExecutionProvider'])
    random = np.random.default_rng(0)
    scores = scores.copy()
    scores[::3][random.random(scores[::3].shape) < 0.2] = 0.0
    result: dict[str, dict[str, float]] = {}
    for size in PARITY_BATCHES:
        worst = np.zeros(len(OUTPUT_NAMES))
        for start in range(0, min(len(rays) - size + 1, 4 * size), size):
            rows = slice(start, start + size)
            up = np.tile(np.array([0.0, -0.98, -0.2], np.float32), (size, 1))
            variance = np.array([np.inf, 0.0, 0.01], np.float32)[np.arange(size) % 3]
            feeds = (rays[rows], scores[rows], up, variance)
            with torch.no_grad():
                wanted = graph(*(torch.from_numpy(feed) for feed in feeds))
            found = session.run(list(OUTPUT_NAMES), dict(zip(INPUT_NAMES, feeds, strict=True)))
            difference = [np.abs(f - w.numpy()).max() for f, w in zip(found, wanted, strict=True)]
            worst = np.maximum(worst, difference)
        result[str(size)] = dict(zip(OUTPUT_NAMES, worst.tolist(), strict=True))
    return result
