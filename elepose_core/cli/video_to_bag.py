# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose video-to-bag`: a video becomes a ROS 2 recording."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

__all__ = ['video_to_bag']


def video_to_bag(
    video: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    compressed: tyro.conf.FlagCreatePairsOff[bool] = False,
    jpeg_quality: int = 90,
    fov_deg: float = 60.0,
    max_side: int | None = None,
    fps: float | None = None,
    storage: Literal['mcap', 'sqlite3'] = 'mcap',
    topic: str = '/camera/image',
    frame_id: str = 'camera_optical_frame',
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> None:
    """Write a video into a new bag with images and an assumed CameraInfo.

    Args:
        video: File that OpenCV reads.
        out: Folder of the new bag.
        compressed: Store JPEG (CompressedImage on TOPIC/compressed) instead of raw pixels.
        jpeg_quality: 1..100.
        fov_deg: Horizontal field of view of the video, degrees: an assumption of yours.
        max_side: Shrink images whose longer side exceeds this, px.
        fps: Keep so many frames per second; all when not given.
        storage: Format of the bag.
        topic: Image topic; CameraInfo goes beside it.
        frame_id: Optical frame of the camera.
        start_s: Leave out the beginning, seconds.
        duration_s: Take so many seconds; up to the end when not given.
    """
    from elepose_core.offline.video_bag import VideoBagOptions
    from elepose_core.offline.video_bag import video_to_bag as write

    options = VideoBagOptions(
        is_compressed=compressed,
        jpeg_quality=jpeg_quality,
        fov_deg=fov_deg,
        max_side=max_side,
        fps=fps,
        storage=storage,
        topic=topic,
        frame_id=frame_id,
        start_s=start_s,
        duration_s=duration_s,
    )
    report = write(video, out, options)
    camera = report.camera
    print(
        f'{out}: {report.frames} frames of {camera.width}x{camera.height} on '
        f'{report.image_topic}, calibration on {report.camera_info_topic}'
    )
    print(
        f'the intrinsics are ASSUMED, not measured: horizontal field of view {fov_deg:g} deg '
        f'(focal length {camera.matrix[0, 0]:.0f} px), centre of the image, no distortion'
    )
