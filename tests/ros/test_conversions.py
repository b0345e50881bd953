# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_core.runtime.bounds import MAX_PEOPLE_PER_MESSAGE
from elepose_core.runtime.messages import (
    camera_from_message,
    people_from_message,
    stamp_ns_from_header,
)
from elepose_core.runtime.people import (
    Elevation,
    People2D,
    Person2D,
    ScaleSource,
)
from elepose_ros import interfaces
from elepose_ros.conversions import message_from_elevation, message_from_people, rgb_from_message

HEADER = Header(stamp=Time(sec=3, nanosec=250_000_000), frame_id='camera')


def person_message(joints: int = 17, **changes: Any) -> Any:
    arrays = {
        'x': [float(i) for i in range(joints)],
        'y': [10.0 + i for i in range(joints)],
        'score': [0.5] * joints,
    }
    return interfaces.Person2D(id='anna', **{**arrays, **changes})


def camera_message(**changes: Any) -> CameraInfo:
    fields: dict[str, Any] = {
        'header': HEADER,
        'width': 640,
        'height': 480,
        'distortion_model': 'plumb_bob',
        'd': [0.1, 0.0, 0.0, 0.0, 0.0],
        'k': [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0],
        'p': [400.0, 0.0, 310.0, 0.0, 0.0, 410.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
    return CameraInfo(**{**fields, **changes})


def test_stamp_is_whole_nanoseconds() -> None:
    assert stamp_ns_from_header(HEADER) == 3_250_000_000


def test_people_are_read_with_ids_and_missing_keypoints() -> None:
    person = person_message(x=[math.nan, *range(1, 17)])
    message = interfaces.People2D(header=HEADER, layout='coco_17', people=[person])
    people = people_from_message(message)
    assert (people.stamp_ns, people.layout) == (3_250_000_000, 'coco_17')
    assert people.people[0].id == 'anna'
    assert np.isnan(people.people[0].keypoints_px[0, 0])
    assert people.people[0].keypoints_px[2].tolist() == [2, 12]
    assert people.people[0].scores.tolist() == [0.5] * 17


def test_reading_leaves_the_message_alone() -> None:
    message = interfaces.People2D(header=HEADER, layout='coco_17', people=[person_message()])
    people_from_message(message).people[0].keypoints_px[:] = 0
    assert message.people[0].x[3] == 3


@pytest.mark.parametrize(
    ('layout', 'people', 'sentence'),
    [
        ('coco', [], "layout of the keypoints is 'coco'; expected one of"),
        ('coco_17', [person_message(16)], r'people\[0\] have 16, 16 and 16 entries; expected 17'),
        ('openpose_25', [person_message(17)], 'expected 25 each for layout openpose_25'),
        ('coco_17', [person_message(score=[])], r'people\[0\] have 17, 17 and 0 entries'),
        ('coco_17', [person_message(x=[math.inf] * 17)], r'people\[0\] reach inf px; expected'),
        ('coco_17', [person_message(y=[-1e7] * 17)], r'people\[0\] reach 1e\+07 px'),
        ('coco_17', [person_message()] * 301, 'people has 301 entries; expected at most 300'),
    ],
)
def test_wrong_people_are_refused_with_one_sentence(
    layout: str, people: list[Any], sentence: str
) -> None:
    assert MAX_PEOPLE_PER_MESSAGE == 300
    with pytest.raises(InputError, match=sentence):
        people_from_message(interfaces.People2D(layout=layout, people=people))


def test_people_survive_the_way_through_a_message() -> None:
    keypoints_px = np.arange(34, dtype=np.float32).reshape(17, 2)
    keypoints_px[5] = np.nan
    person = Person2D('7', keypoints_px, np.linspace(0, 1, 17, dtype=np.float32))
    people = People2D(3_250_000_000, 'coco_17', (person,))
    message = message_from_people(people, HEADER, 640, 480)
    assert (message.image_width, message.image_height) == (640, 480)
    assert message.header == HEADER
    back = people_from_message(message)
    np.testing.assert_array_equal(back.people[0].keypoints_px, keypoints_px)
    np.testing.assert_array_equal(back.people[0].scores, person.scores)


def test_scale_sources_have_the_numbers_of_the_message() -> None:
    for source in ScaleSource:
        assert getattr(interfaces.Skeleton3D, source.name) == source


def test_elevation_that_looks_down_is_positive_in_the_message() -> None:
    down = math.radians(30)
    up_cam = np.array([0, -math.cos(down), -math.sin(down)])
    estimate = Elevation(down, -0.1, 0.01, 0.02, up_cam, 12, True)
    message = message_from_elevation(estimate, HEADER)
    assert message.elevation == pytest.approx(0.5235988)
    assert message.roll == -0.1
    assert (message.elevation_variance, message.roll_variance) == (0.01, 0.02)
    assert (message.up.y, message.up.z) == pytest.approx((-0.8660254, -0.5))
    assert (message.samples, message.status) == (12, interfaces.CameraElevation.CONVERGED)
    moved = message_from_elevation(replace(estimate, converged=False, disturbed=True), HEADER)
    assert moved.status == interfaces.CameraElevation.DISTURBED
    waiting = message_from_elevation(replace(estimate, converged=False), HEADER)
    assert waiting.status == interfaces.CameraElevation.COLLECTING


def test_no_elevation_yet_is_nan_and_collecting() -> None:
    message = message_from_elevation(None, HEADER)
    assert math.isnan(message.elevation)
    assert math.isnan(message.up.x)
    assert (message.samples, message.status) == (0, interfaces.CameraElevation.COLLECTING)


class TestCamera:
    def test_raw_image_uses_k_and_d(self) -> None:
        camera = camera_from_message(camera_message(), rectified=False)
        assert (camera.matrix[0, 0], camera.matrix[1, 1], camera.matrix[0, 2]) == (500, 510, 320)
        assert (camera.width, camera.height) == (640, 480)
        assert (camera.distortion_model, camera.distortion[0]) == ('plumb_bob', 0.1)
        assert not camera.assumed

    def test_rectified_image_uses_p_alone(self) -> None:
        camera = camera_from_message(camera_message(), rectified=True)
        assert (camera.matrix[0, 0], camera.matrix[1, 2]) == (400, 230)
        assert (camera.distortion_model, camera.distortion) == ('none', ())

    def test_zeros_mean_no_distortion(self) -> None:
        for model, d in (('', []), ('plumb_bob', []), ('plumb_bob', [0.0] * 5)):
            message = camera_message(distortion_model=model, d=d)
            assert camera_from_message(message, rectified=False).distortion_model == 'none'

    def test_zeros_after_the_eighth_coefficient_are_cut(self) -> None:
        message = camera_message(distortion_model='rational_polynomial', d=[0.1] * 8 + [0.0] * 6)
        assert camera_from_message(message, rectified=False).distortion == (0.1,) * 8

    def test_binning_and_region_move_the_centre(self) -> None:
        roi = RegionOfInterest(x_offset=20, y_offset=40, width=600, height=400)
        message = camera_message(binning_x=2, binning_y=2, roi=roi)
        camera = camera_from_message(message, rectified=False)
        assert (camera.width, camera.height) == (300, 200)
        assert camera.matrix[0].tolist() == [250, 0, 150]
        assert camera.matrix[1].tolist() == [0, 255, 100]

    def test_uncalibrated_and_unknown_cameras_are_refused(self) -> None:
        with pytest.raises(InputError, match=r'K\[0\] of camera_info is 0'):
            camera_from_message(camera_message(k=[0.0] * 9), rectified=False)
        with pytest.raises(InputError, match="distortion_model is 'fisheye9'"):
            camera_from_message(camera_message(distortion_model='fisheye9'), rectified=False)


class TestImage:
    def test_bgr_becomes_rgb(self) -> None:
        message = Image(width=1, height=2, step=3, encoding='bgr8', data=[1, 2, 3, 4, 5, 6])
        assert rgb_from_message(message).tolist() == [[[3, 2, 1]], [[6, 5, 4]]]

    def test_empty_cut_off_and_unknown_images_are_refused(self) -> None:
        with pytest.raises(InputError, match='image is 0x0 pixels'):
            rgb_from_message(Image(encoding='rgb8'))
        with pytest.raises(InputError):
            rgb_from_message(Image(width=2, height=2, step=6, encoding='rgb8', data=[0] * 6))
        with pytest.raises(InputError, match='32FC1'):
            rgb_from_message(Image(width=1, height=1, step=4, encoding='32FC1', data=[0] * 4))
        with pytest.raises(InputError):
            rgb_from_message(CompressedImage(format='jpeg', data=b'no picture'))
