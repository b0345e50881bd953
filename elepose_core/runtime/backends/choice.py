# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Which backend: the one that is asked for, or the best that a machine has."""

import itertools
from dataclasses import dataclass

import onnxruntime

from elepose_core.errors import InputError
from elepose_core.runtime.backends.cuda_driver import Gpu
from elepose_core.runtime.backends.interface import DEVICES, Backend, Device, Graph, warm_up
from elepose_core.runtime.backends.onnxruntime_backend import PROVIDERS, OnnxruntimeBackend
from elepose_core.runtime.backends.switching import SwitchingBackend
from elepose_core.runtime.backends.tensorrt_backend import open_tensorrt
from elepose_core.runtime.backends.tensorrt_library import has_tensorrt

__all__ = ['Options', 'open_backend']

# The fastest first.
_GPU_DEVICES: tuple[Device, ...] = ('tensorrt', 'cuda')


@dataclass(frozen=True)
class Options:
    """How a graph is computed.

    Attributes:
        device: 'cpu', 'cuda' or 'tensorrt'; 'auto' = the fastest of them that is here.
        threads: For one call on the CPU; 1 is fastest for a handful of people.
        in_background: Serve with the CPU while a GPU's backend gets ready.
        cuda_graphs: With TensorRT, record the launches of each batch size and replay them.
    """

    device: Device = 'cpu'
    threads: int = 1
    in_background: bool = False
    cuda_graphs: bool = False


def open_backend(graph: Graph, options: Options) -> Backend:
    """Open the backend that the options ask for.

    Raises:
        InputError: A device that was asked for is not here or does not start, or the graph cannot
            be loaded. In the background only what can be seen without starting it; the rest is
            told by `Backend.trouble`.
    """
    if options.device not in DEVICES:
        raise InputError(f'device is {options.device!r}; expected one of {", ".join(DEVICES)}')
    missing = {} if options.device == 'cpu' else _what_is_missing()
    if options.device in missing:
        raise InputError(f'device is {options.device!r}, but {missing[options.device]}')
    devices, told = [options.device], list[str]()
    if options.device == 'auto':
        devices = [device for device in _GPU_DEVICES if device not in missing]
        faster = itertools.takewhile(lambda device: device in missing, _GPU_DEVICES)
        told = list(dict.fromkeys(missing[device] for device in faster))
    if options.in_background and devices and devices[0] != 'cpu':
        first = _open(graph, options, 'cpu', ['ready at once'])
        awaited = 'a GPU' if options.device == 'auto' else devices[0]
        return SwitchingBackend(
            first, lambda: _first_that_opens(graph, options, devices, told), awaited
        )
    if options.device == 'auto':
        devices.append('cpu')
    return _first_that_opens(graph, options, devices, told)


def _first_that_opens(
    graph: Graph, options: Options, devices: list[Device], told: list[str]
) -> Backend:
    device, *others = devices
    try:
        return _open(graph, options, device, told)
    except InputError as error:
        if device == 'cpu':  # where a GPU was missing is beside the point
            raise
        if not others:
            raise InputError('; '.join([*told, str(error)])) from error
        return _first_that_opens(graph, options, others, [*told, str(error)])


def _open(graph: Graph, options: Options, device: Device, told: list[str]) -> Backend:
    usual = 'the fastest that is here' if options.device == 'auto' else 'as asked for'
    reason = f'device {options.device}: {"; ".join(told) or usual}'
    if device == 'cpu':
        return OnnxruntimeBackend(graph, device, options.threads, reason)
    backend: Backend
    try:
        if device == 'tensorrt' and has_tensorrt():
            backend = open_tensorrt(graph, reason, options.cuda_graphs)
        else:
            backend = OnnxruntimeBackend(graph, device, options.threads, reason)
        warm_up(backend, graph)
    except InputError:
        raise
    except Exception as error:  # a GPU without memory, a library of another version: the user's
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f'{device} does not start ({text})') from error
    return backend


def _what_is_missing() -> dict[Device, str]:
    """Return what a device lacks here, for those that lack something; starts no GPU."""
    try:
        Gpu()
    except InputError as error:
        return dict.fromkeys(_GPU_DEVICES, str(error))
    providers = onnxruntime.get_available_providers()
    missing = {
        device: f'this onnxruntime has no {PROVIDERS[device]} (onnxruntime-gpu has)'
        for device in _GPU_DEVICES
        if PROVIDERS[device] not in providers
    }
    if has_tensorrt():
        missing.pop('tensorrt', None)
    elif 'tensorrt' in missing:
        missing['tensorrt'] = f'TensorRT is not installed and {missing["tensorrt"]}'
    return missing
