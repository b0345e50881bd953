# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from elepose_core.runtime.people import ScaleSource, Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17
from elepose_ros.markers import (
    BONES,
    JOINTS,
    MESH,
    markers_from_skeletons,
    markers_that_delete_all,
)

# What rclpy reads bytes with loads modules of Python that are to go.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

HEADER = Header(frame_id='camera')


def skeleton(track: int, missing: tuple[str, ...] = ()) -> Skeleton3D:
    joints = np.arange(51, dtype=np.float32).reshape(17, 3)
    joints[[H36M_17.index(name) for name in missing]] = np.nan
    return Skeleton3D(
        id=str(track),
        track=track,
        joints_cam_m=joints,
        sigma_m=np.zeros(17, np.float32),
        scores=np.ones(17, np.float32),
        root_cam_m=np.zeros(3),
        root_covariance_m2=np.eye(3),
        scale_source=ScaleSource.STATURE,
        plausibility=math.nan,
    )


def read(data: bytes) -> list[Marker]:
    message = deserialize_message(data, MarkerArray)
    # What rclpy pads with is not defined, so the bytes may differ there.
    assert len(serialize_message(message)) == len(data)
    return list(message.markers)


def draw(*people: Skeleton3D, ended: tuple[int, ...] = (), reset: bool = False) -> list[Marker]:
    result = Skeletons3D(0, people, ended, None, reset, tuple(range(len(people))))
    return read(markers_from_skeletons(result, HEADER, lifetime_s=0.75))


def test_a_person_is_one_line_list_and_one_sphere_list_with_the_track_as_id() -> None:
    lines, spheres = draw(skeleton(7))
    assert (lines.ns, lines.id, lines.type) == (BONES, 7, Marker.LINE_LIST)
    assert (spheres.ns, spheres.id, spheres.type) == (JOINTS, 7, Marker.SPHERE_LIST)
    assert lines.action == spheres.action == Marker.ADD
    assert len(lines.points) == len(lines.colors) == 2 * 16
    assert len(spheres.points) == len(spheres.colors) == 17
    assert lines.header == HEADER
    assert lines.pose.orientation.w == 1
    assert (lines.scale.x > 0, lines.scale.y, lines.scale.z) == (True, 0, 0)
    assert (lines.lifetime.sec, lines.lifetime.nanosec) == (0, 750_000_000)
    assert not lines.frame_locked


def test_each_line_joins_a_parent_and_its_child() -> None:
    lines = draw(skeleton(0))[0]
    # Joint i stands at (3i, 3i + 1, 3i + 2): the first bone goes from pelvis 0 to right hip 1.
    assert [(p.x, p.y, p.z) for p in lines.points[:2]] == [(0, 1, 2), (3, 4, 5)]
    pairs = zip(lines.points[::2], lines.points[1::2], strict=True)
    assert [(p.x / 3, c.x / 3) for p, c in pairs] == list(H36M_17.bones)


def test_missing_joints_and_their_bones_are_left_out() -> None:
    lines, spheres = draw(skeleton(0, missing=('left_knee',)))
    assert len(spheres.points) == len(spheres.colors) == 16
    assert len(lines.points) == len(lines.colors) == 2 * 14
    points = [*lines.points, *spheres.points]
    assert all(math.isfinite(p.x) for p in points)


def test_a_body_is_one_list_of_triangles_in_a_colour_of_the_person() -> None:
    vertices = np.arange(12, dtype=np.float32).reshape(4, 3)
    people = tuple(replace(skeleton(t), vertices_cam_m=vertices + t) for t in (3, 4))
    result = Skeletons3D(0, people, (1,), None, False, (0, 1))
    faces = np.array([[0, 1, 2], [3, 2, 0]], np.int32)
    found = read(markers_from_skeletons(result, HEADER, 0.75, faces))
    assert [(m.ns, m.id) for m in found if m.action == Marker.DELETE] == [
        (BONES, 1),
        (JOINTS, 1),
        (MESH, 1),
    ]
    first, second = (m for m in found if m.ns == MESH and m.action == Marker.ADD)
    assert (first.id, first.type, first.header) == (3, Marker.TRIANGLE_LIST, HEADER)
    assert (first.scale.x, first.scale.y, first.scale.z) == (1, 1, 1)
    # Vertex v of track 3 stands at (3v + 3, 3v + 4, 3v + 5).
    assert [(p.x, p.z) for p in first.points] == [
        *[(3, 5), (6, 8), (9, 11)],
        *[(12, 14), (9, 11), (3, 5)],
    ]
    assert len(first.colors) == 0
    assert 0.3 < first.color.a < 1
    assert (first.color.r, first.color.g) != (second.color.r, second.color.g)
    assert (first.lifetime.sec, first.lifetime.nanosec) == (0, 750_000_000)
    assert [m.ns for m in found if m.action == Marker.ADD] == [*[BONES, JOINTS] * 2, MESH, MESH]


def test_left_right_and_middle_have_their_own_colours() -> None:
    spheres = draw(skeleton(0))[1]
    colours = {
        name: (c.r, c.g, c.b) for name, c in zip(H36M_17.joint_names, spheres.colors, strict=True)
    }
    assert colours['left_wrist'] == colours['left_ankle']
    assert colours['right_wrist'] == colours['right_ankle']
    assert len({colours['left_wrist'], colours['right_wrist'], colours['thorax']}) == 3
    assert all(0 <= value <= 1 for colour in colours.values() for value in colour)


def test_who_left_is_deleted_and_who_stays_is_not() -> None:
    deleted = [m for m in draw(skeleton(2), ended=(1,)) if m.action == Marker.DELETE]
    assert [(m.ns, m.id) for m in deleted] == [(BONES, 1), (JOINTS, 1)]


def test_a_jump_in_time_clears_all_before_it_draws() -> None:
    actions = [m.action for m in draw(skeleton(0), reset=True)]
    assert actions == [Marker.DELETEALL, Marker.ADD, Marker.ADD]


def test_nobody_and_nobody_left_is_an_empty_array() -> None:
    assert draw() == []


def test_delete_all_names_no_namespace() -> None:
    (only,) = read(markers_that_delete_all(HEADER))
    assert (only.action, only.ns) == (Marker.DELETEALL, '')


@pytest.mark.parametrize('frame_id', ['', 'c', 'ca', 'cam', 'camera', 'camera_übersicht'])
def test_what_is_written_is_what_rclpy_reads(frame_id: str) -> None:
    """Whatever the length of the name, everything behind it stays in place."""
    header = Header(stamp=Time(sec=-3, nanosec=999_999_999), frame_id=frame_id)
    joints = np.arange(51, dtype=np.float32).reshape(17, 3)
    people = (skeleton(3), skeleton(4, missing=H36M_17.joint_names))
    result = Skeletons3D(0, people, (1,), None, True, (0, 1))
    found = read(markers_from_skeletons(result, header, 2.5))
    assert [m.action for m in found] == [3, 2, 2, 0, 0, 0, 0]
    spheres = found[4]
    points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in joints]
    wanted = Marker(
        header=header,
        ns=JOINTS,
        id=3,
        type=Marker.SPHERE_LIST,
        pose=Pose(orientation=Quaternion(w=1.0)),
        scale=Vector3(x=0.06, y=0.06, z=0.06),
        color=spheres.color,
        lifetime=Duration(sec=2, nanosec=500_000_000),
        points=points,
        colors=[ColorRGBA(r=c.r, g=c.g, b=c.b, a=1.0) for c in spheres.colors],
    )
    assert spheres == wanted
