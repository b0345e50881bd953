# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`PoseSet`: clips of 2D keypoints with their cameras, and 3D truth where there is any."""

import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError, shown
from elepose_core.files import open_regular, replacing
from elepose_core.geometry.camera import FOCAL_PX, MAX_KEYPOINT_PX, MAX_SIDE_PX
from elepose_core.skeleton import H36M_17

__all__ = [
    'MAX_INDEX',
    'MAX_KEYS',
    'MAX_UNPACKED_BYTES',
    'MAX_UNPACKED_RATIO',
    'PoseSet',
    'check_archive',
]

_JOINTS = len(H36M_17)
# Of a file, before it is read. Small files may unpack to any ratio: zeros pack a thousand to one.
MAX_KEYS = 1000
MAX_UNPACKED_BYTES = 1 << 34
MAX_UNPACKED_RATIO = 100
_ANY_RATIO_BYTES = 1 << 24
# Numbers of clips and frames; float64 still tells them apart.
MAX_INDEX = 1 << 53
_LARGEST_RAD = {'elevation_rad': math.pi / 2, 'roll_rad': math.pi}
_REQUIRED = ('keypoints_px', 'camera_matrix', 'image_size', 'clip_index', 'frame_index', 'fps')


@dataclass(frozen=True)
class PoseSet:
    """N poses of the 17 joints of `H36M_17`, grouped into clips of continuous motion.

    Attributes:
        keypoints_px: (N, 17, 2) float32 pixels, NaN = missing; may lie outside the image.
        scores: (N, 17) float32 in 0..1, 0 = missing.
        camera_matrix: (C, 3, 3) float64, K of each camera.
        camera_index: (N,) int64 into the cameras.
        image_size: (C, 2) int64, width and height.
        clip_index: (N,) int64; poses of one clip are one motion seen by one fixed camera.
        frame_index: (N,) int64, rising within a clip.
        fps: Frames per second of `frame_index`.
        subject: (clips,) str or None.
        action: (clips,) str or None.
        joints_cam_m: (N, 17, 3) float32 truth in the optical frame, metres, or None.
        elevation_rad: (N,) float32 truth, or None.
        roll_rad: (N,) float32 truth, or None: where there is an elevation the camera is level.
        extra: Arrays under unknown keys; they are kept when the set is saved.
    """

    keypoints_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    camera_matrix: NDArray[np.float64]
    camera_index: NDArray[np.int64]
    image_size: NDArray[np.int64]
    clip_index: NDArray[np.int64]
    frame_index: NDArray[np.int64]
    fps: float
    subject: NDArray[np.str_] | None = None
    action: NDArray[np.str_] | None = None
    joints_cam_m: NDArray[np.float32] | None = None
    elevation_rad: NDArray[np.float32] | None = None
    roll_rad: NDArray[np.float32] | None = None
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keypoints_px)

    @classmethod
    def load(cls, path: Path) -> 'PoseSet':
        """Read an npz file.

        Raises:
            InputError: The file cannot be read, a required key is absent or an array does not
                fit; the sentence names file, key, value and expectation.
        """
        return cls.from_arrays(_read_npz(Path(path)), source=str(path))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], source: str) -> 'PoseSet':
        """Check arrays under the keys of the file contract and make a set of them.

        Args:
            arrays: Key to array; see the class for shapes.
            source: What to call the origin in an error, for instance the file's name.
        """
        arrays = dict(arrays)
        for key in _REQUIRED:
            if key not in arrays:
                raise InputError(
                    f'{source}: key {key!r} is missing; a PoseSet needs {", ".join(_REQUIRED)}'
                )
        keypoints = _floats(arrays.pop('keypoints_px'), (None, _JOINTS, 2), source, 'keypoints_px')
        count = len(keypoints)
        if (np.abs(keypoints) > MAX_KEYPOINT_PX).any():
            raise InputError(
                f'{source}: keypoints_px reaches {np.nanmax(np.abs(keypoints)):g}; '
                f'expected at most {MAX_KEYPOINT_PX:g}, or NaN for a missing keypoint'
            )
        cameras = _cameras(arrays.pop('camera_matrix'), source)
        clips = _indices(arrays, 'clip_index', count, None, source)
        optional: dict[str, Any] = {}
        shapes = {
            'joints_cam_m': (count, _JOINTS, 3),
            'elevation_rad': (count,),
            'roll_rad': (count,),
        }
        for key, shape in shapes.items():
            if key in arrays:
                optional[key] = _floats(arrays.pop(key), shape, source, key)
                if key in _LARGEST_RAD:
                    _check_angles(optional[key], source, key)
        for key in ('subject', 'action'):
            if key in arrays:
                optional[key] = _labels(arrays.pop(key), clips, source, key)
        return cls(
            keypoints_px=keypoints,
            scores=_scores(arrays.pop('scores', None), keypoints, source),
            camera_matrix=cameras,
            camera_index=_indices(arrays, 'camera_index', count, len(cameras), source),
            image_size=_sizes(arrays.pop('image_size'), len(cameras), source),
            clip_index=clips,
            frame_index=_indices(arrays, 'frame_index', count, None, source),
            fps=_fps(arrays.pop('fps'), source),
            extra=arrays,
            **optional,
        )

    def save(self, path: Path) -> None:
        """Write an npz file that `load` reads back; the file appears whole or not at all."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != 'extra'}
        arrays = {k: np.asarray(v) for k, v in arrays.items() if v is not None}
        path = Path(path)
        if path.suffix != '.npz':
            raise InputError(f'output is {path}; expected a name that ends in .npz')
        with replacing(path) as temporary:
            _write_npz(temporary, {**self.extra, **arrays})

    def select(self, rows: NDArray[Any]) -> 'PoseSet':
        """Return the set with only these rows (indices or mask); clips keep their numbers."""
        per_pose = {
            f.name: getattr(self, f.name)[rows]
            for f in fields(self)
            if f.name in _PER_POSE and getattr(self, f.name) is not None
        }
        extra = {k: v[rows] if v.shape[:1] == (len(self),) else v for k, v in self.extra.items()}
        return replace(self, **per_pose, extra=extra)

    @property
    def rays(self) -> NDArray[np.float64]:
        """Return (N, 17, 2) normalised image coordinates x/z, y/z; a PoseSet has no distortion."""
        k = self.camera_matrix[self.camera_index]
        with np.errstate(invalid='ignore'):  # a NaN may be a signalling one
            keypoints_px = self.keypoints_px.astype(np.float64)
        centred = keypoints_px - k[:, None, :2, 2]
        y = centred[..., 1] / k[:, None, 1, 1]
        x = (centred[..., 0] - k[:, None, 0, 1] * y) / k[:, None, 0, 0]
        return np.stack([x, y], axis=-1)


_PER_POSE = {
    'keypoints_px',
    'scores',
    'camera_index',
    'clip_index',
    'frame_index',
    'joints_cam_m',
    'elevation_rad',
    'roll_rad',
}


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            check_archive(archive, file.seek(0, os.SEEK_END))
            return {
                member.filename.removesuffix('.npy'): _read_array(archive, member)
                for member in archive.infolist()
            }
    except FileNotFoundError:
        raise InputError(f'{path} does not exist; expected a PoseSet npz file') from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f'{path} is not a readable npz file of plain arrays ({reason})') from None


def check_archive(archive: zipfile.ZipFile, file_bytes: int) -> None:
    """Refuse an archive that would not fit into memory, by what it says of itself."""
    members = archive.infolist()
    if len(members) > MAX_KEYS or len({m.filename for m in members}) < len(members):
        raise ValueError(
            f'it holds {len(members)} keys; expected different ones, {MAX_KEYS} at most'
        )
    unpacked = sum(member.file_size for member in members)
    allowed = min(max(MAX_UNPACKED_RATIO * file_bytes, _ANY_RATIO_BYTES), MAX_UNPACKED_BYTES)
    if unpacked > allowed:
        raise ValueError(
            f'its {file_bytes} bytes unpack to {unpacked}; expected at most {allowed}'
        )


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if not member.filename.endswith('.npy'):
        raise ValueError(f'it holds {shown(member.filename)}; expected names that end in .npy')
    # A member never yields more bytes than it says; numpy would make room by its header alone.
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        wanted = math.prod(shape) * dtype.itemsize
        if wanted > member.file_size:
            raise ValueError(
                f'{shown(member.filename)} says that it has {wanted} bytes; it has fewer'
            )
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    # Not numpy's savez: before NumPy 2 it pickles objects, and it cannot write a key named 'file'.
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            with archive.open(f'{key}.npy', 'w', force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def _check_angles(array: NDArray[np.float32], source: str, key: str) -> None:
    """Refuse degrees that are taken for radians."""
    limit = _LARGEST_RAD[key]
    if (np.abs(array) > limit + 1e-3).any():  # beyond it by the rounding of float32
        raise InputError(
            f'{source}: {key} reaches {np.nanmax(np.abs(array)):g}; expected radians of at most '
            f'{limit:.4g}'
        )


def _cameras(value: NDArray[Any], source: str) -> NDArray[np.float64]:
    matrices = np.asarray(value)
    if matrices.shape == (3, 3):
        matrices = matrices[None]
    cameras = _floats(matrices, (None, 3, 3), source, 'camera_matrix', np.float64)
    focal = cameras[:, [0, 1], [0, 1]]
    low, high = FOCAL_PX
    if not ((focal >= low) & (focal <= high)).all() or not (np.abs(cameras) <= high).all():
        raise InputError(
            f'{source}: camera_matrix has a focal length that is not in {low:g}..{high:g} px, '
            f'or an entry that is not finite or beyond {high:g}'
        )
    below = np.abs(cameras[:, [1, 2, 2, 2], [0, 0, 1, 2]] - (0, 0, 0, 1))
    if (below > 1e-6).any():
        raise InputError(
            f'{source}: camera_matrix {below.any(1).argmax()} is no K; '
            'expected rows fx s cx, 0 fy cy and 0 0 1'
        )
    return cameras


def _sizes(value: NDArray[Any], cameras: int, source: str) -> NDArray[np.int64]:
    size = np.asarray(value)
    if size.shape not in {(2,), (cameras, 2)} or size.dtype.kind not in 'iu':
        raise InputError(
            f'{source}: image_size is {size.dtype} of shape {size.shape}; '
            f'expected integers of shape (2,) or ({cameras}, 2)'
        )
    if size.size and (size.min() < 1 or size.max() > MAX_SIDE_PX):
        wrong = size.min() if size.min() < 1 else size.max()
        raise InputError(
            f'{source}: image_size has {wrong}; expected values >= 1 and <= {MAX_SIDE_PX}'
        )
    return np.broadcast_to(size.astype(np.int64), (cameras, 2)).copy()


def _labels(
    value: NDArray[Any], clip_index: NDArray[np.int64], source: str, key: str
) -> NDArray[np.str_]:
    found = np.atleast_1d(value)
    try:
        labels = found.astype(np.str_)
    except (TypeError, ValueError):  # bytes that are no ASCII, or a structure
        raise InputError(f'{source}: {key} is {found.dtype}; expected text') from None
    if labels.ndim != 1:
        raise InputError(f'{source}: {key} has shape {labels.shape}; expected (clips,)')
    if len(clip_index) and clip_index.max() >= len(labels):
        raise InputError(
            f'{source}: {key} has {len(labels)} entries but clip_index reaches '
            f'{clip_index.max()}; expected one entry per clip'
        )
    return labels


def _floats(
    array: NDArray[Any],
    shape: tuple[int | None, ...],
    source: str,
    key: str,
    kind: type[np.floating[Any]] = np.float32,
) -> NDArray[Any]:
    array = np.asarray(array)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in 'fiu':
        want = ', '.join('N' if s is None else str(s) for s in shape)
        raise InputError(
            f'{source}: {key} is {array.dtype} of shape {array.shape}; '
            f'expected numbers of shape ({want})'
        )
    with np.errstate(over='ignore'):  # becomes infinite, which the caller judges
        return np.asarray(array, dtype=kind)


def _scores(
    scores: NDArray[Any] | None, keypoints: NDArray[np.float32], source: str
) -> NDArray[np.float32]:
    seen = np.isfinite(keypoints).all(-1)
    if scores is None:
        return np.asarray(seen, np.float32)
    scores = _floats(scores, keypoints.shape[:2], source, 'scores')
    wrong = scores[~((scores >= 0) & (scores <= 1))]
    if wrong.size:
        raise InputError(f'{source}: scores has {wrong[0]:g}; expected values in 0..1')
    return np.where(seen, scores, 0.0).astype(np.float32)


def _indices(
    arrays: dict[str, NDArray[Any]], key: str, count: int, below: int | None, source: str
) -> NDArray[np.int64]:
    if key not in arrays:
        if key == 'camera_index' and below == 1:
            return np.zeros(count, np.int64)
        raise InputError(f'{source}: key {key!r} is missing; needed for {below} cameras')
    index = np.asarray(arrays.pop(key))
    if index.shape != (count,) or index.dtype.kind not in 'iu':
        raise InputError(
            f'{source}: {key} is {index.dtype} of shape {index.shape}; '
            f'expected integers of shape ({count},)'
        )
    if count and (index.min() < 0 or (below is not None and index.max() >= below)):
        raise InputError(
            f'{source}: {key} runs {index.min()}..{index.max()}; expected 0..{(below or 1) - 1}'
            if below is not None
            else f'{source}: {key} has {index.min()}; expected values >= 0'
        )
    if count and index.max() > MAX_INDEX:
        raise InputError(f'{source}: {key} has {index.max()}; expected at most {MAX_INDEX}')
    return index.astype(np.int64)


def _fps(value: NDArray[Any], source: str) -> float:
    try:
        fps = float(np.asarray(value).item())
    except (TypeError, ValueError):
        fps = float('nan')
    if not 1e-6 < fps < 1e6:
        raise InputError(
            f'{source}: fps is {" ".join(str(value).split())[:80]}; expected one number > 0'
        )
    return fps
