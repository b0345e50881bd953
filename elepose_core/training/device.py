# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Where to train."""

import os
import re

import torch

from elepose_core.errors import InputError
from elepose_core.training.distributed import Processes

__all__ = ['choose_device', 'multiplies_bfloat16', 'use_threads']


def choose_device(name: str, processes: Processes) -> torch.device:
    """Return the device of this process.

    Args:
        name: 'auto' (a GPU where there is one, else the CPU), 'cpu', 'cuda' or 'cuda:N'.
        processes: Each takes a GPU of its own.

    Raises:
        InputError: The name is none of these, or the GPU is not there.
    """
    if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', name):
        raise InputError(f'device is {name!r}; expected auto, cpu, cuda or cuda:N')
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == 'cpu' or (name == 'auto' and not found):
        return torch.device('cpu')
    _, colon, number = name.partition(':')
    if colon and processes.count > 1:
        raise InputError(f'device is {name}; expected cuda, as each process takes its own GPU')
    index = int(number) if colon else processes.local_rank
    if index >= found:
        raise InputError(f'device is {name}; expected GPU {index}, but torch finds {found} GPUs')
    device = torch.device('cuda', index)
    torch.cuda.set_device(device)
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; where it does not, float32 is faster."""
    if device.type == 'cuda':
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ('avx512_bf16', 'amx_bf16', 'bf16'))


def use_threads(threads: int, processes: Processes) -> None:
    """Let torch use so many CPU threads; 0 = this process's share of the cores it may use."""
    share = len(os.sched_getaffinity(0)) // processes.local_count
    torch.set_num_threads(threads or max(1, share))
