# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A picture or a video through detector and lifter: PoseSet npz and an overlay beside it."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.detect import Detector, make_detector
from elepose_core.errors import InputError
from elepose_core.files import read_bounded, replacing
from elepose_core.geometry.camera import MAX_PIXELS, Camera
from elepose_core.images import MAX_COMPRESSED_BYTES, rgb_from_photograph
from elepose_core.offline.bodies import from_root, painted_over, stored
from elepose_core.offline.overlay import drawn_over
from elepose_core.opencv import opencv
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.people import (
    People2D,
    Person2D,
    Skeleton3D,
    Skeletons3D,
    Surroundings,
)
from elepose_core.skeleton import H36M_17, h36m_from

__all__ = ['IMAGE_SUFFIXES', 'Frame', 'MediaReport', 'Video', 'frames_of', 'lift_media']

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')
_JPEG_QUALITY = 92


class Frame(NamedTuple):
    """One picture of a video.

    Attributes:
        frame_index: Counts from 0.
        stamp_ns: Time since the first frame, from the video's mean frame rate.
        rgb: (H, W, 3) uint8.
    """

    frame_index: int
    stamp_ns: int
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Video:
    """What a video says of itself.

    Attributes:
        path: The file.
        fps: Frames per second.
        declared_frames: How many frames there should be, 0 = it does not say.
    """

    path: Path
    fps: float
    declared_frames: int


@dataclass(frozen=True)
class MediaReport:
    """What came of a picture or video.

    Attributes:
        frames: Pictures read.
        missing_frames: Frames that the video declares and that could not be decoded.
        skeletons: Poses lifted, one per person and frame.
        people: Different people.
        overlay: The picture or video with the keypoints drawn in.
    """

    frames: int
    missing_frames: int
    skeletons: int
    people: int
    overlay: Path


Progress = Callable[[Iterable[Frame], int], Iterable[Frame]]


def frames_of(source: Path) -> Iterator[Frame]:
    """Yield the frames of a video, or the one of a picture.

    Raises:
        InputError: The file is absent, empty, unreadable or has no frame.
        MissingDependency: OpenCV is absent.
    """
    if source.suffix.lower() in IMAGE_SUFFIXES:
        _check_file(source, 'picture')
        with _naming(source):
            yield Frame(0, 0, rgb_from_photograph(read_bounded(source, MAX_COMPRESSED_BYTES)))
        return
    with _opened(source) as (capture, video):
        yield from _decoded(capture, video)


def lift_media(
    source: Path,
    out: Path,
    lifter: PeopleLifter,
    detector: str | Detector,
    fov_deg: float = 60.0,
    progress: Progress = lambda frames, _: frames,
) -> MediaReport:
    """Find and lift the people of a picture or video.

    `out` becomes a PoseSet of the lifted people: one clip per person, `frame_index` counts the
    video's frames. Besides the keys of every PoseSet it holds `person_id` (N,) str, `stamp_ns`
    (N,), `lifted_joints_cam_m` (N, 17, 3), `lifted_up_cam` (N, 3) as estimated up to that frame
    and `lifted_root_cam_m` (N, 3), with `lifter`'s option `with_vertices` also bodies (see
    `bodies.stored`). Beside it an overlay `<stem>.overlay.jpg` or `.mp4` is written.

    Args:
        source: JPEG, PNG or a video that OpenCV decodes.
        out: npz file.
        lifter: Fresh; it remembers people from frame to frame.
        detector: Name for `make_detector`, or a detector.
        fov_deg: Assumed horizontal field of view: pictures carry no calibration.
        progress: Wraps the frames, whose number it is told (0 = unknown).

    Raises:
        InputError: The source cannot be read, or a name or setting is wrong.
        MissingDependency: OpenCV or the detector's package is absent.
    """
    if out.suffix != '.npz':
        raise InputError(f'output is {out}; expected a name that ends in .npz')
    if not 1 <= fov_deg <= 170:
        raise InputError(f'fov_deg is {fov_deg:g}; expected 1..170')
    finder = make_detector(detector) if isinstance(detector, str) else detector
    way = _Way(finder, lifter, fov_deg)
    if source.suffix.lower() in IMAGE_SUFFIXES:
        overlay = out.with_suffix('.overlay.jpg')
        missing = 0
        for frame in frames_of(source):
            _write_picture(overlay, way.take(frame))
        fps = 1.0
    else:
        overlay = out.with_suffix('.overlay.mp4')
        with _opened(source) as (capture, video):
            frames = progress(_decoded(capture, video), video.declared_frames)
            _write_video(overlay, (way.take(frame) for frame in frames), video.fps)
        fps = video.fps
        missing = max(0, video.declared_frames - way.frames)
    poses = way.poses(source, fps)
    poses.save(out)
    people = int(poses.clip_index.max()) + 1 if len(poses) else 0
    return MediaReport(way.frames, missing, len(poses), people, overlay)


class _Way:
    """Detector, lifter and what they have given so far."""

    def __init__(self, detector: Detector, lifter: PeopleLifter, fov_deg: float) -> None:
        self._detector, self._lifter, self._fov_deg = detector, lifter, fov_deg
        self._camera: Camera | None = None
        self._rows: list[dict[str, Any]] = []
        self._faces = lifter.predictor.faces() if lifter.options.with_vertices else None
        self.frames = 0

    def take(self, frame: Frame) -> NDArray[np.uint8]:
        """Lift the people of one frame and return it with their keypoints drawn in."""
        height, width = frame.rgb.shape[:2]
        if self._camera is None:
            fov_rad = math.radians(self._fov_deg)
            self._camera = Camera.from_field_of_view(width, height, fov_rad)
        found = [
            Person2D(
                '', *h36m_from(detection.keypoints_px, detection.scores, self._detector.layout)
            )
            for detection in self._detector.detect(frame.rgb)
        ]
        seen = People2D(frame.stamp_ns, H36M_17.name, tuple(found))
        skeletons = self._lifter.lift(seen, self._camera, Surroundings(picture=frame.rgb))
        people = tuple(
            _without_unused(found[source], skeleton)
            for source, skeleton in zip(skeletons.sources, skeletons.skeletons, strict=True)
        )
        self._add(frame, people, skeletons)
        self.frames += 1
        picture = frame.rgb
        if self._faces is not None:
            picture = painted_over(picture, skeletons.skeletons, self._camera, self._faces)
        return drawn_over(picture, people, skeletons)

    def _add(self, frame: Frame, people: tuple[Person2D, ...], skeletons: Skeletons3D) -> None:
        up = np.full(3, np.nan) if skeletons.elevation is None else skeletons.elevation.up_cam
        for person, skeleton in zip(people, skeletons.skeletons, strict=True):
            self._rows.append(
                {
                    'keypoints_px': person.keypoints_px,
                    'scores': person.scores,
                    'frame_index': frame.frame_index,
                    'stamp_ns': frame.stamp_ns,
                    'track': skeleton.track,
                    'person_id': skeleton.id,
                    'lifted_joints_cam_m': skeleton.joints_cam_m,
                    'lifted_up_cam': up,
                    'lifted_root_cam_m': skeleton.root_cam_m,
                    'vertices_m': from_root(skeleton.vertices_cam_m, skeleton.root_cam_m),
                }
            )

    def poses(self, source: Path, fps: float) -> PoseSet:
        """Return all rows, each person's together as one clip."""
        if self._camera is None:
            raise InputError(f'{source} has no frame')
        rows = sorted(self._rows, key=lambda row: (row['track'], row['frame_index']))
        columns = {
            key: np.array([row[key] for row in rows], dtype).reshape(len(rows), *shape)
            for key, (dtype, shape) in _COLUMNS.items()
        }
        if self._faces is not None and rows:
            vertices = np.array([row['vertices_m'] for row in rows])
            columns |= stored(vertices, str(self._lifter.predictor.manifest.body))
        tracks = columns.pop('track')
        return PoseSet.from_arrays(
            {
                **columns,
                'clip_index': np.unique(tracks, return_inverse=True)[1].astype(np.int64),
                'camera_matrix': self._camera.matrix,
                'image_size': np.array([self._camera.width, self._camera.height]),
                'fps': np.array(fps),
            },
            source=str(source),
        )


_COLUMNS: dict[str, tuple[Any, tuple[int, ...]]] = {
    'keypoints_px': (np.float32, (17, 2)),
    'scores': (np.float32, (17,)),
    'frame_index': (np.int64, ()),
    'stamp_ns': (np.int64, ()),
    'track': (np.int64, ()),
    'person_id': (np.str_, ()),
    'lifted_joints_cam_m': (np.float32, (17, 3)),
    'lifted_up_cam': (np.float32, (3,)),
    'lifted_root_cam_m': (np.float32, (3,)),
}


def _without_unused(person: Person2D, skeleton: Skeleton3D) -> Person2D:
    """Leave out the keypoints that the lifter did not take."""
    used = (skeleton.scores > 0)[:, None]
    keypoints_px = np.where(used, person.keypoints_px, np.float32(np.nan))
    return Person2D(person.id, keypoints_px, skeleton.scores)


def _check_file(path: Path, kind: str) -> None:
    if not path.is_file():
        raise InputError(f'{path} does not exist; expected a {kind}')
    if not path.stat().st_size:
        raise InputError(f'{path} is empty; expected a {kind}')


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before an error about its content."""
    try:
        yield
    except InputError as error:
        raise type(error)(f'{path}: {error}') from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Video]]:
    cv2 = opencv('reading of videos')
    _check_file(path, 'video')
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise InputError(f'{path} cannot be opened as a video; expected one OpenCV decodes')
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        if not 0 < fps <= 1000:
            raise InputError(f'{path} has {fps:g} frames per second; expected more than 0')
        size = [capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if size[0] * size[1] > MAX_PIXELS:
            raise InputError(f'{path} has frames of {size[0]:g}x{size[1]:g} pixels; too large')
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        yield capture, Video(path, fps, int(count) if 0 < count < 1e9 else 0)
    finally:
        capture.release()


def _decoded(capture: Any, video: Video) -> Iterator[Frame]:
    index = 0
    while True:
        is_read, image_bgr = capture.read()
        if not is_read:
            break
        rgb = np.asarray(image_bgr, np.uint8)[..., ::-1]
        yield Frame(index, round(index * 1e9 / video.fps), rgb)
        index += 1
    if not index:
        raise InputError(f'{video.path} has no frame that OpenCV decodes')


def _write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    cv2 = opencv('writing of pictures')
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    is_done, jpeg = cv2.imencode('.jpg', np.ascontiguousarray(rgb[..., ::-1]), quality)
    if not is_done:
        raise InputError(f'a picture of {rgb.shape} pixels cannot be stored as JPEG')
    with replacing(path) as temporary:
        temporary.write_bytes(jpeg.tobytes())


def _write_video(path: Path, frames: Iterator[NDArray[np.uint8]], fps: float) -> None:
    cv2 = opencv('writing of videos')
    with replacing(path) as temporary:
        writer = None
        try:
            for rgb in frames:
                if writer is None:
                    height, width = rgb.shape[:2]
                    code = cv2.VideoWriter_fourcc(*'mp4v')
                    writer = cv2.VideoWriter(str(temporary), code, fps, (width, height))
                    if not writer.isOpened():
                        raise InputError(f'{path} cannot be written: this OpenCV makes no mp4')
                writer.write(np.ascontiguousarray(rgb[..., ::-1]))
        finally:
            if writer is not None:
                writer.release()
