# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle's graph, from arrays to arrays."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.body.surface import faces_of
from elepose_core.bundle import Bundle, Manifest, open_bundle
from elepose_core.errors import InputError, shown
from elepose_core.runtime.backends.choice import Options, open_backend
from elepose_core.runtime.backends.interface import Backend, Device, Graph
from elepose_core.skeleton import H36M_17

__all__ = ['MAX_VERTICES', 'Lifted', 'Predictor']

# Shape of one row of each input of a graph of single frames; one of T frames has T of the first
# two.
_INPUTS = {'rays': (17, 2), 'scores': (17,), 'up_cam': (3,), 'up_variance': ()}
_OVER_TIME = ('rays', 'scores')
_OUTPUTS = {
    'joints_cam': (17, 3),
    'up_cam_estimate': (3,),
    'sigma': (17,),
    'plausibility': (),
    'up_variance_estimate': (2,),
}
# What a graph may give besides, with the bounds of its numbers.
MAX_VERTICES = 20_000
_VERTICES, _BODY_PARAMETERS = 'vertices_cam', 'body_parameters'
_MAX_BODY_PARAMETERS = 1000
_LENGTH_TOLERANCE = 1e-3
# What a graph in half precision makes of a unit vector.
_UP_TOLERANCE = 0.01


class Lifted(NamedTuple):
    """What the graph says of N people.

    Attributes:
        joints_cam: (N, 17, 3) float32, camera frame, up to one scale per person.
        up_cam: (N, 3) float32, the graph's own estimate of up, whatever it was told.
        sigma: (N, 17) float32, radius that holds 68 % of a joint's errors, unit of the joints.
        plausibility: (N,) float32, share of usual poses that are less likely, 0..1.
        up_variance: (N, 2) float32, rad^2 of the estimate's elevation and roll as a camera that
            looks straight at the person would have them.
        vertices_cam: (N, V, 3) float32, the body's surface, place and unit of the joints; V = 0
            where the graph gives no body or nobody asked for it.
    """

    joints_cam: NDArray[np.float32]
    up_cam: NDArray[np.float32]
    sigma: NDArray[np.float32]
    plausibility: NDArray[np.float32]
    up_variance: NDArray[np.float32]
    vertices_cam: NDArray[np.float32]

    def of(self, rows: NDArray[np.bool_]) -> 'Lifted':
        """Return some of them."""
        return Lifted(*(part[rows] for part in self))

    def sound(self) -> NDArray[np.bool_]:
        """Tell (N,) of whom all of it can be true.

        A graph may give NaN for a person that it was never trained for, or on a device that
        computes with half precision; whatever is remembered of that would stay.
        """
        rows = len(self.joints_cam)
        flat = [part.reshape(rows, math.prod(part.shape[1:])) for part in self]
        sound = np.logical_and.reduce([np.isfinite(part).all(1) for part in flat])
        with np.errstate(invalid='ignore', over='ignore'):
            sound &= abs(np.linalg.norm(self.up_cam, axis=1) - 1) < _UP_TOLERANCE
            sound &= (self.up_variance > 0).all(1) & (self.sigma >= 0).all(1)
        return np.asarray(sound)


class Predictor:
    """Lifts rays; needs numpy and onnxruntime only."""

    def __init__(
        self,
        model: str | Path = 'default',
        threads: int = 1,
        device: Device = 'cpu',
        *,
        in_background: bool = False,
        cuda_graphs: bool = False,
    ) -> None:
        """Open a bundle and load its graph.

        Args:
            model: Path of a bundle or name of a shipped one.
            threads: For one call on the CPU; 1 is fastest for a handful of people.
            device: 'cpu', 'cuda' or 'tensorrt'; 'auto' = the fastest of them that is here.
            in_background: Lift on the CPU at once, and change over when another device is ready.
            cuda_graphs: With TensorRT, record the launches of each batch size and replay them.

        Raises:
            InputError: The bundle is absent, damaged or of another schema, layout or signature, or
                the device is not here.
        """
        bundle = open_bundle(model)
        self._manifest, self._folder = bundle.manifest, bundle.folder
        if bundle.manifest.joint_layout != H36M_17.name:
            raise InputError(
                f'{bundle.folder}: joint_layout is {shown(bundle.manifest.joint_layout)}; '
                f'expected {H36M_17.name!r}'
            )
        graph = _graph(bundle)
        self._has_body = _VERTICES in graph.outputs
        self._backend = open_backend(graph, Options(device, threads, in_background, cuda_graphs))
        self._vertices = _try_out(self._backend, graph)

    @property
    def backend(self) -> Backend:
        """Return what computes the graph; it says where, why, and what troubles it."""
        return self._backend

    @property
    def folder(self) -> Path:
        """Return where the loaded bundle lies."""
        return self._folder

    @property
    def manifest(self) -> Manifest:
        """Return the manifest of the loaded bundle."""
        return self._manifest

    def faces(self) -> NDArray[np.int32]:
        """Return the triangles (F, 3) between the vertices; (0, 3) where the graph has none.

        Raises:
            InputError: This version of the package does not know the body.
        """
        body = self._manifest.body
        return np.zeros((0, 3), np.int32) if body is None else faces_of(body, self._vertices)

    def lift(
        self,
        rays: NDArray[np.float32],
        scores: NDArray[np.float32],
        up_cam: NDArray[np.float32] | None = None,
        up_variance: NDArray[np.float32] | None = None,
        with_vertices: bool = False,
    ) -> Lifted:
        """Lift N people.

        Args:
            rays: (N, 17, 2) undistorted x/z, y/z; NaN = missing. For a graph of T frames
                (N, T, 17, 2), the oldest first and a missing frame all NaN; without that axis the
                frames before count as missing.
            scores: (N, 17) or (N, T, 17); 0 = missing.
            up_cam: (N, 3) unit vectors against gravity, or None for the graph's estimate.
            up_variance: (N,) rad^2 of their elevation and roll; the graph weighs them against its
                own estimate. 0 = certain, infinite = unknown; None = certain.
            with_vertices: The body is wanted too, if the graph gives one.

        Raises:
            InputError: A shape does not fit, or what is told of up is no direction or variance.
        """
        count, joints = len(rays), len(H36M_17)
        rays, scores = _over_time(rays, scores, self._manifest.frames)
        feeds = (rays, scores, *_told(up_cam, up_variance, count))
        nothing = np.zeros((count, 0, 3), np.float32)
        if not count:  # which onnxruntime does not take
            none = np.zeros((0, joints, 3), np.float32)
            return Lifted(none, none[:, 0], none[..., 0], none[:, 0, 0], none[:, 0, :2], nothing)
        has_vertices = with_vertices and self._has_body
        outputs = self._backend.run(
            {
                name: np.ascontiguousarray(feed, np.float32)
                for name, feed in zip(_INPUTS, feeds, strict=True)
            },
            _WITH_VERTICES if has_vertices else _WITHOUT_VERTICES,
        )
        return Lifted(*outputs) if has_vertices else Lifted(*[*outputs, nothing])


_WITHOUT_VERTICES = tuple(_OUTPUTS)
_WITH_VERTICES = (*_OUTPUTS, _VERTICES)


def _graph(bundle: Bundle) -> Graph:
    """Return what the manifest says of the graph; whether that is so shows when it is loaded."""
    manifest = bundle.manifest
    over = () if manifest.frames == 1 else (manifest.frames,)
    inputs = {name: (*over, *row) if name in _OVER_TIME else row for name, row in _INPUTS.items()}
    optional = [n for n in manifest.output_names if n in (_VERTICES, _BODY_PARAMETERS)]
    if (_VERTICES in optional) != (manifest.body is not None):
        raise InputError(
            f'{bundle.folder}: body is {shown(manifest.body)} and the outputs are '
            f'{shown(manifest.output_names)}; expected a body with {_VERTICES}, or neither'
        )
    return Graph(bundle.onnx_path, manifest.sha256, inputs, (*_OUTPUTS, *optional))


def _over_time(
    rays: NDArray[np.float32], scores: NDArray[np.float32], frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both as a graph of so many frames takes them, or refuse their shapes."""
    count, joints = len(rays), len(H36M_17)
    shapes = rays.shape, scores.shape
    if shapes == ((count, joints, 2), (count, joints)):
        if frames == 1:
            return rays, scores
        before = ((0, 0), (frames - 1, 0), (0, 0))
        alone = np.pad(rays[:, None], (*before, (0, 0)), constant_values=np.nan)
        return alone, np.pad(scores[:, None], before)
    whole = f'(N, {joints}, 2) and (N, {joints})'
    if frames > 1:
        if shapes == ((count, frames, joints, 2), (count, frames, joints)):
            return rays, scores
        whole = f'(N, {frames}, {joints}, 2) and (N, {frames}, {joints}), or {whole}'
    raise InputError(f'rays have shape {shapes[0]} and scores {shapes[1]}; expected {whole}')


def _try_out(backend: Backend, graph: Graph) -> int:
    """Refuse a graph that would fail with the first frame, or with every one.

    Returns:
        How many vertices its bodies have.
    """
    rows = 2
    feeds = {name: np.zeros((rows, *row), np.float32) for name, row in graph.inputs.items()}
    try:
        outputs = backend.run(feeds)
    except Exception as error:  # onnxruntime's own classes are not public
        raise InputError(
            f'{graph.path} does not run: {" ".join(str(error).split())[:200]}'
        ) from None
    shapes = {name: np.shape(found) for name, found in zip(graph.outputs, outputs, strict=True)}
    for name, shape in shapes.items():
        if name == _VERTICES:
            fits = len(shape) == 3 and shape[::2] == (rows, 3) and 0 < shape[1] <= MAX_VERTICES
            expected = f'({rows}, up to {MAX_VERTICES}, 3)'
        elif name == _BODY_PARAMETERS:
            fits = len(shape) == 2 and shape[0] == rows and shape[1] <= _MAX_BODY_PARAMETERS
            expected = f'({rows}, up to {_MAX_BODY_PARAMETERS})'
        else:
            fits, expected = shape == (rows, *_OUTPUTS[name]), str((rows, *_OUTPUTS[name]))
        if not fits:
            raise InputError(
                f'{graph.path}: output {name} has shape {shape} for {rows} people; '
                f'expected {expected}'
            )
    return int(shapes.get(_VERTICES, (rows, 0))[1])


def _told(
    up_cam: NDArray[np.float32] | None, variance: NDArray[np.float32] | None, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return directions (N, 3) and variances (N,) for the graph, checked."""
    if up_cam is None:
        if variance is not None:
            raise InputError('up_variance is given without up_cam; expected both or neither')
        # Any direction serves where nothing is known of it.
        any_up = np.tile(np.array([0, -1, 0], np.float32), (count, 1))
        return any_up, np.full(count, np.inf, np.float32)
    up = np.asarray(up_cam, np.float32)
    certain = np.zeros(count, np.float32)
    told_variance = certain if variance is None else np.asarray(variance, np.float32)
    if up.shape != (count, 3) or told_variance.shape != (count,):
        raise InputError(
            f'up_cam has shape {up.shape} and up_variance {told_variance.shape}; '
            f'expected ({count}, 3) and ({count},)'
        )
    length = np.linalg.norm(up, axis=1)
    if not (abs(length - 1) < _LENGTH_TOLERANCE).all():
        raise InputError(f'up_cam has lengths {length.min()}..{length.max()}; expected 1')
    if not (told_variance >= 0).all():
        raise InputError(f'up_variance has {told_variance.min()}; expected 0 or more')
    return up, told_variance
