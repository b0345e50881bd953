# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images of every kind as messages, and which of them belongs to a frame."""

from array import array
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera
from elepose_ros.depth_input import DepthInput, depth_from_message
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter
from elepose_ros.stages import StageStatistics

METRES = np.array([[1.0, 2.5, 0.0], [3.125, 4.0, 65.0]])
CENTRES = np.stack(np.meshgrid(np.arange(3.0), np.arange(2.0)), -1)


def _message(kind: str, coding: str, padding: int = 0, **changes: Any) -> Image:
    """Write METRES as an image; `kind` is a NumPy type with its byte order."""
    values = (METRES * (1000 if kind.endswith('u2') else 1)).astype(kind)
    rows = values.view(np.uint8).reshape(2, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Image(
        height=2,
        width=3,
        encoding=coding,
        step=padded.shape[1],
        is_bigendian=int(kind.startswith('>')),
        data=array('B', padded.tobytes()),
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(
    ('kind', 'encoding'),
    [('<u2', '16UC1'), ('>u2', '16UC1'), ('<u2', 'mono16'), ('<f4', '32FC1'), ('>f4', '32FC1')],
)
def test_depth_is_read_in_metres(kind: str, encoding: str, padding: int) -> None:
    found = depth_from_message(_message(kind, encoding, padding)).metres(CENTRES)
    np.testing.assert_allclose(found, np.where(METRES > 0, METRES, np.nan))


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'encoding': 'rgb8'}, "is 'rgb8'; expected 16UC1 .* or 32FC1"),
        ({'encoding': ''}, "is ''; expected"),
        ({'width': 0}, 'is 0x2 pixels'),
        ({'step': 5}, 'step .* is 5 bytes; expected at least 6'),
        ({'height': 3}, 'has 12 bytes; expected at least 18'),
        ({'data': array('B')}, 'has 0 bytes'),
        ({'width': 2**32 - 1, 'height': 2**32 - 1, 'step': 2**32 - 1}, 'step .* is 4294967295'),
    ],
)
def test_what_is_no_depth_image_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        depth_from_message(_message('<u2', '16UC1', **change))
    assert '\n' not in str(error.value)


class _Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = error = info


class _Node:
    """The part of a PartsNode that the input needs; messages go in by hand."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = Parameters(use_depth=True, **parameters)
        self.log = _Log()
        self.reporter = Reporter(self.log)
        self.statistics = StageStatistics()
        self.send: Any = None

    def create_subscription(
        self, _kind: Any, topic: str, callback: Any, *_: Any, **__: Any
    ) -> Any:
        self.send = callback
        return type('Subscription', (), {'topic_name': f'/{topic}'})()


def _at(stamp_ns: int, kind: str = '<u2', encoding: str = '16UC1') -> Image:
    stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return _message(kind, encoding, header=Header(stamp=stamp))


def _frame(stamp_ns: int, width: int = 3, height: int = 2) -> tuple[int, Camera]:
    return stamp_ns, Camera(np.diag([3.0, 3.0, 1.0]), width, height)


MS = 1_000_000


@pytest.fixture
def node() -> _Node:
    return _Node(depth_max_age_s=0.05)


@pytest.fixture
def depth(node: _Node) -> DepthInput:
    depth = DepthInput(node)  # type: ignore[arg-type]
    depth.start()
    return depth


def test_the_image_nearest_in_time_is_taken(node: _Node, depth: DepthInput) -> None:
    node.send(_at(1000 * MS))
    node.send(_at(1033 * MS, '<f4', '32FC1'))
    for stamp, kind in ((1010, 'u'), (1030, 'f'), (1080, 'f'), (960, 'u')):
        found = depth.depth_for(*_frame(stamp * MS))
        assert found is not None
        assert found.values.dtype.kind == kind
    assert depth.facts()['depth'] == 'used'
    assert node.log.lines == []


def test_no_depth_in_time_is_said_once(node: _Node, depth: DepthInput) -> None:
    assert depth.depth_for(*_frame(0)) is None
    node.send(_at(1000 * MS))
    for stamp in (900, 1051, 1100):
        assert depth.depth_for(*_frame(stamp * MS)) is None
    (line,) = node.log.lines
    assert line.startswith('no depth image within depth_max_age_s = 0.05 s of a frame')
    assert '/depth' in line


def test_depth_that_dies_is_told_and_told_again_when_it_comes_back(
    node: _Node, depth: DepthInput
) -> None:
    depth.depth_for(*_frame(0))  # the first frame is before the first depth
    assert depth.facts()['depth'] == 'none so far'
    for number in (1, 2):
        node.send(_at(number * 100_000 * MS))
        assert depth.depth_for(*_frame(number * 100_000 * MS)) is not None
        assert depth.facts()['depth'] == 'used'
        assert node.reporter.recent_troubles() == {}
        for seconds in range(60, 90):
            assert depth.depth_for(*_frame((number * 100 + seconds) * 1000 * MS)) is None
        assert depth.facts()['depth'] == 'none for 89 s'
        assert len(node.log.lines) == 1 + number
    depth.stop()
    depth.start()
    assert depth.facts()['depth'] == 'none so far'
    depth.depth_for(*_frame(300_000 * MS))
    assert len(node.log.lines) == 4


def test_depth_with_gaps_does_not_fill_the_log(node: _Node, depth: DepthInput) -> None:
    for stamp in range(0, 20_000, 33):
        if stamp % 200 < 33:
            node.send(_at(stamp * MS))
        depth.depth_for(*_frame(stamp * MS))
    assert depth.facts()['depth'] == 'used'
    assert len(node.log.lines) == 1


def test_another_aspect_ratio_is_said_and_lifted_without(node: _Node, depth: DepthInput) -> None:
    node.send(_at(0))
    assert depth.depth_for(*_frame(0, 600, 400)) is not None, 'a plain resize'
    assert depth.depth_for(*_frame(0, 0, 0)) is not None, 'the size of the image is not known'
    assert depth.depth_for(*_frame(0, 640, 480)) is None
    (line,) = node.log.lines
    assert line.startswith('/depth: depth image is 3x2 but the image is 640x480')


def test_a_wrong_image_is_refused_and_the_next_one_works(node: _Node, depth: DepthInput) -> None:
    node.send(_message('<u2', 'bgr8'))
    assert node.statistics.counts()['refused'] == 1
    assert "/depth: encoding of the depth image is 'bgr8'" in node.log.lines[0]
    node.send(_at(0))
    assert depth.depth_for(*_frame(0)) is not None


def test_time_that_jumps_back_and_a_reset_forget(node: _Node, depth: DepthInput) -> None:
    for stamp in (1000, 1033, 10):
        node.send(_at(stamp * MS))
    assert depth.depth_for(*_frame(1033 * MS)) is None
    assert depth.depth_for(*_frame(10 * MS)) is not None
    depth.reset()
    assert depth.depth_for(*_frame(10 * MS)) is None


def test_images_do_not_pile_up(node: _Node, depth: DepthInput) -> None:
    for stamp in range(0, 10_000, 33):
        node.send(_at(stamp * MS))
    assert depth.depth_for(*_frame(0)) is None
    assert len(depth._images) == 8


def test_large_images_are_kept_in_smaller_numbers(
    node: _Node, depth: DepthInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('elepose_ros.depth_input._KEPT_BYTES', 40)  # of 12 each
    for stamp in range(0, 330, 33):
        node.send(_at(stamp * MS))
    assert [stamp // MS for stamp, _ in depth._images] == [231, 264, 297]


def test_without_the_parameter_nothing_is_subscribed() -> None:
    node = _Node()
    node.parameters = Parameters()
    depth = DepthInput(node)  # type: ignore[arg-type]
    depth.start()
    assert node.send is None
    assert depth.depth_for(*_frame(0)) is None
    assert (depth.facts(), depth.faults(), node.log.lines) == ({}, {}, [])
    depth.watch()
    depth.stop()
    depth.close()
