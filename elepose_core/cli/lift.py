# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose lift`: files in, 3D out."""

from pathlib import Path
from typing import Annotated

import tyro

__all__ = ['lift']

_IMAGES_AND_VIDEOS = {'.jpg', '.jpeg', '.png', '.mp4', '.avi', '.mov', '.mkv', '.webm'}


def lift(
    source: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    model: str = 'default',
    detector: str = 'movenet_multipose',
    stature_m: float = 1.70,
    fov_deg: float = 60.0,
    image_size: tuple[int, int] | None = None,
    layout: str | None = None,
    image_topic: str = '',
    keypoints_topic: str = '',
    camera_info_topic: str = '',
    mesh: bool = False,
    ordering_model: str = '',
) -> None:
    """Lift a PoseSet, keypoint JSON, image, video or bag.

    Args:
        source: PoseSet npz, COCO keypoint JSON, folder of OpenPose JSON, image, video or rosbag2.
        out: npz file; for a bag the new bag's folder.
        model: Bundle folder or name of a shipped bundle.
        detector: 2D detector for images; none for a bag with keypoints.
        stature_m: Assumed height of people, metres.
        fov_deg: Assumed horizontal field of view where the source has no calibration.
        image_size: Width and height for keypoint files that do not state them.
        layout: Joint layout of a keypoint file where it is neither COCO-17 nor told by its count.
        image_topic: Topic of a bag to lift, where several could be.
        keypoints_topic: People2D topic of a bag to lift instead of images.
        camera_info_topic: Its CameraInfo, where the name beside the source does not tell.
        mesh: Keep and draw the surface of bodies too, with a model that gives it.
        ordering_model: Second bundle, which sees images and videos and tells how deep joints lie.
    """
    from elepose_core.cli.progress import progress_bar
    from elepose_core.errors import InputError
    from elepose_core.offline import bag, keypoint_files, media, poses
    from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
    from elepose_core.runtime.ordering import Ordering
    from elepose_core.runtime.predictor import Predictor

    if not source.exists():
        raise InputError(f'{source} does not exist; expected a file or folder to lift')
    predictor = Predictor(model, threads=2)
    options = LiftingOptions(stature_m=stature_m, with_vertices=mesh)
    kind = source.suffix.lower()
    if mesh and not len(predictor.faces()):
        raise InputError(
            f'mesh is asked for, but {predictor.folder} gives no body; expected a model whose '
            'manifest names one'
        )
    if ordering_model and kind not in _IMAGES_AND_VIDEOS:
        raise InputError(
            f'ordering_model is {ordering_model}, but {source} is no image or video; '
            'expected one, since it looks at pictures'
        )
    if kind == '.npz':
        poses.lift_poses(source, out, predictor, options)
    elif kind == '.json' or (source.is_dir() and any(source.glob('*_keypoints.json'))):
        size = keypoint_files.ImageSize(*image_size) if image_size else None
        assumed = keypoint_files.Assumptions(fov_deg, size, layout)
        keypoint_files.lift_keypoints(source, out, predictor, options, assumed)
    elif kind in _IMAGES_AND_VIDEOS:
        ordering = Ordering(ordering_model, threads=2) if ordering_model else None
        people = PeopleLifter(predictor, options, ordering)
        found = media.lift_media(source, out, people, detector, fov_deg, progress_bar)
        print(
            f'{out}: {found.skeletons} skeletons of {found.people} people in {found.frames} frames'
        )
        print(f'{found.overlay}: keypoints drawn in')
    elif source.is_dir() or kind in {'.mcap', '.db3'}:
        if mesh:
            raise InputError(
                f'mesh is asked for, but {source} is a bag, whose messages have no place for it; '
                'expected a file that becomes npz'
            )
        topics = bag.BagOptions(image_topic, keypoints_topic, camera_info_topic, fov_deg)
        lifter = PeopleLifter(predictor, options)
        report = bag.lift_bag(source, out, lifter, detector, topics, progress_bar)
        print(f'{out}: {report.skeletons} skeletons in {report.frames} frames')
        if report.skipped:
            print(f'{report.skipped} frames were skipped: {report.problem}')
        if not report.is_calibrated:
            print(f'no calibrated CameraInfo: a field of view of {fov_deg:g} degrees is assumed')
        if report.is_cut_off:
            print(f'{source} was cut off while it was written; what is readable was lifted')
    else:
        raise InputError(
            f'{source} has the suffix {kind!r}; expected .npz, .json, an image, a video or a bag'
        )
