# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Several processes that train one network: who does what, and how gradients are averaged."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from elepose_core.errors import InputError

__all__ = ['ALONE', 'Processes', 'joined']

_T = TypeVar('_T')
# The others wait while the first one fits the prior or validates.
_LONGEST_WAIT = timedelta(hours=2)


@dataclass(frozen=True)
class Processes:
    """The processes of one training run; the default is a single one.

    Attributes:
        rank: This process, 0 = the first, which alone writes, prints and validates.
        count: Number of processes.
        local_rank: This process among those of its machine, which is also its GPU.
        local_count: Number of processes on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes, prints and validates."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """Return the rows of a global batch that this process takes.

        Raises:
            InputError: The shares would not be equal and even (some terms compare rows in pairs).
        """
        if self.count > 1 and batch_size % (2 * self.count):
            raise InputError(
                f'training.batch_size is {batch_size}; expected a multiple of {2 * self.count}, '
                f'an even share for each of {self.count} processes'
            )
        share = batch_size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over all processes, in one message."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat / self.count, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, mine: bool, device: torch.device) -> bool:
        """Return whether it holds in any process."""
        if self.count == 1:
            return mine
        votes = torch.tensor(float(mine), device=device)
        dist.all_reduce(votes)
        return votes.item() > 0

    def from_first(self, make: Callable[[], _T]) -> _T:
        """Make a value, or an InputError, in the first process and hand it to all."""
        if self.count == 1:
            return make()
        box: list[Any] = [None, None]
        if self.is_first:
            try:
                box[0] = make()
            except InputError as error:
                box[1] = str(error)
        dist.broadcast_object_list(box)
        if box[1] is not None:
            raise InputError(box[1])
        value: _T = box[0]
        return value


ALONE = Processes()


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started; alone where it started none or one.

    Args:
        device: Name of the device, see `choose_device`.
    """
    count = int(os.environ.get('WORLD_SIZE', '1'))
    if count == 1:
        yield ALONE
        return
    # One backend for the tensors of each kind of device; torch picks by where a tensor lies.
    on_gpu = device != 'cpu' and torch.cuda.is_available()
    dist.init_process_group('cpu:gloo,cuda:nccl' if on_gpu else 'gloo', timeout=_LONGEST_WAIT)
    try:
        here = (int(os.environ[f'LOCAL_{name}']) for name in ('RANK', 'WORLD_SIZE'))
        yield Processes(dist.get_rank(), count, *here)
    finally:
        dist.destroy_process_group()
