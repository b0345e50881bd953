# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""rosbag2 recordings without a ROS installation.

Everything here needs the optional package rosbags, which is imported on use.
"""

from elepose_core.bags.reader import BagMessage, BagReader, Topic, TopicQos, is_bag
from elepose_core.bags.typestore import bag_typestore
from elepose_core.bags.writer import BagWriter, recording_bag, writing_bag

__all__ = [
    'BagMessage',
    'BagReader',
    'BagWriter',
    'Topic',
    'TopicQos',
    'bag_typestore',
    'is_bag',
    'recording_bag',
    'writing_bag',
]
