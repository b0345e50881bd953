# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's tilt as a launch file, which sends it as a static transform from then on."""

import math
import os
import re
from datetime import datetime, timezone
from pathlib import Path

from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_core.files import replacing
from elepose_core.runtime.people import Elevation
from elepose_ros.tf import level_transform

__all__ = ['mount_text', 'save_mount']

_ENDING = '.launch.yaml'


def save_mount(elevation: Elevation | None, header: Header, configured: str) -> Path:
    """Write the level frame of a camera and return the path.

    Args:
        elevation: What people have shown.
        header: Of the newest frame.
        configured: Parameter `static_transform_file`; '' = a file named after the camera's frame
            in $ROS_HOME, which is ~/.ros where that is not set.

    Raises:
        InputError: The tilt is not known well enough, the frame has no usable name, or nothing
            can be written there.
    """
    if elevation is None:
        raise InputError('nobody was seen yet; expected people who stand and walk')
    if not elevation.converged:
        raise InputError(
            f'the tilt has not converged after {elevation.samples} poses; expected more people, '
            'or the same ones for longer'
        )
    # The name comes over the network, into a command line and a file name.
    if not re.fullmatch(r'[A-Za-z0-9_][A-Za-z0-9_./-]*', header.frame_id):
        raise InputError(
            f'frame_id is {header.frame_id[:100]!r}; expected letters, digits, _ . / and -'
        )
    name = f'{re.sub("[^A-Za-z0-9_-]", "_", header.frame_id)}_level{_ENDING}'
    chosen = Path(configured or Path(os.environ.get('ROS_HOME') or '~/.ros', name))
    try:
        path = chosen.expanduser()
    except RuntimeError:  # a container may run as a user who has no home
        raise InputError(
            f'{chosen} is in the home of a user who has none; expected static_transform_file to '
            'be a path that starts with /'
        ) from None
    text = mount_text(elevation, header, datetime.now(timezone.utc))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return path


def mount_text(elevation: Elevation, header: Header, now: datetime) -> str:
    """Return the launch file.

    Args:
        elevation: Its up direction becomes z of the level frame.
        header: Its frame becomes the parent.
        now: For the comment.
    """
    transform = level_transform(elevation.up_cam, header)
    q = transform.transform.rotation
    down, roll, down_sigma, roll_sigma = (
        math.degrees(value)
        for value in (
            elevation.elevation_rad,
            elevation.roll_rad,
            math.sqrt(elevation.elevation_variance),
            math.sqrt(elevation.roll_variance),
        )
    )
    arguments = (
        f'--x 0 --y 0 --z 0 --qx {q.x:.9f} --qy {q.y:.9f} --qz {q.z:.9f} --qw {q.w:.9f} '
        f'--frame-id {header.frame_id} --child-frame-id {transform.child_frame_id}'
    )
    return f"""\
# Tilt of {header.frame_id} as {elevation.samples} poses have shown it.
# written: {now:%Y-%m-%d %H:%M} UTC
# elevation: {down:.2f} degrees, positive = looks down; standard deviation {down_sigma:.2f}
# roll: {roll:.2f} degrees; standard deviation {roll_sigma:.2f}
# variances: {elevation.elevation_variance:.6g} and {elevation.roll_variance:.6g} rad^2
# The level frame stands at the camera: z up, x forward, y left.
# ros2 launch this file and start the node with publish_tf false, since it sends the same frame;
# with gravity_frame {transform.child_frame_id} the node says when the camera is moved later on.
launch:
  - node:
      pkg: tf2_ros
      exec: static_transform_publisher
      args: '{arguments}'
"""
