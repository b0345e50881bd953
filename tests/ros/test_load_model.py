# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`~/load_model`: what may be loaded, and a change between two frames."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter

from elepose_core import bundle as bundles
from elepose_core.errors import InputError
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_ros import interfaces, lifter_node, lifter_slot, model_service, outputs
from elepose_ros.lifter_slot import LifterSlot
from elepose_ros.model_service import allowed_bundle
from elepose_ros.outputs import SkeletonOutput
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter

# Fewer than wait before a node, more than one, so that the change comes between two that wait.
IN_FLIGHT = 4
SHIPPED = bundles.open_bundle('default').folder


def copy_of_the_default(folder: Path, name: str) -> Path:
    """Return a bundle like the shipped one under another name."""
    path = folder / f'{name}.elepose'
    shutil.copytree(SHIPPED, path)
    manifest = json.loads((path / 'manifest.json').read_text())
    manifest['name'] = name
    (path / 'manifest.json').write_text(json.dumps(manifest))
    return path


class TestWhatMayBeLoaded:
    @pytest.fixture
    def allowed(self, tmp_path: Path) -> Path:
        folder = tmp_path / 'models'
        for name in ('models/mine.elepose', 'models/deep/er.elepose', 'secret.elepose'):
            (tmp_path / name).mkdir(parents=True)
            for file in ('manifest.json', 'lifter.onnx'):
                (tmp_path / name / file).touch()
        return folder

    def test_a_shipped_name_needs_no_folder(self) -> None:
        assert allowed_bundle('default', '') == 'default'

    @pytest.mark.parametrize('name', ['mine.elepose', 'deep/er.elepose', 'deep/../mine.elepose'])
    def test_a_bundle_inside_by_its_path_or_a_relative_one(self, allowed: Path, name: str) -> None:
        folders = f'/no/where:{allowed}'
        expected = (allowed / name).resolve()
        assert allowed_bundle(name, folders) == expected
        assert allowed_bundle(str(allowed / name), folders) == expected

    def test_without_folders_no_path_counts(self, allowed: Path) -> None:
        with pytest.raises(InputError, match='model_folders is empty'):
            allowed_bundle(str(allowed / 'mine.elepose'), '')

    @pytest.mark.parametrize(
        'name',
        [
            *('../secret.elepose', '/etc', '.', '..', '/', 'nobody.elepose', 'a\0b/c.elepose'),
            *('deep/../../secret.elepose', '~/x.elepose', 'linked.elepose', 'loop/x.elepose'),
            'x' * 5000 + '/y.elepose',
        ],
    )
    def test_nothing_outside_can_be_reached(self, allowed: Path, name: str) -> None:
        (allowed / 'linked.elepose').symlink_to(allowed.parent / 'secret.elepose')
        (allowed / 'loop').symlink_to(allowed / 'loop')
        with pytest.raises(
            InputError, match=r'expected a bundle NAME\.elepose inside model_folders'
        ) as caught:
            allowed_bundle(name, str(allowed))
        assert len(str(caught.value)) < 500 + len(str(allowed))

    def test_a_neighbour_with_the_same_beginning_is_outside(self, allowed: Path) -> None:
        shutil.copytree(allowed, allowed.with_name('models2'))
        with pytest.raises(InputError, match='inside model_folders'):
            allowed_bundle('../models2/mine.elepose', str(allowed))

    def test_files_that_lead_out_or_are_pipes_are_refused(self, allowed: Path) -> None:
        graph = allowed / 'mine.elepose' / 'lifter.onnx'
        graph.unlink()
        graph.symlink_to(allowed.parent / 'secret.elepose' / 'lifter.onnx')
        with pytest.raises(InputError, match='leads out of'):
            allowed_bundle('mine.elepose', str(allowed))
        graph.unlink()
        os.mkfifo(graph)
        with pytest.raises(InputError, match='is no file'):
            allowed_bundle('mine.elepose', str(allowed))


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('models')
    for name in ('first', 'second'):
        copy_of_the_default(folder, name)
    damaged = copy_of_the_default(folder, 'damaged') / 'lifter.onnx'
    damaged.write_bytes(damaged.read_bytes()[:-1])
    return folder


def ask(probe: Any, node: str, model: str) -> Any:
    request = interfaces.LoadModel.Request(model=model)
    return probe.call(interfaces.LoadModel, f'/{node}/load_model', request)


def test_no_frame_is_lost_while_the_lifter_changes(
    start: Any, connect: Any, make_scene: Any, folder: Path
) -> None:
    scene, name = make_scene(), 'swapped'
    process = start(
        'lifter_node',
        name=name,
        remaps={'__ns': f'/{name}'},
        keypoints_reliability='reliable',
        camera_info_timeout_s=30.0,
        model_folders=str(folder),
    )
    live = connect(process, f'/{name}')
    info = scene.camera_info()
    live.probe.until(
        lambda: live.camera_info.get_subscription_count(), 'a listener to camera_info'
    )
    live.camera_info.publish(info)
    live.send_until(lambda: scene.people((0.0, 4.0)), lambda: live.skeletons_with(1), 'a skeleton')
    sent: list[int] = []

    def send() -> None:
        # As fast as this machine lifts just now, so that nothing is lost for want of time.
        if len(sent) - len(live.skeletons_with(2)) >= IN_FLIGHT:
            return
        message = scene.people((0.0, 4.0), (1.0, 5.0))
        sent.append(stamp_ns_from_header(message.header))
        live.keypoints.publish(message)

    def load(model: str) -> Any:
        client = live.probe.node.create_client(interfaces.LoadModel, f'/{name}/{name}/load_model')
        live.probe.until(client.service_is_ready, 'the service')
        future = client.call_async(interfaces.LoadModel.Request(model=model))
        live.probe.until(future.done, 'the answer', again=send, period_s=1 / 60)
        return future.result()

    answer = load(str(folder / 'first.elepose'))
    assert answer.success, answer.message
    assert 'lifts with first (sha256 ' in answer.message
    assert load('second.elepose').success
    answer = load('damaged.elepose')
    assert not answer.success
    assert 'the lifter stays as it is' in answer.message
    assert 'damaged or exchanged' in answer.message
    assert len(sent) > 3, 'frames came while each of them was loaded'
    live.probe.until(lambda: len(live.skeletons_with(2)) >= len(sent), 'the last skeletons')
    assert [stamp_ns_from_header(m.header) for m in live.skeletons_with(2)] == sent
    live.forget()
    live.probe.until(lambda: live.diagnostics, 'diagnostics')
    facts = {value.key: value.value for value in live.diagnostics[-1].status[0].values}
    assert facts['model'] == 'second'
    assert facts['model sha256'] == bundles.open_bundle('default').manifest.sha256[:12]
    # People keep their tracks.
    assert {s.id for m in live.skeletons for s in m.skeletons} <= {'person 0', 'person 1'}


def test_who_cannot_be_served_is_told_why(
    probe: Any, inside: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = inside('picky', active=False, model_folders=str(folder))
    assert 'the node is not configured' in ask(probe, 'picky', 'default').message
    node.trigger_configure()
    assert ask(probe, 'picky', 'default').success, 'an inactive node can change as well'
    assert "model is 'better'; expected a shipped" in ask(probe, 'picky', 'better').message
    outside = ask(probe, 'picky', str(SHIPPED))
    assert 'expected a bundle NAME.elepose inside model_folders' in outside.message

    def bug(*_: Any) -> None:
        raise RuntimeError('bad allocation\nsecond line')

    monkeypatch.setattr(model_service, 'ready_predictor', bug)
    assert ask(probe, 'picky', 'default').message.endswith(
        'it does not load (RuntimeError: bad allocation)'
    )


def test_a_service_that_breaks_before_it_loads_answers(
    probe: Any, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = inside('broken', active=False)
    node.trigger_configure()

    def bug(*_: Any) -> None:
        raise RuntimeError('no home')

    monkeypatch.setattr(model_service, 'allowed_bundle', bug)
    answer = ask(probe, 'broken', 'default')
    assert not answer.success
    assert 'RuntimeError: no home' in answer.message


def test_a_node_that_ends_or_starts_anew_meanwhile_drops_what_was_loaded(
    probe: Any, inside: Any
) -> None:
    node = inside('hasty')
    client = probe.node.create_client(interfaces.LoadModel, '/hasty/load_model')
    probe.until(client.service_is_ready, 'the service')
    first = client.call_async(interfaces.LoadModel.Request(model='default'))
    second = client.call_async(interfaces.LoadModel.Request(model='default'))
    probe.until(second.done, 'the refusal of the second')
    assert 'another model is being loaded' in second.result().message
    for trigger in ('deactivate', 'cleanup', 'configure'):
        getattr(node, f'trigger_{trigger}')()
    probe.until(first.done, 'an answer to the first')
    assert 'cleaned up meanwhile' in first.result().message


def test_a_manager_can_go_on_while_a_model_loads(probe: Any, inside: Any) -> None:
    inside('busy')
    client = probe.node.create_client(interfaces.LoadModel, '/busy/load_model')
    probe.until(client.service_is_ready, 'the service')
    loading = client.call_async(interfaces.LoadModel.Request(model='default'))
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert probe.call(ChangeState, '/busy/change_state', request).success
    probe.until(loading.done, 'the answer')
    assert loading.result().success


class TestOneSlot:
    """A model that is loaded and a device that changes meanwhile; nothing of ROS is needed."""

    @pytest.fixture
    def race(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return what the race is about; moves wait for `go`."""
        race = SimpleNamespace(parameters=Parameters(device='cpu'), go=threading.Event(), moves=[])

        def ready(parameters: Parameters, model: str, _: str) -> Any:
            race.moves.append((model, parameters.device))
            assert race.go.wait(10.0)
            return self.predictor(model, parameters.device)

        monkeypatch.setattr(lifter_slot, 'ready_predictor', ready)
        logger = SimpleNamespace(info=print, warning=print, error=print)
        race.slot = LifterSlot(
            self.predictor('A', 'cpu'), lambda: race.parameters, Reporter(logger)
        )
        return race

    @staticmethod
    def predictor(model: str, device: str) -> Any:
        return SimpleNamespace(folder=model, backend=SimpleNamespace(name=device))

    @staticmethod
    def settle(race: Any) -> tuple[str, str]:
        race.go.set()
        for _ in range(4):
            if race.slot._moving is not None:
                race.slot._moving.join()
            race.slot.follow()
        return race.slot.predictor.folder, race.slot.predictor.backend.name

    def test_a_move_that_ends_late_does_not_bring_the_old_model_back(self, race: Any) -> None:
        begun = race.parameters
        race.parameters = Parameters(device='cuda')
        race.slot.follow()
        race.slot.exchange(self.predictor('B', 'cpu'), begun)
        assert self.settle(race) == ('B', 'cuda')
        assert race.moves == [('A', 'cuda'), ('B', 'cuda')]

    def test_a_model_that_began_to_load_for_the_old_device_moves_on(self, race: Any) -> None:
        begun = race.parameters
        race.parameters = Parameters(device='cuda')
        race.slot.follow()
        assert self.settle(race) == ('A', 'cuda')
        race.slot.exchange(self.predictor('B', 'cpu'), begun)
        assert self.settle(race) == ('B', 'cuda')

    def test_a_model_that_was_loaded_for_the_new_device_stays_as_it_is(self, race: Any) -> None:
        race.parameters = Parameters(device='cuda')
        race.slot.follow()
        loaded = self.predictor('B', 'cuda')
        race.slot.exchange(loaded, race.parameters)
        assert self.settle(race) == ('B', 'cuda')
        assert race.slot.predictor is loaded

    def test_a_device_that_is_not_here_is_tried_once(
        self, race: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        def refuse(parameters: Parameters, *_: Any) -> None:
            tried.append(parameters.device)
            raise InputError('no GPU')

        monkeypatch.setattr(lifter_slot, 'ready_predictor', refuse)
        race.parameters = Parameters(device='cuda')
        assert self.settle(race) == ('A', 'cpu')
        assert tried == ['cuda']


def test_a_node_that_could_not_be_configured_has_no_lifter_to_change(
    probe: Any, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = inside('half', active=False)

    def refuse(*_: Any) -> Any:
        raise InputError('no')

    with monkeypatch.context() as patch:
        # Made after the lifter.
        patch.setattr(lifter_node, 'keypoint_input', refuse)
        node.trigger_configure()
    assert 'the node is not configured' in ask(probe, 'half', 'default').message
    assert node._models._use is None, 'nothing holds the dead part'
    with monkeypatch.context() as patch:
        patch.setattr(outputs, 'optional_message', refuse)
        node.trigger_configure()
    assert 'the node is not configured' in ask(probe, 'half', 'default').message


def test_device_and_threads_follow_their_parameters(probe: Any, inside: Any) -> None:
    node = inside('moved', camera_info_timeout_s=0.0)
    (output,) = (part for part in node._parts if isinstance(part, SkeletonOutput))

    def follow(condition: Callable[[], bool], what: str, **parameters: Any) -> None:
        values = [Parameter(name, value=value) for name, value in parameters.items()]
        assert all(result.successful for result in node.set_parameters(values))

        def holds() -> bool:
            output.watch()
            return condition()

        probe.until(holds, what)

    first = output._slot.predictor
    follow(lambda: output._slot.predictor is not first, 'two threads', num_threads=2)
    second = output._slot.predictor
    assert second.manifest == first.manifest
    # There is no GPU where this runs; where there is one, it moves there.
    follow(
        lambda: (
            'the lifter stays as it is' in '\n'.join(node.explain())
            or second is not output._slot.predictor
        ),
        'a word on the GPU',
        device='cuda',
    )
