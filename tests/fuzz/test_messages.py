# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A few hundred hostile messages of each kind, and people that no camera has seen.

`benchmarks/fuzz.py` tries a hundred thousand messages.
"""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from elepose_core.errors import InputError
from elepose_core.runtime.bounds import MAX_PEOPLE_PER_MESSAGE, check_keypoints
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.messages import people_from_message
from elepose_core.runtime.people import People2D, Person2D
from elepose_ros import interfaces
from elepose_ros.conversions import rgb_from_message
from fuzz.messages import CAMERAS, MESSAGES, check_lifted, predictor
from fuzz.trial import ACCEPTED, REFUSED, UNREADABLE, trial

SEEDS = st.integers(0, 2**32 - 1)
FLOATS = st.floats(width=32)


@pytest.mark.parametrize('kind', MESSAGES)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(seed=SEEDS)
def test_hostile_message_is_taken_or_refused_in_one_sentence(kind: str, seed: int) -> None:
    assert trial(MESSAGES[kind], Random(seed)) in (ACCEPTED, REFUSED, UNREADABLE)


@pytest.mark.parametrize('kind', MESSAGES)
def test_some_are_taken_and_some_refused(kind: str) -> None:
    outcomes = {trial(MESSAGES[kind], Random(seed)) for seed in range(100)}
    assert {ACCEPTED, REFUSED} <= outcomes


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    keypoints_px=hnp.arrays(np.float32, (2, 17, 2), elements=FLOATS, fill=FLOATS),
    scores=hnp.arrays(np.float32, (2, 17), elements=st.floats(0, 1, width=32), fill=st.just(0.9)),
    camera=st.sampled_from(CAMERAS),
    later_ns=st.sampled_from((0, 1, 33_000_000, 10**9, -(10**9), 2**31 * 10**9)),
)
def test_whatever_passes_the_bounds_lifts_to_finite_skeletons(
    keypoints_px: NDArray[np.float32],
    scores: NDArray[np.float32],
    camera: object,
    later_ns: int,
) -> None:
    try:
        check_keypoints(keypoints_px.transpose(0, 2, 1), scores)
    except InputError:
        keypoints_px = np.clip(np.nan_to_num(keypoints_px), -1e6, 1e6)
    lifter = PeopleLifter(predictor(), LiftingOptions(min_keypoint_score=0.0))
    for stamp_ns in (10**9, 10**9 + later_ns):
        people = tuple(Person2D('', *pair) for pair in zip(keypoints_px, scores, strict=True))
        frame = People2D(stamp_ns, 'h36m_17', people)
        check_lifted(lifter.lift(frame, camera), frame)  # type: ignore[arg-type]


def test_ten_thousand_people_or_a_million_keypoints_are_refused_before_they_are_read() -> None:
    crowd = [interfaces.Person2D()] * 10_000
    with pytest.raises(
        InputError, match=f'10000 entries; expected at most {MAX_PEOPLE_PER_MESSAGE}'
    ):
        people_from_message(interfaces.People2D(layout='coco_17', people=crowd))
    person = interfaces.Person2D(x=[0.0] * 1_000_000, y=[0.0] * 17, score=[0.0] * 17)
    with pytest.raises(InputError, match='have 1000000, 17 and 17 entries; expected 17 each'):
        people_from_message(interfaces.People2D(layout='coco_17', people=[person]))


def test_image_of_four_exapixels_is_refused() -> None:
    from sensor_msgs.msg import Image

    image = Image(width=2**31, height=2**31, step=2**32 - 1, encoding='rgb8', data=[1, 2, 3])
    with pytest.raises(InputError, match='image is 2147483648x2147483648 pixels; expected'):
        rgb_from_message(image)


def test_layout_of_a_megabyte_is_not_repeated() -> None:
    with pytest.raises(InputError, match='1000000 long') as caught:
        people_from_message(interfaces.People2D(layout='x' * 1_000_000))
    assert len(str(caught.value)) < 300
