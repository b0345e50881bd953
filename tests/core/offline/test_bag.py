# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bags through detector and lifter without ROS, and videos made into bags."""

import dataclasses
import errno
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import Writer

from elepose_core.bags import BagReader, bag_typestore, writing_bag
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera
from elepose_core.offline import bag_messages as messages
from elepose_core.offline.bag import BagOptions, lift_bag
from elepose_core.offline.results import frames_from_bag
from elepose_core.offline.video_bag import VideoBagOptions, video_to_bag
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.messages import camera_from_message, people_from_message
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.runtime.predictor import Predictor

cv2 = pytest.importorskip('cv2')
WALK = Path(__file__).parents[3] / 'demo' / 'recording' / 'walk'
SECOND = 10**9
CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)


@pytest.fixture
def fresh(tiny_bundle) -> Callable[[], PeopleLifter]:
    return lambda: PeopleLifter(Predictor(tiny_bundle.folder))


@pytest.fixture
def lifter(fresh) -> PeopleLifter:
    return fresh()


def _person(standing_m: Any) -> Person2D:
    points = standing_m + np.array([0.0, 0.0, 4.0])
    pixels = 600 * points[:, :2] / points[:, 2:] + (320, 240)
    return Person2D('', pixels.astype(np.float32), np.full(17, 0.9, np.float32))


def _keypoints_bag(path: Path, standing_m: Any, frames: int = 4, **changes: Any) -> Path:
    """Write keypoints of one person at 10 Hz, with a CameraInfo before each unless told."""
    info_at = changes.get('info_at', range(frames))
    size = changes.get('size', (640, 480))
    with writing_bag(path) as bag:
        bag.add_topic('/cam/keypoints', messages.PEOPLE_2D)
        bag.add_topic('/cam/camera_info', messages.CAMERA_INFO)
        for index in range(frames):
            stamp = SECOND + index * SECOND // 10
            if index in info_at:
                info = messages.camera_info_message(CAMERA, stamp, 'cam')
                bag.write('/cam/camera_info', stamp, info)
            people = People2D(stamp, 'h36m_17', (_person(standing_m),))
            bag.write('/cam/keypoints', stamp + 1, messages.people_message(people, 'cam', size))
    return path


def _decoded(path: Path, topic: str) -> list[Any]:
    with BagReader(path) as bag:
        return [bag.decode(message) for message in bag.messages([topic])]


@pytest.fixture(scope='module')
def short(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('recording') / 'short'
    with BagReader(WALK) as bag, writing_bag(path) as copy:
        for topic in bag.topics.values():
            copy.add_topic(topic.name, topic.type)
        for message in list(bag.messages())[:10]:
            copy.write(message.topic.name, message.log_time_ns, message.data)
    return path


@pytest.fixture(scope='module')
def video(tmp_path_factory) -> Path:
    """Twenty frames of 96x64 at 20 fps; the red square in the top left corner says up."""
    path = tmp_path_factory.mktemp('video') / 'tiny.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 20.0, (96, 64))
    for index in range(20):
        image = np.full((64, 96, 3), 10 * index, np.uint8)
        image[:24, :24] = (0, 0, 255)
        writer.write(image)
    writer.release()
    return path


class TestKeypoints:
    def test_skeletons_carry_stamps_frames_and_log_times_of_the_input(
        self, tmp_path, lifter, standing_m
    ):
        source = _keypoints_bag(tmp_path / 'in', standing_m)
        report = lift_bag(source, tmp_path / 'out', lifter)
        assert (report.frames, report.skeletons, report.skipped) == (4, 4, 0)
        assert report.source.name == '/cam/keypoints'
        assert report.is_calibrated
        skeletons = _decoded(tmp_path / 'out', '/skeletons')
        assert [messages.stamp_ns_of(m) for m in skeletons] == [
            SECOND + i * SECOND // 10 for i in range(4)
        ]
        assert {messages.frame_of(m) for m in skeletons} == {'cam'}
        assert {m.layout for m in skeletons} == {'h36m_17'}
        assert skeletons[0].skeletons[0].scale_source == 1
        with BagReader(tmp_path / 'out') as bag:
            assert sorted(bag.topics) == ['/camera_elevation', '/skeletons']
            first = next(bag.messages(['/skeletons']))
            assert first.log_time_ns == SECOND + 1

    def test_the_lifter_gets_what_the_live_node_would_give_it(self, tmp_path, fresh, standing_m):
        source = _keypoints_bag(tmp_path / 'in', standing_m)
        lift_bag(source, tmp_path / 'out', fresh())
        other = fresh()
        for index, message in enumerate(_decoded(tmp_path / 'out', '/skeletons')):
            stamp = SECOND + index * SECOND // 10
            people = People2D(stamp, 'h36m_17', (_person(standing_m),))
            expected = other.lift(people, CAMERA).skeletons[0].joints_cam_m
            found = message.skeletons[0]
            np.testing.assert_array_equal(np.stack([found.x, found.y, found.z], -1), expected)

    def test_a_model_of_several_frames_sees_those_before_as_live(self, tmp_path, standing_m):
        """At 10 Hz, which is its rate; it tells as plausibility the share of frames seen."""
        tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')
        bundle = tiny_bundles.write_tiny_bundle(tmp_path / 'b.elepose', 3, fps=10.0)
        source = _keypoints_bag(tmp_path / 'in', standing_m, frames=5)
        lift_bag(source, tmp_path / 'out', PeopleLifter(Predictor(bundle.folder)))
        other = PeopleLifter(Predictor(bundle.folder))
        seen = []
        for index, message in enumerate(_decoded(tmp_path / 'out', '/skeletons')):
            people = People2D(SECOND + index * SECOND // 10, 'h36m_17', (_person(standing_m),))
            expected = other.lift(people, CAMERA).skeletons[0]
            found = message.skeletons[0]
            joints = np.stack([found.x, found.y, found.z], -1)
            np.testing.assert_array_equal(joints, expected.joints_cam_m)
            seen.append(round(3 * found.plausibility, 3))
        assert seen == [1, 2, 3, 3, 3]

    def test_the_first_camera_info_counts_for_the_frames_just_before_it(
        self, tmp_path, fresh, standing_m
    ):
        _keypoints_bag(tmp_path / 'early', standing_m)
        late = _keypoints_bag(tmp_path / 'late', standing_m, info_at=[3])
        lift_bag(tmp_path / 'early', tmp_path / 'a', fresh())
        assert lift_bag(late, tmp_path / 'b', fresh()).is_calibrated
        for topic in ('/skeletons', '/camera_elevation'):
            with BagReader(tmp_path / 'a') as a, BagReader(tmp_path / 'b') as b:
                assert [m.data for m in a.messages([topic])] == [
                    m.data for m in b.messages([topic])
                ]
        options = BagOptions(camera_info_timeout_s=0.1)
        lift_bag(late, tmp_path / 'c', fresh(), options=options)
        assert [m.skeletons[0].scale_source for m in _decoded(tmp_path / 'c', '/skeletons')] == [
            0, 0, 1, 1,
        ]  # fmt: skip

    def test_without_camera_info_the_result_is_flagged(self, tmp_path, lifter, standing_m):
        source = _keypoints_bag(tmp_path / 'in', standing_m, info_at=[])
        report = lift_bag(source, tmp_path / 'out', lifter)
        assert not report.is_calibrated
        assert _decoded(tmp_path / 'out', '/skeletons')[0].skeletons[0].scale_source == 0

    def test_no_size_and_no_camera_is_an_error(self, tmp_path, lifter, standing_m):
        source = _keypoints_bag(tmp_path / 'in', standing_m, info_at=[], size=(0, 0))
        with pytest.raises(InputError, match=r'no frame could be lifted: image size .* is 0x0'):
            lift_bag(source, tmp_path / 'out', lifter)
        assert not (tmp_path / 'out').exists()

    def test_one_bad_frame_costs_one_frame(self, tmp_path, lifter, standing_m):
        with writing_bag(tmp_path / 'in') as bag:
            bag.add_topic('/keypoints', messages.PEOPLE_2D)
            for index, layout in enumerate(['h36m_17', 'unknown', 'h36m_17']):
                people = People2D(SECOND + index, layout, (_person(standing_m),))
                message = messages.people_message(people, 'cam', (640, 480))
                bag.write('/keypoints', SECOND + index, message)
        report = lift_bag(tmp_path / 'in', tmp_path / 'out', lifter)
        assert (report.frames, report.skeletons, report.skipped) == (3, 2, 1)
        assert "layout of the keypoints is 'unknown'" in report.problem

    def test_frames_without_people_are_frames_too(self, tmp_path, lifter):
        with writing_bag(tmp_path / 'in', 'sqlite3') as bag:
            bag.add_topic('/keypoints', messages.PEOPLE_2D)
            empty = messages.people_message(People2D(SECOND, 'coco_17', ()), 'cam', (640, 480))
            bag.write('/keypoints', SECOND, empty)
        options = BagOptions(storage='sqlite3')
        assert lift_bag(tmp_path / 'in', tmp_path / 'out', lifter, options=options).skeletons == 0
        assert (tmp_path / 'out' / 'out.db3').is_file()
        (elevation,) = _decoded(tmp_path / 'out', '/camera_elevation')
        assert math.isnan(elevation.elevation)
        assert elevation.status == 0
        assert elevation.samples == 0


class TestTopics:
    @pytest.fixture
    def bag(self, tmp_path, standing_m) -> Path:
        """Two cameras with keypoints and calibration each, an image topic and a text."""
        path = tmp_path / 'many'
        types = bag_typestore().types
        with writing_bag(path) as bag:
            bag.add_topic('/text', 'std_msgs/msg/String')
            bag.write('/text', SECOND, types['std_msgs/msg/String'](data='x'))
            bag.add_topic('/c/image', messages.IMAGE)
            image = messages.image_message(np.zeros((48, 64, 3), np.uint8), SECOND, 'c')
            bag.write('/c/image', SECOND, image)
            for index, name in enumerate('ab'):
                bag.add_topic(f'/{name}/keypoints', messages.PEOPLE_2D)
                bag.add_topic(f'/{name}/camera_info', messages.CAMERA_INFO)
                people = People2D(SECOND, 'h36m_17', (_person(standing_m),))
                keypoints = messages.people_message(people, name, (640, 480))
                bag.write(f'/{name}/keypoints', SECOND, keypoints)
                camera = CAMERA if index else Camera(CAMERA.matrix * [[2], [2], [1]], 640, 480)
                info = messages.camera_info_message(camera, SECOND, name)
                bag.write(f'/{name}/camera_info', SECOND, info)
        return path

    def test_several_candidates_are_listed(self, bag, tmp_path, lifter):
        with pytest.raises(InputError) as caught:
            lift_bag(bag, tmp_path / 'out', lifter)
        for part in ('/a/keypoints', '/b/keypoints', '/c/image', '--keypoints-topic'):
            assert part in str(caught.value)

    def test_the_calibration_beside_the_source_is_taken(self, bag, tmp_path, fresh):
        roots = {}
        for name in 'ab':
            options = BagOptions(keypoints_topic=f'/{name}/keypoints')
            lift_bag(bag, tmp_path / name, fresh(), options=options)
            roots[name] = _decoded(tmp_path / name, '/skeletons')[0].skeletons[0].root.z
        # Twice the focal length puts the same picture about twice as far away.
        assert roots['a'] / roots['b'] == pytest.approx(2, rel=0.1)

    def test_a_calibration_can_be_named_and_must_be_when_unclear(self, bag, tmp_path, lifter):
        unclear = BagOptions(image_topic='/c/image')
        with pytest.raises(InputError, match='several CameraInfo topics: /a/camera_info'):
            lift_bag(bag, tmp_path / 'out', lifter, options=unclear)
        wrong = BagOptions(keypoints_topic='/a/keypoints', camera_info_topic='/text')
        with pytest.raises(InputError, match="camera_info_topic is '/text'"):
            lift_bag(bag, tmp_path / 'out', lifter, options=wrong)

    @pytest.mark.parametrize(
        ('options', 'sentence'),
        [
            (BagOptions(keypoints_topic='/c/image'), "keypoints_topic is '/c/image'"),
            (BagOptions(image_topic='/none'), "image_topic is '/none'.*: /c/image"),
            (BagOptions(image_topic='/a', keypoints_topic='/b'), 'both given'),
        ],
    )
    def test_wrong_names(self, bag, tmp_path, lifter, options, sentence):
        with pytest.raises(InputError, match=sentence):
            lift_bag(bag, tmp_path / 'out', lifter, options=options)

    def test_nothing_to_lift_and_a_result_that_exists(self, tmp_path, lifter):
        with writing_bag(tmp_path / 'in') as bag:
            bag.add_topic('/text', 'std_msgs/msg/String')
            text = bag_typestore().types['std_msgs/msg/String'](data='x')
            bag.write('/text', SECOND, text)
        with pytest.raises(InputError, match=r'it holds /text \(std_msgs/msg/String\)'):
            lift_bag(tmp_path / 'in', tmp_path / 'out', lifter)
        (tmp_path / 'out').mkdir()
        with pytest.raises(InputError, match='exists already'):
            lift_bag(tmp_path / 'in', tmp_path / 'out', lifter)


class TestShippedRecording:
    def test_the_walking_person_is_found_upright_and_lifted(self, short, tmp_path, lifter):
        report = lift_bag(short, tmp_path / 'out', lifter)
        assert report.source.name == '/camera/image/compressed'
        assert (report.frames, report.skipped) == (5, 0)
        people = [people_from_message(m) for m in _decoded(tmp_path / 'out', '/keypoints')]
        walker = people[0].people[0].keypoints_px
        # 360x640 pixels: the head is above the feet, and he faces the camera.
        assert walker[0, 1] < walker[15:, 1].min() - 150
        assert walker[5, 0] > walker[6, 0] + 20
        frames = frames_from_bag(tmp_path / 'out')
        assert frames.joints_cam_m.shape[0] == 5
        head, ankles = frames.joints_cam_m[:, 0, 10, 1], frames.joints_cam_m[:, 0, [3, 6], 1]
        assert (head < ankles.min(axis=1) - 0.5).all()

    def test_the_same_bag_gives_the_same_bytes(self, short, tmp_path, fresh):
        contents = []
        for name in 'ab':
            lift_bag(short, tmp_path / name, fresh())
            with BagReader(tmp_path / name) as bag:
                contents.append([(m.topic, m.log_time_ns, m.data) for m in bag.messages()])
        assert contents[0] == contents[1]

    def test_progress_sees_every_message(self, short, tmp_path, lifter):
        seen = []

        def progress(items, total):
            for item in items:
                seen.append((item.topic.name, total))
                yield item

        lift_bag(short, tmp_path / 'out', lifter, progress=progress)
        assert seen == [('/camera/image/compressed', 10), ('/camera/camera_info', 10)] * 5


def test_a_disk_that_is_full_for_a_moment_leaves_no_bag_with_holes(
    tmp_path, lifter, standing_m, monkeypatch
):
    source = _keypoints_bag(tmp_path / 'in', standing_m)
    write, calls = Writer.write, []

    def write_or_not(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, 'No space left on device')
        write(self, *arguments)

    monkeypatch.setattr(Writer, 'write', write_or_not)
    with pytest.raises(InputError, match=r'No space left on device.*nothing is left of it'):
        lift_bag(source, tmp_path / 'out', lifter)
    assert not (tmp_path / 'out').exists()


def test_a_calibration_without_a_size_belongs_to_the_image_at_hand(tmp_path, lifter, standing_m):
    source, camera = tmp_path / 'in', dataclasses.replace(CAMERA, width=0, height=0)
    with writing_bag(source) as bag:
        bag.add_topic('/cam/keypoints', messages.PEOPLE_2D)
        bag.add_topic('/cam/camera_info', messages.CAMERA_INFO)
        info = messages.camera_info_message(camera, SECOND, 'cam')
        bag.write('/cam/camera_info', SECOND, info)
        people = People2D(SECOND, 'h36m_17', (_person(standing_m),))
        found = messages.people_message(people, 'cam', (640, 480))
        bag.write('/cam/keypoints', SECOND + 1, found)
    report = lift_bag(source, tmp_path / 'out', lifter)
    assert (report.skeletons, report.skipped, report.is_calibrated) == (1, 0, True)


class TestMessages:
    def test_camera_info_after_binning_and_region(self):
        camera = Camera(CAMERA.matrix, 640, 480, 'plumb_bob', (0.1, 0, 0, 0, 0))
        info = messages.camera_info_message(camera, SECOND, 'cam')
        info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 20, 40, 600, 400
        info.binning_x = info.binning_y = 2
        found = camera_from_message(info, False)
        np.testing.assert_allclose(found.matrix, [[300, 0, 150], [0, 300, 100], [0, 0, 1]])
        assert (found.width, found.height) == (300, 200)
        assert found.distortion == (0.1, 0, 0, 0, 0)
        rectified = camera_from_message(info, True)
        assert rectified.distortion_model == 'none'

    def test_an_ideal_camera_survives_and_zero_is_not_calibrated(self):
        info = messages.camera_info_message(CAMERA, SECOND, 'cam')
        assert info.distortion_model == 'plumb_bob'
        found = camera_from_message(info, False)
        assert (found.distortion_model, found.width, found.height) == ('none', 640, 480)
        info.k[:] = 0
        with pytest.raises(InputError, match=r'K\[0\] of camera_info is 0'):
            camera_from_message(info, False)

    def test_an_image_survives(self):
        image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
        message = messages.image_message(image, 1_500_000_002, 'cam')
        assert (message.step, message.encoding) == (21, 'rgb8')
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 500_000_002)
        np.testing.assert_array_equal(messages.image_from_message(message, messages.IMAGE), image)

    def test_arrays_of_different_length_are_named(self, standing_m):
        people = People2D(1, 'h36m_17', (_person(standing_m),))
        message = messages.people_message(people, 'cam', (640, 480))
        message.people[0].y = message.people[0].y[:5]
        with pytest.raises(InputError, match=r'people\[0\] have 17, 5 and 17 entries'):
            people_from_message(message)


class TestVideo:
    def _images(self, path: Path, topic: str) -> list[Any]:
        with BagReader(path) as bag:
            return [
                messages.image_from_message(bag.decode(m), m.topic.type)
                for m in bag.messages([topic])
            ]

    @pytest.mark.parametrize(
        ('is_compressed', 'topic'),
        [(False, '/camera/image'), (True, '/camera/image/compressed')],
    )
    def test_every_frame_upright_in_colour_with_its_stamp(
        self, video, tmp_path, is_compressed, topic
    ):
        options = VideoBagOptions(is_compressed=is_compressed, fov_deg=90.0)
        report = video_to_bag(video, tmp_path / 'bag', options)
        assert (report.frames, report.image_topic) == (20, topic)
        images = self._images(tmp_path / 'bag', topic)
        assert {image.shape for image in images} == {(64, 96, 3)}
        red, green, blue = images[5][4:20, 4:20].reshape(-1, 3).mean(axis=0)
        assert red > 180
        assert max(green, blue) < 80
        stamps = [messages.stamp_ns_of(m) for m in _decoded(tmp_path / 'bag', topic)]
        assert stamps == [SECOND + index * 50_000_000 for index in range(20)]
        infos = _decoded(tmp_path / 'bag', '/camera/camera_info')
        assert [messages.stamp_ns_of(m) for m in infos] == stamps
        # 90 degrees over 96 px: f is half the width; pixels count from their centres.
        np.testing.assert_allclose(infos[0].k, [48, 0, 47.5, 0, 48, 31.5, 0, 0, 1])
        assert (infos[0].width, infos[0].height) == (96, 64)
        assert infos[0].header.frame_id == 'camera_optical_frame'

    def test_span_rate_and_size(self, video, tmp_path):
        options = VideoBagOptions(
            max_side=48, fps=10.0, start_s=0.2, duration_s=0.5, storage='sqlite3', topic='/a/b'
        )
        report = video_to_bag(video, tmp_path / 'bag', options)
        assert (report.camera.width, report.camera.height) == (48, 32)
        stamps = [messages.stamp_ns_of(m) for m in _decoded(tmp_path / 'bag', '/a/b')]
        assert stamps == [SECOND + index * 100_000_000 for index in range(5)]
        brightness = [image[-8:].mean() for image in self._images(tmp_path / 'bag', '/a/b')]
        np.testing.assert_allclose(brightness, [40, 60, 80, 100, 120], atol=6)
        assert (tmp_path / 'bag' / 'bag.db3').is_file()

    @pytest.mark.parametrize(
        ('changes', 'sentence'),
        [
            ({'jpeg_quality': 0}, 'jpeg_quality is 0; expected 1..100'),
            ({'fov_deg': 180.0}, 'fov_deg is 180.0'),
            ({'max_side': 4}, 'max_side is 4'),
            ({'fps': 0.0}, 'fps is 0.0'),
            ({'topic': 'image'}, "topic is 'image'; expected an absolute topic name"),
            ({'topic': '/2d'}, "topic is '/2d'"),
            ({'start_s': -1.0}, 'start_s is -1.0'),
            ({'duration_s': 0.0}, 'duration_s is 0.0'),
        ],
    )
    def test_bad_options(self, changes, sentence):
        with pytest.raises(InputError, match=sentence):
            VideoBagOptions(**changes)

    def test_bad_videos_leave_no_bag(self, video, tmp_path):
        out = tmp_path / 'bag'
        with pytest.raises(InputError, match='no frame in the chosen span'):
            video_to_bag(video, out, VideoBagOptions(start_s=60.0))
        (tmp_path / 'text.mp4').write_text('no video')
        for name in ('text.mp4', 'none.mp4'):
            with pytest.raises(InputError, match=name.replace('.', r'\.')):
                video_to_bag(tmp_path / name, out, VideoBagOptions())
        assert not out.exists()

    def test_the_command_says_that_the_intrinsics_are_assumed(self, video, tmp_path, elepose):
        done = elepose('video-to-bag', video, '--out', tmp_path / 'bag', '--compressed')
        assert done.returncode == 0, done.stderr
        assert 'ASSUMED' in done.stdout
        again = elepose('video-to-bag', video, '--out', tmp_path / 'bag')
        assert again.returncode == 2
        assert 'exists already' in again.stderr
        assert 'Traceback' not in again.stderr
