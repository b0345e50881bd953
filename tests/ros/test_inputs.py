# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from sensor_msgs.msg import Image

from elepose_ros.inputs import Topic, silence_sentence


def topic(reliability: str) -> Topic:
    return Topic('image', Image, reliability, 'image_reliability', depth=2)


def test_nothing_is_said_while_discovery_may_still_run() -> None:
    assert silence_sentence(topic('best_effort'), '/cam/image', silent_s=4.9, publishers=0) == ''


def test_no_publisher_means_start_it_or_remap() -> None:
    sentence = silence_sentence(topic('best_effort'), '/cam/image', silent_s=5.0, publishers=0)
    assert sentence.startswith('nobody publishes /cam/image: ')
    assert 'remap image' in sentence


@pytest.mark.parametrize(
    ('reliability', 'cure'), [('best_effort', 'reliable'), ('reliable', 'best_effort')]
)
def test_a_publisher_that_is_not_heard_names_the_parameter_that_may_help(
    reliability: str, cure: str
) -> None:
    sentence = silence_sentence(topic(reliability), '/cam/image', silent_s=7.0, publishers=2)
    assert '2 publisher(s) on /cam/image but nothing received for 7 s' in sentence
    assert f'set image_reliability to {cure}' in sentence
