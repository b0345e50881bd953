# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lift keypoint files of other tools: COCO keypoint JSON and folders of OpenPose JSON."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError, shown
from elepose_core.files import read_bounded
from elepose_core.geometry.camera import MAX_KEYPOINT_PX, Camera
from elepose_core.offline.poses import lifted
from elepose_core.runtime.lifting import LiftingOptions
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import h36m_from, layout_named

__all__ = [
    'MAX_JSON_BYTES',
    'Assumptions',
    'ImageSize',
    'lift_keypoints',
    'read_coco',
    'read_openpose',
]

# The keypoints of all of COCO's training images have half of that.
MAX_JSON_BYTES = 1 << 29
# COCO marks visibility 0, 1 (hidden but labelled), 2; detectors write a score there.
_FPS = 30.0
_OPENPOSE = {18: 'openpose_18', 25: 'openpose_25'}


class ImageSize(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class Assumptions(NamedTuple):
    """What keypoint files do not say.

    Attributes:
        fov_deg: Horizontal field of view, degrees.
        size: Image size, for files without it.
        layout: Layout; None = COCO-17 in a COCO file, by the number of keypoints with OpenPose.
    """

    fov_deg: float
    size: ImageSize | None = None
    layout: str | None = None


class _Pose(NamedTuple):
    frame: int
    size: ImageSize
    keypoints_px: NDArray[np.float32]
    scores: NDArray[np.float32]


def lift_keypoints(
    source: Path,
    out: Path,
    predictor: Predictor,
    options: LiftingOptions,
    assumed: Assumptions,
) -> None:
    """Lift a COCO JSON file or a folder of OpenPose JSON into a PoseSet npz.

    Neither states intrinsics: the field of view is assumed, so that `lifted_root_cam_m` is rough.

    Args:
        source: File or folder.
        out: npz to write.
        predictor: Model.
        options: Stature and score limits.
        assumed: What the files do not say.
    """
    if source.is_dir():
        poses = list(read_openpose(source, assumed.size, assumed.layout))
    else:
        poses = list(read_coco(source, assumed.size, assumed.layout or 'coco_17'))
    if not poses:
        raise InputError(f'{source} holds no person with keypoints')
    # Nothing in these files says who is who from frame to frame.
    result = lifted(
        _pose_set(poses, assumed.fov_deg),
        predictor,
        options,
        assumed_camera=True,
        has_tracks=False,
    )
    result.save(out)


def read_coco(
    source: Path, size: ImageSize | None = None, layout: str = 'coco_17'
) -> Iterator[_Pose]:
    """Read COCO annotations ({images, annotations}) or detector results (a list of people)."""
    tree = _read_json(source)
    people = tree.get('annotations') if isinstance(tree, dict) else tree
    if not isinstance(people, list):
        raise InputError(f'{source} has no list of annotations; expected COCO keypoint JSON')
    sizes = _image_sizes(tree.get('images', []), source) if isinstance(tree, dict) else {}
    frames: dict[Any, int] = {}
    for number, person in enumerate(people):
        where = f'{source}: annotation {number}'
        numbers = person.get('keypoints') if isinstance(person, dict) else None
        if not isinstance(numbers, list):
            raise InputError(f'{where} has no keypoints; expected a list of numbers')
        if not any(numbers):
            continue  # COCO lists people too small to annotate
        image = person.get('image_id', number)
        if not isinstance(image, int | str):
            raise InputError(f'{where}: image_id is {shown(image)}; expected a number or a name')
        found = sizes.get(image, size)
        if found is None:
            raise InputError(f'{where}: the image size is unknown; give it with --image-size')
        frame = frames.setdefault(image, len(frames))
        yield _Pose(frame, found, *_triples(numbers, layout, where))


def read_openpose(
    folder: Path, size: ImageSize | None, layout: str | None = None
) -> Iterator[_Pose]:
    """Read a folder of OpenPose files `*_keypoints.json`, one frame each, sorted by name."""
    if size is None:
        raise InputError(
            f'{folder}: OpenPose files do not state the image size; give it with --image-size'
        )
    for frame, path in enumerate(sorted(folder.glob('*_keypoints.json'))):
        tree = _read_json(path)
        people = tree.get('people') if isinstance(tree, dict) else None
        if not isinstance(people, list):
            raise InputError(f'{path} has no list "people"; expected an OpenPose file')
        for number, person in enumerate(people):
            where = f'{path}: person {number}'
            numbers = person.get('pose_keypoints_2d') if isinstance(person, dict) else None
            if not isinstance(numbers, list):
                raise InputError(f'{where} has no pose_keypoints_2d; expected a list of numbers')
            by_count = _OPENPOSE.get(len(numbers) // 3)
            name = layout or by_count
            if name is None:
                raise InputError(f'{where} has {len(numbers)} numbers; expected 54 or 75')
            yield _Pose(frame, size, *_triples(numbers, name, where))


def _image_sizes(images: Any, source: Path) -> dict[Any, ImageSize]:
    try:
        return {i['id']: ImageSize(int(i['width']), int(i['height'])) for i in images}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(
            f'{source}: images has entries without id, width and height; expected COCO images'
        ) from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_bounded(path, MAX_JSON_BYTES).decode())
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'{path} is not a readable JSON file ({error})') from None


def _triples(
    numbers: Any, layout: str, where: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn x, y, score triples into the 17 joints; COCO's visibility 1 and 2 count as certain."""
    joints = len(layout_named(layout))
    try:
        flat = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        flat = np.empty(0)
    if flat.shape != (3 * joints,):
        raise InputError(f'{where}: {layout} needs {3 * joints} numbers; found {flat.size}')
    triples = flat.reshape(joints, 3)
    if (np.abs(triples[:, :2]) > MAX_KEYPOINT_PX).any():
        raise InputError(
            f'{where}: keypoints reach {np.nanmax(np.abs(triples[:, :2])):g} px; '
            f'expected at most {MAX_KEYPOINT_PX:g}'
        )
    scores = np.clip(triples[:, 2], 0.0, 1.0)
    return h36m_from(triples[:, :2], np.where(np.isfinite(scores), scores, 0.0), layout)


def _pose_set(poses: list[_Pose], fov_deg: float) -> PoseSet:
    sizes = sorted({pose.size for pose in poses})
    cameras = [Camera.from_field_of_view(*size, math.radians(fov_deg)) for size in sizes]
    return PoseSet(
        keypoints_px=np.stack([pose.keypoints_px for pose in poses]),
        scores=np.stack([pose.scores for pose in poses]),
        camera_matrix=np.stack([camera.matrix for camera in cameras]),
        camera_index=np.array([sizes.index(pose.size) for pose in poses]),
        image_size=np.array(sizes),
        clip_index=np.array([sizes.index(pose.size) for pose in poses]),
        frame_index=np.array([pose.frame for pose in poses]),
        fps=_FPS,
    )
