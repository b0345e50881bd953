# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Packages of messages that may be absent: what they are wanted for and where they are from."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from elepose_core.errors import MissingDependency
from elepose_core.runtime.messages import people_from_message
from elepose_core.runtime.people import People2D
from elepose_ros import interfaces
from elepose_ros.adapters.yolo import people_from_detections
from elepose_ros.adapters.zed import people_from_objects
from elepose_ros.parameters import Parameters

__all__ = [
    'PUBLISH_HRI',
    'PUBLISH_JOINT_TF',
    'Source',
    'check_packages',
    'messages_of',
    'source_of',
]

PUBLISH_HRI = 'publish_hri is true'
PUBLISH_JOINT_TF = 'publish_joint_tf is true'


@dataclass(frozen=True)
class Source:
    """Keypoints of all people in one message.

    Attributes:
        kind: Message class.
        read: Turns a message into people.
        has_size: The message says how large the image is.
        is_optical: Its frame is the camera's optical one, as that of an image.
    """

    kind: Any
    read: Callable[[Any], People2D]
    has_size: bool = False
    is_optical: bool = True


_FROM_APT = 'install it (apt: ros-{distro}-{apt})'
_WHERE = {
    'yolo_msgs': (
        'it is in no apt repository: build the folder yolo_msgs of '
        'https://github.com/mgonzs13/yolo_ros in your workspace and source it'
    ),
    'zed_msgs': f'{_FROM_APT}, or build https://github.com/stereolabs/zed-ros2-interfaces',
    'tf2_msgs': _FROM_APT,
    'hri_msgs': f'{_FROM_APT}, or build https://github.com/ros4hri/hri_msgs (humble-devel)',
}
_READERS: dict[str, tuple[str, str, Callable[[Any], People2D]]] = {
    'yolo': ('yolo_msgs', 'DetectionArray', people_from_detections),
    'zed': ('zed_msgs', 'ObjectsStamped', people_from_objects),
}


def source_of(keypoints_type: str) -> Source:
    """Return the source of a `keypoints_type` that comes in one message per frame.

    Raises:
        MissingDependency: Its package is not there.
    """
    if keypoints_type == 'people2d':
        return Source(interfaces.People2D, people_from_message, has_size=True)
    package, message, read = _READERS[keypoints_type]
    module = messages_of(package, f'keypoints_type is {keypoints_type}')
    # The ZED's is that of its 3D keypoints: x forward, z up.
    return Source(getattr(module, message), read, is_optical=keypoints_type != 'zed')


def check_packages(parameters: Parameters, with_keypoints: bool = True) -> None:
    """Look whether all packages are there, before anything is made that would have to be undone.

    Args:
        parameters: Those of the node.
        with_keypoints: The node reads keypoints.

    Raises:
        MissingDependency: One is not.
    """
    kind = parameters.keypoints_type
    if with_keypoints and kind != 'people2d':
        messages_of(f'{kind}_msgs', f'keypoints_type is {kind}')
    if parameters.publish_hri:
        messages_of('hri_msgs', PUBLISH_HRI)
        messages_of('tf2_msgs', PUBLISH_HRI)
    if parameters.publish_joint_tf:
        messages_of('tf2_msgs', PUBLISH_JOINT_TF)


def messages_of(package: str, wanted: str) -> Any:
    """Import the messages of a package that may be absent.

    Args:
        package: Name of the package.
        wanted: The parameter that asks for it and its value, as the error's beginning.

    Raises:
        MissingDependency: It is not there; the sentence says where it is to be had.
    """
    try:
        return importlib.import_module(f'{package}.msg')
    except ImportError:
        where = _WHERE[package].format(
            distro=os.environ.get('ROS_DISTRO', '<distro>'), apt=package.replace('_', '-')
        )
        raise MissingDependency(
            f'parameter {wanted}, which needs the package {package}, and it is not here: {where}'
        ) from None
