# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle requests in any order, model files that change, and ends in each state."""

import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

import elepose_core

SHIPPED = Path(elepose_core.__file__).parent / 'bundles' / 'default.elepose'
CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
)
# Where each request leads from where; from anywhere else it is refused.
NEXT = {
    ('unconfigured', CONFIGURE): 'inactive',
    ('inactive', ACTIVATE): 'active',
    ('active', DEACTIVATE): 'inactive',
    ('inactive', CLEANUP): 'unconfigured',
}
SHUTDOWN = {
    'unconfigured': Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    'inactive': Transition.TRANSITION_INACTIVE_SHUTDOWN,
    'active': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
WAYS = {
    'unconfigured': (),
    'inactive': (CONFIGURE,),
    'active': (CONFIGURE, ACTIVATE),
    'finalized': (CONFIGURE, SHUTDOWN['inactive']),
}


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the shipped bundle, which may be spoilt."""
    folder = tmp_path_factory.mktemp('models') / 'mine.elepose'
    shutil.copytree(SHIPPED, folder)
    return folder


@pytest.fixture(scope='module')
def managed(start: Any, connect: Any, bundle: Path) -> Any:
    """Start a lifter that waits for its manager."""
    remaps = {'__ns': '/managed'}
    more: dict[str, Any] = {'autostart': False, 'model': bundle, 'camera_info_timeout_s': 0.1}
    return connect(start('lifter_node', 'managed', remaps, wait=False, **more), '/managed')


def change(probe: Any, node: str, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(probe.call(ChangeState, f'/{node}/change_state', request).success)


def lifts(live: Any, scene: Any) -> None:
    """Send people until a new skeleton comes."""
    live.forget()
    live.send_until(lambda: scene.people((0.0, 4.0)), lambda: live.skeletons_with(1), 'a skeleton')


def restore(bundle: Path) -> None:
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(SHIPPED, bundle)


def remove(bundle: Path) -> None:
    shutil.rmtree(bundle)


def truncate(bundle: Path) -> None:
    with (bundle / 'lifter.onnx').open('r+b') as file:
        file.truncate(100_000)


def replace(bundle: Path) -> None:
    """Put something else in its place, as an editor or `mv` does."""
    other = bundle / 'other'
    other.write_bytes(b'not a graph' * 1000)
    other.replace(bundle / 'lifter.onnx')


def remove_manifest(bundle: Path) -> None:
    (bundle / 'manifest.json').unlink()


SPOILERS = [
    (remove, 'mine.elepose does not exist'),
    (truncate, 'lifter.onnx has sha256'),
    (replace, 'lifter.onnx has sha256'),
    (remove_manifest, 'manifest.json cannot be read'),
]


def test_spoilt_model_files_refuse_to_be_configured_and_leave_a_running_lifter_alone(
    managed: Any, probe: Any, make_scene: Any, bundle: Path
) -> None:
    scene, node = make_scene(), 'managed/managed'
    assert change(probe, node, CONFIGURE)
    assert change(probe, node, ACTIVATE)
    for spoil in (truncate, replace, remove):
        spoil(bundle)
        lifts(managed, scene)
    assert change(probe, node, DEACTIVATE)
    assert change(probe, node, CLEANUP)
    for spoil, sentence in SPOILERS:
        restore(bundle)
        spoil(bundle)
        assert not change(probe, node, CONFIGURE)
        assert probe.state_of(node) == 'unconfigured'
        probe.until(lambda s=sentence: s in managed.process.log().splitlines()[-1], sentence)
    restore(bundle)
    assert change(probe, node, CONFIGURE)
    assert change(probe, node, ACTIVATE)
    lifts(managed, scene)
    assert change(probe, node, DEACTIVATE)
    assert change(probe, node, CLEANUP)
    assert 'Traceback' not in managed.process.log()


def test_a_spoilt_model_at_start_is_exit_code_2_and_one_sentence(
    start: Any, tmp_path: Path
) -> None:
    folder = tmp_path / 'mine.elepose'
    shutil.copytree(SHIPPED, folder)
    truncate(folder)
    process = start('lifter_node', name='spoilt', wait=False, model=folder)
    assert process.wait() == 2
    (line,) = process.log().splitlines()
    assert 'lifter.onnx has sha256' in line


def test_requests_in_random_order_are_done_or_refused_and_survived(
    managed: Any, probe: Any, make_scene: Any, lengths: Any
) -> None:
    draw = random.Random(20261125)
    node, state = 'managed/managed', probe.state_of('managed/managed')
    assert state == 'unconfigured'
    refused = 0
    for number in range(lengths.transitions):
        # Also what no state knows: 42, and shutdowns of states that the node is not in.
        wrong = [t for s, t in SHUTDOWN.items() if s != state]
        request = draw.choice([CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE, 42, *wrong])
        wanted = NEXT.get((state, request))
        assert change(probe, node, request) == (wanted is not None), (number, state, request)
        refused += wanted is None
        state = wanted or state
        if number % 10 == 0:
            assert probe.state_of(node) == state, (number, request)
    assert refused > lengths.transitions / 3
    for request in {'unconfigured': (CONFIGURE, ACTIVATE), 'inactive': (ACTIVATE,)}.get(state, ()):
        assert change(probe, node, request)
    lifts(managed, make_scene())
    assert 'Traceback' not in managed.process.log()


def test_a_second_node_of_the_same_name_is_told(managed: Any, start: Any, probe: Any) -> None:
    before = probe.state_of('managed/managed')
    twin = start('lifter_node', 'managed', {'__ns': '/managed'}, wait=False, autostart=False)
    said = 'another node is called /managed/managed as well'
    for process in (managed.process, twin):
        probe.until(lambda p=process: said in p.log(), 'the node of the same name to be told')
    twin.send(signal.SIGTERM)
    assert twin.wait() == 0
    # The services belong to the one that is left.
    assert probe.state_of('managed/managed') == before


def test_a_signal_in_each_state_ends_it(start: Any, probe: Any, lengths: Any) -> None:
    for name in lengths.signals:
        number = signal.Signals[name]
        # Names of its own: the graph still shows those who ended a moment ago.
        names = {state: f'{state}_{name.lower()}' for state in WAYS}
        nodes = {
            state: start('lifter_node', node, {'__ns': f'/{node}'}, wait=False, autostart=False)
            for state, node in names.items()
        }
        for state, way in WAYS.items():
            path = f'{names[state]}/{names[state]}'
            for transition in way:
                assert change(probe, path, transition)
            assert probe.state_of(path) == state
        for process in nodes.values():
            process.send(number)
        for state, process in nodes.items():
            wanted = -number if number == signal.SIGKILL else 0
            assert process.wait() == wanted, (state, process.log())
            assert 'Traceback' not in process.log(), state
