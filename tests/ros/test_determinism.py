# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints of a bag through the command and through the live node: the same bytes.

`tests/test_demo.py` does it with images; `benchmarks/determinism.py` with whole recordings.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from rclpy.serialization import serialize_message

from elepose_core.bags import writing_bag

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'
TOPICS = ('/skeletons', '/camera_elevation')
FRAMES = 90
NODE = ('lifter_node', '--ros-args', '-p', 'device:=cpu', '-p', 'keypoints_reliability:=reliable')


@pytest.fixture
def recording(probe: Any, make_scene: Any, rng: np.random.Generator, tmp_path: Path) -> Path:
    """Return a bag in which people come, go and hide, stamps jump, and one frame is empty."""
    scene = make_scene()
    path = tmp_path / 'people'
    with writing_bag(path) as bag:
        bag.add_topic('/camera_info', 'sensor_msgs/msg/CameraInfo')
        bag.add_topic('/keypoints', 'elepose_ros/msg/People2D')
        for frame in range(FRAMES):
            step = 0.03 * frame
            places = [(step - 1.0, 4.0), (1.0 - step, 5.0), (0.5, 6.0 - step)][
                : 1 + frame % 40 // 10
            ]
            message = scene.people(*([] if frame == 50 else places))
            for person in message.people:
                # No identities from outside: the node's own tracker gives them.
                person.id = ''
                noise = rng.normal(0, 3, (2, 17))
                hidden = rng.random(17) < 0.15
                person.x, person.y = (
                    np.where(hidden, np.nan, np.add(values, shake)).tolist()
                    for values, shake in zip((person.x, person.y), noise, strict=True)
                )
                person.score = np.where(hidden, 0.0, rng.uniform(0.3, 1, 17)).tolist()
            log_time_ns = 1_000_000_000 + frame * 33_000_000
            if frame == 0:
                bag.write('/camera_info', log_time_ns, serialize_message(scene.camera_info()))
            bag.write('/keypoints', log_time_ns, serialize_message(message))
            scene.stamp_ns += {30: 5_000_000_000, 70: -4_000_000_000}.get(frame, 0)
    return path


@pytest.fixture
def live_replay(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from support import live_replay

    return live_replay


def test_live_and_offline_give_the_same_bytes(
    recording: Path, live_replay: Any, tmp_path: Path
) -> None:
    offline, live = tmp_path / 'offline', tmp_path / 'live'
    command = [sys.executable, '-m', 'elepose_core', 'lift', str(recording), '--out', str(offline)]
    subprocess.run(command, check=True, capture_output=True)
    live_replay.play_live(recording, live, NODE, '/keypoints', TOPICS)
    expected = live_replay.checksums(offline, TOPICS)
    assert [found['messages'] for found in expected.values()] == [FRAMES, FRAMES]
    assert live_replay.checksums(live, TOPICS) == expected
