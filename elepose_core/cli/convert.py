# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose convert`: data sets of others, for those who hold their licences, as PoseSet files."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

__all__ = ['convert']


def convert(
    data_set: Annotated[Literal['h36m', '3dhp'], tyro.conf.Positional],
    source: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    keypoints: str = 'gt',
    fps: int = 25,
) -> None:
    """Turn Human3.6M (h36m) or MPI-INF-3DHP (3dhp) into PoseSet files.

    Args:
        data_set: h36m or 3dhp.
        source: Folder of VideoPose3D's npz archives, or of MPI-INF-3DHP as it is distributed.
        out: Folder to write train_2d.npz (without truth), train_3d.npz and test.npz into.
        keypoints: 2D poses of Human3.6M, as the file says: gt, cpn_ft_h36m_dbb, ...
        fps: Frames per second that are kept for training; a divisor of 50 (h36m) or 25 (3dhp).
    """
    from elepose_core.cli.progress import progress_bar
    from elepose_core.data.human36m import read_human36m
    from elepose_core.data.mpi_inf_3dhp import read_mpi_inf_3dhp
    from elepose_core.errors import InputError, shown
    from elepose_core.files import replacing

    if not source.is_dir():
        raise InputError(f'{source} is no folder; expected the folder of the data set')
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InputError(f'{out} exists; expected a new or an empty folder')
    if data_set == '3dhp' and keypoints != 'gt':
        raise InputError(
            f'keypoints is {shown(keypoints)}, but MPI-INF-3DHP has its own alone; expected gt'
        )
    if data_set == 'h36m':
        found = read_human36m(source, keypoints, fps, progress_bar)
    else:
        found = read_mpi_inf_3dhp(source, fps, progress_bar)
    with replacing(out) as temporary:
        for name, poses in found.sets.items():
            poses.save(temporary / f'{name}.npz')
    for name, poses in found.sets.items():
        clips = len(set(poses.clip_index.tolist()))
        print(f'{out / name}.npz: {len(poses)} poses in {clips} clips, {poses.fps:g} per second')
    for remark in found.remarks:
        print(remark)
