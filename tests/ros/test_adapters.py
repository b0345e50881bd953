# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Other packages' keypoints as people: order, scale, what is missing and what is refused."""

import math
import sys
from typing import Any

import numpy as np
import pytest
from foreign_messages import PACKAGES, is_real, make

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from elepose_core.errors import InputError, MissingDependency
from elepose_core.runtime.people import People2D
from elepose_core.skeleton import COCO_17, OPENPOSE_18, h36m_from
from elepose_ros.adapters.hri import HRI_18, BodyFrame, BodyFrames, people_from_bodies
from elepose_ros.adapters.sources import messages_of, source_of
from elepose_ros.adapters.yolo import people_from_detections
from elepose_ros.adapters.zed import people_from_objects

HEADER = Header(stamp=Time(sec=3, nanosec=250_000_000), frame_id='camera')


def points_of(people: People2D, number: int = 0) -> dict[str, list[float]]:
    """Return the keypoints that are there, by name."""
    person = people.people[number]
    pairs = zip(COCO_17.joint_names, person.keypoints_px, person.scores, strict=True)
    return {name: xy.tolist() for name, xy, score in pairs if score > 0}


class TestYolo:
    def detection(self, *ids: int, **fields: Any) -> Any:
        keypoints = make('yolo_msgs/KeyPoint2DArray')
        for i in ids:
            point = make('yolo_msgs/Point2D', x=100.0 + i, y=200.0 + i)
            keypoints.data.append(make('yolo_msgs/KeyPoint2D', id=i, point=point, score=0.75))
        return make('yolo_msgs/Detection', keypoints=keypoints, class_name='person', **fields)

    def message(self, *detections: Any) -> Any:
        return make('yolo_msgs/DetectionArray', header=HEADER, detections=list(detections))

    def test_ids_count_from_1_and_what_is_not_sent_is_missing(self) -> None:
        people = people_from_detections(self.message(self.detection(1, 6, 17, id='7')))
        assert (people.stamp_ns, people.layout) == (3_250_000_000, 'coco_17')
        assert people.people[0].id == '7'
        assert points_of(people) == {
            'nose': [101, 201],
            'left_shoulder': [106, 206],
            'right_ankle': [117, 217],
        }
        assert people.people[0].scores[[0, 1]].tolist() == [0.75, 0]
        assert np.isnan(people.people[0].keypoints_px[1]).all()

    def test_things_without_keypoints_are_left_out(self) -> None:
        chair = make('yolo_msgs/Detection', class_name='chair', id='1')
        people = people_from_detections(self.message(chair, self.detection(2), chair))
        assert [person.id for person in people.people] == ['']
        assert people_from_detections(self.message(chair)).people == ()
        assert people_from_detections(self.message()).people == ()

    @pytest.mark.parametrize('number', [0, 18, -1])
    def test_another_skeleton_is_refused(self, number: int) -> None:
        message = self.message(self.detection(1), self.detection(number))
        with pytest.raises(InputError, match=rf'detections\[1\] is {number}; expected 1 to 17'):
            people_from_detections(message)

    def test_too_many_detections_and_absurd_points_are_refused(self) -> None:
        with pytest.raises(InputError, match='people has 301 entries; expected at most 300'):
            people_from_detections(self.message(*[self.detection(1)] * 301))
        far = self.detection(3)
        far.keypoints.data[0].point.x = 1e9
        with pytest.raises(InputError, match=r'people\[0\] reach 1e\+09 px'):
            people_from_detections(self.message(far))

    def test_nan_is_missing(self) -> None:
        person = self.detection(1, 2)
        person.keypoints.data[0].point.y = math.nan
        person.keypoints.data[1].score = math.nan
        assert points_of(people_from_detections(self.message(person))) == {}


# Where the SDK's enums put a few parts: read off its header, not computed.
ZED_PLACES = {
    0: {'nose': 0, 'right_shoulder': 2, 'left_shoulder': 5, 'right_eye': 14, 'left_ear': 17},
    1: {'left_shoulder': 5, 'right_wrist': 14, 'right_hip': 22, 'nose': 27, 'left_ear': 29},
    2: {'nose': 5, 'right_eye': 7, 'left_elbow': 14, 'right_wrist': 17, 'right_ankle': 23},
}


class TestZed:
    def body(self, body_format: int, confidence: float = 80.0, **fields: Any) -> Any:
        skeleton = make('zed_msgs/Skeleton2D')
        for i, keypoint in enumerate(skeleton.keypoints):
            keypoint.kp = np.array([10.0 * i, 10.0 * i + 1], np.float32)
        given = {
            'skeleton_available': True,
            'body_format': body_format,
            'skeleton_2d': skeleton,
            'confidence': 50.0,
            'skeleton_keypoint_confidence': np.full(70, confidence, np.float32),
        }
        return make('zed_msgs/Object', **{**given, **fields})

    def message(self, *bodies: Any) -> Any:
        return make('zed_msgs/ObjectsStamped', header=HEADER, objects=list(bodies))

    @pytest.mark.parametrize('body_format', ZED_PLACES)
    def test_parts_are_found_by_name_in_each_format(self, body_format: int) -> None:
        people = people_from_objects(self.message(self.body(body_format)))
        points = points_of(people)
        assert len(points) == 17
        for name, place in ZED_PLACES[body_format].items():
            assert points[name] == [10 * place, 10 * place + 1]
        np.testing.assert_allclose(people.people[0].scores, 0.8)

    def test_formats_mix_in_one_frame_and_70_keypoints_are_refused(self) -> None:
        people = people_from_objects(self.message(self.body(0), self.body(2)))
        assert points_of(people, 0)['nose'] == [0, 1]
        assert points_of(people, 1)['nose'] == [50, 51]
        with pytest.raises(InputError, match=r'body_format of objects\[0\] is 3; expected 0'):
            people_from_objects(self.message(self.body(3)))

    def test_ids_are_those_of_the_tracking(self) -> None:
        tracked = self.body(0, tracking_available=True, tracking_state=1, label_id=12)
        untracked = self.body(0, label_id=12)
        people = people_from_objects(self.message(tracked, untracked)).people
        assert [person.id for person in people] == ['12', '']

    @pytest.mark.parametrize(('state', 'people'), [(0, 0), (1, 1), (2, 0), (3, 0)])
    def test_a_prediction_is_no_observation(self, state: int, people: int) -> None:
        body = self.body(0, tracking_available=True, tracking_state=state)
        assert len(people_from_objects(self.message(body)).people) == people

    def test_boxes_without_a_skeleton_are_left_out(self) -> None:
        assert (
            people_from_objects(self.message(self.body(0, skeleton_available=False))).people == ()
        )

    def test_what_the_sdk_did_not_find_is_missing(self) -> None:
        body = self.body(0)
        body.skeleton_2d.keypoints[0].kp = np.array([-1, -1], np.float32)
        body.skeleton_keypoint_confidence[1:5] = math.nan  # neck and the right arm
        points = points_of(people_from_objects(self.message(body)))
        assert set(COCO_17.joint_names) - set(points) == {
            'nose',
            'right_shoulder',
            'right_elbow',
            'right_wrist',
        }

    def test_without_confidence_per_keypoint_the_body_lends_its_own(self) -> None:
        people = people_from_objects(self.message(self.body(1, confidence=0.0)))
        np.testing.assert_allclose(people.people[0].scores, 0.5)


class TestHri:
    def body(self, stamp_ns: int = 3_250_000_000, x0: float = 0.0) -> Any:
        second, rest = divmod(stamp_ns, 1_000_000_000)
        message = make('hri_msgs/Skeleton2D')
        message.header = Header(stamp=Time(sec=second, nanosec=rest), frame_id='camera')
        for i, point in enumerate(message.skeleton):
            point.x, point.y, point.c = x0 + i / 32, 0.5, 0.75
        return message

    def people(self, **bodies: Any) -> People2D:
        return people_from_bodies(BodyFrame(HEADER, bodies, 0.0), 640, 480)

    def test_fractions_become_pixels_and_ids_stay(self) -> None:
        people = self.people(anna=self.body(), bert=self.body(x0=0.25))
        assert [person.id for person in people.people] == ['anna', 'bert']
        assert people.stamp_ns == 3_250_000_000
        # The middle of the image lies half a pixel before pixel 240, whose centre is 240.
        assert points_of(people)['nose'] == [-0.5, 239.5]
        assert points_of(people, 1)['nose'] == [159.5, 239.5]
        assert points_of(people)['right_shoulder'] == [2 * 20 - 0.5, 239.5]

    def test_left_eyes_and_ears_come_first_unlike_in_openpose(self) -> None:
        points = points_of(self.people(a=self.body()))
        places = {'left_eye': 14, 'right_eye': 15, 'left_ear': 16, 'right_ear': 17}
        assert {name: (points[name][0] + 0.5) / 20 for name in places} == places
        if is_real('hri_msgs'):
            kind = type(self.body())
            assert [getattr(kind, name.upper()) for name in HRI_18] == list(range(18))

    def test_a_point_without_confidence_is_missing(self) -> None:
        body = self.body()
        body.skeleton[0].c = 0.0
        assert 'nose' not in points_of(self.people(a=body))

    def test_nobody_is_a_frame_too(self) -> None:
        assert self.people().people == ()

    def test_an_unknown_image_size_and_a_short_skeleton_are_refused(self) -> None:
        with pytest.raises(InputError, match='image size is 0x480 and skeleton2d is given in fra'):
            people_from_bodies(BodyFrame(HEADER, {}, 0.0), 0, 480)
        if not is_real('hri_msgs'):  # the real class refuses a short one by itself
            body = self.body()
            body.skeleton.pop()
            with pytest.raises(InputError, match="skeleton of body 'a' has 17 points"):
                self.people(a=body)


class Frames:
    """What came out of BodyFrames, on a clock of the test's own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sent: list[tuple[int, list[str]]] = []
        self.frames = BodyFrames(self._take, wait_s=0.1, clock=lambda: self.now_s)

    def _take(self, frame: BodyFrame) -> None:
        stamp = frame.header.stamp
        self.sent.append((stamp.sec * 1000 + stamp.nanosec // 1_000_000, sorted(frame.bodies)))

    def body(self, identity: str, stamp_ms: int) -> None:
        self.frames.add(identity, make('hri_msgs/Skeleton2D', header=self.header(stamp_ms)))

    def tracked(self, stamp_ms: int, *ids: str) -> None:
        self.frames.set_tracked(self.header(stamp_ms), ids)

    def header(self, stamp_ms: int) -> Any:
        second, rest = divmod(stamp_ms, 1000)
        return Header(stamp=Time(sec=second, nanosec=rest * 1_000_000))

    def meet(self, *ids: str) -> None:
        """Let bodies be known, then forget what came out."""
        self.tracked(0, *ids)
        for stamp_ms in (1, 2):
            for identity in ids:
                self.body(identity, stamp_ms)
        self.sent.clear()
        self.frames.late = 0


class TestBodyFrames:
    def test_a_frame_goes_when_all_tracked_bodies_came(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        f.body('a', 10)
        assert f.sent == []
        f.body('b', 10)
        assert f.sent == [(10, ['a', 'b'])]

    def test_bodies_of_two_frames_may_be_mixed(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        f.body('a', 10)
        f.body('a', 20)
        f.body('b', 10)
        f.body('b', 20)
        assert f.sent == [(10, ['a', 'b']), (20, ['a', 'b'])]

    def test_who_stays_away_is_waited_for_once_and_so_long(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        f.body('a', 10)
        f.now_s = 0.09
        f.frames.send_due()
        assert f.sent == []
        f.now_s = 0.11
        f.frames.send_due()
        assert f.sent == [(10, ['a'])]
        f.body('a', 20)  # b sends no skeletons any more: nobody waits
        assert f.sent[1:] == [(20, ['a'])]
        f.body('b', 20)
        f.body('a', 30)
        f.body('b', 30)
        assert f.sent[2:] == [(30, ['a', 'b'])]
        assert f.frames.late == 1

    def test_a_later_whole_frame_takes_the_earlier_ones_along(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        f.body('a', 10)
        f.body('a', 20)
        f.body('b', 20)
        assert f.sent == [(10, ['a']), (20, ['a', 'b'])]
        f.body('b', 10)
        assert f.frames.late == 1
        assert len(f.sent) == 2

    def test_who_leaves_is_not_waited_for(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        f.body('a', 10)
        f.tracked(10, 'a')
        assert f.sent == [(10, ['a'])]

    def test_an_empty_list_is_an_empty_frame(self) -> None:
        f = Frames()
        f.meet('a')
        f.tracked(10)
        assert f.sent == [(10, [])]

    def test_a_list_without_a_stamp_does_not_begin_time_again(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        f.body('a', 60_000)
        f.tracked(0)  # nobody, and no stamp: whoever waits goes, and nothing is forgotten
        assert f.sent == [(60_000, ['a'])]
        f.tracked(500)  # an old list is late, however old it is
        f.body('a', 59_500)
        assert f.frames.late == 1
        f.body('a', 60_100)
        f.tracked(60_200)
        assert f.sent[1:] == [(60_100, ['a']), (60_200, [])]

    def test_no_more_than_eight_frames_wait(self) -> None:
        f = Frames()
        f.meet('a', 'b')
        for stamp_ms in range(10, 18):
            f.body('a', stamp_ms)
        assert f.sent == []
        f.body('a', 18)  # b has been silent for long: nobody waits for it any more
        assert f.sent == [(stamp_ms, ['a']) for stamp_ms in range(10, 19)]

    def test_a_recording_that_starts_again_is_read_again(self) -> None:
        f = Frames()
        f.meet('a')
        f.body('a', 60_000)
        f.body('a', 59_500)
        assert f.frames.late == 1
        f.body('a', 500)
        assert f.sent == [(60_000, ['a']), (500, ['a'])]


@pytest.mark.parametrize('package', PACKAGES)
def test_a_missing_package_is_named_with_where_to_get_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f'{package}.msg', None)
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    with pytest.raises(MissingDependency) as caught:
        messages_of(package, 'keypoints_type is x')
    sentence = str(caught.value)
    assert f'parameter keypoints_type is x, which needs the package {package}' in sentence
    assert '\n' not in sentence
    if package == 'yolo_msgs':
        assert 'no apt repository' in sentence
        assert 'github.com/mgonzs13/yolo_ros' in sentence
    else:
        assert f'apt: ros-jazzy-{package.replace("_", "-")}' in sentence


def test_our_own_messages_need_no_other_package() -> None:
    assert source_of('people2d').has_size


def test_nothing_that_the_lifter_uses_is_lost() -> None:
    """Of OpenPose's keypoints COCO lacks the neck alone, which the lifter does not read."""
    rng = np.random.default_rng(1)
    points = {name: rng.uniform(0, 100, 2) for name in (*COCO_17.joint_names, 'neck')}

    lifted = [
        h36m_from(
            [points[name] for name in layout.joint_names], np.ones(len(layout)), layout.name
        )[0]
        for layout in (COCO_17, OPENPOSE_18)
    ]
    np.testing.assert_allclose(*lifted, rtol=1e-5)
