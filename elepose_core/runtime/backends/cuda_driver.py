# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The few calls of the CUDA driver that TensorRT leaves to its user: memory, stream, graph."""

import contextlib
import ctypes
import functools
import weakref
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

import numpy as np

from elepose_core.errors import InputError
from elepose_core.runtime.backends.interface import Float32

__all__ = ['Buffer', 'CudaError', 'Gpu', 'Stream']

_LIBRARY = 'libcuda.so.1'
# Names with a suffix are those that cuda.h gives to programs; alike in CUDA 11.8, 12.9 and 13.5.
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    'cuInit': (c_uint,),
    'cuDeviceGet': (POINTER(c_int), c_int),
    'cuDeviceGetName': (c_char_p, c_int, c_int),
    'cuDeviceGetAttribute': (POINTER(c_int), c_int, c_int),
    'cuDevicePrimaryCtxRetain': (POINTER(c_void_p), c_int),
    'cuCtxSetCurrent': (c_void_p,),
    'cuMemAlloc_v2': (POINTER(c_uint64), c_size_t),
    'cuMemFree_v2': (c_uint64,),
    'cuMemAllocHost_v2': (POINTER(c_void_p), c_size_t),
    'cuMemFreeHost': (c_void_p,),
    'cuMemcpyHtoDAsync_v2': (c_uint64, c_void_p, c_size_t, c_void_p),
    'cuMemcpyDtoHAsync_v2': (c_void_p, c_uint64, c_size_t, c_void_p),
    'cuStreamCreate': (POINTER(c_void_p), c_uint),
    'cuStreamDestroy_v2': (c_void_p,),
    'cuStreamSynchronize': (c_void_p,),
    'cuStreamBeginCapture_v2': (c_void_p, c_int),
    'cuStreamEndCapture': (c_void_p, POINTER(c_void_p)),
    'cuGraphInstantiateWithFlags': (POINTER(c_void_p), c_void_p, c_uint64),
    'cuGraphLaunch': (c_void_p, c_void_p),
    'cuGraphExecDestroy': (c_void_p,),
    'cuGraphDestroy': (c_void_p,),
    'cuGetErrorName': (c_int, POINTER(c_char_p)),
}
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NON_BLOCKING_STREAM = 1
_CAPTURE_OF_THIS_THREAD = 1


class CudaError(RuntimeError):
    """A call of the driver failed."""


class _Driver:
    """Calls functions of the driver by name; an error code becomes a `CudaError`."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        for name, arguments in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, c_int

    def __call__(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(text))
            raise CudaError(f'{name} of the CUDA driver failed with {_text(text.value, code)}')

    def pointer(self, name: str, *arguments: Any) -> int:
        """Call a function whose first argument takes an address or handle, and return that."""
        value = c_uint64() if name == 'cuMemAlloc_v2' else c_void_p()
        self(name, ctypes.byref(value), *arguments)
        assert value.value, f'{name} succeeded and gave nothing'
        return int(value.value)

    def number(self, name: str, *arguments: Any) -> int:
        """Call a function whose first argument takes an integer, and return that."""
        value = c_int()
        self(name, ctypes.byref(value), *arguments)
        return value.value


class Gpu:
    """The first GPU that the process may see (CUDA_VISIBLE_DEVICES); only looked at, not started.

    Attributes:
        driver: Calls of the driver.
        device: Its number.
        name: As the driver calls it.
        compute_capability: Such as '8.7'.
    """

    def __init__(self, library: str = _LIBRARY) -> None:
        """Ask the driver.

        Raises:
            InputError: There is no driver or no GPU.
        """
        try:
            self.driver = _Driver(library)
            self.driver('cuInit', 0)
            self.device = self.driver.number('cuDeviceGet', 0)
            major, minor = (
                self.driver.number('cuDeviceGetAttribute', attribute, self.device)
                for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR)
            )
            name = ctypes.create_string_buffer(256)
            self.driver('cuDeviceGetName', name, len(name), self.device)
        except OSError:
            raise InputError(f'no NVIDIA driver is here ({library} cannot be opened)') from None
        except AttributeError as error:
            raise InputError(f'the NVIDIA driver is too old ({error})') from None
        except CudaError as error:
            raise InputError(f'no NVIDIA GPU can be used ({error})') from None
        self.name = name.value.decode(errors='replace')
        self.compute_capability = f'{major}.{minor}'


class Stream:
    """Work for a GPU, done in order.

    Attributes:
        handle: What TensorRT knows the stream by.
    """

    def __init__(self, gpu: Gpu) -> None:
        """Start the GPU and make a stream on it."""
        self.driver = gpu.driver
        # The context that TensorRT and onnxruntime use too; it stays until the process ends.
        self._context = gpu.driver.pointer('cuDevicePrimaryCtxRetain', gpu.device)
        self.enter()
        self.handle = gpu.driver.pointer('cuStreamCreate', _NON_BLOCKING_STREAM)
        self.free_after(self, 'cuStreamDestroy_v2', self.handle)

    def enter(self) -> None:
        """Make the GPU current in this thread, as each thread must before it uses it."""
        self.driver('cuCtxSetCurrent', self._context)

    def synchronize(self) -> None:
        """Wait until everything is done."""
        self.driver('cuStreamSynchronize', self.handle)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` puts into the stream, and return a call that puts it there again."""
        self.driver('cuStreamBeginCapture_v2', self.handle, _CAPTURE_OF_THIS_THREAD)
        try:
            work()
        finally:  # a stream that is left recording can do nothing else
            recorded = c_void_p()
            self.driver('cuStreamEndCapture', self.handle, ctypes.byref(recorded))
        graph = self.driver.pointer('cuGraphInstantiateWithFlags', recorded, 0)
        self.driver('cuGraphDestroy', recorded)
        launch = functools.partial(self.driver, 'cuGraphLaunch', graph, self.handle)
        self.free_after(launch, 'cuGraphExecDestroy', graph)
        return launch

    def free_after(self, owner: object, function: str, handle: int) -> None:
        """Give memory or a handle back when its owner is gone."""
        weakref.finalize(owner, _free, self.driver, self._context, function, handle)


class Buffer:
    """Rows of float32 in page-locked memory, with a twin of the same size on the GPU.

    Attributes:
        host: (rows, ...) what a copy to the GPU reads and a copy from it writes.
        address: Of the twin.
    """

    def __init__(self, stream: Stream, shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape))
        place = stream.driver.pointer('cuMemAllocHost_v2', 4 * count)
        stream.free_after(self, 'cuMemFreeHost', place)
        self.address = stream.driver.pointer('cuMemAlloc_v2', 4 * count)
        stream.free_after(self, 'cuMemFree_v2', self.address)
        memory = memoryview((ctypes.c_float * count).from_address(place))
        self.host: Float32 = np.frombuffer(memory, np.float32).reshape(shape)
        self._stream, self._place = stream, place
        self._bytes_per_row = 4 * count // shape[0]

    def upload(self, rows: int) -> None:
        """Copy the first rows to the GPU, in the stream's order."""
        size = rows * self._bytes_per_row
        stream = self._stream
        stream.driver('cuMemcpyHtoDAsync_v2', self.address, self._place, size, stream.handle)

    def download(self, rows: int) -> None:
        """Copy the first rows from the GPU, in the stream's order."""
        size = rows * self._bytes_per_row
        stream = self._stream
        stream.driver('cuMemcpyDtoHAsync_v2', self._place, self.address, size, stream.handle)


def _free(driver: _Driver, context: int, function: str, handle: int) -> None:
    # A GPU that was lost has nothing to take back.
    with contextlib.suppress(CudaError):
        driver('cuCtxSetCurrent', context)
        driver(function, handle)


def _text(name: bytes | None, code: int) -> str:
    return name.decode() if name else f'error {code}'
