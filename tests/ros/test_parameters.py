# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from elepose_core.detect import DETECTORS
from elepose_core.errors import InputError
from elepose_core.runtime.lifting import LiftingOptions
from elepose_ros.parameters import (
    DETECTOR,
    LIFTER,
    Parameters,
    declare,
    markdown_table,
    unknown_names,
    with_changes,
)


class _Given:
    def __init__(self, value: Any) -> None:
        self.value = value


class _Node:
    """Answers as rclpy does: the user's value where there is one, else the default."""

    def __init__(self, **given: Any) -> None:
        self._given = given
        self.declared: dict[str, Any] = {}

    def declare_parameter(self, name: str, value: Any, descriptor: Any) -> _Given:
        self.declared[name] = descriptor
        return _Given(self._given.get(name, value))


def test_the_table_is_printed_with_one_line_per_parameter() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(dataclasses.fields(Parameters))
    stature = next(line for line in lines if '`stature_m`' in line)
    assert stature.split('|')[2:7] == [
        ' double ',
        ' `1.7` ',
        ' 0.5 to 2.5 ',
        ' m ',
        ' at run time ',
    ]


def test_a_change_at_run_time_is_checked() -> None:
    parameters = Parameters()
    assert with_changes(parameters, {'stature_m': 1.6, 'use_sim_time': True}).stature_m == 1.6
    with pytest.raises(InputError, match=r'stature_m is 9\.0; expected .* in 0\.5 to 2\.5'):
        with_changes(parameters, {'stature_m': 9.0})
    with pytest.raises(InputError, match='detector cannot change while the node runs'):
        with_changes(parameters, {'detector': 'mediapipe'})
    assert not with_changes(parameters, {'use_fused_up': False}).use_fused_up
    with pytest.raises(InputError, match='publish_tf is 1; expected a bool'):
        with_changes(parameters, {'publish_tf': 1})
    with pytest.raises(InputError, match=r'camera_height_m is 1e-165; expected 0 \(unknown\) or'):
        with_changes(parameters, {'camera_height_m': 1e-165})
    with pytest.raises(InputError, match='stature_m is nan'):
        with_changes(parameters, {'stature_m': float('nan')})


def test_names_that_nobody_knows_are_told() -> None:
    given = ['detector', 'stature', 'use_sim_time', 'qos_overrides./x.publisher.depth']
    assert unknown_names(given) == ['stature']


def test_the_shipped_file_names_each_parameter_with_its_default() -> None:
    yaml = pytest.importorskip('yaml', reason='PyYAML comes with ROS 2')
    path = Path(__file__).parents[2] / 'config' / 'lift.yaml'
    shipped = yaml.safe_load(path.read_text())['/**']['ros__parameters']
    assert shipped == dataclasses.asdict(Parameters())


def test_the_detectors_of_the_table_are_those_of_the_core() -> None:
    field = next(f for f in dataclasses.fields(Parameters) if f.name == 'detector')
    assert set(field.metadata['row'].choices) == {*DETECTORS, 'none'}


def test_every_option_of_lifting_is_a_parameter() -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    from elepose_ros.outputs import _options

    given = {
        **{'stature_m': 1.1, 'min_keypoint_score': 0.3, 'min_keypoints': 9, 'max_people': 3},
        **{
            'use_fused_up': False,
            'smoothing_cutoff_hz': 2.0,
            'smoothing_opening': 4.0,
            'elevation_memory_s': 9.0,
        },
    }
    parameters = Parameters(**given, track_max_gap_s=0.7, publish_mesh=True)  # type: ignore[arg-type]
    wanted = LiftingOptions(**given, max_gap_s=0.7, with_vertices=True)  # type: ignore[arg-type]
    assert _options(parameters) == wanted
    for field in dataclasses.fields(LiftingOptions):
        assert getattr(wanted, field.name) != field.default, f'{field.name} is not tried'


class TestDeclare:
    @pytest.fixture(autouse=True)
    def _ros(self) -> None:
        pytest.importorskip('rcl_interfaces', reason='ROS 2 is not installed')

    def test_a_node_declares_what_it_uses_with_range_and_text(self) -> None:
        node = _Node(stature_m=1.5)
        assert declare(node, (LIFTER,)) == Parameters(stature_m=1.5)
        assert 'detector' not in node.declared
        descriptor = node.declared['stature_m']
        assert descriptor.floating_point_range[0].from_value == 0.5
        assert descriptor.floating_point_range[0].to_value == 2.5
        assert descriptor.description.endswith('[m]')
        assert not descriptor.read_only
        assert node.declared['model'].read_only

    @pytest.mark.parametrize(
        ('given', 'sentence'),
        [
            ({'device': 'gpu'}, "device is 'gpu'; expected one of auto, cpu, cuda, tensorrt"),
            ({'detector_input_long_side': 300}, 'expected a multiple of 32'),
            ({'detector': 'yolo'}, "detector is 'yolo'; expected one of movenet_multipose"),
            ({'num_threads': 0}, 'num_threads is 0; expected an integer in 1 to 64'),
        ],
    )
    def test_a_wrong_value_is_refused_with_one_sentence(
        self, given: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(InputError, match=sentence):
            declare(_Node(**given), (DETECTOR, LIFTER))
