# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A video as a bag with images and CameraInfo, as a camera driver would have published it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.bags import writing_bag
from elepose_core.bags.writer import Storage, check_new_bag
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera
from elepose_core.offline import bag_messages as messages
from elepose_core.offline.media import Frame, frames_of
from elepose_core.opencv import opencv

__all__ = ['VideoBagOptions', 'VideoBagReport', 'video_to_bag']

# The bag's clock begins here: stamp 0 means "no time" to ROS.
_FIRST_STAMP_NS = 1_000_000_000


@dataclass(frozen=True)
class VideoBagOptions:
    """What is taken of the video and how it is stored.

    Attributes:
        is_compressed: CompressedImage (JPEG) on TOPIC/compressed instead of Image on TOPIC.
        jpeg_quality: 1..100.
        fov_deg: Horizontal field of view of the video, degrees; it is only assumed.
        max_side: Long side of the stored images, px; larger ones are shrunk. None = as they are.
        fps: Frames per second to keep; None = all.
        storage: mcap or sqlite3.
        topic: Image topic; CameraInfo goes to camera_info beside it.
        frame_id: Optical frame of the camera.
        start_s: Seconds to leave out at the beginning.
        duration_s: Seconds to take; None = up to the end.
    """

    is_compressed: bool = False
    jpeg_quality: int = 90
    fov_deg: float = 60.0
    max_side: int | None = None
    fps: float | None = None
    storage: Storage = 'mcap'
    topic: str = '/camera/image'
    frame_id: str = 'camera_optical_frame'
    start_s: float = 0.0
    duration_s: float | None = None

    def __post_init__(self) -> None:
        checks = {
            'jpeg_quality': (1 <= self.jpeg_quality <= 100, '1..100'),
            'fov_deg': (1 <= self.fov_deg <= 170, '1..170'),
            'max_side': (self.max_side is None or self.max_side >= 16, 'at least 16'),
            'fps': (self.fps is None or 0 < self.fps <= 1000, 'more than 0, at most 1000'),
            'topic': (_is_topic(self.topic), "an absolute topic name such as '/camera/image'"),
            'start_s': (self.start_s >= 0, 'at least 0'),
            'duration_s': (self.duration_s is None or self.duration_s > 0, 'more than 0'),
        }
        for name, (is_right, expected) in checks.items():
            if not is_right:
                raise InputError(f'{name} is {getattr(self, name)!r}; expected {expected}')


@dataclass(frozen=True)
class VideoBagReport:
    """What was written."""

    frames: int
    image_topic: str
    camera_info_topic: str
    camera: Camera


def video_to_bag(video: Path, out: Path, options: VideoBagOptions) -> VideoBagReport:
    """Write the frames of a video and an assumed CameraInfo into a new bag.

    Stamps count from one second, so that the same video gives the same bag.

    Raises:
        InputError: The video cannot be read or has no frame in the chosen span, or `out` exists.
        MissingDependency: OpenCV or rosbags is not installed.
    """
    check_new_bag(out)
    base = options.topic.rpartition('/')[0]
    image_topic = f'{options.topic}/compressed' if options.is_compressed else options.topic
    info_topic = f'{base}/camera_info'
    camera: Camera | None = None
    frames = 0
    with writing_bag(out, options.storage) as bag:
        kind = messages.COMPRESSED_IMAGE if options.is_compressed else messages.IMAGE
        bag.add_topic(image_topic, kind)
        bag.add_topic(info_topic, messages.CAMERA_INFO)
        for frame in _chosen_frames(video, options):
            image = _shrunk(frame.rgb, options.max_side)
            height, width = image.shape[:2]
            camera = camera or Camera.from_field_of_view(
                width, height, math.radians(options.fov_deg)
            )
            stamp = _FIRST_STAMP_NS + max(0, frame.stamp_ns)
            bag.write(image_topic, stamp, _image_message(image, stamp, options))
            info = messages.camera_info_message(camera, stamp, options.frame_id)
            bag.write(info_topic, stamp, info)
            frames += 1
        if camera is None:
            raise InputError(
                f'{video} has no frame in the chosen span (start_s {options.start_s:g}, '
                f'duration_s {options.duration_s or math.inf:g})'
            )
    return VideoBagReport(frames, image_topic, info_topic, camera)


def _chosen_frames(video: Path, options: VideoBagOptions) -> Iterator[Frame]:
    """Yield the frames to keep; their stamps count from the beginning of the span."""
    end_s = math.inf if options.duration_s is None else options.start_s + options.duration_s
    period_s = 0.0 if options.fps is None else 1.0 / options.fps
    due_s = options.start_s
    for frame in frames_of(video):
        # Half a millisecond of slack: the times of frames are rounded.
        time_s = frame.stamp_ns * 1e-9 + 5e-4
        if time_s >= end_s:
            return
        if time_s >= due_s:
            yield frame._replace(stamp_ns=frame.stamp_ns - round(options.start_s * 1e9))
            due_s += period_s


def _shrunk(image: NDArray[np.uint8], max_side: int | None) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return image
    cv2 = opencv('shrinking of images')
    scale = max_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(
        cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), np.uint8
    )


def _image_message(image_rgb: NDArray[np.uint8], stamp_ns: int, options: VideoBagOptions) -> Any:
    if not options.is_compressed:
        return messages.image_message(image_rgb, stamp_ns, options.frame_id)
    cv2 = opencv('writing of JPEG images')
    image_bgr = np.ascontiguousarray(image_rgb[..., ::-1])
    quality = [cv2.IMWRITE_JPEG_QUALITY, options.jpeg_quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    is_done, jpeg = cv2.imencode('.jpg', image_bgr, quality)
    if not is_done:
        raise InputError(f'a frame of {image_bgr.shape} pixels cannot be stored as JPEG')
    return messages.compressed_image_message(jpeg.tobytes(), stamp_ns, options.frame_id)


def _is_topic(name: str) -> bool:
    parts = name.split('/')
    return (
        len(parts) > 1
        and parts[0] == ''
        and all(
            part and part.replace('_', 'a').isalnum() and not part[0].isdigit()
            for part in parts[1:]
        )
    )
