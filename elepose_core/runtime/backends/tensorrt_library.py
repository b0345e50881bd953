# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT under any of its names, and the building of an engine with it."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

from elepose_core.errors import InputError

__all__ = ['Profile', 'build_engine', 'builder_flags', 'has_tensorrt', 'import_tensorrt']

# Least, usual and largest shape of each input by name.
Profile = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]

# The bindings of the last one find their libraries only in a process that has loaded them.
_NAMES = (('tensorrt',), ('tensorrt_rtx',), ('tensorrt_rtx_libs', 'tensorrt_rtx_bindings'))
_WORKSPACE_BYTES = 256 << 20


def has_tensorrt() -> bool:
    """Return whether TensorRT is installed; cheap, and it may still fail to load."""
    return any(all(map(importlib.util.find_spec, modules)) for modules in _NAMES)


def import_tensorrt() -> Any:
    """Return the module.

    Raises:
        InputError: None is installed, or what is installed does not load.
    """
    for modules in _NAMES:
        if not all(map(importlib.util.find_spec, modules)):
            continue
        try:
            return [importlib.import_module(name) for name in modules][-1]
        except Exception as error:  # a library of another CUDA version fails in many ways
            raise InputError(
                f'the Python module {modules[-1]} cannot be loaded ({_first_line(error)})'
            ) from None
    raise InputError('TensorRT is not installed; expected the Python module tensorrt')


def builder_flags(trt: Any) -> dict[str, bool]:
    """Return which flags of the builder we set or clear, of those that this version has."""
    # TF32 keeps ten bits of the mantissa, more than a pixel of error; and NaN = missing, and an
    # infinite variance = unknown, must not be optimised away.
    wanted = {'TF32': False, 'STRICT_NANS': True}
    return {name: on for name, on in wanted.items() if hasattr(trt.BuilderFlag, name)}


def build_engine(trt: Any, onnx: bytes, profile: Profile, target: str = '') -> bytes:
    """Build an engine; takes seconds to minutes.

    Only calls that TensorRT 10 and 11 share. Types are those of the graph.

    Args:
        trt: The module.
        onnx: Bytes of the graph.
        profile: One for all inputs.
        target: Compute capability of a GPU that is not in this machine, such as 'SM86'; only
            TensorRT-RTX builds for one. '' = the GPU of this machine.

    Raises:
        InputError: TensorRT does not take the graph or cannot build.
    """
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    if builder is None:
        raise InputError(f'TensorRT {trt.__version__} cannot start; its log names the cause')
    typed = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        first = parser.get_error(0).desc() if parser.num_errors else 'its log names the cause'
        raise InputError(f'TensorRT {trt.__version__} does not take the graph ({first.strip()})')
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    for name, on in builder_flags(trt).items():
        (config.set_flag if on else config.clear_flag)(getattr(trt.BuilderFlag, name))
    if target:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    config.add_optimization_profile(_profile(builder, network, profile))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise InputError(f'TensorRT {trt.__version__} built no engine; its log names the cause')
    return bytes(engine)


def _profile(builder: Any, network: Any, profile: Profile) -> Any:
    names = {network.get_input(index).name for index in range(network.num_inputs)}
    if names != set(profile):
        raise InputError(f'the graph takes {sorted(names)}; expected {sorted(profile)}')
    made = builder.create_optimization_profile()
    for name, (least, usual, largest) in profile.items():
        made.set_shape(name, least, usual, largest)
    return made


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
