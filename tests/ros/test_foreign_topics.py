# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints of other packages over real DDS; `make test-ros-adapters` builds their messages."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from foreign_messages import make

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)
pytest.importorskip('hri_msgs', reason='not built: make test-ros-adapters')
pytest.importorskip('yolo_msgs', reason='not built: make test-ros-adapters')
pytest.importorskip('zed_msgs', reason='not built: make test-ros-adapters')

from hri_msgs.msg import IdsList, Skeleton2D
from sensor_msgs.msg import CameraInfo
from yolo_msgs.msg import DetectionArray
from zed_msgs.msg import ObjectsStamped

from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.skeleton import COCO_17, H36M_17, OPENPOSE_18
from elepose_ros import interfaces
from elepose_ros.adapters.hri import HRI_18

WIDTH, HEIGHT = 640, 480


def seen(points_px: Any, names: Any) -> Any:
    """Return keypoints by name from the joints of a scene; a head's points lie in its middle."""
    here = {'nose': 'neck_nose', 'neck': 'thorax'}
    joints = [
        here.get(name, 'head_top' if name.endswith(('eye', 'ear')) else name) for name in names
    ]
    return points_px[[H36M_17.index(joint) for joint in joints]].astype(float)


class Lifter:
    """A lifter_node that reads one type of keypoints in a namespace of its own."""

    def __init__(self, start: Any, probe: Any, kind: str) -> None:
        self.probe = probe
        names = ('keypoints', 'camera_info', 'skeletons', 'markers', 'camera_elevation')
        self.process = start(
            'lifter_node',
            name=f'from_{kind}',
            remaps={name: f'/{kind}/{name}' for name in names},
            wait=False,
            keypoints_type=kind,
            camera_info_timeout_s=30.0,
        )
        self.skeletons = probe.listen(interfaces.Skeletons3D, f'/{kind}/skeletons')
        self._info = probe.talk(CameraInfo, f'/{kind}/camera_info')

    def send_until(self, send: Callable[[], None], people: int, scene: Any) -> Any:
        """Send frames until one with so many people comes out, and return it."""
        self.skeletons.clear()

        def again() -> None:
            self._info.publish(scene.camera_info())
            scene.stamp_ns += 33_000_000
            send()

        self.probe.until(
            lambda: [m for m in self.skeletons if len(m.skeletons) == people],
            f'{people} skeletons',
            again=again,
        )
        return [m for m in self.skeletons if len(m.skeletons) == people][-1]


@pytest.fixture(scope='module')
def lifters(start: Any, probe: Any) -> dict[str, Lifter]:
    found = {kind: Lifter(start, probe, kind) for kind in ('yolo', 'zed', 'hri')}
    for lifter in found.values():
        probe.blame(lifter.process)
        probe.until(lambda p=lifter.process: ': active' in p.log(), 'the node to be active')
    return found


def check(message: Any, scene: Any, ids: list[str]) -> None:
    assert message.header.frame_id == 'camera_optical'
    assert (stamp_ns_from_header(message.header) - 1_000_000_000) % 33_000_000 == 0
    assert [skeleton.id for skeleton in message.skeletons] == ids
    for skeleton in message.skeletons:
        assert skeleton.scale_source == interfaces.Skeleton3D.STATURE
        assert 3 < skeleton.root.z < 6
        assert skeleton.y[H36M_17.index('head_top')] < skeleton.y[H36M_17.index('left_ankle')]
        assert skeleton.x[H36M_17.index('left_hip')] > skeleton.x[H36M_17.index('right_hip')]


def test_detections_of_yolo_become_skeletons(lifters: Any, scene: Any, probe: Any) -> None:
    publisher = probe.talk(DetectionArray, '/yolo/keypoints')

    def send() -> None:
        keypoints = make('yolo_msgs/KeyPoint2DArray')
        places = seen(scene.keypoints_px(0.5, 4.0), COCO_17.joint_names)
        for number, (x, y) in enumerate(places.tolist(), start=1):
            point = make('yolo_msgs/Point2D', x=x, y=y)
            keypoints.data.append(make('yolo_msgs/KeyPoint2D', id=number, point=point, score=0.9))
        person = make('yolo_msgs/Detection', id='41', keypoints=keypoints)
        chair = make('yolo_msgs/Detection', id='3', class_name='chair')
        publisher.publish(DetectionArray(header=scene.header(), detections=[chair, person]))

    check(lifters['yolo'].send_until(send, 1, scene), scene, ['41'])


def test_objects_of_a_zed_become_skeletons(lifters: Any, scene: Any, probe: Any) -> None:
    publisher = probe.talk(ObjectsStamped, '/zed/keypoints')

    def send() -> None:
        body = make('zed_msgs/Object', skeleton_available=True, tracking_available=True)
        body.tracking_state, body.label_id, body.confidence = 1, 5, 90.0
        places = seen(scene.keypoints_px(0.0, 4.0), OPENPOSE_18.joint_names)
        for keypoint, place in zip(body.skeleton_2d.keypoints, places, strict=False):
            keypoint.kp = place.astype(np.float32)
        body.skeleton_keypoint_confidence[:18] = 85.0
        header = scene.header()
        header.frame_id = 'zed_left_camera_frame'  # x forward: not that of the 2D keypoints
        publisher.publish(ObjectsStamped(header=header, objects=[body]))

    check(lifters['zed'].send_until(send, 1, scene), scene, ['5'])


def test_bodies_of_hri_come_together_leave_and_come_again(
    lifters: Any, scene: Any, probe: Any
) -> None:
    tracked = probe.talk(IdsList, '/humans/bodies/tracked')
    places_m = {'anna': (-1.0, 4.0), 'bert': (1.0, 4.0)}
    bodies = {i: probe.talk(Skeleton2D, f'/humans/bodies/{i}/skeleton2d') for i in places_m}

    def send(*ids: str, listed: tuple[str, ...] = ()) -> None:
        tracked.publish(IdsList(header=scene.header(), ids=listed or ids))
        for identity in ids:
            body = make('hri_msgs/Skeleton2D', header=scene.header())
            places = seen(scene.keypoints_px(*places_m[identity]), HRI_18)
            for point, (x, y) in zip(body.skeleton, places.tolist(), strict=True):
                point.x, point.y, point.c = (x + 0.5) / WIDTH, (y + 0.5) / HEIGHT, 0.9
            bodies[identity].publish(body)

    def nobody_listens_to(identity: str) -> bool:
        return probe.node.count_subscribers(f'/humans/bodies/{identity}/skeleton2d') == 0

    lifter = lifters['hri']
    both = lifter.send_until(lambda: send('anna', 'bert'), 2, scene)
    check(both, scene, ['anna', 'bert'])
    assert both.skeletons[0].root.x < 0 < both.skeletons[1].root.x
    check(lifter.send_until(lambda: send('bert'), 1, scene), scene, ['bert'])
    probe.until(lambda: nobody_listens_to('anna'), 'the node to leave anna')
    lifter.send_until(lambda: send(), 0, scene)
    probe.until(lambda: nobody_listens_to('bert'), 'the node to leave bert')
    check(lifter.send_until(lambda: send('anna', 'bert'), 2, scene), scene, ['anna', 'bert'])
    # An id that makes no topic name is told and does no harm.
    wrong = ('anna', 'no topic', 'bert')
    lifter.send_until(lambda: send('anna', 'bert', listed=wrong), 2, scene)
    probe.until(lambda: "id 'no topic'" in lifter.process.log(), 'a warning')
    assert lifter.process.is_running()


class Bodies:
    """What a robot hears of one lifter that publishes as ROS4HRI does."""

    def __init__(self, start: Any, connect: Any, probe: Any) -> None:
        from tf2_msgs.msg import TFMessage

        self.live = connect(
            start(
                'lifter_node',
                name='to_hri',
                remaps={n: f'/to_hri/{n}' for n in ('keypoints', 'camera_info', 'skeletons')}
                | {n: f'/to_hri/{n}' for n in ('markers', 'camera_elevation')}
                | {'/humans/bodies/tracked': '/to_hri/tracked', '/tf': '/to_hri/tf'},
                publish_hri=True,
                publish_joint_tf=True,
                track_max_gap_s=0.3,
                camera_info_timeout_s=0.1,
            ),
            '/to_hri',
        )
        self.probe = probe
        self.ids = probe.listen(IdsList, '/to_hri/tracked')
        self.tf = probe.listen(TFMessage, '/to_hri/tf')

    def until(self, scene: Any, condition: Callable[[], Any], what: str, *places: Any) -> None:
        self.live.send_until(lambda: scene.people(*places), condition, what)


def test_people_come_out_as_bodies_and_their_topics_go_with_them(
    start: Any, connect: Any, scene: Any, probe: Any
) -> None:
    from hri_msgs.msg import NormalizedRegionOfInterest2D
    from sensor_msgs.msg import JointState

    bodies = Bodies(start, connect, probe)
    one, two = (0.5, 4.0), (-1.0, 4.0)
    space = '/humans/bodies/person_0'
    states = probe.listen(JointState, f'{space}/joint_states')
    flat = probe.listen(Skeleton2D, f'{space}/skeleton2d')
    regions = probe.listen(NormalizedRegionOfInterest2D, f'{space}/roi')
    bodies.until(scene, lambda: states and flat and regions and bodies.ids, 'a body', one)
    assert list(bodies.ids[-1].ids) == ['person_0']
    known = dict(zip(states[-1].name, states[-1].position, strict=True))
    assert len(known) == 20
    # Somebody who stands: hardly bent.
    assert abs(known['waist_person_0']) < 0.5
    assert abs(known['l_knee_person_0']) < 0.6
    assert abs(known['r_p_hip_person_0']) < 0.5
    x, y = scene.keypoints_px(*one)[H36M_17.index('left_wrist')]
    wrist = flat[-1].skeleton[Skeleton2D.LEFT_WRIST]
    assert (wrist.x, wrist.y) == pytest.approx(((x + 0.5) / WIDTH, (y + 0.5) / HEIGHT), abs=1e-4)
    assert regions[-1].xmin < wrist.x <= regions[-1].xmax

    def frames() -> set[str]:
        return {t.child_frame_id for message in bodies.tf for t in message.transforms}

    bodies.until(scene, lambda: 'body_person_0' in frames(), 'a frame', one)
    bodies.until(scene, lambda: 'person 0_left_wrist' in frames(), 'a joint frame', one)
    bodies.until(scene, lambda: len(bodies.ids[-1].ids) == 2, 'two bodies', one, two)
    states.clear()
    bodies.until(scene, lambda: len(bodies.ids[-1].ids) == 0, 'nobody')
    probe.until(lambda: probe.node.count_publishers(f'{space}/roi') == 0, 'topics to go')
    bodies.until(scene, lambda: states, 'the body again', one)
    assert bodies.live.process.is_running()

    def keys() -> set[str]:
        return {
            value.key
            for message in bodies.live.diagnostics
            for status in message.status
            for value in status.values
            if status.name == '/to_hri'
        }

    probe.until(lambda: 'publish hri p50 [ms]' in keys(), 'what it costs')
    assert 'published bodies' in keys()
