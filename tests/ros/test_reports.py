# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
from elepose_ros.reports import Reporter


class _Journal:
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, message: str) -> None:
        self.said.append(message)

    def warning(self, message: str) -> None:
        self.said.append(message)

    def error(self, message: str) -> None:
        self.said.append(message)


def test_a_trouble_is_said_again_only_after_a_while_and_silences_no_other() -> None:
    now_s = 0.0
    journal = _Journal()
    reporter = Reporter(journal, clock=lambda: now_s, every_s=10)
    for now_s in (0.0, 5.0, 9.9, 10.0):
        reporter.error('encoding', f'encoding at {now_s}')
        reporter.error('size', f'size at {now_s}')
    assert journal.said == [
        'encoding at 0.0',
        'size at 0.0',
        'encoding at 10.0',
        'size at 10.0',
    ]


def test_once_means_once() -> None:
    journal = _Journal()
    times_s = iter((0.0, 1e6))
    reporter = Reporter(journal, clock=lambda: next(times_s))
    for _ in range(2):
        reporter.warn('camera', 'no camera_info', once=True)
    assert journal.said == ['no camera_info']


def test_the_worst_trouble_is_remembered_for_a_while_and_the_last_one_for_good() -> None:
    now_s = 0.0
    reporter = Reporter(_Journal(), clock=lambda: now_s)
    assert reporter.worst_trouble() is None
    assert reporter.last_trouble() is None
    reporter.warn('a', 'first')
    assert reporter.worst_trouble() == (False, 'first')
    reporter.error('b', 'second')
    now_s = 5.0
    reporter.warn('a', 'third')
    now_s = 29.0
    assert reporter.worst_trouble() == (True, 'second')
    now_s = 31.0
    assert reporter.worst_trouble() == (False, 'third')
    now_s = 3600.0
    assert reporter.worst_trouble() is None
    assert reporter.last_trouble() == (3595.0, 'third')


def test_a_trouble_that_is_over_is_not_told_and_would_be_said_at_once() -> None:
    journal = _Journal()
    reporter = Reporter(journal, clock=lambda: 0.0)
    reporter.warn('silence', 'nothing comes')
    reporter.over('silence')
    reporter.over('never was')
    assert reporter.worst_trouble() is None
    reporter.warn('silence', 'nothing comes')
    assert journal.said == ['nothing comes'] * 2


def test_all_recent_troubles_are_told_the_newest_last_and_not_without_end() -> None:
    now_s = 0.0
    reporter = Reporter(_Journal(), clock=lambda: now_s)
    reporter.error('b', 'one')
    now_s = 20.0
    reporter.warn('a', 'two')
    reporter.error('b', 'three')
    now_s = 21.0
    reporter.warn('a', 'four')
    assert [*reporter.recent_troubles().items()] == [('b', 'three'), ('a', 'four')]
    now_s = 51.0
    assert reporter.recent_troubles() == {'a': 'four'}
    for number in range(1000):
        now_s += 0.001
        reporter.error(str(number), str(number))
    assert 10 <= len(reporter.recent_troubles()) <= 32
    assert [*reporter.recent_troubles()][-1] == '999'


def test_keys_that_come_from_outside_do_not_pile_up() -> None:
    journal = _Journal()
    reporter = Reporter(journal, clock=lambda: 0.0)
    for number in range(3000):
        reporter.warn('known', 'known')  # throttled until it is forgotten
        reporter.warn(f'body {number}', f'body {number}')
    assert len(reporter._said_s) <= 1000
    assert 1 <= journal.said.count('known') <= 4
