# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A node survives every request, possible or not, in any order."""

import random
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn

from elepose_core.errors import InputError
from elepose_core.runtime.predictor import Predictor
from elepose_ros.lifecycle import Part, PartsNode
from elepose_ros.parameters import DETECTOR

pytestmark = pytest.mark.ros

# State after each request; a request that is not listed is refused and changes nothing.
LEADS_TO = {
    ('unconfigured', 'configure'): 'inactive',
    ('inactive', 'activate'): 'active',
    ('inactive', 'cleanup'): 'unconfigured',
    ('active', 'deactivate'): 'inactive',
}
REQUESTS = ('configure', 'activate', 'deactivate', 'cleanup')
SUCCESS = TransitionCallbackReturn.SUCCESS


def state_of(node: Any) -> str:
    return str(node._state_machine.current_state[1])


@pytest.fixture
def quick_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the network once for all."""
    predictor = Predictor()
    monkeypatch.setattr('elepose_ros.lifter_node.load_predictor', lambda _: predictor)


def test_a_hundred_requests_in_random_order(
    probe: Any, inside: Any, scene: Any, quick_model: None
) -> None:
    from elepose_ros import interfaces

    node = inside('restless', active=False, camera_info_timeout_s=0.0)
    entities = len(list(node.subscriptions)), len(list(node.publishers)), len(list(node.timers))
    keypoints = probe.talk(interfaces.People2D, '/keypoints')
    draw = random.Random(20261125)
    state, taken = 'unconfigured', set()
    for _ in range(100):
        request = draw.choice(REQUESTS)
        expected = LEADS_TO.get((state, request))
        result = getattr(node, f'trigger_{request}')()
        assert (result == SUCCESS) == (expected is not None), f'{request} at {state}'
        taken.add((state, request))
        state = expected or state
        assert state_of(node) == state
        # What the node does between the requests must not depend on them.
        keypoints.publish(scene.people((0.0, 4.0)))
        probe.until(iter((False, True)).__next__, 'one turn')
        node.explain()
        node._tick()
        node._reset()
    assert taken == {
        (state, request)
        for state in ('unconfigured', 'inactive', 'active')
        for request in REQUESTS
    }
    for request in ('deactivate', 'cleanup'):
        getattr(node, f'trigger_{request}')()
    left = len(list(node.subscriptions)), len(list(node.publishers)), len(list(node.timers))
    assert left == entities, 'nothing of earlier rounds is left'
    node.trigger_configure()
    node.trigger_activate()
    before = node.statistics.counts().get('out', 0)
    probe.until(
        lambda: node.statistics.counts().get('out', 0) > before,
        'a skeleton after all that',
        again=lambda: keypoints.publish(scene.people((0.0, 4.0))),
    )
    assert node.trigger_shutdown() == SUCCESS
    for request in (*REQUESTS, 'shutdown'):
        assert getattr(node, f'trigger_{request}')() != SUCCESS
    assert state_of(node) == 'finalized'
    probe.node.destroy_publisher(keypoints)


def test_nobody_is_followed_when_frames_come_no_more(
    probe: Any,
    inside: Any,
    scene: Any,
    quick_model: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from elepose_ros import interfaces

    node = inside('lonely', camera_info_timeout_s=0.0, track_max_gap_s=0.2)
    keypoints = probe.talk(interfaces.People2D, '/keypoints')
    probe.until(
        lambda: node._facts()['tracks'] == '1',
        'somebody',
        again=lambda: keypoints.publish(scene.people((0.0, 4.0))),
    )
    monkeypatch.setattr('elepose_ros.outputs.SILENCE_S', 0.0)
    probe.until(lambda: node._facts()['tracks'] == '0', 'nobody')


def test_numbers_and_labels_that_nobody_knows_are_refused(
    probe: Any, inside: Any, quick_model: None
) -> None:
    node = inside('asked_oddly', active=False)
    for number, label in ((0, ''), (99, ''), (255, ''), (0, 'nonsense'), (1, 'nonsense'), (2, '')):
        request = ChangeState.Request(transition=Transition(id=number, label=label))
        assert not probe.call(ChangeState, '/asked_oddly/change_state', request).success
        assert state_of(node) == 'unconfigured'
    request = ChangeState.Request(transition=Transition(label='configure'))
    assert probe.call(ChangeState, '/asked_oddly/change_state', request).success
    assert state_of(node) == 'inactive'


class Fragile(Part):
    """Breaks where it is told to."""

    def __init__(self, breaks: dict[str, type[Exception]], name: str, log: list[str]) -> None:
        self._breaks, self._name, self._log = breaks, name, log

    def _do(self, what: str) -> None:
        self._log.append(f'{self._name} {what}')
        if what in self._breaks:
            raise self._breaks[what]('broken')

    def start(self) -> None:
        self._do('start')

    def stop(self) -> None:
        self._do('stop')

    def close(self) -> None:
        self._do('close')


@pytest.fixture
def fragile(probe: Any) -> Any:
    nodes = []

    def fragile(
        log: list[str], breaks: dict[str, type[Exception]]
    ) -> tuple[Any, dict[str, type[Exception]]]:
        def build(_: PartsNode) -> tuple[Part, ...]:
            if 'build' in breaks:
                raise breaks['build']('broken')
            return Fragile(breaks, 'first', log), Fragile({}, 'second', log)

        nodes.append(PartsNode('fragile', (DETECTOR,), build))
        return nodes[-1]

    yield fragile
    for node in nodes:
        node.shut_down()


@pytest.mark.parametrize('error', [InputError, RuntimeError])
@pytest.mark.parametrize('where', ['build', 'start', 'stop', 'close'])
def test_a_part_that_breaks_leaves_a_node_that_can_be_used_again(
    fragile: Callable[..., Any], where: str, error: type[Exception]
) -> None:
    log: list[str] = []
    breaks = {where: error}
    node = fragile(log, breaks)
    for request in REQUESTS:
        getattr(node, f'trigger_{request}')()
    assert state_of(node) == 'unconfigured'
    if where in ('stop', 'close'):
        assert f'second {where}' in log, 'the other part ends as well'
    breaks.clear()
    for request, state in (('configure', 'inactive'), ('activate', 'active')):
        assert getattr(node, f'trigger_{request}')() == SUCCESS
        assert state_of(node) == state
