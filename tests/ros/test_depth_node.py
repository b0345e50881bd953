# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A real lifter_node that is told how far people are: by depth images, then by its height."""

from array import array
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image

from elepose_ros import interfaces

# A quarter of the image's size, which also travels in one piece.
HEIGHT, WIDTH, SKIN_M = 120, 160, 5.0


@pytest.fixture(scope='module')
def node(start: Any, connect: Any, make_scene: Any) -> Any:
    process = start('lifter_node', name='with_depth', camera_info_timeout_s=30.0, use_depth=True)
    live = connect(process)
    live.scene = make_scene()
    live.depth = live.probe.talk(Image, '/depth')
    return live


def _sources(node: Any) -> set[int]:
    return {message.skeletons[0].scale_source for message in node.skeletons_with(1)}


def _send(node: Any, encoding: str, values: Any) -> None:
    """Send a frame and, before it, the depth image with its stamp."""
    people = node.scene.people((0.0, 4.0))
    node.camera_info.publish(node.scene.camera_info())
    data = array('B', values.tobytes())
    step = len(data) // HEIGHT
    node.depth.publish(
        Image(
            header=people.header,
            height=HEIGHT,
            width=WIDTH,
            encoding=encoding,
            step=step,
            data=data,
        )
    )
    node.keypoints.publish(people)


@pytest.mark.parametrize(
    ('encoding', 'kind', 'unit'), [('16UC1', '<u2', 1000), ('32FC1', '<f4', 1)]
)
def test_depth_images_place_people(node: Any, encoding: str, kind: str, unit: int) -> None:
    values = np.full((HEIGHT, WIDTH), SKIN_M * unit, kind)
    node.forget()
    node.probe.until(
        lambda: (
            interfaces.Skeleton3D.DEPTH in _sources(node)
            and abs(node.skeletons[-1].skeletons[0].root.z - SKIN_M - 0.13) < 0.12
        ),
        'a skeleton at the distance that depth images tell',
        again=lambda: _send(node, encoding, values),
    )
    skeleton = node.skeletons[-1].skeletons[0]
    assert 0 < skeleton.root_covariance[8] < (0.05 * SKIN_M) ** 2


def test_a_wrong_encoding_is_one_sentence_and_people_are_lifted_all_the_same(node: Any) -> None:
    node.forget()
    node.probe.until(
        lambda: (
            node.skeletons_with(1)
            and "/depth: encoding of the depth image is 'rgb8'" in node.process.log()
        ),
        'skeletons without depth, and the sentence',
        again=lambda: _send(node, 'rgb8', np.zeros((HEIGHT, WIDTH, 3), np.uint8)),
    )


def test_height_of_the_camera_is_taken_at_run_time(node: Any) -> None:
    """A higher camera sees the same feet from farther away; nobody is forgotten for it."""
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=2.6)
    request = SetParameters.Request(parameters=[Parameter(name='camera_height_m', value=value)])
    answer = node.probe.call(SetParameters, '/with_depth/set_parameters', request)
    assert [result.successful for result in answer.results] == [True]
    node.forget()
    node.send_until(
        lambda: node.scene.people((-0.5, 4.0), (0.8, 4.0), (1.5, 5.0)),
        lambda: node.skeletons_with(3),
        'skeletons after the change',
    )
