# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Building an engine in a process of its own.

There the builder's memory, its load on the machine and its faults are not those of a robot's node;
it ends with its parent. Run as a module, this is that process: a request in JSON on one line of
standard input and the bytes of the graph after it; the engine comes on standard output.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading

from elepose_core.errors import InputError
from elepose_core.runtime.backends.tensorrt_library import Profile, build_engine, import_tensorrt

__all__ = ['build_in_process']

_NICENESS = 10
_REFUSED = 3


def build_in_process(onnx: bytes, profile: Profile, target: str = '') -> bytes:
    """Build an engine as `tensorrt_library.build_engine` does, with TensorRT as it is installed.

    Raises:
        InputError: TensorRT cannot be loaded, does not take the graph or cannot build; or the
            process was killed.
    """
    request = {'profile': dict(profile), 'target': target, 'size': len(onnx)}
    # The child must find this package wherever this process found it.
    environment = os.environ | {'PYTHONPATH': os.pathsep.join(path or '.' for path in sys.path)}
    with subprocess.Popen(
        [sys.executable, '-m', __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the parent, whose end it sees
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # its exit code tells why
            child.stdin.write(json.dumps(request).encode() + b'\n' + onnx)
            child.stdin.flush()
        answer = child.stdout.read()
        child.wait()  # before its standard input ends, which it takes for our end
    if child.returncode == _REFUSED:
        raise InputError(answer.decode())
    if child.returncode or not answer:
        raise InputError(f'the process that builds the engine ended with {child.returncode}')
    return answer


def _end_with_the_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _serve() -> int:
    os.nice(_NICENESS)
    # TensorRT's log must not mix with the engine.
    answer = os.fdopen(os.dup(1), 'wb')
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    onnx = sys.stdin.buffer.read(request['size'])
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        engine = build_engine(import_tensorrt(), onnx, request['profile'], request['target'])
    except InputError as error:
        answer.write(str(error).encode())
        answer.close()
        return _REFUSED
    answer.write(engine)
    answer.close()
    return 0


if __name__ == '__main__':
    code = _serve()
    sys.stdout.flush()
    # Without the interpreter's long good-bye, in which the thread above still holds its lock.
    os._exit(code)
