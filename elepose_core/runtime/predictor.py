# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle's graph in onnxruntime."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from elepose_core.bundle import Manifest, open_bundle
from elepose_core.errors import InputError
from elepose_core.skeleton import H36M_17

__all__ = ['Lifted', 'Predictor']

_INPUTS = ('rays', 'scores', 'up_cam', 'up_known')
_OUTPUTS = ('joints_cam', 'up_cam_estimate')
# People of one call; more are lifted in several.
_LARGEST_BATCH = 256


class Lifted(NamedTuple):
    """What the graph says of N people.

    Attributes:
        joints_cam: (N, 17, 3) float32, camera frame, up to one scale per person.
        up_cam: (N, 3) float32, the graph's own estimate of up.
    """

    joints_cam: NDArray[np.float32]
    up_cam: NDArray[np.float32]


class Predictor:
    """Lifts rays on the CPU; needs numpy and onnxruntime only."""

    def __init__(self, model: str | Path = 'default', threads: int = 1) -> None:
        """Open a bundle and load its graph.

        Args:
            model: Path of a bundle or name of a shipped one.
            threads: For one call; 1 is fastest for a handful of people.

        Raises:
            InputError: The bundle is absent, damaged or of another schema, layout or signature.
        """
        bundle = open_bundle(model)
        self._manifest = bundle.manifest
        if bundle.manifest.joint_layout != H36M_17.name:
            raise InputError(
                f'{bundle.folder}: joint_layout is {bundle.manifest.joint_layout!r}; '
                f'expected {H36M_17.name!r}'
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin between frames would take a robot's cores for nothing.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.onnx_path, options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # onnxruntime's own classes are not public
            raise InputError(
                f'{bundle.onnx_path} cannot be loaded by onnxruntime {onnxruntime.__version__} '
                f'({str(error).splitlines()[0]})'
            ) from None
        inputs = tuple(i.name for i in self._session.get_inputs())
        outputs = tuple(o.name for o in self._session.get_outputs())
        if inputs != _INPUTS or outputs != _OUTPUTS:
            raise InputError(
                f'{bundle.onnx_path}: graph maps {inputs} to {outputs}; '
                f'expected {_INPUTS} to {_OUTPUTS}'
            )

    @property
    def manifest(self) -> Manifest:
        """Return the manifest of the loaded bundle."""
        return self._manifest

    def lift(
        self,
        rays: NDArray[np.float32],
        scores: NDArray[np.float32],
        up_cam: NDArray[np.float32] | None = None,
    ) -> Lifted:
        """Lift N people.

        Args:
            rays: (N, 17, 2) undistorted x/z, y/z; NaN = missing.
            scores: (N, 17); 0 = missing.
            up_cam: (N, 3) known direction against gravity, or None for the graph's estimate.

        Raises:
            InputError: A shape does not fit.
        """
        count, joints = len(rays), len(H36M_17)
        if rays.shape != (count, joints, 2) or scores.shape != (count, joints):
            raise InputError(
                f'rays have shape {rays.shape} and scores {scores.shape}; '
                f'expected (N, {joints}, 2) and (N, {joints})'
            )
        known = up_cam is not None
        told = np.zeros((count, 3), np.float32) if up_cam is None else np.float32(up_cam)
        if told.shape != (count, 3):
            raise InputError(f'up_cam has shape {told.shape}; expected ({count}, 3)')
        feeds = (rays, scores, told, np.full(count, known, np.float32))
        starts = range(0, count, _LARGEST_BATCH)
        parts = [
            self._session.run(
                list(_OUTPUTS),
                {
                    name: np.ascontiguousarray(feed[start : start + _LARGEST_BATCH], np.float32)
                    for name, feed in zip(_INPUTS, feeds, strict=True)
                },
            )
            for start in starts
        ]
        if not parts:
            empty = np.zeros((0, joints, 3), np.float32)
            return Lifted(empty, empty[:, 0])
        joints_cam, up = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Lifted(joints_cam, up)
