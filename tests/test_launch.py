# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file: its arguments, what it starts, and that the real executables accept that."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import launch_stubs as stubs
import pytest

ROOT = Path(__file__).parents[1]
LAUNCH_FILE = ROOT / 'launch' / 'lift.launch.py'
CONTRACT = {'input', 'image', 'camera_info', 'keypoints', 'detector', 'model', 'device'} | {
    'rviz',
    'bag',
    'use_sim_time',
    'namespace',
    'params_file',
    'autostart',
    'log_level',
}
START_UP_S = 60.0

Start = Callable[..., list[stubs.Recorded]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Launches with stand-ins and returns the actions; `ros2bag=True` makes that package known."""

    def call(*, ros2bag: bool = False, **given: str) -> list[stubs.Recorded]:
        packages = frozenset({'elepose_ros', 'ros2bag'} if ros2bag else {'elepose_ros'})
        stubs.install(monkeypatch, ROOT, packages)
        return stubs.started(stubs.load(LAUNCH_FILE), **given)

    return call


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, stubs.DeclareLaunchArgument]:
    stubs.install(monkeypatch, ROOT, frozenset({'elepose_ros'}))
    return {
        entity.name: entity
        for entity in stubs.load(LAUNCH_FILE).entities
        if isinstance(entity, stubs.DeclareLaunchArgument)
    }


def parameters_of(action: stubs.Recorded) -> dict[str, Any]:
    return {
        name: value.value if isinstance(value, stubs.ParameterValue) else value
        for name, value in action.given['parameters'][1].items()
    }


class TestArguments:
    def test_all_of_the_contract_are_there_with_a_meaning(
        self, arguments: dict[str, stubs.DeclareLaunchArgument]
    ) -> None:
        assert set(arguments) >= CONTRACT
        assert all(len(argument.description) > 10 for argument in arguments.values())

    def test_the_default_of_each_argument_is_one_of_its_choices(
        self, arguments: dict[str, stubs.DeclareLaunchArgument]
    ) -> None:
        with_choices = [a for a in arguments.values() if a.choices]
        assert {a.name for a in with_choices} >= {'input', 'rviz', 'autostart', 'log_level'}
        assert all(a.default_value in (a.choices or ()) for a in with_choices)

    def test_the_default_parameter_file_exists(
        self, arguments: dict[str, stubs.DeclareLaunchArgument]
    ) -> None:
        assert Path(arguments['params_file'].default_value).is_file()

    def test_a_wrong_choice_is_refused(self, start: Start) -> None:
        with pytest.raises(RuntimeError, match='expected one of'):
            start(input='video')

    def test_a_missing_parameter_file_is_named(self, start: Start) -> None:
        with pytest.raises(FileNotFoundError, match=r'params_file:=/nowhere/lift\.yaml is not'):
            start(params_file='/nowhere/lift.yaml')


class TestLifting:
    def test_images_start_the_pipeline_and_nothing_else(self, start: Start) -> None:
        (node,) = start()
        assert isinstance(node, stubs.Node)
        assert (node.given['package'], node.given['executable']) == ('elepose_ros', 'pipeline')
        assert isinstance(node.given['on_exit'], stubs.Shutdown)

    def test_keypoints_start_the_lifter_node(self, start: Start) -> None:
        (node,) = start(input='keypoints', keypoints='/people', detector='rtmlib')
        assert node.given['executable'] == 'lifter_node'
        assert dict(node.given['remappings']) == {
            'camera_info': '/camera_info',
            'keypoints': '/people',
        }
        assert 'detector' not in parameters_of(node)

    @pytest.mark.parametrize(
        ('image', 'camera_info'),
        [
            ('image', 'camera_info'),
            ('/image', '/camera_info'),
            ('/front/image_raw', '/front/camera_info'),
            ('front/image_raw', 'front/camera_info'),
        ],
    )
    def test_the_calibration_is_looked_for_beside_the_image(
        self, start: Start, image: str, camera_info: str
    ) -> None:
        (node,) = start(image=image)
        remappings = dict(node.given['remappings'])
        assert remappings == {
            'image': image,
            'camera_info': camera_info,
            'keypoints': 'keypoints',
        }

    def test_a_given_calibration_topic_is_taken(self, start: Start) -> None:
        (node,) = start(image='/front/image_raw', camera_info='/calibration')
        assert dict(node.given['remappings'])['camera_info'] == '/calibration'

    def test_an_argument_that_was_not_given_leaves_the_parameter_file_alone(
        self, start: Start
    ) -> None:
        (node,) = start()
        assert node.given['parameters'][0] == str(ROOT / 'config' / 'lift.yaml')
        assert parameters_of(node) == {'use_sim_time': False, 'autostart': True}

    def test_given_values_reach_the_node_as_strings(self, start: Start) -> None:
        (node,) = start(detector='rtmlib', model='123', device='cpu', autostart='false')
        assert parameters_of(node) == {
            'use_sim_time': False,
            'autostart': False,
            'detector': 'rtmlib',
            'model': '123',
            'device': 'cpu',
        }
        model = node.given['parameters'][1]['model']
        assert isinstance(model, stubs.ParameterValue)
        assert model.value_type is str

    @pytest.mark.parametrize('source', ['image', 'keypoints'])
    def test_a_topic_of_depth_or_an_imu_is_used_and_remapped(
        self, start: Start, source: str
    ) -> None:
        (node,) = start(input=source, depth='/camera/depth', imu='/camera/imu')
        assert (parameters_of(node)['use_depth'], parameters_of(node)['use_imu']) == (True, True)
        remappings = dict(node.given['remappings'])
        assert (remappings['depth'], remappings['imu']) == ('/camera/depth', '/camera/imu')

    def test_the_kind_of_the_input_goes_to_the_node_that_reads_it(self, start: Start) -> None:
        of_image = {'image_transport': 'compressed', 'image_reliability': 'reliable'}
        given = {**of_image, 'keypoints_type': 'zed'}
        (pipeline,) = start(**given)
        (lifter,) = start(input='keypoints', **given)
        common = {'use_sim_time': False, 'autostart': True}
        assert parameters_of(pipeline) == {**common, **of_image}
        assert parameters_of(lifter) == {**common, 'keypoints_type': 'zed'}

    def test_namespace_and_log_level_are_passed(self, start: Start) -> None:
        (node,) = start(namespace='robot', log_level='warn')
        assert node.given['namespace'] == 'robot'
        assert node.given['arguments'] == ['--ros-args', '--log-level', 'warn']

    @pytest.mark.parametrize('source', ['image', 'keypoints'])
    def test_the_parameter_file_has_each_parameter_that_is_set(
        self, start: Start, source: str
    ) -> None:
        yaml = pytest.importorskip('yaml', reason='PyYAML comes with ROS 2')
        (node,) = start(input=source, detector='rtmlib', model='m', device='cpu')
        known = yaml.safe_load((ROOT / 'config' / 'lift.yaml').read_text())
        assert set(parameters_of(node)) - {'use_sim_time'} <= set(known['/**']['ros__parameters'])

    @pytest.mark.parametrize('source', ['image', 'keypoints'])
    def test_the_executable_is_among_the_scripts(self, start: Start, source: str) -> None:
        (node,) = start(input=source)
        script = ROOT / 'scripts' / str(node.given['executable'])
        assert os.access(script, os.X_OK)


class TestRviz:
    def test_topics_are_moved_to_the_node_and_the_camera(self, start: Start) -> None:
        _, rviz = start(rviz='true', namespace='robot', image='/front/image_raw')
        assert dict(rviz.given['remappings']) == {
            '/image': '/front/image_raw',
            '/image/compressed': '/front/image_raw/compressed',
            '/markers': '/robot/markers',
        }

    def test_a_relative_image_lies_in_the_namespace(self, start: Start) -> None:
        _, rviz = start(rviz='true', namespace='/robot/')
        assert dict(rviz.given['remappings'])['/image'] == '/robot/image'

    def test_it_opens_the_shipped_view_in_the_wanted_frame(self, start: Start) -> None:
        _, rviz = start(rviz='true', rviz_frame='front_level', bag='walk.mcap')[:2]
        flag, view, frame_flag, frame = rviz.given['arguments']
        assert (flag, frame_flag, frame) == ('-d', '-f', 'front_level')
        assert Path(view).is_file()
        assert rviz.given['parameters'] == [{'use_sim_time': True}]

    def test_the_view_shows_markers_image_and_frames(self) -> None:
        yaml = pytest.importorskip('yaml', reason='PyYAML comes with ROS 2')
        view = yaml.safe_load((ROOT / 'rviz' / 'elepose.rviz').read_text())
        displays = {
            display['Class'].rpartition('/')[2]: display.get('Topic', {}).get('Value')
            for display in view['Visualization Manager']['Displays']
        }
        assert displays == {'Grid': None, 'TF': None, 'MarkerArray': '/markers', 'Image': '/image'}


class TestBag:
    def test_our_player_plays_where_ros2_bag_is_absent(self, start: Start) -> None:
        node, timer = start(bag='walk.mcap')
        assert parameters_of(node)['use_sim_time'] is True
        (player,) = timer.given['actions']
        assert timer.given['period'] > 0
        assert (player.given['executable'], player.given['arguments']) == (
            'replay',
            ['walk.mcap', '--clock'],
        )

    def test_ros2_bag_plays_where_it_is_installed(self, start: Start) -> None:
        _, timer = start(bag='walk.mcap', ros2bag=True)
        (player,) = timer.given['actions']
        assert player.given['cmd'] == ['ros2', 'bag', 'play', 'walk.mcap', '--clock']

    def test_wall_time_is_kept_when_asked_for(self, start: Start) -> None:
        node, timer = start(bag='walk.mcap', use_sim_time='false')
        assert parameters_of(node)['use_sim_time'] is False
        (player,) = timer.given['actions']
        assert player.given['arguments'] == ['walk.mcap']

    def test_sim_time_works_without_a_bag(self, start: Start) -> None:
        (node,) = start(use_sim_time='true')
        assert parameters_of(node)['use_sim_time'] is True


def command_of(node: stubs.Recorded) -> list[str]:
    """Return the command line that launch_ros makes of a Node action."""
    given = node.given
    command = [sys.executable, str(ROOT / 'scripts' / given['executable']), *given['arguments']]
    command += ['-r', f'__ns:=/{given["namespace"]}', '--params-file', given['parameters'][0]]
    for name, value in parameters_of(node).items():
        text = str(value).lower() if isinstance(value, bool) else f"'{value}'"
        command += ['-p', f'{name}:={text}']
    for name, topic in given['remappings']:
        command += ['-r', f'{name}:={topic}']
    return command


def output_until(process: subprocess.Popen[bytes], pattern: str, seconds: float) -> str:
    """Return what a process printed up to a pattern; fails when it never comes."""
    assert process.stdout is not None
    text, end = '', time.monotonic() + seconds
    while not re.search(pattern, text):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
        part = os.read(process.stdout.fileno(), 65536) if ready else b''
        if not part:
            pytest.fail(f'{pattern!r} did not come within {seconds:g} s; the output was:\n{text}')
        text += part.decode()
    return text


@pytest.mark.ros
@pytest.mark.parametrize(
    ('given', 'topic'),
    [
        ({'image': '/front/image_raw'}, '/front/image_raw'),
        ({'input': 'keypoints', 'keypoints': 'people'}, '/robot/people'),
    ],
)
def test_the_real_executable_takes_what_the_launch_file_gives_it(
    start: Start, given: dict[str, str], topic: str
) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not sourced')
    node = start(namespace='robot', model='default', **given)[0]
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(10 + os.getpid() % 90)}
    process = subprocess.Popen(
        command_of(node),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        text = output_until(process, r'active: .*\n', START_UP_S)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert topic in text
    assert 'is unknown' not in text
    assert process.returncode == 0, rest.decode()


@pytest.mark.ros
def test_real_launch_starts_the_node_and_ends_on_sigint() -> None:
    pytest.importorskip(
        'launch_ros', reason='launch_ros is not installed (no package index has it)'
    )
    process = subprocess.Popen(
        ['ros2', 'launch', str(LAUNCH_FILE), 'input:=keypoints', 'log_level:=info'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, 'ROS_DOMAIN_ID': str(10 + os.getpid() % 90)},
        start_new_session=True,
    )
    try:
        output_until(process, r'active: .*\n', START_UP_S)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, rest.decode()
