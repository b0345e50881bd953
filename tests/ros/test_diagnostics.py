# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from diagnostic_msgs.msg import DiagnosticStatus

from elepose_ros.diagnostics import status_from_facts


def test_all_is_well() -> None:
    facts = {'state': 'active', 'camera': 'calibrated'}
    status = status_from_facts('/lifter', facts, None)
    assert (status.level, status.message) == (DiagnosticStatus.OK, 'active')
    assert [(v.key, v.value) for v in status.values] == list(facts.items())


@pytest.mark.parametrize(
    ('is_error', 'level'), [(True, DiagnosticStatus.ERROR), (False, DiagnosticStatus.WARN)]
)
def test_a_trouble_becomes_the_message(is_error: bool, level: bytes) -> None:
    status = status_from_facts('/lifter', {'camera': 'assumed'}, (is_error, 'image is 0x0'))
    assert (status.level, status.message) == (level, 'image is 0x0')


@pytest.mark.parametrize('camera', ['assumed', 'uncalibrated'])
def test_a_guessed_camera_is_a_warning_for_as_long_as_it_lasts(camera: str) -> None:
    status = status_from_facts('/lifter', {'camera': camera}, None)
    assert (status.level, status.message) == (
        DiagnosticStatus.WARN,
        f'camera {camera}: distances are a guess',
    )


@pytest.mark.parametrize(
    ('facts', 'trouble', 'level', 'message'),
    [
        ({'input age [s]': '4.0'}, None, DiagnosticStatus.OK, 'active'),
        ({'input age [s]': '6.0'}, None, DiagnosticStatus.STALE, 'nothing came for 6 s'),
        ({'input age [s]': '6.0'}, (False, 'why'), DiagnosticStatus.STALE, 'why'),
        ({'input age [s]': '6.0'}, (True, 'why'), DiagnosticStatus.ERROR, 'why'),
        ({'state': 'inactive', 'input age [s]': '6.0'}, None, DiagnosticStatus.OK, 'inactive'),
        (
            {'state': 'unconfigured', 'failure': 'no model'},
            (False, 'why'),
            DiagnosticStatus.ERROR,
            'no model',
        ),
        (
            {'elevation status': 'DISTURBED'},
            None,
            DiagnosticStatus.WARN,
            'what people show contradicts the camera elevation so far: was the camera moved?',
        ),
        (
            {'in rate [Hz]': '30.0', 'dropped rate [Hz]': '10.0'},
            None,
            DiagnosticStatus.WARN,
            '10.0 of 30.0 frames per second are dropped: call ~/explain',
        ),
        ({'in rate [Hz]': '30.0', 'dropped rate [Hz]': '1.0'}, None, b'\0', 'active'),
    ],
)
def test_the_level_is_that_of_what_matters_most(
    facts: dict[str, str], trouble: tuple[bool, str] | None, level: bytes, message: str
) -> None:
    status = status_from_facts('/lifter', {'state': 'active', **facts}, trouble)
    assert (status.level, status.message) == (level, message)
