# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from elepose_ros.stages import StageStatistics


def test_percentiles_of_known_durations() -> None:
    statistics = StageStatistics()
    for milliseconds in range(101):  # 0..100 ms
        statistics.record('detect', milliseconds / 1e3)
    figures = statistics.percentiles()['detect']
    assert figures.p50_ms == pytest.approx(50)
    assert figures.p95_ms == pytest.approx(95)
    assert figures.count == 101


def test_old_durations_are_forgotten() -> None:
    statistics = StageStatistics()
    for _ in range(300):
        statistics.record('lift', 1.0)
    for _ in range(300):
        statistics.record('lift', 0.001)
    assert statistics.percentiles()['lift'].p95_ms == pytest.approx(1)


def test_a_stage_that_fails_is_not_measured() -> None:
    statistics = StageStatistics()
    with pytest.raises(ValueError, match='cut off'), statistics.measure('decode'):
        raise ValueError('cut off')
    assert statistics.percentiles() == {}


def test_events_are_counted_and_rated_since_the_last_look() -> None:
    statistics = StageStatistics()
    statistics.count('in', 30)
    assert statistics.rates_hz()['in'] > 0
    assert statistics.rates_hz()['in'] == 0
    assert statistics.counts() == {'in': 30}


def test_recent_counts_forget_what_was_long_ago() -> None:
    statistics = StageStatistics()
    statistics.count('dropped', 100)
    assert statistics.recent_counts() == {'dropped': 100}
    for _ in range(30):
        statistics.count('in')
        statistics.rates_hz()
    statistics.count('in')
    assert statistics.recent_counts() == {'dropped': 0, 'in': 30}
