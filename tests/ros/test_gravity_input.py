# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Up and height from elsewhere, and the file with what people have shown."""

import dataclasses
import math
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Imu
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from elepose_core.errors import InputError
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.runtime.messages import people_from_message
from elepose_core.runtime.people import Elevation
from elepose_core.skeleton import H36M_17
from elepose_ros import gravity_input, outputs
from elepose_ros.compat import optional_message
from elepose_ros.frames import Frame
from elepose_ros.gravity_input import GravityInput
from elepose_ros.imu import up_from_imu
from elepose_ros.mount_file import mount_text, save_mount
from elepose_ros.outputs import SkeletonOutput
from elepose_ros.parameters import Parameters, with_changes
from elepose_ros.qos import tf_qos
from elepose_ros.reports import Reporter

DOWN = math.radians(20.0)
SHOWN = Elevation(
    elevation_rad=DOWN,
    roll_rad=0.0,
    elevation_variance=1e-4,
    roll_variance=4e-4,
    up_cam=up_cam_from_elevation(DOWN, 0.0),
    samples=123,
    converged=True,
)
HEADER = Header(frame_id='camera_optical')


class TestImu:
    def test_orientation_gives_up(self) -> None:
        turn = Rotation.from_euler('xyz', [10, 20, 30], degrees=True)
        x, y, z, w = turn.as_quat()
        message = Imu(orientation=Quaternion(x=x, y=y, z=z, w=w))
        message.orientation_covariance[0] = message.orientation_covariance[4] = 0.01
        up, variance, doubt = up_from_imu([message])
        assert not doubt
        np.testing.assert_allclose(up, turn.inv().apply([0, 0, 1]), atol=1e-12)
        assert variance == 0.01

    def accelerations(self, *vectors: tuple[float, float, float], turning: float = 0.0) -> Any:
        messages = []
        for x, y, z in vectors:
            message = Imu(linear_acceleration=Vector3(x=x, y=y, z=z))
            message.orientation_covariance[0] = -1.0  # REP 145: it has none
            message.angular_velocity.x = turning
            messages.append(message)
        return messages

    def test_acceleration_at_rest_points_up(self) -> None:
        up, _, _ = up_from_imu(self.accelerations((0.0, 9.7, 1.0), (0.0, 9.9, 1.0)))
        np.testing.assert_allclose(up, np.array([0, 9.8, 1.0]) / math.hypot(9.8, 1), atol=1e-12)

    @pytest.mark.parametrize(
        ('vector', 'turning', 'sentence'),
        [
            ((0.0, 1.0, 0.0), 0.0, r'measures 1\.00 m/s\^2; expected about 9\.81'),
            ((math.nan, 1.0, 0.0), 0.0, r'measures nan m/s\^2'),
            ((0.0, 9.8, 0.0), 0.2, 'the IMU turns; expected it to rest'),
        ],
    )
    def test_no_rest_no_direction(
        self, vector: tuple[float, float, float], turning: float, sentence: str
    ) -> None:
        with pytest.raises(InputError, match=sentence):
            up_from_imu(self.accelerations(vector, turning=turning))

    def tilted(self, *, orientation: Rotation, variance: float) -> Any:
        """Return an IMU that is held 30 degrees off and may say another orientation."""
        (message,) = self.accelerations((0.0, *(9.81 * self.UP[1:]).tolist()))
        q = message.orientation
        q.x, q.y, q.z, q.w = orientation.as_quat().tolist()
        message.orientation_covariance[:] = np.diag([variance] * 3).ravel()
        return message

    UP = np.array([0.0, -math.cos(math.radians(30)), 0.5])

    def test_an_orientation_that_the_driver_left_alone_is_none(self) -> None:
        message = self.tilted(orientation=Rotation.identity(), variance=0.0)
        up, _, doubt = up_from_imu([message])
        np.testing.assert_allclose(up, self.UP, atol=1e-12)
        assert not doubt
        message.linear_acceleration_covariance[0] = -1.0
        with pytest.raises(InputError, match='neither orientation nor acceleration'):
            up_from_imu([message])

    def test_an_orientation_that_gravity_contradicts_is_doubted(self) -> None:
        message = self.tilted(orientation=Rotation.identity(), variance=0.01)
        up, _, doubt = up_from_imu([message])
        np.testing.assert_allclose(up, self.UP, atol=1e-12)
        assert 'says up 60 degrees away' in doubt
        # A robot that turns measures more than gravity, and then nothing contradicts.
        message.angular_velocity.z = 0.2
        up, _, doubt = up_from_imu([message])
        np.testing.assert_allclose(up, [0, 0, 1], atol=1e-12)
        assert not doubt

    def test_an_orientation_that_gravity_confirms_counts(self) -> None:
        turn, _ = Rotation.align_vectors([[0, 0, 1]], [self.UP])
        off = Rotation.from_euler('x', 3, degrees=True)
        up, variance, doubt = up_from_imu([self.tilted(orientation=off * turn, variance=0.01)])
        np.testing.assert_allclose(up, (off * turn).inv().apply([0, 0, 1]), atol=1e-12)
        assert (variance, doubt) == (0.01, '')

    def test_an_imu_that_gives_nothing(self) -> None:
        (message,) = self.accelerations((0.0, 9.8, 0.0))
        message.linear_acceleration_covariance[0] = -1.0
        with pytest.raises(InputError, match='neither orientation nor acceleration'):
            up_from_imu([message])


class TestGround:
    """The height of the camera over `ground_frame`, without a node."""

    @pytest.fixture
    def weighed(self) -> Any:
        reporter = Reporter(SimpleNamespace(info=print, warning=print, error=print))
        return GravityInput(
            SimpleNamespace(  # type: ignore[arg-type]
                parameters=Parameters(ground_frame='map'),
                reporter=reporter,
                create_subscription=lambda *_, **__: None,
            )
        )

    def put(self, weighed: Any, height_m: float) -> None:
        message = TransformStamped(child_frame_id='camera_optical')
        message.header.frame_id = 'map'
        message.transform.translation.z = height_m
        weighed._buffer.add(SimpleNamespace(transforms=[message]), is_static=True)
        weighed.compare(None, HEADER)

    def test_a_map_at_sea_level_is_one_sentence_and_no_height(self, weighed: Any) -> None:
        self.put(weighed, 1600.0)
        assert weighed.camera_height_m is None
        (sentence,) = weighed.faults().values()
        assert 'lies 1600.00 m above z = 0 of ground_frame' in sentence
        self.put(weighed, 1.5)
        assert weighed.camera_height_m == 1.5
        assert not weighed.faults()
        self.put(weighed, 1600.0)
        assert weighed.camera_height_m is None

    @pytest.mark.parametrize('forget', ['reset', 'start'])
    def test_reset_and_activation_forget_height_and_what_was_found(
        self, weighed: Any, forget: str
    ) -> None:
        self.put(weighed, 1.5)
        assert weighed.facts()
        getattr(weighed, forget)()
        assert weighed.camera_height_m is None
        assert not weighed.facts()
        self.put(weighed, 1600.0)
        getattr(weighed, forget)()
        assert not weighed.faults()
        assert not weighed._node.reporter.recent_troubles()

    def test_what_was_found_ends_when_frames_end(
        self, weighed: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.put(weighed, -1.0)
        weighed.watch()
        assert weighed.faults()
        monkeypatch.setattr(gravity_input, '_LASTS_S', -1.0)
        weighed.watch()
        assert not weighed.faults()


class TestFile:
    def test_it_is_a_launch_file_with_the_level_frame(self) -> None:
        yaml = pytest.importorskip('yaml', reason='PyYAML comes with ROS 2')
        text = mount_text(SHOWN, HEADER, datetime(2026, 11, 25, 23, 30, tzinfo=timezone.utc))
        assert '# written: 2026-11-25 23:30 UTC' in text
        assert '# elevation: 20.00 degrees' in text
        assert '# variances: 0.0001 and 0.0004 rad^2' in text
        (entry,) = yaml.safe_load(text)['launch']
        assert (entry['node']['pkg'], entry['node']['exec']) == (
            'tf2_ros',
            'static_transform_publisher',
        )
        words = entry['node']['args'].split()
        values = dict(zip(words[::2], words[1::2], strict=True))
        assert values['--frame-id'] == 'camera_optical'
        assert values['--child-frame-id'] == 'camera_optical_level'
        turn = Rotation.from_quat([float(values[f'--q{axis}']) for axis in 'xyzw'])
        np.testing.assert_allclose(turn.apply([0, 0, 1]), SHOWN.up_cam, atol=1e-8)

    def test_where_it_goes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('ROS_HOME', str(tmp_path / 'ros'))
        path = save_mount(SHOWN, HEADER, '')
        assert path == tmp_path / 'ros' / 'camera_optical_level.launch.yaml'
        chosen = tmp_path / 'deep' / 'mine.launch.yaml'
        assert save_mount(SHOWN, HEADER, str(chosen)) == chosen
        assert [p.name for p in chosen.parent.iterdir()] == ['mine.launch.yaml']
        # A frame with slashes stays in the folder.
        assert save_mount(SHOWN, Header(frame_id='a/../../b'), '').parent == tmp_path / 'ros'

    @pytest.mark.parametrize(
        ('elevation', 'frame', 'sentence'),
        [
            (None, 'cam', 'nobody was seen yet'),
            (dataclasses.replace(SHOWN, converged=False), 'cam', 'not converged after 123 poses'),
            (SHOWN, '', "frame_id is ''; expected letters"),
            (SHOWN, "a' --x 3 '", 'expected letters, digits'),
            (SHOWN, 'a\nlaunch: []', 'expected letters, digits'),
            (SHOWN, '$(env HOME)', 'expected letters, digits'),
        ],
    )
    def test_refused_with_a_reason(
        self, tmp_path: Path, elevation: Elevation | None, frame: str, sentence: str
    ) -> None:
        with pytest.raises(InputError, match=sentence):
            save_mount(elevation, Header(frame_id=frame), str(tmp_path / 'x.launch.yaml'))
        assert not list(tmp_path.iterdir())

    def test_a_home_of_nobody_is_one_sentence(self) -> None:
        with pytest.raises(InputError, match='a path that starts with /'):
            save_mount(SHOWN, HEADER, '~nosuchuser/x.launch.yaml')
        with pytest.raises(InputError, match=r"static_transform_file is '~nosuchuser/x'"):
            with_changes(Parameters(static_transform_file='~nosuchuser/x'), {'publish_tf': True})

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / 'file').touch()
        with pytest.raises(InputError, match='cannot be written'):
            save_mount(SHOWN, HEADER, str(tmp_path / 'file' / 'x.launch.yaml'))


@pytest.mark.ros
class TestOfARunningNode:
    @pytest.fixture
    def mount(self, probe: Any) -> Any:
        """Return a function that sends the pose of the camera over the ground."""
        kind = optional_message('tf2_msgs', 'TFMessage')
        latched = tf_qos()
        latched.durability = DurabilityPolicy.TRANSIENT_LOCAL
        publisher = probe.node.create_publisher(kind, '/tf_static', latched)

        def mount(height_m: float, down_rad: float) -> None:
            message = TransformStamped(child_frame_id='camera_optical')
            message.header.frame_id = 'ground'
            message.transform.translation.z = height_m
            # Camera axes in the frame of the ground: x ahead, y left, z up.
            level = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
            turn = level * Rotation.from_euler('x', -down_rad)
            q = message.transform.rotation
            q.x, q.y, q.z, q.w = turn.as_quat().tolist()
            publisher.publish(kind(transforms=[message]))  # type: ignore[misc]

        yield mount
        probe.node.destroy_publisher(publisher)

    @pytest.fixture
    def walk(self, probe: Any, scene: Any) -> Any:
        """Return a function that shows people until something holds."""
        from sensor_msgs.msg import CameraInfo

        from elepose_ros import interfaces

        keypoints = probe.talk(interfaces.People2D, '/keypoints')
        infos = probe.talk(CameraInfo, '/camera_info')

        def walk(node: Any, condition: Callable[[], Any], what: str) -> None:
            probe.until(infos.get_subscription_count, 'the subscription')

            def send() -> None:
                infos.publish(scene.camera_info())
                scene.stamp_ns += 500_000_000
                right_m = 1.5 * math.sin(scene.stamp_ns / 3e9)
                keypoints.publish(scene.people((right_m, 4.0), (-right_m, 6.0)))

            def done() -> bool:
                for part in node._parts:
                    part.watch()
                return bool(condition())

            probe.until(done, what, again=send, period_s=0.02)

        yield walk
        for publisher in (keypoints, infos):
            probe.node.destroy_publisher(publisher)

    def test_tf_and_imu_are_compared_and_give_the_height(
        self, probe: Any, inside: Any, mount: Any, walk: Any
    ) -> None:
        node = inside('weighed', gravity_frame='ground', ground_frame='ground', use_imu=True)
        explained = lambda: '\n'.join(node.explain())  # noqa: E731
        walk(
            node,
            lambda: "connect 'ground' with 'camera_optical'" in explained(),
            'a word on missing transforms',
        )
        mount(2.6, DOWN)
        imus = probe.node.create_publisher(Imu, '/imu', 10)
        up = up_cam_from_elevation(math.radians(60.0), 0.0)
        imu = Imu(header=HEADER)
        imu.orientation_covariance[0] = -1.0
        a = imu.linear_acceleration
        a.x, a.y, a.z = (9.81 * up).tolist()

        def facts() -> dict[str, str]:
            imus.publish(imu)
            return dict(node._facts())

        agrees = 'people and the given gravity agree'
        walk(node, lambda: agrees in facts().get('gravity by TF', ''), 'agreement with TF')
        assert facts()['camera height by TF [m]'] == '2.600'
        walk(node, lambda: 'IMU: people contradict the given gravity' in explained(), 'the IMU')
        mount(2.6, math.radians(70.0))
        walk(node, lambda: 'TF: people contradict the given gravity' in explained(), 'TF')
        mount(-0.5, DOWN)
        walk(node, lambda: 'lies 0.50 m below z = 0' in explained(), 'the wrong ground')
        probe.node.destroy_publisher(imus)

    def test_the_service_writes_once_the_tilt_is_known(
        self, probe: Any, inside: Any, walk: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / 'mount.launch.yaml'
        node = inside('mounted', active=False, static_transform_file=str(path))

        def ask() -> Any:
            service = '/mounted/save_static_transform'
            return probe.call(Trigger, service, Trigger.Request())

        assert 'not configured' in ask().message
        assert node.autostart()
        assert 'nobody was seen yet' in ask().message
        walk(node, lambda: node._facts().get('elevation status') == 'CONVERGED', 'convergence')
        answer = ask()
        assert answer.success, answer.message
        assert str(path) in answer.message
        assert '--child-frame-id camera_optical_level' in path.read_text()

    def test_tf_is_looked_at_anew_while_no_frame_can_be_lifted(
        self, inside: Any, scene: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = inside('stuck', ground_frame='map', camera_info_timeout_s=0.0, publish_tf=False)
        (output,) = (part for part in node._parts if isinstance(part, SkeletonOutput))
        reached = []
        monkeypatch.setattr(
            output._gravity, 'compare', lambda elevation, header: reached.append(header.frame_id)
        )

        def refuse(*_: Any) -> Any:
            raise InputError('no')

        monkeypatch.setattr(output, '_lifter_now', refuse)
        header = scene.header()
        people = people_from_message(scene.people((0.0, 4.0)))
        for _ in range(2):
            with pytest.raises(InputError, match='no'):
                output.handle(Frame(header, people, 640, 480, 0.0))
            output.watch()
            output.watch()
        assert reached == ['camera_optical'] * 2

    def test_a_level_frame_that_is_asked_for_later_but_cannot_be_sent_is_told(
        self, inside: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outputs, 'optional_message', lambda *_: None)
        node = inside('bare', publish_tf=False)
        sentence = 'the package tf2_msgs is not there'
        node._tick()
        assert sentence not in '\n'.join(node.explain())
        node.set_parameters([Parameter('publish_tf', value=True)])
        node._tick()
        assert sentence in '\n'.join(node.explain())

    def test_it_leaves_the_frames_that_it_sends_unread(self, inside: Any, walk: Any) -> None:
        node = inside('echo', publish_joint_tf=True, ground_frame='map')
        (gravity,) = (part for part in node._parts if isinstance(part, GravityInput))
        transforms: Any = gravity._transforms
        is_own, heard = transforms._is_own, {True: set(), False: set()}

        def spy(parent: str, child: str) -> bool:
            own = bool(is_own(parent, child))
            heard[own].add(child.partition('_')[2])
            return own

        transforms._is_own = spy
        joint = H36M_17.joint_names[0]
        walk(
            node, lambda: {'optical_level', joint} <= heard[True], 'its own level frame and joints'
        )
        gravity.compare(None, HEADER)
        assert not transforms._senders

    def test_its_own_frame_is_no_witness(self, inside: Any, walk: Any) -> None:
        node = inside('mirror', gravity_frame='camera_optical_level')
        walk(
            node,
            lambda: 'which this node sends itself' in '\n'.join(node.explain()),
            'a refusal',
        )
