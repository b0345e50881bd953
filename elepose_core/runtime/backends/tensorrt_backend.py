# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A graph in TensorRT 10 or 11, without onnxruntime and without torch."""

import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from elepose_core.errors import InputError
from elepose_core.runtime.backends.cuda_driver import Buffer, Gpu, Stream
from elepose_core.runtime.backends.engine_process import build_in_process
from elepose_core.runtime.backends.interface import Device, Feeds, Float32, Graph, in_batches
from elepose_core.runtime.backends.tensorrt_library import (
    Profile,
    builder_flags,
    import_tensorrt,
)
from elepose_core.runtime.engine_cache import EngineCache

__all__ = ['LARGEST_BATCH', 'TensorRtBackend', 'lifter_profile', 'open_tensorrt']

# Rows that an engine takes at once; more go in several. The builder tunes for the usual number.
LARGEST_BATCH = 64
_USUAL_BATCH = 4


def lifter_profile(graph: Graph) -> Profile:
    """Return shapes for 1 to `LARGEST_BATCH` rows."""
    return {
        name: ((1, *row), (_USUAL_BATCH, *row), (LARGEST_BATCH, *row))
        for name, row in graph.inputs.items()
    }


def open_tensorrt(graph: Graph, reason: str, cuda_graphs: bool = False) -> 'TensorRtBackend':
    """Take the engine of a graph from the cache or build it; building takes seconds to minutes.

    Args:
        graph: What to compute.
        reason: Why TensorRT was chosen, for the description.
        cuda_graphs: Record the launches of each number of rows once and replay them.

    Raises:
        InputError: TensorRT or a GPU is not here, or no engine can be built.
    """
    trt, gpu = import_tensorrt(), Gpu()
    onnx = graph.read()
    profile = lifter_profile(graph)
    flags = builder_flags(trt)
    key = {
        'onnx_sha256': graph.sha256,
        'tensorrt': f'{trt.__name__} {trt.__version__}',
        'gpu': gpu.name,
        'compute_capability': gpu.compute_capability,
        'profile': json.dumps(profile, sort_keys=True),
        'precision': 'as in the graph',
        'flags': ', '.join(f'{name} {"on" if on else "off"}' for name, on in flags.items()),
    }
    runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
    obtained = EngineCache().obtain(
        key, lambda: build_in_process(onnx, profile), runtime.deserialize_cuda_engine
    )
    backend = TensorRtBackend(trt, Stream(gpu), obtained.engine, graph, cuda_graphs)
    where = f'TensorRT {trt.__version__} on {gpu.name}'
    backend.description = f'{where} ({reason}; engine {obtained.origin})'
    backend.trouble = obtained.trouble
    return backend


class _Recording(NamedTuple):
    """The launches for one number of rows and some outputs, with the context they belong to.

    They hold its addresses: no other shapes may be set in it, and it must live as long.
    """

    context: Any
    launch: Callable[[], None]


class TensorRtBackend:
    """Computes a graph with an engine.

    Attributes:
        name: 'tensorrt'.
        description: What computes, why, and where the engine came from.
        trouble: Why the engine could not be kept, '' if it was.
    """

    name: Device = 'tensorrt'
    description = 'TensorRT'
    trouble = ''

    def __init__(
        self, trt: Any, stream: Stream, engine: Any, graph: Graph, cuda_graphs: bool = False
    ) -> None:
        """Make contexts and buffers for an engine.

        Raises:
            InputError: The engine's inputs and outputs are not those of the graph.
        """
        self._stream, self._engine, self._graph = stream, engine, graph
        self._cuda_graphs = cuda_graphs
        # Runs on behalf of two threads would share the buffers.
        self._lock = threading.Lock()
        found = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
        wanted = {*graph.inputs, *graph.outputs}
        if found != wanted:
            raise InputError(f'the engine has tensors {sorted(found)}; expected {sorted(wanted)}')
        for name in wanted:
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                raise InputError(f'tensor {name} of the engine is not float32')
        stream.enter()
        rows = {**graph.inputs}
        rows |= {name: tuple(engine.get_tensor_shape(name))[1:] for name in graph.outputs}
        if open_rows := {name: row for name, row in rows.items() if any(n < 0 for n in row)}:
            raise InputError(
                f'the engine leaves open how large a row is: {open_rows}; expected fixed numbers'
            )
        self._buffers = {n: Buffer(stream, (LARGEST_BATCH, *row)) for n, row in rows.items()}
        self._recordings: dict[tuple[int, tuple[str, ...]], _Recording] = {}
        self._context = self._new_context()

    def run(self, feeds: Feeds, wanted: Sequence[str] | None = None) -> list[Float32]:
        """Return the outputs that are wanted; the others are computed but not copied."""
        names = self._graph.outputs if wanted is None else tuple(wanted)
        with self._lock:
            self._stream.enter()
            return in_batches(partial(self._run, names), feeds, LARGEST_BATCH)

    def _run(self, names: tuple[str, ...], feeds: Feeds) -> list[Float32]:
        rows = len(next(iter(feeds.values())))
        for name in self._graph.inputs:
            self._buffers[name].host[:rows] = feeds[name]
        if self._cuda_graphs:
            if (rows, names) not in self._recordings:
                self._recordings[rows, names] = self._recorded(rows, names)
            self._recordings[rows, names].launch()
        else:
            self._enqueue(self._context, rows, names)
        self._stream.synchronize()
        return [self._buffers[name].host[:rows].copy() for name in names]

    def _enqueue(self, context: Any, rows: int, names: tuple[str, ...]) -> None:
        for name, row in self._graph.inputs.items():
            self._buffers[name].upload(rows)
            if not context.set_input_shape(name, (rows, *row)):
                raise RuntimeError(f'TensorRT does not take {rows} rows of {name}')
        if not context.execute_async_v3(self._stream.handle):
            raise RuntimeError('TensorRT cannot launch the engine; its log names the cause')
        for name in names:
            self._buffers[name].download(rows)

    def _recorded(self, rows: int, names: tuple[str, ...]) -> '_Recording':
        context = self._new_context()
        # What TensorRT does on the first run with new shapes cannot be recorded.
        self._enqueue(context, rows, names)
        self._stream.synchronize()
        launch = self._stream.record(lambda: self._enqueue(context, rows, names))
        return _Recording(context, launch)

    def _new_context(self) -> Any:
        context = self._engine.create_execution_context()
        if context is None:
            raise RuntimeError('TensorRT has no memory for a context; its log names the cause')
        for name, buffer in self._buffers.items():
            if not context.set_tensor_address(name, buffer.address):
                raise RuntimeError(f'TensorRT does not take the buffer of {name}')
        return context
