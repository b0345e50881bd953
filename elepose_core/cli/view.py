# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose view`: a picture and an interactive page of a result."""

from pathlib import Path
from typing import Annotated

import tyro

__all__ = ['view']


def view(
    result: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path | None = None,
    clip: int | None = None,
    topic: str = '',
) -> None:
    """Draw skeletons: OUT.png for a glance and OUT.html to turn them in 3D.

    Args:
        result: npz file of `elepose lift`, or a bag with skeletons.
        out: Where the two files go, without their endings; beside the result when not given.
        clip: Clip of an npz file to draw; the longest when not given.
        topic: Skeletons topic of a bag that has several.
    """
    from elepose_core.bags import is_bag
    from elepose_core.errors import InputError
    from elepose_core.offline.results import frames_from_bag, frames_from_poses
    from elepose_core.visualize import Motion, write_page, write_picture

    if not result.exists():
        raise InputError(f'{result} does not exist; expected a result of elepose lift')
    if result.suffix == '.npz':
        frames = frames_from_poses(result, clip)
    elif is_bag(result):
        frames = frames_from_bag(result, topic)
    else:
        raise InputError(f'{result} is no result; expected an npz file or a bag')
    motion = Motion(
        result.name,
        frames.time_s,
        frames.joints_cam_m,
        frames.up_cam,
        frames.elevation_rad,
        bodies=frames.bodies,
    )
    stem = out if out is not None else result.with_suffix('') if result.is_file() else result
    for ending, write in (('.png', write_picture), ('.html', write_page)):
        path = stem.with_name(f'{stem.name}{ending}')
        write([motion], path)
        print(path)
