# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the Python module tensorrt on machines that have none.

Its engine is the ONNX file, which onnxruntime computes between addresses of the stand-in for the
driver. It has the calls that TensorRT 10 and 11 share and no others, and says no as they do: with
False, or with None.
"""

import ctypes
import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

__version__ = '10.99'

DataType = SimpleNamespace(FLOAT='float', HALF='half')
BuilderFlag = SimpleNamespace(TF32='TF32', REFIT='REFIT')
MemoryPoolType = SimpleNamespace(WORKSPACE='workspace')
NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
_LAUNCH = ctypes.CFUNCTYPE(None, ctypes.c_int)


class Logger:
    ERROR = 'error'

    def __init__(self, level: str) -> None:
        self.level = level


class _Network:
    def __init__(self, flags: int) -> None:
        assert flags == 2, 'expected a strongly typed network'
        self.onnx = b''

    @property
    def num_inputs(self) -> int:
        return len(_session(self.onnx).get_inputs())

    def get_input(self, index: int) -> Any:
        return _session(self.onnx).get_inputs()[index]


class OnnxParser:
    def __init__(self, network: _Network, logger: Logger) -> None:
        self._network, self._errors = network, []

    def parse(self, onnx: bytes) -> bool:
        try:
            _session(onnx)
        except Exception as error:
            self._errors = [SimpleNamespace(desc=lambda text=str(error): text)]
            return False
        self._network.onnx = onnx
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> Any:
        return self._errors[index]


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, least: Any, usual: Any, largest: Any) -> None:
        self.shapes[name] = (least, usual, largest)


class _Config:
    def __init__(self) -> None:
        self.flags = {'TF32'}
        self.profiles: list[_Profile] = []

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        assert size > 0

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self.flags.discard(flag)

    def add_optimization_profile(self, profile: _Profile) -> int:
        self.profiles.append(profile)
        return 0


class Builder:
    def __init__(self, logger: Logger) -> None:
        pass

    def create_network(self, flags: int) -> _Network:
        return _Network(flags)

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def create_builder_config(self) -> _Config:
        return _Config()

    def build_serialized_network(self, network: _Network, config: _Config) -> Any:
        print('the builder talks on standard output')
        with Path(os.environ['STAND_IN_BUILDS']).open('a') as log:
            log.write(f'{os.getpid()} {os.nice(0)}\n')
        if os.environ.get('STAND_IN_FAILS'):
            return None
        assert 'TF32' not in config.flags
        (profile,) = config.profiles
        assert {shapes[2][0] for shapes in profile.shapes.values()} == {64}
        return memoryview(network.onnx)


class Runtime:
    def __init__(self, logger: Logger) -> None:
        pass

    def deserialize_cuda_engine(self, engine: bytes) -> Any:
        return Engine(engine)


class Engine:
    def __init__(self, onnx: bytes) -> None:
        self.session = _session(onnx)
        self.inputs = {i.name: i.shape[1:] for i in self.session.get_inputs()}
        self.outputs = {o.name: o.shape[1:] for o in self.session.get_outputs()}
        self.names = [*self.inputs, *self.outputs]
        self.num_io_tensors = len(self.names)
        self.contexts = 0

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_dtype(self, name: str) -> str:
        return DataType.FLOAT

    def get_tensor_shape(self, name: str) -> Any:
        return (-1, *(self.inputs | self.outputs)[name])

    def create_execution_context(self) -> Any:
        self.contexts += 1
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._launches: dict[int, dict[str, tuple[int, ...]]] = {}
        self._numbers = itertools.count()
        self._call = _LAUNCH(self._compute)  # must live as long as a recording may call it
        self._driver = ctypes.CDLL('libcuda.so.1')
        self._driver.stand_in_launch.argtypes = (ctypes.c_void_p, _LAUNCH, ctypes.c_int)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if not 1 <= shape[0] <= 64 or list(shape[1:]) != self._engine.inputs[name]:
            return False
        self._shapes[name] = shape
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if set(self._shapes) != set(self._engine.inputs):
            return False
        number = next(self._numbers)
        self._launches[number] = dict(self._shapes)
        self._driver.stand_in_launch(stream, self._call, number)
        return True

    def _compute(self, number: int) -> None:
        # Shapes of the launch: a recording does not see what was set after it.
        shapes = self._launches[number]
        feeds = {name: self._at(name, shape).copy() for name, shape in shapes.items()}
        outputs = self._engine.session.run(list(self._engine.outputs), feeds)
        for name, output in zip(self._engine.outputs, outputs, strict=True):
            self._at(name, output.shape)[...] = output

    def _at(self, name: str, shape: tuple[int, ...]) -> Any:
        count = int(np.prod(shape))
        memory = (ctypes.c_float * count).from_address(self._addresses[name])
        return np.frombuffer(memory, np.float32).reshape(shape)


def _session(onnx: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(onnx, options, providers=['CPUExecutionProvider'])
