# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What every backend is given and gives."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError

__all__ = ['DEVICES', 'Backend', 'Device', 'Feeds', 'Float32', 'Graph', 'in_batches', 'warm_up']

Device = Literal['auto', 'cpu', 'cuda', 'tensorrt']
DEVICES: tuple[Device, ...] = ('auto', 'cpu', 'cuda', 'tensorrt')
Float32 = NDArray[np.float32]
# Rows of each input by name; all have the same number of rows, one or more.
Feeds = Mapping[str, Float32]


@dataclass(frozen=True)
class Graph:
    """An ONNX file whose inputs and outputs all have a batch as first axis.

    Attributes:
        path: Of the file.
        sha256: Of its bytes.
        inputs: Shape of one row of each input, in the graph's order.
        outputs: Names of all, in the graph's order.
    """

    path: Path
    sha256: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            InputError: They are not those that were checked when the bundle was opened.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise InputError(f'{self.path} cannot be read ({error.strerror})') from None
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError(f'{self.path} has changed since it was opened')
        return data


class Backend(Protocol):
    """Computes a graph."""

    @property
    def name(self) -> Device:
        """Return where it computes: 'cpu', 'cuda' or 'tensorrt'."""

    @property
    def description(self) -> str:
        """Return in one sentence what computes and why it was chosen."""

    @property
    def trouble(self) -> str:
        """Return in one sentence what a user should know and mend; '' = nothing."""

    def run(self, feeds: Feeds, wanted: Sequence[str] | None = None) -> list[Float32]:
        """Return the outputs that are wanted, in that order; the caller may keep them.

        None = all, in the graph's order. What nobody wants costs little or nothing.
        """


def in_batches(run: Callable[[Feeds], list[Float32]], feeds: Feeds, largest: int) -> list[Float32]:
    """Run over at most `largest` rows at a time and put the outputs together."""
    count = len(next(iter(feeds.values())))
    if count <= largest:
        return run(feeds)
    parts = [
        run({name: feed[start : start + largest] for name, feed in feeds.items()})
        for start in range(0, count, largest)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def warm_up(backend: Backend, graph: Graph) -> None:
    """Run once, so that what loads lazily on a GPU is loaded before the first frame."""
    backend.run({name: np.zeros((1, *row), np.float32) for name, row in graph.inputs.items()})
