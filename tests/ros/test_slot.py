# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import threading

from elepose_ros.slot import NewestItems, Worker


def test_slot_keeps_the_newest_item_and_tells_of_each_loss() -> None:
    slot: NewestItems[int] = NewestItems()
    assert [slot.put(item) for item in (1, 2, 3)] == [False, True, True]
    assert slot.take() == 3
    assert slot.put(4) is False


def test_queue_of_two_forgets_the_oldest_and_keeps_the_order() -> None:
    queue: NewestItems[int] = NewestItems(depth=2)
    assert [queue.put(item) for item in (1, 2, 3)] == [False, False, True]
    assert [queue.take(), queue.take()] == [2, 3]


def test_closed_queue_gives_nothing_and_takes_nothing() -> None:
    queue: NewestItems[int] = NewestItems()
    queue.put(1)
    assert queue.close() == 1
    assert queue.close() == 0
    assert queue.take() is None
    assert queue.put(2) is True
    assert queue.take() is None


def test_close_wakes_a_thread_that_waits() -> None:
    queue: NewestItems[int] = NewestItems()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.close()
    thread.join(timeout=5)
    assert taken == [None]


def test_worker_that_is_slow_handles_the_first_and_the_newest() -> None:
    handled: list[int] = []
    is_busy, may_go_on, is_done = threading.Event(), threading.Event(), threading.Event()

    def handle(item: int) -> None:
        is_busy.set()
        assert may_go_on.wait(5)
        handled.append(item)
        if item == 4:
            is_done.set()

    worker = Worker(handle)
    assert worker.put(1) is False
    assert is_busy.wait(5)
    assert [worker.put(item) for item in (2, 3, 4)] == [False, True, True]
    may_go_on.set()
    assert is_done.wait(5)
    worker.close()
    assert handled == [1, 4]


def test_worker_finishes_the_item_at_hand_when_it_is_closed() -> None:
    handled: list[int] = []
    is_busy, may_go_on = threading.Event(), threading.Event()

    def handle(item: int) -> None:
        is_busy.set()
        assert may_go_on.wait(5)
        handled.append(item)

    worker = Worker(handle)
    worker.put(1)
    assert is_busy.wait(5)
    worker.put(2)
    closing = threading.Thread(target=worker.close)
    closing.start()
    may_go_on.set()
    closing.join(timeout=5)
    assert handled == [1]
