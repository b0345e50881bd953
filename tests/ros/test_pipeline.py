# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A real photograph in, markers out, by way of one process and of two."""

import json
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from diagnostic_msgs.msg import DiagnosticArray
from PIL import Image as Picture
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.skeleton import COCO_17, H36M_17
from elepose_ros import interfaces

DATA = Path(__file__).parents[1] / 'data'
PHOTOGRAPH = DATA / 'skier.jpg'


@pytest.fixture(scope='module')
def rgb() -> Any:
    with Picture.open(PHOTOGRAPH) as picture:
        return np.asarray(picture.convert('RGB'))


@pytest.fixture(scope='module')
def make_image(rgb: Any, make_scene: Any) -> Callable[..., Any]:
    """Return a function that makes the photograph as a message with a stamp that moves on."""
    scene = make_scene()
    data = {'rgb8': array('B', rgb.tobytes()), 'bgr8': array('B', rgb[..., ::-1].tobytes())}

    def make(encoding: str = 'rgb8') -> Any:
        scene.stamp_ns += 33_000_000
        height, width, _ = rgb.shape
        return Image(
            header=scene.header(),
            height=height,
            width=width,
            step=3 * width,
            encoding=encoding,
            data=data.get(encoding, data['rgb8']),
        )

    return make


@pytest.fixture(scope='module')
def pipeline(start: Any, connect: Any) -> Any:
    process = start(
        'pipeline',
        name='pipeline',
        remaps={'image': '/camera/image_raw'},
        camera_info_timeout_s=0.2,
    )
    return connect(process)


def test_a_photograph_becomes_a_skeleton_and_markers(
    pipeline: Any, make_image: Any, rgb: Any
) -> None:
    images = pipeline.probe.talk(Image, '/camera/image_raw')
    keypoints = pipeline.probe.listen(interfaces.People2D, '/keypoints')
    pipeline.probe.until(
        lambda: pipeline.skeletons_with(1) and keypoints and pipeline.marker_actions()[-2:],
        'a skeleton, keypoints and markers',
        again=lambda: images.publish(make_image()),
        period_s=0.2,
    )
    person = pipeline.skeletons_with(1)[0].skeletons[0]
    # The skier stands, seen from the front or behind: the head is above both feet.
    for ankle in ('left_ankle', 'right_ankle'):
        assert person.y[H36M_17.index('head_top')] < person.y[H36M_17.index(ankle)]
    assert person.root.z > 1
    message = keypoints[-1]
    assert (message.image_height, message.image_width) == rgb.shape[:2]
    assert message.layout == COCO_17.name
    shown = {(ns, number) for action, ns, number in pipeline.marker_actions() if action == 0}
    assert {ns for ns, _ in shown} == {'skeleton_bones', 'skeleton_joints'}


def test_the_keypoints_lie_on_the_person(pipeline: Any, make_image: Any) -> None:
    images = pipeline.probe.talk(Image, '/camera/image_raw')
    keypoints = pipeline.probe.listen(interfaces.People2D, '/keypoints')
    pipeline.probe.until(
        lambda: keypoints,
        'keypoints',
        again=lambda: images.publish(make_image('bgr8')),
        period_s=0.2,
    )
    annotated = json.loads((DATA / 'skier.json').read_text())['persons'][0]['keypoints']
    truth = np.array(annotated).reshape(17, 3)
    seen = truth[:, 2] > 0
    person = keypoints[-1].people[0]
    miss_px = np.hypot(np.array(person.x) - truth[:, 0], np.array(person.y) - truth[:, 1])
    height_px = np.ptp(truth[seen, 1])
    assert np.median(miss_px[seen]) < 0.05 * height_px


@pytest.mark.parametrize('reliability', ['best_effort', 'reliable'])
def test_both_kinds_of_publisher_are_heard(
    pipeline: Any, make_image: Any, reliability: str
) -> None:
    images = pipeline.probe.talk(Image, '/camera/image_raw', reliability)
    pipeline.forget()
    pipeline.probe.until(
        lambda: pipeline.skeletons,
        f'skeletons from a {reliability} publisher',
        again=lambda: images.publish(make_image()),
        period_s=0.2,
    )


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'encoding': '32FC1'}, '32FC1'),
        ({'width': 0, 'height': 0, 'step': 0, 'data': array('B')}, 'image is 0x0 pixels'),
        ({'data': array('B', [0] * 10)}, 'image data has 10 bytes; expected at least'),
    ],
)
def test_a_broken_image_is_refused_with_one_sentence_and_the_next_one_works(
    pipeline: Any, make_image: Any, figure: Any, change: dict[str, Any], sentence: str
) -> None:
    images = pipeline.probe.talk(Image, '/camera/image_raw')
    pipeline.forget()
    said_before = pipeline.process.log().count('[ERROR]')

    def refused() -> list[float]:
        return [n for m in pipeline.diagnostics if (n := figure(m, 'refused total'))]

    broken_ns = set()

    def send_broken() -> None:
        image = make_image()
        broken_ns.add(stamp_ns_from_header(image.header))
        for name, value in change.items():
            setattr(image, name, value)
        images.publish(image)

    pipeline.probe.until(
        lambda: refused() and refused()[-1] - refused()[0] >= 3, 'refusals', again=send_broken
    )
    assert broken_ns.isdisjoint(stamp_ns_from_header(m.header) for m in pipeline.skeletons)
    said = pipeline.diagnostics[-1].status[0].message
    assert sentence in said
    assert said.startswith('/camera/image_raw: ')
    explained = pipeline.probe.call(Trigger, '/pipeline/explain', Trigger.Request()).message
    assert sentence in explained
    # Said once in a while, not once per image; all refusals of a topic share one throttle.
    assert pipeline.process.log().count('[ERROR]') - said_before <= 1
    pipeline.probe.until(
        lambda: pipeline.skeletons,
        'a skeleton after all',
        again=lambda: images.publish(make_image()),
        period_s=0.2,
    )


def test_the_detector_follows_its_parameters_while_it_runs(pipeline: Any, make_image: Any) -> None:
    images = pipeline.probe.talk(Image, '/camera/image_raw')

    def expect(people: int, **parameters: Any) -> None:
        request = SetParameters.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in parameters.items()]
        )
        answer = pipeline.probe.call(SetParameters, '/pipeline/set_parameters', request)
        assert all(result.successful for result in answer.results)
        pipeline.forget()
        pipeline.probe.until(
            lambda: pipeline.skeletons and len(pipeline.skeletons[-1].skeletons) == people,
            f'{people} people',
            again=lambda: images.publish(make_image()),
            period_s=0.2,
        )

    expect(0, min_person_score=1.0)
    expect(1, min_person_score=0.2, detector_roi=True, detector_input_long_side=256)
    assert 'the detector stays' not in pipeline.process.log()


def test_detector_and_lifter_in_two_processes_do_the_same(
    start: Any, connect: Any, make_image: Any, rgb: Any
) -> None:
    namespace = '/two'
    detector = start(
        'detector_node',
        name='detector',
        remaps={'__ns': namespace},
        image_transport='compressed',
        image_reliability='reliable',
    )
    lifter = start(
        'lifter_node',
        name='lifter',
        remaps={'__ns': namespace},
        camera_info_timeout_s=0.1,
        executor='events',
    )
    live = connect(lifter, namespace)
    topic = f'{namespace}/image/compressed'
    live.probe.talk(CompressedImage, topic, 'best_effort')
    live.probe.until(
        lambda: 'set image_reliability to best_effort' in detector.log(),
        'a sentence on the publisher that does not fit',
    )
    images = live.probe.talk(CompressedImage, topic, 'reliable')
    diagnostics = live.probe.listen(DiagnosticArray, '/diagnostics')
    photograph = PHOTOGRAPH.read_bytes()

    def send() -> None:
        header = make_image().header
        images.publish(CompressedImage(header=header, format='jpeg', data=photograph))

    live.probe.until(
        lambda: (
            live.skeletons_with(1)
            and any(status.name == '/two/detector' for m in diagnostics for status in m.status)
        ),
        'a skeleton by way of two processes',
        again=send,
        period_s=0.2,
    )
    person = live.skeletons_with(1)[0].skeletons[0]
    assert person.y[H36M_17.index('head_top')] < person.y[H36M_17.index('left_ankle')]


def test_depths_of_the_picture_are_fused_when_a_model_for_it_is_named(
    start: Any, connect: Any, make_image: Any, tmp_path: Path
) -> None:
    """The lifter alone would leave all joints in one plane."""
    tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')
    tiny_bundles.write_tiny_bundle(tmp_path / 'flat.elepose')
    tiny_bundles.write_tiny_ordering(tmp_path / 'red.elepose')
    process = start(
        'pipeline',
        name='ordered',
        remaps={'__ns': '/ordered'},
        model=tmp_path / 'flat.elepose',
        ordering_model=tmp_path / 'red.elepose',
        camera_info_timeout_s=0.2,
    )
    live = connect(process, '/ordered')
    images = live.probe.talk(Image, '/ordered/image')
    live.probe.until(
        lambda: live.skeletons_with(1),
        'a skeleton',
        again=lambda: images.publish(make_image()),
        period_s=0.2,
    )
    person = live.skeletons_with(1)[0].skeletons[0]
    depths = np.array(person.z)
    assert np.ptp(depths[np.isfinite(depths)]) > 0.01 * depths[0]


def test_model_for_pictures_without_pictures_is_refused(start: Any, tmp_path: Path) -> None:
    process = start(
        'pipeline', name='blind', wait=False, detector='none', ordering_model='x.elepose'
    )
    assert process.wait() != 0
    assert 'ordering_model is x.elepose and detector is none; expected a detector' in process.log()
