# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Changing over from a backend that is ready to one that is slow to come: real sessions both."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from elepose_core.errors import InputError
from elepose_core.runtime.backends.interface import Backend, Feeds, Graph
from elepose_core.runtime.backends.onnxruntime_backend import OnnxruntimeBackend
from elepose_core.runtime.backends.switching import SwitchingBackend


class Second(OnnxruntimeBackend):
    """Another session, which tells itself apart and can be broken."""

    is_broken = False

    def run(self, feeds: Feeds, wanted: Sequence[str] | None = None) -> list[np.ndarray]:
        if self.is_broken:
            feeds = {**feeds, 'rays': feeds['rays'][..., :1]}  # which onnxruntime refuses
        return super().run(feeds, wanted)


@pytest.fixture
def first(graph: Graph) -> Backend:
    return OnnxruntimeBackend(graph, 'cpu', 1, 'ready at once')


@pytest.fixture
def second(graph: Graph) -> Second:
    backend = Second(graph, 'cpu', 1, 'slow to come')
    backend.name = 'tensorrt'
    return backend


def test_it_serves_at_once_and_changes_between_two_lifts(
    first: Backend, second: Second, feeds_of: Callable[..., Feeds]
) -> None:
    may_open = threading.Event()

    def open_second() -> Backend:
        assert may_open.wait(60)
        return second

    backend = SwitchingBackend(first, open_second, 'tensorrt')
    wanted = first.run(feeds_of(5))
    for mine, theirs in zip(backend.run(feeds_of(5)), wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert backend.name == 'cpu'
    assert backend.description.endswith('(ready at once); tensorrt is getting ready')
    assert not backend.wait(0)
    may_open.set()
    assert backend.wait(60)
    assert backend.name == 'tensorrt'
    assert backend.description.endswith('(slow to come)')
    for mine, theirs in zip(backend.run(feeds_of(5)), wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert backend.trouble == ''


def test_no_lift_is_lost_or_mixed_while_it_changes(
    first: Backend, second: Second, feeds_of: Callable[..., Feeds]
) -> None:
    """Many threads lift their own people all the time, before, while and after."""
    count = 4
    feeds = [feeds_of(3, seed) for seed in range(count)]
    wanted = [first.run(feed) for feed in feeds]
    may_open, stop = threading.Event(), threading.Event()
    lifts, faults = [0] * count, []

    def open_second() -> Backend:
        may_open.wait(60)
        return second

    backend = SwitchingBackend(first, open_second, 'tensorrt')

    def lift(person: int) -> None:
        while not stop.is_set():
            found = backend.run(feeds[person])
            lifts[person] += 1
            same = (np.array_equal(f, w) for f, w in zip(found, wanted[person], strict=True))
            if not all(same):
                faults.append(person)

    threads = [threading.Thread(target=lift, args=(person,)) for person in range(count)]
    for thread in threads:
        thread.start()
    _until(lambda: min(lifts) > 5)
    may_open.set()
    assert backend.wait(60)
    before = list(lifts)
    _until(lambda: all(now > then + 5 for now, then in zip(lifts, before, strict=True)))
    stop.set()
    for thread in threads:
        thread.join(60)
    assert backend.name == 'tensorrt'
    assert faults == []


@pytest.mark.parametrize('error', [InputError('no engine'), ValueError('a bug')])
def test_a_second_that_does_not_open_leaves_the_first_and_is_told(
    error: Exception, first: Backend, feeds_of: Callable[..., Feeds]
) -> None:
    def open_second() -> Backend:
        raise error

    backend = SwitchingBackend(first, open_second, 'tensorrt')
    assert backend.wait(60)
    assert len(backend.run(feeds_of(2))[0]) == 2
    assert backend.name == 'cpu'
    assert backend.description == first.description
    assert backend.trouble == f'tensorrt is not used and cpu goes on: {error}'


def test_a_second_that_breaks_hands_the_same_lift_back_to_the_first(
    first: Backend, second: Second, feeds_of: Callable[..., Feeds]
) -> None:
    backend = SwitchingBackend(first, lambda: second, 'tensorrt')
    assert backend.wait(60)
    backend.run(feeds_of(2))
    second.is_broken = True
    for mine, theirs in zip(backend.run(feeds_of(2)), first.run(feeds_of(2)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert backend.name == 'cpu'
    assert backend.trouble.startswith('tensorrt broke and cpu goes on: ')
    second.is_broken = False  # it does not come back by itself
    backend.run(feeds_of(2))
    assert backend.name == 'cpu'


def test_trouble_of_the_second_is_passed_on(first: Backend, second: Second) -> None:
    second.trouble = 'engines are not kept: the disk is full'
    backend = SwitchingBackend(first, lambda: second, 'tensorrt')
    assert backend.wait(60)
    assert (backend.name, backend.trouble) == ('tensorrt', second.trouble)


def _until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.01)
