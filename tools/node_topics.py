# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Topics and services of the nodes for docs/topics.md, asked of the real nodes.

The nodes know names, types and quality of service; `TEXTS` says what each is for. A name that one
of the two lacks is an error, so that neither can be forgotten.
"""

import importlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
# Nobody else is likely to be there: these nodes are to meet no others.
DOMAIN_ID = 101
NAMESPACE = '/ns'
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Executable:
    """A node as `ros2 run elepose_ros NAME` starts it.

    Attributes:
        name: The executable, and the module that holds it.
        node: The name of its node.
        halves: As in the parameter table.
        text: What it does.
        variants: Parameters that make it have other topics.
    """

    name: str
    node: str
    halves: tuple[str, ...]
    text: str
    variants: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """A topic or service of a node.

    Attributes:
        role: subscribed, published or served.
        name: Relative, with ~/ for the node's own, or absolute.
        kind: Such as sensor_msgs/Image.
        qos: In words; empty for services.
    """

    role: str
    name: str
    kind: str
    qos: str = ''


EXECUTABLES = (
    Executable(
        'pipeline',
        'pipeline',
        ('detector', 'lifter'),
        'Images in, skeletons out: both halves in one process, with no message between them.',
        (
            {'image_transport': 'compressed'},
            {'detector': 'none'},
            {'use_depth': 'true'},
            {'use_imu': 'true'},
        ),
    ),
    Executable(
        'detector_node',
        'detector',
        ('detector',),
        'Images in, 2D keypoints of all people out.',
        ({'image_transport': 'compressed'},),
    ),
    Executable(
        'lifter_node',
        'lifter',
        ('lifter',),
        '2D keypoints in, skeletons out.',
        ({'use_depth': 'true'}, {'use_imu': 'true'}),
    ),
)

TEXTS = {
    'subscribed': {
        'image': 'the newest image is taken, older ones that wait are dropped and counted; '
        'reliability: `image_reliability`',
        'image/compressed': 'JPEG or PNG, where image_transport has put it beside `image`; '
        'reliability: `image_reliability`',
        'camera_info': 'the newest one counts, whatever its stamp; reliability: '
        '`keypoints_reliability`',
        'keypoints': 'up to eight frames wait; `keypoints_type` chooses another message (below); '
        'reliability: `keypoints_reliability`',
        'depth': 'aligned to the image, 16UC1 in millimetres or 32FC1 in metres; the nearest in '
        'time within `depth_max_age_s` counts; reliability: `depth_reliability`',
        'imu': 'its direction of gravity is compared with what people show',
        '/tf': 'read with `gravity_frame` and `ground_frame` as well',
        '/tf_static': 'read with `gravity_frame` and `ground_frame` as well',
    },
    'published': {
        'keypoints': '2D keypoints of all people in one image',
        'skeletons': '3D joints of all people',
        'markers': 'joints and bones for RViz: namespaces `skeleton_joints` and `skeleton_bones`, '
        'with `publish_mesh` also `mesh`; '
        'id = number of the track',
        'camera_elevation': "the camera's tilt against gravity, estimated from people",
        '/tf': 'the level frame (below), while `publish_tf` is true',
        '/diagnostics': 'once a second: state, rates, latency of each stage, what was dropped, '
        'model, last trouble',
    },
    'served': {
        '~/explain': 'says what is wrong and what to do; success = nothing is wrong',
        '~/reset': 'forgets people, smoothing and camera elevation',
        '~/load_model': 'changes the lifter without a lost frame',
        '~/save_static_transform': 'writes the tilt that people have shown as a launch file '
        '(`static_transform_file`), once it has converged',
    },
}

# Topics with messages of packages that may be absent, by the parameter that brings them and its
# value. Checked against the nodes by tests/ros/test_topics_page.py where the packages are.
FOREIGN = {
    ('keypoints_type', 'yolo'): (Endpoint('subscribed', 'keypoints', 'yolo_msgs/DetectionArray'),),
    ('keypoints_type', 'zed'): (Endpoint('subscribed', 'keypoints', 'zed_msgs/ObjectsStamped'),),
    ('keypoints_type', 'hri'): (
        Endpoint('subscribed', '/humans/bodies/tracked', 'hri_msgs/IdsList'),
        Endpoint('subscribed', '/humans/bodies/<id>/skeleton2d', 'hri_msgs/Skeleton2D'),
    ),
    ('publish_hri', 'true'): (
        Endpoint('published', '/humans/bodies/tracked', 'hri_msgs/IdsList'),
        Endpoint('published', '/humans/bodies/<id>/roi', 'hri_msgs/NormalizedRegionOfInterest2D'),
        Endpoint('published', '/humans/bodies/<id>/skeleton2d', 'hri_msgs/Skeleton2D'),
        Endpoint('published', '/humans/bodies/<id>/joint_states', 'sensor_msgs/JointState'),
    ),
}

HEAD = """\
# Topics, services and frames

Written by `make docs`, which starts the nodes and asks them (`tools/node_topics.py`). Values:
[parameters.md](parameters.md); signs and frames: [conventions.md](conventions.md).

A name without a slash in front is relative: it lies in the node's namespace, and the launch
file's argument of that name, or `-r image:=/camera/image_raw`, moves it. `~/` is the node's own
name: `~/explain` of `pipeline` is `/pipeline/explain`.

Results carry stamp and frame of their input. Skeletons, markers, elevation and frames are written
only while somebody subscribes. Results are volatile: who comes later gets the next message.

`qos_overrides.<full topic>.publisher.{history,depth,reliability}` and, of `image`, `camera_info`
and `keypoints`, `qos_overrides.<full topic>.subscription.{history,depth}` change the quality of
service at start.

Beside these each node has what all lifecycle nodes of ROS have: services of its parameters and of
its lifecycle (`ros2 lifecycle set /pipeline deactivate`), `/parameter_events`, `/rosout`. `replay`
publishes the topics of its bag, and `/clock` with `--clock`; `record` subscribes to those that it
is told.
"""


def collect(executable: Executable, parameters: Mapping[str, str]) -> list[Endpoint]:
    """Start a node, not active, and return its endpoints without those that all nodes have.

    rclpy must be initialised.
    """
    from rclpy.lifecycle import LifecycleNode
    from rclpy.lifecycle import TransitionCallbackReturn as Result

    from elepose_ros.lifecycle import PartsNode

    module = importlib.import_module(f'elepose_ros.{executable.name}')
    plain = LifecycleNode(f'node_{next(_NUMBERS)}', namespace=NAMESPACE)
    common = set(_endpoints(plain))
    plain.destroy_node()
    # Two of one name would make rcl warn of it.
    arguments = ['--ros-args', '-r', f'__ns:={NAMESPACE}', '-r', f'__node:=node_{next(_NUMBERS)}']
    for name, value in parameters.items():
        arguments += ['-p', f'{name}:={value}']
    node = PartsNode(executable.node, executable.halves, module.parts, arguments)
    try:
        if node.trigger_configure() != Result.SUCCESS:
            raise RuntimeError(f'{executable.name} does not configure with {dict(parameters)}')
        return [e for e in _endpoints(node) if e not in common]
    finally:
        node.shut_down()


@contextmanager
def initialised() -> Iterator[None]:
    """Initialise rclpy in a domain of its own."""
    import rclpy

    rclpy.init(args=[], domain_id=DOMAIN_ID)
    try:
        yield
    finally:
        rclpy.shutdown()


def topics_page() -> str:
    """Return the text of docs/topics.md; rclpy must be initialised.

    Raises:
        ValueError: A topic or service has no text, or a text has none of the two.
    """
    sections, named = [HEAD], set()
    for executable in EXECUTABLES:
        plain = collect(executable, {})
        found = [(endpoint, '') for endpoint in plain]
        for variant in executable.variants:
            when = ', '.join(f'`{name}: {value}`' for name, value in variant.items())
            found += [(e, when) for e in collect(executable, variant) if e not in plain]
        named |= {(endpoint.role, endpoint.name) for endpoint, _ in found}
        sections.append(_section(executable, found))
    described = {(role, name) for role, texts in TEXTS.items() for name in texts}
    if described - named:
        raise ValueError(
            f'no node has {sorted(described - named)}; expected in TEXTS only what is'
        )
    return '\n'.join([*sections, _foreign(), _frames(), _definitions()])


def _endpoints(node: Any) -> list[Endpoint]:
    found = [
        Endpoint(role, _relative(e.topic_name, node), _kind(e.msg_type), _qos(e.qos_profile))
        for role, those in (('subscribed', node.subscriptions), ('published', node.publishers))
        for e in those
    ]
    found += [
        Endpoint('served', _relative(s.srv_name, node), _kind(s.srv_type)) for s in node.services
    ]
    return found


def _relative(name: str, node: Any) -> str:
    # rclpy tells some names before it resolves them.
    full, own = node.get_fully_qualified_name(), node.get_name()
    for start, short in ((full, '~'), (own, '~'), (NAMESPACE, '')):
        if name.startswith(f'{start}/'):
            return f'{short}{name[len(start) :]}'.removeprefix('/')
    return name


def _kind(kind: Any) -> str:
    return f'{kind.__module__.split(".")[0]}/{kind.__name__}'


def _qos(profile: Any) -> str:
    words = profile.reliability.name.lower().replace('_', ' ')
    kept = ', latched' if profile.durability.name == 'TRANSIENT_LOCAL' else ''
    return f'{words}, depth {profile.depth}{kept}'


def _section(executable: Executable, found: Iterable[tuple[Endpoint, str]]) -> str:
    lines = [
        f'## {executable.name}',
        f'{executable.text} Node `{executable.node}`.',
    ]
    for role, title in (
        ('subscribed', 'Subscribed topics'),
        ('published', 'Published topics'),
        ('served', 'Services'),
    ):
        lines += ['', f'### {title} of {executable.name}']
        for endpoint, when in found:
            if endpoint.role != role:
                continue
            text = TEXTS[role].get(endpoint.name)
            if text is None:
                raise ValueError(
                    f'{endpoint.name} is {role} by {executable.name}; expected a text in '
                    'tools/node_topics.py'
                )
            only = f', with {when}' if when else ''
            qos = f'; {endpoint.qos}' if endpoint.qos else ''
            lines.append(f'- **{endpoint.name}** ({endpoint.kind}{qos}{only}): {text}.')
    return '\n'.join([*lines, ''])


def _foreign() -> str:
    lines = [
        '## Topics with messages of other packages',
        'These come with a parameter of `lifter_node` and `pipeline`; with `keypoints_type` they',
        'stand in place of `elepose_ros/People2D` (in the pipeline where `detector` is none). The',
        'package of the messages must be installed; the node says where to get it.',
        '',
        '| parameter | | topic | message |',
        '|---|---|---|---|',
    ]
    for (name, value), topics in FOREIGN.items():
        lines += [f'| `{name}: {value}` | {t.role} | `{t.name}` | {t.kind} |' for t in topics]
    return '\n'.join([*lines, ''])


def _frames() -> str:
    from std_msgs.msg import Header

    from elepose_ros.tf import level_transform

    sent = level_transform(np.array([0.0, -1.0, 0.0]), Header(frame_id='CAMERA'))
    parent, child = sent.header.frame_id, sent.child_frame_id
    return f"""\
## Frames
`CAMERA` stands for the `frame_id` of the images or keypoints, an optical frame (x right, y down,
z forward).

| frame | parent | is |
|---|---|---|
| `{parent}` | from your robot | frame of `skeletons`, `markers` and `camera_elevation` |
| `{child}` | `{parent}` | at the camera, z up, x ahead, y left; on `/tf` once people were seen |
| `<id>_<joint>` | `{parent}` | `publish_joint_tf: true`: at each joint seen, not turned |
| `body_<id>` | `{parent}` | `publish_hri: true`: at the pelvis, x out of the chest, z upwards |
"""


def _definitions() -> str:
    lines = ['## Messages and services']
    for path in sorted([*ROOT.glob('msg/*.msg'), *ROOT.glob('srv/*.srv')]):
        text = path.read_text(encoding='utf-8').rstrip()
        lines += [f'### elepose_ros/{path.stem}', '```text', text, '```', '']
    return '\n'.join(lines).rstrip() + '\n'
