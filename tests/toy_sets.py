# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Files in the layout of Human3.6M and MPI-INF-3DHP, with poses of our own test data in them.

Nothing here comes from those data sets: the persons are those of tests/data/poses_3d.npz, the
cameras made up.
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera, project
from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation

POSES = Path(__file__).parent / 'data' / 'poses_3d.npz'
Array = NDArray[np.float64]

H36M_JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
DHP_28 = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
DHP_17 = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
LENS = (-0.2, 0.24, -0.001, -0.0014, -0.003)
UNIVERSAL = 0.9  # height of the universal person in relation to the captured one


class Standing(NamedTuple):
    """A camera and its place in a world whose z axis points up."""

    camera: Camera
    rotation: Array  # camera from world
    centre_m: Array

    def in_camera(self, points_m: Array) -> Array:
        return (points_m - self.centre_m) @ self.rotation.T


def persons(frames: int, first: int = 0) -> Array:
    """Return (frames, 17, 3) real poses that walk in a circle, world with z up, metres."""
    truth = PoseSet.load(POSES)
    assert truth.joints_cam_m is not None
    assert truth.elevation_rad is not None
    rows = (np.arange(frames) + first) % len(truth)
    joints = truth.joints_cam_m[rows].astype(np.float64)
    joints -= joints[:, :1]
    level = level_from_camera(up_cam_from_elevation(truth.elevation_rad[rows]))
    world = np.einsum('nij,nkj->nki', level, joints)
    turn = np.linspace(0, 6, frames)
    place = np.stack([np.cos(turn), 1.2 * np.sin(turn), np.full(frames, 0.95)], axis=-1)
    return np.asarray(world + place[:, None])


def looking(centre_m: Array, camera: Camera) -> Standing:
    """Return a level camera at a place that looks at 1 m above the world's origin."""
    forward = np.array([0.0, 0.0, 1.0]) - centre_m
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return Standing(camera, np.stack([right, np.cross(forward, right), forward]), centre_m)


def h36m_cameras() -> list[Standing]:
    """Return four cameras 5 m away; the first stands 1.5 m + 1 m high and looks down."""
    corners = [(3.0, 4.0, 2.5), (3.0, -4.0, 1.5), (-3.0, 4.0, 1.6), (-3.0, -4.0, 1.0)]
    sizes = [(1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)]
    cameras = []
    for number, (corner, size) in enumerate(zip(corners, sizes, strict=True)):
        k = np.array([[1140.0 + number, 0, 512], [0, 1143.0, 505 + number], [0, 0, 1]])
        cameras.append(looking(np.array(corner), Camera(k, *size, 'plumb_bob', LENS)))
    return cameras


def toy_human36m(folder: Path, frames: int = 300, noise_px: float = 0.0) -> None:
    """Write data_3d_h36m.npz and data_2d_h36m_gt.npz, or _noisy.npz with noise."""
    generator = np.random.default_rng(0)
    positions_3d: dict[str, Any] = {}
    positions_2d: dict[str, Any] = {}
    for s, subject in enumerate(('S1', 'S9')):
        positions_3d[subject], positions_2d[subject] = {}, {}
        for a, action in enumerate(('Walking', 'Sitting 1')):
            joints = persons(frames, first=150 * s + 75 * a)
            whole = np.zeros((frames, 32, 3), np.float32)
            whole[:, H36M_JOINTS] = joints
            positions_3d[subject][action] = whole
            seen = [project(c.in_camera(joints), c.camera) for c in h36m_cameras()]
            # Videos have a few frames more than the motion.
            positions_2d[subject][action] = [
                np.concatenate([p, p[-2:]]).astype(np.float32)
                + generator.normal(0, noise_px, (frames + 2, 17, 2)).astype(np.float32)
                for p in seen
            ]
    metadata = {'num_joints': 17, 'keypoints_symmetry': [[4, 5, 6], [1, 2, 3]]}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / 'data_3d_h36m.npz', positions_3d=positions_3d)
    name = 'noisy' if noise_px else 'gt'
    np.savez_compressed(
        folder / f'data_2d_h36m_{name}.npz', positions_2d=positions_2d, metadata=metadata
    )


def dhp_cameras() -> list[Standing]:
    """Return 14 cameras round the middle, of 2048 by 2048 pixels without a lens."""
    k = np.array([[1500.0, 0, 1024], [0, 1499.0, 1050], [0, 0, 1]])
    turns = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    return [
        looking(np.array([4 * np.cos(t), 4 * np.sin(t), 1.4]), Camera(k, 2048, 2048))
        for t in turns
    ]


# The world of the set stands on its y axis: x, y, z there are y, z, x here.
TO_Y_UP = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


def calibration(cameras: list[Standing]) -> str:
    lines = ['Skeletool Camera Calibration File V1.0']
    for number, (camera, rotation, centre) in enumerate(cameras):
        intrinsic, extrinsic = np.eye(4), np.eye(4)
        intrinsic[:3, :3] = camera.matrix
        extrinsic[:3, :3] = rotation @ TO_Y_UP.T
        extrinsic[:3, 3] = -rotation @ centre * 1000
        lines += [
            f'name          {number}',
            '  sensor      10 10',
            f'  size        {camera.width} {camera.height}',
            '  animated    0',
            f'  intrinsic   {" ".join(f"{v:.9g}" for v in intrinsic.ravel())} ',
            f'  extrinsic   {" ".join(f"{v:.9g}" for v in extrinsic.ravel())} ',
            '  radial      0',
        ]
    return '\n'.join(lines) + '\n'


def toy_3dhp_training(folder: Path, frames: int = 130) -> None:
    """Write S1/Seq1 (25 frames a second) and S1/Seq2 (50)."""
    cameras = dhp_cameras()
    for sequence, count in (('Seq1', frames), ('Seq2', 2 * frames)):
        joints = persons(count)
        cells = {key: np.empty((14, 1), object) for key in ('annot2', 'annot3', 'univ_annot3')}
        for number, standing in enumerate(cameras):
            in_camera = standing.in_camera(joints)
            points, pixels = np.zeros((count, 28, 3)), np.zeros((count, 28, 2))
            points[:, DHP_28] = in_camera * 1000
            pixels[:, DHP_28] = project(in_camera, standing.camera)
            cells['annot2'][number, 0] = pixels.reshape(count, 56)
            cells['annot3'][number, 0] = points.reshape(count, 84)
            cells['univ_annot3'][number, 0] = points.reshape(count, 84) * UNIVERSAL
        where = folder / 'S1' / sequence
        where.mkdir(parents=True, exist_ok=True)
        savemat(where / 'annot.mat', cells, do_compression=True)
        (where / 'camera.calibration').write_text(calibration(cameras))


def dhp_test_arrays(frames: int = 60) -> tuple[dict[str, Array], Standing]:
    """Return the variables of TS1 with MATLAB's axes, and its camera."""
    camera = Camera(np.array([[1500.0, 0, 1017], [0, 1501.0, 1043], [0, 0, 1]]), 2048, 2048)
    standing = looking(np.array([4.0, 0.0, 2.0]), camera)
    in_camera = standing.in_camera(persons(frames))
    root = in_camera[:, :1]
    universal = root + UNIVERSAL * (in_camera - root)  # scaled about the pelvis
    by_key = {'annot2': project(in_camera, camera), 'annot3': in_camera * 1000,
              'univ_annot3': universal * 1000}  # fmt: skip
    arrays = {}
    for key, value in by_key.items():
        whole = np.zeros_like(value)
        whole[:, DHP_17] = value
        arrays[key] = whole.transpose(2, 1, 0)[:, :, None]  # (size, 17, 1, frames)
    valid = np.ones(frames)
    valid[::10] = 0
    arrays['valid_frame'] = valid[None]
    arrays['activity_annotation'] = np.where(np.arange(frames) < frames // 2, 1.0, 7.0)[None]
    return arrays, standing


def toy_3dhp_test(folder: Path) -> None:
    """Write mpi_inf_3dhp_test_set/TS1/annot_data.mat (7.3) and the calibration; needs h5py."""
    arrays, standing = dhp_test_arrays()
    where = folder / 'mpi_inf_3dhp_test_set' / 'TS1'
    where.mkdir(parents=True, exist_ok=True)
    (where / 'annot_data.mat').write_bytes(matlab_73(arrays))
    util = folder / 'mpi_inf_3dhp_test_set' / 'test_util' / 'camera_calibration'
    util.mkdir(parents=True, exist_ok=True)
    right, up = TO_Y_UP @ standing.rotation[0], -TO_Y_UP @ standing.rotation[1]
    lines = ['camera 0 cam', 'focalLength 7.32', f'up {" ".join(map(str, up))}']
    lines += [f'right {" ".join(map(str, right))}']
    (util / 'ts1-4cameras.calib').write_text('\n'.join(lines))


def matlab_73(arrays: dict[str, Array]) -> bytes:
    """Return a file as MATLAB 7.3 writes: a header of 512 bytes, then HDF5 with axes reversed."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, 'w', userblock_size=512) as file:
        for key, value in arrays.items():
            file.create_dataset(key, data=value.T, compression='gzip')
    return b'MATLAB 7.3 MAT-file'.ljust(512, b'\0') + buffer.getvalue()[512:]
