# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""3D skeletons from a camera or from 2D keypoints.

    ros2 launch elepose_ros lift.launch.py image:=/camera/image_raw rviz:=true
    ros2 launch elepose_ros lift.launch.py image:=/camera/image_raw depth:=/camera/depth/image_raw
    ros2 launch elepose_ros lift.launch.py input:=keypoints keypoints:=/people
    ros2 launch elepose_ros lift.launch.py bag:=walk.mcap image:=/image rviz:=true

`ros2 launch elepose_ros lift.launch.py --show-args` lists every argument.
"""

from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    Shutdown,
    TimerAction,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory('elepose_ros'))
# The nodes need about this long to load their networks; what a bag sends earlier is lost.
BAG_DELAY_S = 4.0

BOOLEAN = ['true', 'false']
# name, default, meaning, choices
ARGUMENTS: tuple[tuple[str, str, str, list[str] | None], ...] = (
    (
        'input',
        'image',
        'image: detect and lift people; keypoints: lift the 2D keypoints of a topic',
        ['image', 'keypoints'],
    ),
    ('image', 'image', 'image topic; its base name also when image_transport is compressed', None),
    ('camera_info', '', 'calibration topic; empty = camera_info beside the image topic', None),
    ('keypoints', 'keypoints', 'keypoint topic: read with input:=keypoints, else written', None),
    (
        'depth',
        '',
        'topic of depth images that are aligned to the image; given = sets use_depth',
        None,
    ),
    ('imu', '', 'topic of an IMU that is fixed to the camera; given = sets use_imu', None),
    (
        'image_transport',
        '',
        'raw or compressed; empty = the one in params_file',
        None,
    ),
    (
        'image_reliability',
        '',
        'best_effort or reliable; empty = the one in params_file',
        None,
    ),
    (
        'keypoints_type',
        '',
        'whose keypoints: people2d, yolo, zed or hri; empty = the one in params_file',
        None,
    ),
    ('detector', '', '2D detector; empty = the one in params_file', None),
    ('model', '', 'lifter bundle, "default" or a folder; empty = the one in params_file', None),
    ('device', '', 'where the networks run; empty = the one in params_file', None),
    ('rviz', 'false', 'open RViz with markers, image and frames', BOOLEAN),
    (
        'rviz_frame',
        'camera_optical_frame_level',
        "RViz's fixed frame: the image's frame_id with _level at its end",
        None,
    ),
    ('bag', '', 'recording (folder or file) to play into the topics; empty = live', None),
    (
        'use_sim_time',
        'auto',
        'time comes from /clock; auto = exactly when a bag is played',
        ['auto', *BOOLEAN],
    ),
    ('namespace', '', 'namespace of the node and its topics', None),
    ('params_file', str(SHARE / 'config' / 'lift.yaml'), 'parameters of the node', None),
    (
        'autostart',
        'true',
        'configure and activate at start; false leaves both to a lifecycle manager',
        BOOLEAN,
    ),
    (
        'log_level',
        'info',
        'what the node prints',
        ['debug', 'info', 'warn', 'error', 'fatal'],
    ),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start what they ask for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text, choices=choices)
        if choices
        else DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text, choices in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_actions)])


def _actions(context: LaunchContext) -> list[Action]:
    given = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    if not Path(given['params_file']).is_file():
        raise FileNotFoundError(f'params_file:={given["params_file"]} is not a file')
    if given['camera_info'] == '':
        # Drivers put camera_info beside the image: /camera/image_raw has /camera/camera_info.
        base = given['image'] if given['input'] == 'image' else given['keypoints']
        given['camera_info'] = f'{base[: base.rfind("/") + 1]}camera_info'
    with_bag = bool(given['bag'])
    sim_time = with_bag if given['use_sim_time'] == 'auto' else given['use_sim_time'] == 'true'

    actions: list[Action] = [_lifting(given, sim_time)]
    if given['rviz'] == 'true':
        actions.append(_rviz(given, sim_time))
    if with_bag:
        actions.append(TimerAction(period=BAG_DELAY_S, actions=[_player(given['bag'], sim_time)]))
    return actions


def _lifting(given: dict[str, str], sim_time: bool) -> Action:
    # The executable walks its own lifecycle when the parameter autostart is true. Humble's launch
    # has neither LifecycleNode(autostart=...) nor LifecycleTransition, and the event recipe that
    # all distributions share is racy when the node is slow to come up. One parameter works from
    # Humble to Lyrical, and with autostart:=false a lifecycle manager finds an untouched node.
    parameters: dict[str, object] = {
        'use_sim_time': sim_time,
        'autostart': given['autostart'] == 'true',
    }
    is_image = given['input'] == 'image'
    of_image = ('detector', 'image_transport', 'image_reliability')
    names = of_image if is_image else ('keypoints_type',)
    for name in ('model', 'device', *names):
        if given[name]:
            # Without the type a value such as 123 would become an integer.
            parameters[name] = ParameterValue(given[name], value_type=str)
    remappings = [('camera_info', given['camera_info']), ('keypoints', given['keypoints'])]
    if is_image:
        remappings.append(('image', given['image']))
    for name in ('depth', 'imu'):
        if given[name]:
            parameters[f'use_{name}'] = True
            remappings.append((name, given[name]))
    return Node(
        package='elepose_ros',
        executable='pipeline' if is_image else 'lifter_node',
        namespace=given['namespace'],
        parameters=[given['params_file'], parameters],
        remappings=remappings,
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
        # A wrong model or parameter ends the node; RViz alone would hide the reason.
        on_exit=Shutdown(reason='the node ended'),
    )


def _rviz(given: dict[str, str], sim_time: bool) -> Action:
    # The file names root topics; remapping moves them to where the node and the camera are.
    prefix = f'/{given["namespace"].strip("/")}'.rstrip('/')
    image = given['image'] if given['image'].startswith('/') else f'{prefix}/{given["image"]}'
    remappings = [('/image', image), ('/image/compressed', f'{image}/compressed')]
    remappings += [('/markers', f'{prefix}/markers')]
    config = SHARE / 'rviz' / 'elepose.rviz'
    return Node(
        package='rviz2',
        executable='rviz2',
        name='elepose_rviz',
        arguments=['-d', str(config), '-f', given['rviz_frame']],
        parameters=[{'use_sim_time': sim_time}],
        remappings=remappings,
        output='log',
    )


def _player(bag: str, sim_time: bool) -> Action:
    clock = ['--clock'] if sim_time else []
    try:
        get_package_prefix('ros2bag')
    except PackageNotFoundError:
        return Node(
            package='elepose_ros', executable='replay', arguments=[bag, *clock], output='screen'
        )
    return ExecuteProcess(cmd=['ros2', 'bag', 'play', bag, *clock], output='screen')
