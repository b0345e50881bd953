# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Core values to message objects of bags, and back.

The live nodes make the same messages from the same values in `elepose_ros`; a test holds the two
to the same bytes.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.bags.typestore import bag_typestore
from elepose_core.geometry.camera import Camera
from elepose_core.images import rgb_from_compressed, rgb_from_raw
from elepose_core.runtime.bounds import (
    check_header,
)
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.runtime.people import Elevation, People2D, Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17

__all__ = [
    'CAMERA_ELEVATION',
    'CAMERA_INFO',
    'COMPRESSED_IMAGE',
    'IMAGE',
    'PEOPLE_2D',
    'SKELETONS_3D',
    'camera_info_message',
    'compressed_image_message',
    'elevation_message',
    'frame_of',
    'image_from_message',
    'image_message',
    'people_message',
    'skeletons_message',
    'stamp_ns_of',
]

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
PEOPLE_2D = 'elepose_ros/msg/People2D'
SKELETONS_3D = 'elepose_ros/msg/Skeletons3D'
CAMERA_ELEVATION = 'elepose_ros/msg/CameraElevation'
_SECOND_NS = 1_000_000_000


def stamp_ns_of(message: Any) -> int:
    """Return the stamp of a message with a header, in ns."""
    return stamp_ns_from_header(message.header)


def frame_of(message: Any) -> str:
    """Return the frame id of a message with a header."""
    return str(message.header.frame_id)


def image_message(image_rgb: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Any:
    """Return a sensor_msgs/Image (rgb8) of an image (H, W, 3) uint8 RGB."""
    height, width = image_rgb.shape[:2]
    return _new(
        IMAGE,
        header=_header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding='rgb8',
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(image_rgb).reshape(-1),
    )


def compressed_image_message(jpeg: bytes, stamp_ns: int, frame_id: str) -> Any:
    """Return a sensor_msgs/CompressedImage of JPEG bytes."""
    return _new(
        COMPRESSED_IMAGE,
        header=_header(stamp_ns, frame_id),
        format='jpeg',
        data=np.frombuffer(jpeg, np.uint8),
    )


def image_from_message(message: Any, type_name: str) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) uint8 RGB of an Image or CompressedImage message.

    Raises:
        InputError: Encoding, size or data are not an image.
    """
    check_header(message.header)
    if type_name == COMPRESSED_IMAGE:
        return rgb_from_compressed(message.data)
    return rgb_from_raw(
        message.data,
        int(message.height),
        int(message.width),
        int(message.step),
        str(message.encoding),
        bool(message.is_bigendian),
    )


def camera_info_message(camera: Camera, stamp_ns: int, frame_id: str) -> Any:
    """Return the sensor_msgs/CameraInfo of a camera."""
    # ROS has no 'none': an ideal camera is a Brown model whose coefficients are zero.
    is_ideal = camera.distortion_model == 'none'
    projection = np.zeros((3, 4))
    projection[:, :3] = camera.matrix
    return _new(
        CAMERA_INFO,
        header=_header(stamp_ns, frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model='plumb_bob' if is_ideal else camera.distortion_model,
        d=np.array([0.0] * 5 if is_ideal else camera.distortion, np.float64),
        k=camera.matrix.reshape(-1).copy(),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=_new(
            'sensor_msgs/msg/RegionOfInterest',
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def people_message(people: People2D, frame_id: str, image_size: tuple[int, int]) -> Any:
    """Return the elepose_ros/People2D of detected people; `image_size` is width, height."""
    persons = [
        _new(
            'elepose_ros/msg/Person2D',
            id=person.id,
            x=_float32(person.keypoints_px[:, 0]),
            y=_float32(person.keypoints_px[:, 1]),
            score=_float32(person.scores),
        )
        for person in people.people
    ]
    return _new(
        PEOPLE_2D,
        header=_header(people.stamp_ns, frame_id),
        layout=people.layout,
        image_width=image_size[0],
        image_height=image_size[1],
        people=persons,
    )


def elevation_message(elevation: Elevation | None, stamp_ns: int, frame_id: str) -> Any:
    """Return the elepose_ros/CameraElevation of an estimate; None, no people yet, becomes NaN."""
    if elevation is None:
        up = np.full(3, np.nan)
        elevation = Elevation(math.nan, math.nan, math.nan, math.nan, up, 0, False)
    return _new(
        CAMERA_ELEVATION,
        header=_header(stamp_ns, frame_id),
        elevation=float(elevation.elevation_rad),
        roll=float(elevation.roll_rad),
        elevation_variance=float(elevation.elevation_variance),
        roll_variance=float(elevation.roll_variance),
        up=_xyz('geometry_msgs/msg/Vector3', elevation.up_cam),
        samples=int(elevation.samples),
        status=int(elevation.status),
    )


def skeletons_message(skeletons: Skeletons3D, frame_id: str) -> Any:
    """Return the elepose_ros/Skeletons3D of lifted people."""
    return _new(
        SKELETONS_3D,
        header=_header(skeletons.stamp_ns, frame_id),
        layout=H36M_17.name,
        skeletons=[_skeleton_message(skeleton) for skeleton in skeletons.skeletons],
    )


def _skeleton_message(skeleton: Skeleton3D) -> Any:
    joints = np.asarray(skeleton.joints_cam_m)
    return _new(
        'elepose_ros/msg/Skeleton3D',
        id=skeleton.id,
        x=_float32(joints[:, 0]),
        y=_float32(joints[:, 1]),
        z=_float32(joints[:, 2]),
        sigma=_float32(skeleton.sigma_m),
        score=_float32(skeleton.scores),
        root=_xyz('geometry_msgs/msg/Point', skeleton.root_cam_m),
        root_covariance=np.asarray(skeleton.root_covariance_m2, np.float64).reshape(-1),
        scale_source=int(skeleton.scale_source),
        plausibility=float(skeleton.plausibility),
    )


def _header(stamp_ns: int, frame_id: str) -> Any:
    seconds, rest = divmod(stamp_ns, _SECOND_NS)
    stamp = _new('builtin_interfaces/msg/Time', sec=seconds, nanosec=rest)
    return _new('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def _new(type_name: str, **fields: Any) -> Any:
    return bag_typestore().types[type_name](**fields)


def _xyz(type_name: str, values: NDArray[np.float64]) -> Any:
    x, y, z = (float(value) for value in values)
    return _new(type_name, x=x, y=y, z=z)


def _float32(values: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
