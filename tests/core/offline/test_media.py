# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos through the real detector and a tiny lifter."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2 as typed_cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import Bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.detect import Detection, make_detector
from elepose_core.errors import InputError
from elepose_core.images import rgb_from_photograph
from elepose_core.offline.media import Frame, frames_of, lift_media
from elepose_core.offline.overlay import drawn_over
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.people import Person2D, ScaleSource, Skeleton3D, Skeletons3D
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import H36M_17, h36m_from

cv2: Any = typed_cv2  # its stubs lack the fourcc function
SKIER = Path(__file__).parents[2] / 'data' / 'skier.jpg'
STEP_PX = 8
Picture = NDArray[np.uint8]


@pytest.fixture
def lifter(tiny_bundle: Bundle) -> PeopleLifter:
    return PeopleLifter(Predictor(tiny_bundle.folder))


def write_video(path: Path, frames: Iterable[Picture], fps: float = 20.0) -> Path:
    writer = None
    for rgb in frames:
        size = rgb.shape[1::-1]
        writer = writer or cv2.VideoWriter(
            str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, (size[0], size[1])
        )
        writer.write(np.ascontiguousarray(rgb[..., ::-1]))
    assert writer is not None
    writer.release()
    return path


def panned(count: int) -> list[Picture]:
    """Cut frames from the skier so that she moves right by `STEP_PX` from one to the next."""
    image = rgb_from_photograph(SKIER.read_bytes())
    starts = range(220, 220 - STEP_PX * count, -STEP_PX)
    return [image[:416, start : start + 320] for start in starts]


def test_a_picture(lifter: PeopleLifter, tmp_path: Path) -> None:
    report = lift_media(SKIER, tmp_path / 'out.npz', lifter, 'movenet_multipose', 50.0)
    assert (report.frames, report.skeletons, report.people, report.missing_frames) == (1, 1, 1, 0)
    poses = PoseSet.load(tmp_path / 'out.npz')
    (detection,) = make_detector('movenet_multipose').detect(
        rgb_from_photograph(SKIER.read_bytes())
    )
    keypoints, scores = h36m_from(*detection, 'coco_17')
    seen = scores >= 0.2
    np.testing.assert_array_equal(poses.keypoints_px[0][seen], keypoints[seen])
    np.testing.assert_array_equal(poses.scores[0], np.where(seen, scores, 0))
    # 640 px wide at 50 degrees: f = 320 / tan(25 degrees) = 686.24 px.
    assert poses.camera_matrix[0, 0, 0] == pytest.approx(686.24, abs=0.01)
    assert poses.image_size.tolist() == [[640, 425]]
    assert poses.extra['person_id'].tolist() == ['0']
    assert poses.extra['stamp_ns'].tolist() == [0]
    joints = poses.extra['lifted_joints_cam_m']
    assert joints.shape == (1, 17, 3)
    assert np.isfinite(joints[0][seen]).all()
    root = poses.extra['lifted_root_cam_m'][0]
    np.testing.assert_allclose(joints[0, H36M_17.index('pelvis')], root, atol=1e-5)
    assert np.linalg.norm(poses.extra['lifted_up_cam'][0]) == pytest.approx(1, abs=1e-4)


def test_the_overlay_is_the_picture_with_bones(lifter: PeopleLifter, tmp_path: Path) -> None:
    report = lift_media(SKIER, tmp_path / 'out.npz', lifter, 'movenet_multipose')
    assert report.overlay == tmp_path / 'out.overlay.jpg'
    overlay = rgb_from_photograph(report.overlay.read_bytes()).astype(int)
    original = rgb_from_photograph(SKIER.read_bytes()).astype(int)
    assert overlay.shape == original.shape
    change = np.abs(overlay - original).max(-1)
    wrist_x, wrist_y = PoseSet.load(tmp_path / 'out.npz').keypoints_px[0, 13].round().astype(int)
    assert change[wrist_y, wrist_x] > 100
    assert np.median(change) < 10


def test_a_video(lifter: PeopleLifter, tmp_path: Path) -> None:
    video = write_video(tmp_path / 'in.mp4', panned(8))
    totals = []

    def progress(frames: Iterable[Frame], total: int) -> Iterable[Frame]:
        totals.append(total)
        return frames

    out = tmp_path / 'out.npz'
    report = lift_media(video, out, lifter, 'movenet_multipose', 60.0, progress)
    assert (report.frames, report.skeletons, report.people, report.missing_frames) == (8, 8, 1, 0)
    assert totals == [8]
    poses = PoseSet.load(out)
    assert poses.fps == 20
    assert poses.clip_index.tolist() == [0] * 8
    assert poses.frame_index.tolist() == list(range(8))
    assert poses.extra['stamp_ns'].tolist() == [i * 50_000_000 for i in range(8)]
    assert set(poses.extra['person_id']) == {'0'}
    moved = np.diff(poses.keypoints_px[:, H36M_17.index('pelvis'), 0])
    assert np.mean(moved) == pytest.approx(STEP_PX, abs=1.5)
    drawn = [frame.rgb for frame in frames_of(report.overlay)]
    assert len(drawn) == 8
    assert drawn[0].shape == (416, 320, 3)
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        'in.mp4',
        'out.npz',
        'out.overlay.mp4',
    ]


def test_two_people_are_two_clips_and_frames_without_them_have_no_rows(
    lifter: PeopleLifter, tmp_path: Path
) -> None:
    image = rgb_from_photograph(SKIER.read_bytes())[:416, 220:540]
    pair = np.concatenate([image, image], axis=1)
    frames = [pair, pair, np.full_like(pair, 90), pair]
    video = write_video(tmp_path / 'in.mp4', frames)
    report = lift_media(video, tmp_path / 'out.npz', lifter, 'movenet_multipose')
    assert (report.frames, report.people, report.skeletons) == (4, 2, 6)
    poses = PoseSet.load(tmp_path / 'out.npz')
    assert poses.clip_index.tolist() == [0, 0, 0, 1, 1, 1]
    assert poses.frame_index.tolist() == [0, 1, 3, 0, 1, 3]
    pelvis_x = poses.keypoints_px[:, H36M_17.index('pelvis'), 0].reshape(2, 3)
    assert np.ptp(pelvis_x, axis=1).max() < 20
    assert abs(pelvis_x[0, 0] - pelvis_x[1, 0]) == pytest.approx(320, abs=20)


def test_nobody_is_an_empty_result(lifter: PeopleLifter, tmp_path: Path) -> None:
    video = write_video(tmp_path / 'in.mp4', [np.full((96, 128, 3), 90, np.uint8)] * 3)
    report = lift_media(video, tmp_path / 'out.npz', lifter, 'movenet_multipose')
    assert (report.frames, report.skeletons, report.people) == (3, 0, 0)
    assert len(PoseSet.load(tmp_path / 'out.npz')) == 0


def test_the_same_video_gives_the_same_arrays(tiny_bundle: Bundle, tmp_path: Path) -> None:
    video = write_video(tmp_path / 'in.mp4', panned(3))
    for name in ('a.npz', 'b.npz'):
        fresh = PeopleLifter(Predictor(tiny_bundle.folder))
        lift_media(video, tmp_path / name, fresh, 'movenet_multipose')
    with np.load(tmp_path / 'a.npz') as first, np.load(tmp_path / 'b.npz') as second:
        assert first.files == second.files
        for key in first.files:
            np.testing.assert_array_equal(first[key], second[key])


class FailingDetector:
    """Finds nobody and breaks at the third frame."""

    layout = 'coco_17'

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image_rgb: Picture) -> list[Detection]:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError('broken')
        return []


def test_a_failure_leaves_nothing_behind(lifter: PeopleLifter, tmp_path: Path) -> None:
    video = write_video(tmp_path / 'in.mp4', panned(4))
    with pytest.raises(RuntimeError, match='broken'):
        lift_media(video, tmp_path / 'out.npz', lifter, FailingDetector())
    assert [path.name for path in tmp_path.iterdir()] == ['in.mp4']


def test_frames_of_gives_rgb_in_order(tmp_path: Path) -> None:
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]
    video = write_video(
        tmp_path / 'in.avi', [np.full((64, 64, 3), c, np.uint8) for c in colours], fps=25
    )
    frames = list(frames_of(video))
    assert [frame.frame_index for frame in frames] == [0, 1, 2]
    assert [frame.stamp_ns for frame in frames] == [0, 40_000_000, 80_000_000]
    for frame, colour in zip(frames, colours, strict=True):
        np.testing.assert_allclose(frame.rgb.mean((0, 1)), colour, atol=12)
    (picture,) = frames_of(SKIER)
    assert picture.rgb.shape == (425, 640, 3)


@pytest.mark.parametrize(
    ('name', 'content', 'sentence'),
    [
        ('absent.mp4', None, 'absent.mp4 does not exist; expected a video'),
        ('absent.jpg', None, 'absent.jpg does not exist; expected a picture'),
        ('empty.mp4', b'', 'empty.mp4 is empty; expected a video'),
        ('empty.png', b'', 'empty.png is empty; expected a picture'),
        ('text.mp4', b'no video at all' * 50, 'text.mp4 cannot be opened as a video'),
        ('text.png', b'no picture', 'text.png: compressed image starts with bytes 6e 6f 20 70'),
    ],
)
def test_unreadable_sources(
    name: str, content: bytes | None, sentence: str, lifter: PeopleLifter, tmp_path: Path
) -> None:
    source = tmp_path / name
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        lift_media(source, tmp_path / 'out.npz', lifter, FailingDetector())
    with pytest.raises(InputError, match=sentence):
        list(frames_of(source))
    assert not list(tmp_path.glob('out*'))


def test_a_cut_off_video_is_refused(lifter: PeopleLifter, tmp_path: Path) -> None:
    """An mp4 has its table of frames at the end: half of the file has no picture at all."""
    whole = write_video(tmp_path / 'in.mp4', panned(4)).read_bytes()
    half = tmp_path / 'half.mp4'
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match='cannot be opened as a video'):
        list(frames_of(half))


def test_wrong_settings(lifter: PeopleLifter, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='expected a name that ends in'):
        lift_media(SKIER, tmp_path / 'out.json', lifter, 'movenet_multipose')
    with pytest.raises(InputError, match='fov_deg is 0; expected'):
        lift_media(SKIER, tmp_path / 'out.npz', lifter, 'movenet_multipose', 0.0)
    with pytest.raises(InputError, match='makes no detector'):
        lift_media(SKIER, tmp_path / 'out.npz', lifter, 'none')


def test_pictures_with_capital_suffixes(lifter: PeopleLifter, tmp_path: Path) -> None:
    shutil.copyfile(SKIER, tmp_path / 'IN.JPG')
    assert lift_media(tmp_path / 'IN.JPG', tmp_path / 'o.npz', lifter, FailingDetector()).frames


def skeleton_of(points: NDArray[np.float32]) -> Skeleton3D:
    nan = np.full((17, 3), np.nan, np.float32)
    return Skeleton3D(
        id='7',
        track=7,
        joints_cam_m=nan,
        sigma_m=nan[:, 0],
        scores=np.isfinite(points[:, 0]).astype(np.float32),
        root_cam_m=np.array([0.0, 0, 3]),
        root_covariance_m2=np.eye(3),
        scale_source=ScaleSource.STATURE,
        plausibility=float('nan'),
    )


def test_left_is_blue_and_right_is_red() -> None:
    points = np.full((17, 2), np.nan, np.float32)
    points[H36M_17.index('left_knee')], points[H36M_17.index('left_ankle')] = (80, 40), (80, 90)
    points[H36M_17.index('right_knee')], points[H36M_17.index('right_ankle')] = (20, 40), (20, 90)
    # Ends that lie beyond the picture or nowhere near it must not break the drawing.
    points[H36M_17.index('left_wrist')] = 1e9, 5
    points[H36M_17.index('right_elbow')] = -300, 5
    grey = np.full((100, 100, 3), 128, np.uint8)
    person = Person2D('', points, np.ones(17, np.float32))
    skeletons = Skeletons3D(0, (skeleton_of(points),), (), None, False, (0,))
    picture = drawn_over(grey, (person,), skeletons)
    assert picture[70, 80].tolist() == [30, 120, 255]
    assert picture[70, 20].tolist() == [255, 70, 50]
    assert picture[70, 50].tolist() == [128, 128, 128]
    assert (grey == 128).all()
