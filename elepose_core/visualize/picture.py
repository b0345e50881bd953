# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The static picture: frames with keypoints, skeletons from two sides, elevation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from elepose_core.body.surface import person_colour
from elepose_core.errors import InputError
from elepose_core.geometry.shading import shaded
from elepose_core.skeleton import H36M_17
from elepose_core.visualize.canvas import new_figure, save_figure
from elepose_core.visualize.motion import SIDES, Motion, Still, bones_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ['write_picture']

Array = NDArray[np.float64]
_ROWS = 4
_MARGIN_M = 0.25


def write_picture(motions: Sequence[Motion], path: Path, dpi: int = 110) -> None:
    """Write one picture with a column of panels for each motion.

    Each of up to four moments shows the camera frame with the keypoints (when the motion has
    stills), the skeletons as the camera sees them and the same from the camera's right hand
    side; axes are metres in the level frame, equal on both axes, the camera at zero. Below runs
    the camera elevation in degrees.

    Args:
        motions: At least one.
        path: PNG to write.
        dpi: Dots per inch; a panel is about two inches wide.

    Raises:
        InputError: There is nothing to draw.
        MissingDependency: matplotlib is not installed.
    """
    if not motions:
        raise InputError('the picture needs at least one motion; got none')
    figure = _new_figure(len(motions))
    columns = figure.subfigures(1, len(motions), squeeze=False)[0]
    for place, motion in zip(columns, motions, strict=True):
        _draw_motion(place, motion)
    figure.legend(handles=_legend(), loc='outside lower center', ncols=3, frameon=False)
    save_figure(figure, path, dpi)


def _new_figure(columns: int) -> 'Figure':
    return new_figure(8.5 * columns, 3.0 * _ROWS + 2.4)


def _draw_motion(place: 'SubFigure', motion: Motion) -> None:
    joints = motion.joints_level_m()
    frames, stills = _moments(motion)
    columns = 3 if stills else 2
    grid = place.add_gridspec(len(frames) + 1, columns, height_ratios=[3] * len(frames) + [1.6])
    level = 'level frame' if motion.is_level else 'camera axes, gravity unknown'
    place.suptitle(f'{motion.title}  ({level}, metres)', fontsize=13)
    limits = _limits(joints[frames])
    window = _window(stills) if stills else (0.0, 0.0, 0.0, 0.0)
    for row, frame in enumerate(frames):
        if stills:
            axes = place.add_subplot(grid[row, 0])
            _draw_still(axes, stills[row], window, motion.time_s[frame])
        names = ('seen by the camera', 'seen from its right')
        for offset, (name, axis) in enumerate(zip(names, (1, 0), strict=True)):
            axes = place.add_subplot(grid[row, columns - 2 + offset])
            _draw_bodies(axes, motion, frame, axis)
            _draw_skeletons(axes, joints[frame], axis, limits)
            axes.set_title(f'{name}, {motion.time_s[frame]:.2f} s', fontsize=9)
    _draw_elevation(place.add_subplot(grid[-1, :]), motion)


def _moments(motion: Motion) -> tuple[list[int], list[Still]]:
    """Choose the frames to show: those of the stills, else evenly among frames with people."""
    if motion.stills:
        chosen = _spread(list(range(len(motion.stills))))
        stills = [motion.stills[index] for index in chosen]
        return [still.frame for still in stills], stills
    has_people = np.isfinite(motion.joints_cam_m).any(axis=(1, 2, 3))
    return _spread(np.flatnonzero(has_people).tolist()), []


def _spread(items: list[int]) -> list[int]:
    count = min(_ROWS, len(items))
    # The middles of equal parts: neither the first nor the last frame is typical.
    return [items[int((part + 0.5) * len(items) / count)] for part in range(count)]


def _limits(joints: Array) -> tuple[Array, Array]:
    """Return the lowest and the highest level coordinates (3,), with a margin."""
    flat = joints.reshape(-1, 3)
    flat = flat[np.isfinite(flat).all(axis=-1)]
    if not len(flat):
        return np.full(3, -1.0), np.full(3, 1.0)
    return flat.min(axis=0) - _MARGIN_M, flat.max(axis=0) + _MARGIN_M


def _draw_skeletons(axes: 'Axes', joints: Array, axis: int, limits: tuple[Array, Array]) -> None:
    """Draw the people of one frame; `axis` 1 = left-right, 0 = away from the camera."""
    low, high = limits
    for name, bones in bones_by_side(H36M_17).items():
        for person in joints:
            for parent, child in bones:
                ends = person[[parent, child]]
                axes.plot(
                    ends[:, axis], ends[:, 2], color=SIDES[name], lw=2, solid_capstyle='round'
                )
    axes.set_xlim(low[axis], high[axis])
    axes.set_ylim(low[2], high[2])
    if axis == 1:
        # Level y points left, a camera image shows left on the left.
        axes.invert_xaxis()
    axes.set_aspect('equal')
    axes.grid(alpha=0.3)
    axes.set_xlabel('left of the camera' if axis == 1 else 'away from the camera', fontsize=8)
    axes.set_ylabel('up', fontsize=8)
    axes.tick_params(labelsize=7)


def _draw_bodies(axes: 'Axes', motion: Motion, frame: int, axis: int) -> None:
    """Fill the triangles of the people of one frame, the far ones first."""
    from matplotlib.collections import PolyCollection

    bodies = motion.bodies_level_m(frame)
    if not bodies or motion.bodies is None:
        return
    # The level frame has x away from the camera and y to its left.
    viewer = np.array([-1.0, 0.0, 0.0]) if axis == 1 else np.array([0.0, -1.0, 0.0])
    triangles = np.concatenate([vertices[motion.bodies.faces] for vertices in bodies.values()])
    person = motion.bodies.person[frame]
    colours = np.array([person_colour(person[place]) for place in bodies])
    colours = colours.repeat(len(motion.bodies.faces), axis=0)
    order, brightness = shaded(triangles, viewer)
    corners = triangles[order][..., [axis, 2]]
    shades = colours[order] * brightness[:, None]
    # Edges of the same colour: without them the background shines through the seams.
    axes.add_collection(
        PolyCollection(list(corners), facecolors=shades, edgecolors=shades, linewidths=0.3)
    )


def _window(stills: list[Still]) -> tuple[float, float, float, float]:
    """Return left, right, top and bottom (px) of the part of the image that holds the people."""
    height, width = stills[0].image_rgb.shape[:2]
    points = np.concatenate([still.keypoints_px.reshape(-1, 2) for still in stills])
    points = points[np.isfinite(points).all(axis=-1)]
    if not len(points):
        return 0.0, float(width), 0.0, float(height)
    margin = 0.12 * np.ptp(points, axis=0).max()
    low = np.maximum(points.min(axis=0) - margin, 0)
    high = np.minimum(points.max(axis=0) + margin, (width, height))
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _draw_still(
    axes: 'Axes', still: Still, window: tuple[float, float, float, float], time_s: float
) -> None:
    axes.imshow(still.image_rgb)
    for name, bones in bones_by_side(still.skeleton).items():
        for person in still.keypoints_px:
            for parent, child in bones:
                ends = person[[parent, child]]
                axes.plot(ends[:, 0], ends[:, 1], color=SIDES[name], lw=1.6)
    left, right, top, bottom = window
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    axes.set_title(f'keypoints, {time_s:.2f} s', fontsize=9)


def _draw_elevation(axes: 'Axes', motion: Motion) -> None:
    degrees = np.degrees(motion.elevation_rad)
    # A line through a single frame would be nothing at all.
    marker = 'o' if np.isfinite(degrees).sum() == 1 else ''
    axes.plot(motion.time_s, degrees, color='black', lw=1.5, marker=marker)
    axes.set_xlabel('time, s', fontsize=8)
    axes.set_ylabel('camera elevation, deg\n(positive = looks down)', fontsize=8)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=7)
    known = degrees[np.isfinite(degrees)]
    if len(known):
        # A steady estimate must look steady: never less than ten degrees on the axis.
        middle, half = (known.min() + known.max()) / 2, max(5.0, np.ptp(known) * 0.6)
        axes.set_ylim(middle - half, middle + half)
    else:
        axes.text(0.5, 0.5, 'not estimated', transform=axes.transAxes, ha='center')


def _legend() -> list[object]:
    from matplotlib.lines import Line2D

    names = {'left': "person's left", 'right': "person's right", 'middle': 'middle'}
    return [Line2D([], [], color=SIDES[side], lw=3, label=text) for side, text in names.items()]
