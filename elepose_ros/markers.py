# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Skeletons to RViz markers: pure functions, one list of lines and one of spheres per person.

A marker is known by its namespace and id. The id is the track of the person, so that a new frame
replaces the old one in place and nothing flickers.
"""

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from elepose_core.runtime.people import Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17

__all__ = ['BONES', 'JOINTS', 'markers_from_skeletons', 'markers_that_delete_all']

BONES = 'skeleton_bones'
JOINTS = 'skeleton_joints'

_BONE_WIDTH_M = 0.03
_JOINT_DIAMETER_M = 0.06
_LEFT = ColorRGBA(r=0.95, g=0.45, b=0.10, a=1.0)
_RIGHT = ColorRGBA(r=0.10, g=0.45, b=0.95, a=1.0)
_MIDDLE = ColorRGBA(r=0.85, g=0.85, b=0.85, a=1.0)


def _colour_of_joint(joint: int) -> ColorRGBA:
    if joint in H36M_17.left:
        return _LEFT
    return _RIGHT if joint in H36M_17.right else _MIDDLE


_COLOURS = tuple(_colour_of_joint(joint) for joint in range(len(H36M_17)))


def markers_from_skeletons(
    skeletons: Skeletons3D, header: Header, lifetime_s: float
) -> MarkerArray:
    """Draw each person and remove those who left.

    Args:
        skeletons: People of one frame, in the frame of `header`.
        header: The header of the input.
        lifetime_s: RViz removes a marker that is not renewed for so long; 0 = never.

    Returns:
        Two markers to add per person and two to delete per track that ended. After a jump back
        in time one marker that deletes all stands before them.
    """
    lifetime = Duration(sec=int(lifetime_s), nanosec=int(lifetime_s % 1 * 1e9))
    markers = markers_that_delete_all(header).markers if skeletons.was_reset else []
    for track in skeletons.ended_tracks:
        markers += [
            Marker(header=header, ns=namespace, id=track, action=Marker.DELETE)
            for namespace in (BONES, JOINTS)
        ]
    for skeleton in skeletons.skeletons:
        markers += _person(skeleton, header, lifetime)
    return MarkerArray(markers=markers)


def markers_that_delete_all(header: Header) -> MarkerArray:
    """Return the message that clears the topic; for the start, the end and jumps in time only.

    Sent with each frame it would make the display flicker.
    """
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def _person(skeleton: Skeleton3D, header: Header, lifetime: Duration) -> list[Marker]:
    # A sum is finite where all three coordinates are.
    finite = np.isfinite(skeleton.joints_cam_m.sum(axis=-1)).tolist()
    points = [Point(x=x, y=y, z=z) for x, y, z in skeleton.joints_cam_m.tolist()]
    bones = [bone for bone in H36M_17.bones if finite[bone[0]] and finite[bone[1]]]
    joints = [joint for joint, is_known in enumerate(finite) if is_known]

    def marker(namespace: str, kind: int, scale: Vector3) -> Marker:
        return Marker(
            header=header,
            ns=namespace,
            id=skeleton.track,
            type=kind,
            action=Marker.ADD,
            pose=Pose(orientation=Quaternion(w=1.0)),
            scale=scale,
            color=_MIDDLE,
            lifetime=lifetime,
        )

    lines = marker(BONES, Marker.LINE_LIST, Vector3(x=_BONE_WIDTH_M))
    lines.points = [points[joint] for bone in bones for joint in bone]
    # A limb has the colour of its far end: the bone from pelvis to left hip is left.
    lines.colors = [_COLOURS[child] for _, child in bones for _ in range(2)]
    diameter = _JOINT_DIAMETER_M
    spheres = marker(JOINTS, Marker.SPHERE_LIST, Vector3(x=diameter, y=diameter, z=diameter))
    spheres.points = [points[joint] for joint in joints]
    spheres.colors = [_COLOURS[joint] for joint in joints]
    return [lines, spheres]
