# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the faults need: how long to insist, and a recording of people.

`make test-faults` sets ELEPOSE_FAULTS=full: then loads last as long as they should.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FRAMES = 45


class Lengths(NamedTuple):
    """How long the faults last.

    Attributes:
        overload_s: Seconds of too many frames.
        transitions: Number of random lifecycle requests.
        signals: What a node in each lifecycle state is ended by.
    """

    overload_s: float
    transitions: int
    signals: tuple[str, ...]


@pytest.fixture(scope='session')
def lengths() -> Lengths:
    if os.environ.get('ELEPOSE_FAULTS') == 'full':
        return Lengths(60.0, 1000, ('SIGTERM', 'SIGINT', 'SIGKILL'))
    return Lengths(5.0, 100, ('SIGTERM',))


@pytest.fixture(scope='module')
def recording(probe: Any, tmp_path_factory: pytest.TempPathFactory, make_scene: Any) -> Path:
    """Return a bag of 1.5 s: two people and a calibrated camera on /keypoints, /camera_info."""
    from rclpy.serialization import serialize_message

    from elepose_core.bags import writing_bag

    scene = make_scene()
    path = tmp_path_factory.mktemp('bags') / 'people'
    with writing_bag(path) as bag:
        bag.add_topic('/camera_info', 'sensor_msgs/msg/CameraInfo')
        bag.add_topic('/keypoints', 'elepose_ros/msg/People2D')
        for frame in range(FRAMES):
            message = scene.people((-1.0 + 0.01 * frame, 4.0), (1.0, 5.0))
            if frame % 10 == 0:
                info = serialize_message(scene.camera_info())
                bag.write('/camera_info', scene.stamp_ns, info)
            bag.write('/keypoints', scene.stamp_ns, serialize_message(message))
    return path
