# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""onnxruntime sessions that are good neighbours on a robot."""

from pathlib import Path
from typing import Any

import onnxruntime

from elepose_core.errors import InputError

__all__ = ['open_session']


def open_session(path: Path, num_threads: int) -> Any:
    """Open a model file on the CPU.

    Raises:
        InputError: The file is not a model that onnxruntime runs.
    """
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = num_threads
    settings.inter_op_num_threads = 1
    # Between frames the threads sleep: spinning would take whole cores from the robot.
    settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # Every frame size of a new camera would otherwise keep its own plan of memory.
    settings.enable_mem_pattern = False
    settings.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path), settings, providers=['CPUExecutionProvider']
        )
    except Exception as error:  # onnxruntime's errors share no public base class
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f'{path} is not a model that onnxruntime can run ({reason})') from None
