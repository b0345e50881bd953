# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A graph in onnxruntime: on the CPU, or through its CUDA or TensorRT provider."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import onnxruntime

from elepose_core.errors import InputError, shown
from elepose_core.runtime.backends.interface import Device, Feeds, Float32, Graph, in_batches

__all__ = ['LARGEST_BATCH', 'PROVIDERS', 'OnnxruntimeBackend']

# Which provider makes a session compute on a device.
PROVIDERS: dict[Device, str] = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
# Rows of one call; more go in several.
LARGEST_BATCH = 256


class OnnxruntimeBackend:
    """Computes a graph in an onnxruntime session."""

    def __init__(self, graph: Graph, device: Device, threads: int, reason: str) -> None:
        """Load the graph.

        Args:
            graph: What to compute.
            device: Key of `PROVIDERS`.
            threads: For one call on the CPU; 1 is fastest for a handful of people.
            reason: Why this device was chosen, for the description.

        Raises:
            InputError: The file is no graph that onnxruntime runs, or not the expected one, or
                the provider does not start.
        """
        self.name = device
        self.trouble = ''
        where = 'on the CPU' if device == 'cpu' else f'with {PROVIDERS[device]}'
        self.description = f'onnxruntime {onnxruntime.__version__} {where} ({reason})'
        self._outputs = list(graph.outputs)
        self._session = _session(graph, device, threads)
        try:
            inputs = tuple(i.name for i in self._session.get_inputs())
            outputs = tuple(o.name for o in self._session.get_outputs())
        except UnicodeDecodeError:
            raise InputError(f'{graph.path}: names of the graph are not UTF-8') from None
        if inputs != tuple(graph.inputs) or outputs != graph.outputs:
            raise InputError(
                f'{graph.path}: graph maps {shown(inputs)} to {shown(outputs)}; '
                f'expected {tuple(graph.inputs)} to {graph.outputs}'
            )
        started = self._session.get_providers()[0]
        if started != PROVIDERS[device]:
            raise InputError(
                f'{PROVIDERS[device]} of onnxruntime {onnxruntime.__version__} does not start, '
                f'only {started} does; expected the CUDA libraries of its version'
            )

    def row_of(self, name: str) -> tuple[Any, ...]:
        """Return the shape of one row of an input as the graph has it; open sides by name."""
        shapes = {i.name: i.shape for i in self._session.get_inputs()}
        return tuple(shapes[name][1:])

    def run(self, feeds: Feeds, wanted: Sequence[str] | None = None) -> list[Float32]:
        """Return the outputs that are wanted; what only others need is not computed."""
        outputs = self._outputs if wanted is None else list(wanted)
        return in_batches(partial(self._run, outputs), feeds, LARGEST_BATCH)

    def _run(self, names: list[str], feeds: Feeds) -> list[Float32]:
        outputs: list[Float32] = self._session.run(names, dict(feeds))
        return outputs


def _session(graph: Graph, device: Device, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin between frames would take a robot's cores for nothing.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # The bytes that were checked: the file may be another one by now.
    onnx = graph.read()
    try:
        # Without its own fallback, which would go on with the CPU and only print that.
        return onnxruntime.InferenceSession(
            onnx, options, providers=_providers(graph, device), enable_fallback=0
        )
    except Exception as error:  # onnxruntime's own classes are not public
        what = 'it' if device == 'cpu' else PROVIDERS[device]
        raise InputError(
            f'{graph.path} cannot be loaded by onnxruntime {onnxruntime.__version__}: {what} says '
            f'{" ".join(str(error).split())[:200]!r}'
        ) from None


def _providers(graph: Graph, device: Device) -> list[Any]:
    cpu = PROVIDERS['cpu']
    # TF32 keeps ten bits of the mantissa: more than a pixel of error.
    cuda = (PROVIDERS['cuda'], {'use_tf32': '0'})
    if device == 'cpu':
        return [cpu]
    if device == 'cuda':
        return [cuda, cpu]
    # The provider's own engine cache stays off: it asks neither whose a file is nor whether it
    # is whole.
    batches = {'min': 1, 'opt': 4, 'max': LARGEST_BATCH}
    shapes = {
        f'trt_profile_{limit}_shapes': ','.join(
            f'{name}:{"x".join(map(str, (batch, *row)))}' for name, row in graph.inputs.items()
        )
        for limit, batch in batches.items()
    }
    return [(PROVIDERS['tensorrt'], shapes), cuda, cpu]
