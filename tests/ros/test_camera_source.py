# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import math
import threading
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_ros.camera_source import CameraSource
from elepose_ros.inputs import StoppedError, guarded
from elepose_ros.keypoint_input import in_optical_frame
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter
from elepose_ros.services import explanation
from elepose_ros.slot import Worker
from elepose_ros.stages import StageStatistics


class _Journal:
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, message: str) -> None:
        self.said.append(message)

    warning = error = info


def make(**changes: Any) -> tuple[CameraSource, _Journal]:
    journal = _Journal()
    parameters = replace(Parameters(camera_info_timeout_s=0.0), **changes)
    return CameraSource(lambda: parameters, (Reporter(journal), StageStatistics())), journal


def calibration(focal_px: float = 500.0, width: int = 640, height: int = 480) -> CameraInfo:
    k = [focal_px, 0.0, 320.0, 0.0, focal_px, 240.0, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, k=k)


def test_without_camera_info_a_field_of_view_is_assumed_and_said_once() -> None:
    source, journal = make(horizontal_fov_deg=90.0)
    for _ in range(3):
        camera = source.camera_for(640, 480)
    assert camera.assumed
    # Half of 640 px at 45 degrees: f = 320 / tan 45.
    assert camera.matrix[0, 0] == pytest.approx(320)
    assert source.state == 'assumed'
    assert math.isinf(source.age_s())
    assert len(journal.said) == 1
    assert 'no camera_info within 0 s' in journal.said[0]


def test_a_late_camera_info_takes_over() -> None:
    source, journal = make()
    source.camera_for(640, 480)
    source.update(calibration())
    camera = source.camera_for(640, 480)
    assert (camera.assumed, camera.matrix[0, 0]) == (False, 500)
    assert source.state == 'calibrated'
    assert 'calibrated camera_info arrived' in journal.said[-1]


def test_the_first_frame_waits_for_its_camera_info() -> None:
    source, journal = make(camera_info_timeout_s=30.0)
    threading.Timer(0.05, lambda: source.update(calibration())).start()
    assert source.camera_for(640, 480).matrix[0, 0] == 500
    assert journal.said == []


def test_closing_ends_the_wait() -> None:
    source, journal = make(camera_info_timeout_s=30.0)
    for ask in (lambda: source.camera_for(640, 480), source.image_size):
        source.open()
        threading.Timer(0.05, source.close).start()
        with pytest.raises(StoppedError):
            ask()
    assert journal.said == []


def test_what_waited_when_the_node_was_stopped_is_not_blamed_on_the_lifter() -> None:
    journal, statistics = _Journal(), StageStatistics()
    reports = Reporter(journal), statistics
    source = CameraSource(lambda: Parameters(camera_info_timeout_s=30.0), reports)
    source.open()

    def handle(_: int) -> None:
        with guarded('keypoints', '/keypoints', reports):
            source.camera_for(640, 480)

    worker = Worker(handle, depth=2)
    for number in range(6):
        if worker.put(number):
            statistics.drop()
    source.close()
    statistics.drop(worker.close())
    counts = statistics.counts()
    assert counts == {'dropped': 6, 'dropped without a camera': 6}
    assert journal.said == []
    assert explanation('/lifter', 'active', {}, {'in': 6, **counts}, {'lift': 3.0}) == []
    source.open()
    source.update(calibration())
    source.camera_for(640, 480)
    statistics.drop()
    assert statistics.counts()['dropped without a camera'] == 6, 'from here on it is too slow'


def test_an_assumed_camera_is_told_each_time_that_the_node_starts() -> None:
    source, journal = make()
    for count in (1, 2):
        source.open()
        source.camera_for(640, 480)
        source.camera_for(640, 480)
        assert len(journal.said) == count
        source.close()


def test_two_calibrations_that_alternate_do_not_fill_the_log() -> None:
    source, journal = make()
    for number in range(60):
        source.update(calibration(500.0 * (number % 2)))
        source.camera_for(640, 480)
    assert ['not calibrated' in said for said in journal.said] == [True, False, False]
    assert 'calibrated camera_info arrived' in journal.said[1]
    assert 'two calibrations alternate on camera_info, and K of one is 0' in journal.said[2]


def test_zero_k_is_the_degraded_mode_and_says_so() -> None:
    source, journal = make()
    source.update(calibration(focal_px=0.0))
    assert source.camera_for(640, 480).assumed
    assert source.state == 'uncalibrated'
    assert 'not calibrated' in journal.said[0]


def test_an_image_of_another_size_gets_the_scaled_camera() -> None:
    source, _ = make()
    source.update(calibration())
    assert source.camera_for(320, 240).matrix[0, 0] == 250


def test_an_image_of_another_shape_is_refused() -> None:
    source, _ = make()
    source.update(calibration())
    with pytest.raises(InputError, match='image is 640x360 but the camera is calibrated for'):
        source.camera_for(640, 360)


def test_keypoints_without_a_size_use_that_of_the_calibration() -> None:
    source, _ = make()
    source.update(calibration())
    assert source.camera_for(0, 0).width == 640


def test_a_camera_that_is_not_calibrated_knows_its_size() -> None:
    source, _ = make()
    assert source.image_size() == (0, 0)
    source.update(calibration(focal_px=0.0, width=320, height=240))
    assert source.image_size() == (320, 240)
    half = calibration()
    half.binning_x = half.binning_y = 2
    source.update(half)
    assert source.image_size() == (320, 240)


def test_neither_size_nor_calibration_is_refused() -> None:
    source, _ = make()
    with pytest.raises(InputError, match='image size of the keypoints is 0x0'):
        source.camera_for(0, 0)


def test_a_calibration_without_a_size_takes_that_of_the_image() -> None:
    source, _ = make()
    source.update(calibration(width=0, height=0))
    camera = source.camera_for(640, 480)
    assert (camera.matrix[0, 0], camera.width) == (500, 640)


def test_a_new_calibration_replaces_the_old_one() -> None:
    source, _ = make()
    source.update(calibration(500.0))
    source.camera_for(640, 480)
    source.update(calibration(600.0))
    assert source.camera_for(640, 480).matrix[0, 0] == 600


def test_keypoints_in_a_frame_that_is_not_optical_get_that_of_camera_info() -> None:
    source, _ = make()
    given = Header(stamp=Time(sec=3, nanosec=5), frame_id='zed_left_camera_frame')
    with pytest.raises(InputError, match="'zed_left_camera_frame' of the keypoints is not the op"):
        in_optical_frame(given, source)
    message = calibration()
    message.header.frame_id = 'zed_left_camera_frame_optical'
    source.update(message)
    expected = Header(stamp=Time(sec=3, nanosec=5), frame_id='zed_left_camera_frame_optical')
    assert in_optical_frame(given, source) == expected
