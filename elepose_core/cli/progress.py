# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A progress bar with rate and time left, silent where there is no terminal."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

__all__ = ['progress_bar']

T = TypeVar('T')


def progress_bar(items: Iterable[T], total: int) -> Iterable[T]:
    """Show how far the work is while `items` are taken."""
    bar: Iterable[T] = tqdm(items, total=total, disable=None)
    return bar
