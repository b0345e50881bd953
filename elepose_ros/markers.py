# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Skeletons to RViz markers: pure functions, one list of lines and one of spheres per person.

With a body, besides, one list of triangles per person.

A marker is known by its namespace and id. The id is the track of the person, so that a new frame
replaces the old one in place and nothing flickers.

Messages are written as bytes; see `cdr`.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from elepose_core.body.surface import person_colour
from elepose_core.runtime.people import Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17
from elepose_ros import cdr

__all__ = ['BONES', 'JOINTS', 'MESH', 'markers_from_skeletons', 'markers_that_delete_all']

BONES = 'skeleton_bones'
JOINTS = 'skeleton_joints'
MESH = 'mesh'

_BONE_WIDTH_M = 0.03
_JOINT_DIAMETER_M = 0.06
_LEFT = (0.95, 0.45, 0.10, 1.0)
_RIGHT = (0.10, 0.45, 0.95, 1.0)
_MIDDLE = (0.85, 0.85, 0.85, 1.0)
# The skeleton inside shows through.
_BODY_OPACITY = 0.6


def _colour_of_joint(joint: int) -> tuple[float, ...]:
    if joint in H36M_17.left:
        return _LEFT
    return _RIGHT if joint in H36M_17.right else _MIDDLE


_COLOURS = np.array([_colour_of_joint(joint) for joint in range(len(H36M_17))], '<f4')
# From parent to child. A limb has the colour of its far end: pelvis to left hip is left.
_ENDS = np.array(H36M_17.bones)
_END_COLOURS = np.repeat(_COLOURS[_ENDS[:, 1]], 2, axis=0)

_NUMBERS = struct.Struct('<iii')
_LIFETIME = struct.Struct('<iI?3x')  # with frame_locked: points belong to the stamp
_NONE, _NO_TEXT = bytes(4), b'\x01\0\0\0\0\0\0\0'
# texture_resource; stamp, frame, format and data of texture; uv_coordinates; text; mesh_resource;
# name and data of mesh_file; mesh_use_embedded_materials
_END = b''.join(
    (_NO_TEXT, bytes(8), _NO_TEXT, _NO_TEXT, _NONE, _NONE, *[_NO_TEXT] * 3, _NONE, b'\0')
)


class _Marker(NamedTuple):
    """What differs from marker to marker; bytes of N doubles x, y, z and N floats r, g, b, a."""

    action: int
    namespace: str = ''
    number: int = 0
    kind: int = 0
    scale: tuple[float, float, float] = (0.0, 0.0, 0.0)
    points: bytes = b''
    colours: bytes = b''
    colour: tuple[float, float, float, float] = _MIDDLE


def markers_from_skeletons(
    skeletons: Skeletons3D,
    header: Header,
    lifetime_s: float,
    faces: NDArray[np.int32] | None = None,
) -> bytes:
    """Draw each person and remove those who left.

    Args:
        skeletons: People of one frame, in the frame of `header`.
        header: The header of the input.
        lifetime_s: RViz removes a marker that is not renewed for so long; 0 = never.
        faces: (F, 3) triangles between the people's vertices; None = bodies are not drawn.

    Returns:
        A visualization_msgs/MarkerArray: two markers to add per person and two to delete per track
        that ended, with bodies three. After a jump back in time one marker that deletes all stands
        before them.
    """
    namespaces = (BONES, JOINTS) if faces is None else (BONES, JOINTS, MESH)
    markers = [_Marker(Marker.DELETEALL)] if skeletons.was_reset else []
    markers += [
        _Marker(Marker.DELETE, namespace, track)
        for track in skeletons.ended_tracks
        for namespace in namespaces
    ]
    markers += _people(skeletons.skeletons)
    if faces is not None:
        markers += _bodies(skeletons.skeletons, faces)
    return _written(markers, header, lifetime_s)


def markers_that_delete_all(header: Header) -> bytes:
    """Return the message that clears the topic; for the start, the end and jumps in time only.

    Sent with each frame it would make the display flicker.
    """
    return _written([_Marker(Marker.DELETEALL)], header, 0.0)


def _people(skeletons: Sequence[Skeleton3D]) -> Iterator[_Marker]:
    if not skeletons:
        return
    joints = np.array([skeleton.joints_cam_m for skeleton in skeletons], '<f8')
    known = np.isfinite(joints[..., 0])
    ends, ends_known = joints[:, _ENDS.ravel()], known[:, _ENDS].all(-1).repeat(2, axis=1)
    whole = known.all(1).tolist()
    width, size = (_BONE_WIDTH_M, 0.0, 0.0), (_JOINT_DIAMETER_M,) * 3
    for row, skeleton in enumerate(skeletons):
        lines = _known(ends[row], _END_COLOURS, None if whole[row] else ends_known[row])
        yield _Marker(Marker.ADD, BONES, skeleton.track, Marker.LINE_LIST, width, *lines)
        spheres = _known(joints[row], _COLOURS, None if whole[row] else known[row])
        yield _Marker(Marker.ADD, JOINTS, skeleton.track, Marker.SPHERE_LIST, size, *spheres)


def _bodies(skeletons: Sequence[Skeleton3D], faces: NDArray[np.int32]) -> Iterator[_Marker]:
    corners = faces.ravel()
    for skeleton in skeletons:
        points = skeleton.vertices_cam_m.astype('<f8')[corners].tobytes()
        colour = (*person_colour(skeleton.track), _BODY_OPACITY)
        kind, unit = Marker.TRIANGLE_LIST, (1.0, 1.0, 1.0)
        yield _Marker(Marker.ADD, MESH, skeleton.track, kind, unit, points, b'', colour)


def _known(
    points: NDArray[np.float64],
    colours: NDArray[np.float32],
    known: NDArray[np.bool_] | None,
) -> tuple[bytes, bytes]:
    """Return the bytes of those points, and of their colours, that are known; None = all."""
    if known is None:
        return points.tobytes(), colours.tobytes()
    return points[known].tobytes(), colours[known].tobytes()


def _written(markers: list[_Marker], header: Header, lifetime_s: float) -> bytes:
    """Return a visualization_msgs/MarkerArray; its fields are the same from Humble on."""
    stamp = cdr.stamp(header)
    parts = [cdr.COUNT.pack(len(markers))]
    length = len(parts[0])
    for marker in markers:
        numbers = _NUMBERS.pack(marker.number, marker.kind, marker.action)
        start = cdr.padding(length, 4) + stamp + _names(header.frame_id, marker.namespace)
        length += len(start) + len(numbers)
        shown_s = lifetime_s if marker.action == Marker.ADD else 0.0
        count = len(marker.points) // 24
        middle = _middle(length % 8, marker.scale, marker.colour, shown_s, count)
        end = _end(marker.colours)
        length += len(middle) + len(marker.points) + len(end)
        parts += (start, numbers, middle, marker.points, end)
    return cdr.message(parts)


@lru_cache(maxsize=64)
def _names(frame_id: str, namespace: str) -> bytes:
    return cdr.text(frame_id) + cdr.text(namespace)


@lru_cache(maxsize=256)
def _middle(
    length: int,
    scale: tuple[float, float, float],
    colour: tuple[float, float, float, float],
    lifetime_s: float,
    points: int,
) -> bytes:
    """Return what stands between numbers, which end at `length`, and so many points.

    Pose, scale, colour of the marker as a whole, lifetime, frame_locked and the number of points.
    """
    pose = struct.pack('<10d4f', *(0.0,) * 6, 1.0, *scale, *colour)
    lifetime = _LIFETIME.pack(int(lifetime_s), int(lifetime_s % 1 * 1e9), False)
    middle = cdr.padding(length, 8) + pose + lifetime + cdr.COUNT.pack(points)
    return middle + cdr.padding(length + len(middle), 8) if points else middle


@lru_cache(maxsize=256)
def _end(colours: bytes) -> bytes:
    """Return the colours, their number before them, and what is not used."""
    return cdr.COUNT.pack(len(colours) // 16) + colours + _END
