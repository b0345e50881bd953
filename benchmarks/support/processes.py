# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Processes under measurement: start, memory, time on the processor, end; and figures of lists."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

__all__ = ['cpu_s', 'open_files', 'percentiles', 'process', 'resident_mib', 'threads']

_END_S = 10.0


@contextlib.contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, in a session of its own."""
    with log.open('wb') as file:
        popen = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield popen
    finally:
        popen.send_signal(signal.SIGINT)
        try:
            popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, MiB."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def open_files(pid: int) -> int:
    """Return how many file descriptors a process holds."""
    return len(list(Path(f'/proc/{pid}/fd').iterdir()))


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return len(list(Path(f'/proc/{pid}/task').iterdir()))


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def percentiles(values: Sequence[float], shown: tuple[int, ...]) -> dict[str, float]:
    """Return {'p50_ms': ..., ..., 'count': ...} of values in milliseconds; NaN without any."""
    found = np.percentile(values, shown) if values else np.full(len(shown), np.nan)
    by_name = {f'p{q}_ms': float(value) for q, value in zip(shown, found, strict=True)}
    return {**by_name, 'count': len(values)}
