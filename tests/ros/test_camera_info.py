# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A pipeline without a detector; its camera_info is missing, late, wrong, empty: in this order."""

from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo

from elepose_ros import interfaces


@pytest.fixture(scope='module')
def blind(start: Any, connect: Any) -> Any:
    """Return a node that gets no camera_info in time."""
    process = start(
        'pipeline',
        name='blind',
        remaps={'__ns': '/blind'},
        detector='none',
        camera_info_timeout_s=0.2,
    )
    return connect(process, namespace='/blind')


def test_without_camera_info_a_field_of_view_is_assumed_and_flagged(
    blind: Any, scene: Any
) -> None:
    blind.send_until(
        lambda: scene.people((0.0, 4.0)), lambda: len(blind.skeletons_with(1)) > 3, 'skeletons'
    )
    only = blind.skeletons_with(1)[-1].skeletons[0]
    assert only.scale_source == interfaces.Skeleton3D.UNKNOWN
    assert blind.process.log().count('no camera_info within 0.2 s') == 1
    blind.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: any(
            status.level == DiagnosticStatus.WARN and status.name == '/blind/blind'
            for message in blind.diagnostics
            for status in message.status
        ),
        'a warning in the diagnostics',
    )


def test_when_camera_info_comes_late_metres_are_known_from_then_on(blind: Any, scene: Any) -> None:
    blind.forget()
    info = scene.camera_info()

    def send() -> Any:
        blind.camera_info.publish(info)
        return scene.people((0.0, 4.0))

    blind.send_until(
        send,
        lambda: any(
            m.skeletons[0].scale_source == interfaces.Skeleton3D.STATURE
            for m in blind.skeletons_with(1)
        ),
        'a metric scale',
    )
    assert 'camera_info arrived' in blind.process.log()


def test_camera_info_of_another_shape_is_refused_with_one_sentence(blind: Any, scene: Any) -> None:
    info = scene.camera_info()
    info.height = 360

    def send() -> Any:
        blind.camera_info.publish(info)
        return scene.people((0.0, 4.0))

    sentence = 'image is 640x480 but the camera is calibrated for 640x360'
    blind.send_until(send, lambda: sentence in blind.process.log(), 'the sentence')


def test_camera_info_with_zeros_is_the_degraded_mode(blind: Any, scene: Any) -> None:
    info = CameraInfo(width=640, height=480)
    blind.forget()

    def send() -> Any:
        blind.camera_info.publish(info)
        return scene.people((0.0, 4.0))

    blind.send_until(
        send,
        lambda: any(
            m.skeletons[0].scale_source == interfaces.Skeleton3D.UNKNOWN
            for m in blind.skeletons_with(1)
        ),
        'the degraded mode',
    )
    assert blind.process.log().count('K of camera_info is 0') == 1
