# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A node whose model looks at several frames and gives a body, over DDS.

The model is a graph made by hand that tells as plausibility the share of its frames that were
seen.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)
pytest.importorskip('onnx', reason='graphs are made with it')

import tiny_bundles
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker

from elepose_core.runtime.predictor import Predictor
from elepose_ros import interfaces
from elepose_ros.markers import MESH
from elepose_ros.mesh_choice import MeshChoice
from elepose_ros.reports import Reporter

FRAMES = 4
_NUMBERS = itertools.count()


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three models; the frames of `scene` come at their rate."""
    folder = tmp_path_factory.mktemp('models')
    for name, frames, with_body in (('body', FRAMES, True), ('bones', 1, False)):
        tiny_bundles.write_tiny_bundle(folder / f'{name}.elepose', frames, with_body)
    tiny_bundles.write_tiny_bundle(folder / 'longer.elepose', 2 * FRAMES)
    return folder


@pytest.fixture
def live(
    inside: Any, connect: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Return a function that starts a node with the first model and connects the probe to it."""
    tiny_bundles.bring_prisms(tmp_path, monkeypatch)

    def start(**parameters: Any) -> Any:
        namespace = f'/bodies_{next(_NUMBERS)}'
        node = inside(
            'lifter',
            namespace=namespace,
            **{
                'model': folder / 'body.elepose',
                'model_folders': folder,
                'keypoints_reliability': 'reliable',
                'camera_info_timeout_s': 30.0,
                'smoothing_cutoff_hz': 0.0,
                'device': 'cpu',
                **parameters,
            },
        )
        live = connect(node, namespace)
        for talker, what in ((live.camera_info, 'camera_info'), (live.keypoints, 'keypoints')):
            live.probe.until(talker.get_subscription_count, f'a listener to {what}')
        return live

    return start


def _lift(live: Any, scene: Any, count: int = 1, *places: tuple[float, float]) -> list[Any]:
    """Send frames one after the other; return the skeletons messages that came of them."""
    if not live.skeletons:
        live.camera_info.publish(scene.camera_info())
    first = len(live.skeletons)
    for number in range(count):
        live.keypoints.publish(scene.people(*(places or ((0.0, 4.0),))))
        live.probe.until(lambda n=number: len(live.skeletons) > first + n, 'a frame to come back')
    return list(live.skeletons[first:])


def _frames_seen(message: Any, frames: int = FRAMES) -> list[float]:
    return [round(s.plausibility * frames, 3) for s in message.skeletons]


def _meshes(live: Any) -> list[Any]:
    return [m for array in live.markers for m in array.markers if m.ns == MESH]


def _meshes_of_last(live: Any, scene: Any) -> list[Any]:
    """Lift two frames and return the bodies in the markers of the second."""
    stamp = _lift(live, scene, 2)[-1].header.stamp

    def found() -> list[Any]:
        arrays = [a for a in live.markers if a.markers and a.markers[-1].header.stamp == stamp]
        return [a for a in arrays if a.markers[-1].action == Marker.ADD]

    live.probe.until(found, 'markers of the frame')
    return [m for m in found()[0].markers if m.ns == MESH]


def test_people_are_lifted_with_the_frames_before_and_drawn_with_their_bodies(
    live: Any, scene: Any
) -> None:
    live = live(publish_mesh=True)
    messages = _lift(live, scene, 6, (0.0, 4.0), (1.0, 5.0))
    assert [_frames_seen(m) for m in messages] == [[n, n] for n in (1, 2, 3, 4, 4, 4)]
    live.probe.until(lambda: len(_meshes(live)) == 12, 'two bodies in each frame')
    for mesh, person in zip(_meshes(live)[-2:], messages[-1].skeletons, strict=True):
        assert (mesh.action, mesh.type) == (Marker.ADD, Marker.TRIANGLE_LIST)
        assert mesh.header == messages[-1].header
        points = np.array([(p.x, p.y, p.z) for p in mesh.points])
        assert points.shape == (128 * 3, 3)
        joints = np.stack([person.x, person.y, person.z], -1)
        np.testing.assert_allclose(points.min(0), joints.min(0), atol=0.15)
        np.testing.assert_allclose(points.max(0), joints.max(0), atol=0.15)
    # Who left is deleted with all markers.
    scene.stamp_ns += 2_000_000_000
    _lift(live, scene)
    live.probe.until(lambda: any(m.action == Marker.DELETE for m in _meshes(live)), 'a deletion')


def test_reset_and_a_jump_back_in_time_begin_without_frames(live: Any, scene: Any) -> None:
    live = live()
    assert _frames_seen(_lift(live, scene, 4)[-1]) == [4]
    live.probe.call(Trigger, f'{live.process.get_namespace()}/lifter/reset', Trigger.Request())
    assert _frames_seen(_lift(live, scene)[-1]) == [1]
    _lift(live, scene, 2)
    scene.stamp_ns -= 500_000_000
    assert _frames_seen(_lift(live, scene)[-1]) == [1]


def test_models_of_one_and_of_several_frames_take_turns(live: Any, scene: Any) -> None:
    live, seen = live(publish_mesh=True), []
    for name, frames in (('body', FRAMES), ('bones', 1), ('longer', 2 * FRAMES), ('body', FRAMES)):
        request = interfaces.LoadModel.Request(model=f'{name}.elepose')
        service = f'{live.process.get_namespace()}/lifter/load_model'
        answer = live.probe.call(interfaces.LoadModel, service, request)
        assert answer.success, answer.message
        before = len(_meshes(live))
        seen.append([_frames_seen(m, frames) for m in _lift(live, scene, 3)])
        live.probe.until(
            lambda wanted=before + 3 * (name == 'body'): len(_meshes(live)) == wanted,
            'bodies of the model that gives them alone',
        )
    growing = [[1.0], [2.0], [3.0]]
    assert seen == [growing, [[1.0]] * 3, growing, growing]
    tracks = {m.skeletons[0].id for m in live.skeletons}
    assert len(tracks) == 1, 'people keep their tracks'


def test_bodies_come_and_go_with_the_parameter(live: Any, scene: Any) -> None:
    live = live()
    assert not _meshes_of_last(live, scene)
    live.process.set_parameters([Parameter('publish_mesh', value=True)])
    assert len(_meshes_of_last(live, scene)) == 1
    live.forget()
    live.process.set_parameters([Parameter('publish_mesh', value=False)])
    assert not _meshes_of_last(live, scene)
    actions = [action for action, _, _ in live.marker_actions()]
    assert actions[0] == Marker.DELETEALL, 'what would stay for ever is removed'
    assert actions.count(Marker.DELETEALL) == 1


def test_model_without_a_body_costs_one_warning_and_nothing_else(
    live: Any, scene: Any, folder: Path
) -> None:
    live = live(publish_mesh=True, model=folder / 'bones.elepose')
    assert len(_lift(live, scene, 3)[-1].skeletons) == 1
    sentence = 'no mesh is drawn: the model bones gives no body; load one whose manifest names'

    def told() -> bool:
        values = {v.key: v.value for d in live.diagnostics for s in d.status for v in s.values}
        return values.get('mesh', '').startswith(sentence)

    live.probe.until(told, 'the diagnostics to say so')
    assert not _meshes(live)


class _Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, message: str) -> None:
        pass

    def warning(self, message: str) -> None:
        self.said.append(message)

    error = warning


def test_choice_follows_model_parameter_and_listeners(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, body, bones = _Log(), *(Predictor(folder / f'{n}.elepose') for n in ('body', 'bones'))
    choice = MeshChoice(Reporter(log))
    # A body that this version of the package does not know: skeletons go on.
    tiny_bundles.write_tiny_bundle(tmp_path / 'new.elepose', 1, True, body='of_the_future')
    choice.follow(Predictor(tmp_path / 'new.elepose'), True, True)
    assert choice.faces is None
    assert choice.text.startswith("no mesh is drawn: body is 'of_the_future'; expected one that")
    tiny_bundles.bring_prisms(tmp_path, monkeypatch)
    assert not choice.follow(body, True, False)
    assert (choice.faces, choice.text) == (None, 'not drawn')
    assert not choice.follow(body, True, True)
    assert choice.faces is not None
    assert choice.follow(bones, True, True), 'bodies that were drawn must go'
    assert choice.faces is None
    assert not choice.follow(bones, True, True)
    assert not choice.follow(body, True, True)
    assert choice.follow(body, False, True)
    assert len(log.said) == 2, log.said
