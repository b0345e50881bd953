# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elepose_core.errors import InputError, shown
from elepose_core.runtime import bounds


def header(sec: int = 0, nanosec: int = 0, frame_id: str = 'camera') -> Any:
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame_id)


def calibration(**changes: Any) -> Any:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {'d': [0.0] * 5, 'width': 640, 'height': 480, 'binning_x': 0, 'binning_y': 0}
    return SimpleNamespace(**{**fields, 'roi': roi, **changes})


@pytest.mark.parametrize(
    ('wrong', 'sentence'),
    [
        (header(sec=-1), 'stamp of the header is -1 s and 0 ns; expected 0 s or later'),
        (header(nanosec=1_000_000_000), 'and less than 1000000000 ns'),
        (header(frame_id='x' * 257), r"frame_id of the header is 'x+'\.\.\. \(257 long\)"),
    ],
)
def test_impossible_headers_are_refused(wrong: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        bounds.check_header(wrong)


def test_the_last_possible_header_passes() -> None:
    bounds.check_header(header(2**31 - 1, 999_999_999, 'x' * bounds.MAX_NAME_CHARACTERS))


def test_too_many_people_and_too_long_ids_are_refused() -> None:
    bounds.check_count(bounds.MAX_PEOPLE_PER_MESSAGE)
    bounds.check_ids([])
    bounds.check_ids(['', 'x' * bounds.MAX_NAME_CHARACTERS])
    with pytest.raises(InputError, match='people has 10000 entries; expected at most 300'):
        bounds.check_count(10_000)
    with pytest.raises(InputError, match=r'id of people\[1\] is .* expected at most 256'):
        bounds.check_ids(['anna', 'x' * 100_000])


def test_missing_and_far_keypoints_pass_and_impossible_ones_do_not() -> None:
    points = np.full((3, 2, 17), np.nan, np.float32)
    scores = np.full((3, 17), np.nan, np.float32)
    points[0], scores[0] = -1e6, 1.0
    scores[1] = 1.05  # as OpenPose does
    bounds.check_keypoints(points, scores)
    bounds.check_keypoints(points[:0], scores[:0])
    points[2, 1, 5] = -np.inf
    with pytest.raises(InputError, match=r'x and y of people\[2\] reach inf px'):
        bounds.check_keypoints(points, scores)
    points[2] = 0
    for value in (1.5, -0.5, np.inf):
        scores[1, 16] = value
        with pytest.raises(InputError, match=rf'score of people\[1\] has {value:g}'):
            bounds.check_keypoints(points, scores)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'d': np.zeros(1_000_000)}, 'D of camera_info has 1000000 entries; expected at most 14'),
        ({'width': 2**31}, 'width of camera_info is 2147483648; expected at most 65535'),
        ({'binning_y': 2**32 - 1}, 'binning_y of camera_info is 4294967295; expected at most 64'),
        (
            {'roi': SimpleNamespace(x_offset=0, y_offset=2**32 - 1, width=0, height=0)},
            r'roi\.y_offset of camera_info is 4294967295',
        ),
    ],
)
def test_impossible_calibrations_are_refused(changes: dict[str, Any], sentence: str) -> None:
    bounds.check_calibration(calibration())
    with pytest.raises(InputError, match=sentence):
        bounds.check_calibration(calibration(**changes))


def test_a_sentence_shows_a_long_or_wild_value_short_and_on_one_line() -> None:
    assert shown('coco_17') == "'coco_17'"
    for wild in ('\n' * 10**6, b'\0' * 10**6, list(range(10**5)), '\x1b[31m' * 20):
        assert len(shown(wild)) < 400
        assert shown(wild).isprintable()
