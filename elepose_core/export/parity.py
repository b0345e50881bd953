# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What an exported graph must share with torch, and with itself when the camera turns."""

from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from elepose_core.models.graph import INPUT_NAMES, OUTPUT_NAMES

__all__ = ['PARITY_BATCHES', 'change_when_panned', 'largest_differences']

Float32 = NDArray[np.float32]

PARITY_BATCHES = (1, 3, 64)
# Turns of the camera that move a person across the image, degrees.
_PANS_DEG = (-25.0, 10.0, 25.0)


def largest_differences(
    graph: nn.Module,
    serialized: bytes,
    rays: Float32,
    scores: Float32,
    outputs: tuple[str, ...] = OUTPUT_NAMES,
) -> dict[str, dict[str, float]]:
    """Return the largest difference between torch and ONNX by batch size and output."""
    session = _session(serialized)
    random = np.random.default_rng(0)
    scores = scores.copy()
    scores[::3][random.random(scores[::3].shape) < 0.2] = 0.0
    result: dict[str, dict[str, float]] = {}
    for size in PARITY_BATCHES:
        worst = np.zeros(len(outputs))
        for start in range(0, min(len(rays) - size + 1, 4 * size), size):
            rows = slice(start, start + size)
            up = np.tile(np.array([0.0, -0.98, -0.2], np.float32), (size, 1))
            variance = np.array([np.inf, 0.0, 0.01], np.float32)[np.arange(size) % 3]
            feeds = (rays[rows], scores[rows], up, variance)
            with torch.no_grad():
                wanted = graph(*(torch.from_numpy(feed) for feed in feeds))
            difference = [
                np.abs(f - w.numpy()).max()
                for f, w in zip(_run(session, feeds, outputs), wanted, strict=True)
            ]
            worst = np.maximum(worst, difference)
        result[str(size)] = dict(zip(outputs, worst.tolist(), strict=True))
    return result


def change_when_panned(serialized: bytes, rays: Float32, scores: Float32) -> float:
    """Return how far joints move, relative to the pelvis, when only the camera turns.

    The camera pans about its own y axis, which moves people across the image; their shape must
    turn with it and not change.

    Args:
        serialized: The ONNX graph.
        rays: (N, 17, 2) real poses, or (N, T, 17, 2) windows; those that would leave the image
            half-space are left out.
        scores: (N, 17) or (N, T, 17).

    Returns:
        The largest distance, in units of the root's depth.
    """
    session, worst = _session(serialized), 0.0
    rows = slice(0, max(PARITY_BATCHES))
    straight = _relative(session, rays[rows], scores[rows])
    for angle in np.radians(_PANS_DEG):
        cosine, sine = np.cos(angle), np.sin(angle)
        pan = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        full = np.insert(rays[rows], 2, 1.0, axis=-1) @ pan.T
        inside = (full[..., 2] > 0.2).reshape(len(full), -1).all(1)
        seen = (full[inside][..., :2] / full[inside][..., 2:]).astype(np.float32)
        found = _relative(session, seen, scores[rows][inside])
        distance = np.linalg.norm(found - straight[inside] @ pan.T, axis=-1)
        worst = float(np.max([worst, distance.max(initial=0.0)]))
    return worst


def _relative(session: Any, rays: Float32, scores: Float32) -> NDArray[np.float64]:
    """Return joints (N, 17, 3) relative to the pelvis, up unknown."""
    level = np.tile(np.array([0.0, -1.0, 0.0], np.float32), (len(rays), 1))
    unknown = np.full(len(rays), np.inf, np.float32)
    joints = _run(session, (rays, scores, level, unknown))[0].astype(np.float64)
    return np.asarray(joints - joints[:, :1])


def _session(serialized: bytes) -> Any:
    return onnxruntime.InferenceSession(serialized, providers=['CPUExecutionProvider'])


def _run(
    session: Any, feeds: tuple[Float32, ...], outputs: tuple[str, ...] = OUTPUT_NAMES
) -> list[Float32]:
    return list(session.run(list(outputs), dict(zip(INPUT_NAMES, feeds, strict=True))))
