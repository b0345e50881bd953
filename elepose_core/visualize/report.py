# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures of an evaluation report, from arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi

from elepose_core.skeleton import H36M_17
from elepose_core.visualize.canvas import new_figure, save_figure
from elepose_core.visualize.motion import SIDES, bones_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    'Comparison',
    'write_calibration',
    'write_comparisons',
    'write_elevations',
    'write_joint_errors',
]

Array = NDArray[np.float64]
_DPI = 80
_TRUTH = '#b0b0b0'
_MARGIN = 1.1
# Width of a panel over its height.
_SHAPE = 0.64
# Shares of errors are shown within these multiples of sigma.
_MULTIPLES = np.arange(1, 13) * 0.25


@dataclass(frozen=True)
class Comparison:
    """A lifted pose beside the truth.

    Attributes:
        title: One line.
        rays: (17, 2) what was lifted, y down; NaN = missing.
        pose_mm: (17, 3) level frame: x away from the camera, y left, z up.
        truth_mm: (17, 3) likewise.
    """

    title: str
    rays: Array
    pose_mm: Array
    truth_mm: Array


def write_comparisons(rows: Mapping[str, Sequence[Comparison]], path: Path) -> None:
    """Write rows of poses, each as its 2D input and in 3D from two sides with the truth in grey.

    Args:
        rows: Poses by the name of their row; equally many in each.
        path: PNG to write.
    """
    columns = len(next(iter(rows.values())))
    figure = new_figure(4.8 * columns, 2.8 * len(rows))
    # The name stands above the middle of the three panels of a pose.
    grid = figure.subfigures(len(rows), columns, squeeze=False)
    for line, (name, comparisons) in zip(grid, rows.items(), strict=True):
        for place, comparison in zip(line, comparisons, strict=True):
            place.suptitle(f'{name}: {comparison.title}', fontsize=10)
            axes = place.subplots(1, 3)
            _draw_comparison(axes, comparison)
    save_figure(figure, path, _DPI)


def _draw_comparison(axes: 'Sequence[Axes]', comparison: Comparison) -> None:
    # A picture has y down, a plot up.
    points = comparison.rays * (1, -1)
    _draw(axes[0], points, None)
    # A joint without a neighbour has no bone to show it.
    axes[0].plot(points[:, 0], points[:, 1], '.', color='black', ms=3)
    _frame(axes[0], 'what was lifted', points, _reach(points, points))
    # Level y points left, a camera image shows left on the left.
    truth, pose = (p * (1, -1, 1) for p in (comparison.truth_mm, comparison.pose_mm))
    shown = np.concatenate([truth, pose])
    # Both views of a person have one scale.
    reach = _reach(shown[:, 1:], shown[:, ::2])
    views = {'seen by the camera': slice(1, 3), 'seen from its right': slice(0, 3, 2)}
    for panel, (title, columns) in zip(axes[1:], views.items(), strict=True):
        _draw(panel, truth[:, columns], _TRUTH)
        _draw(panel, pose[:, columns], None)
        _frame(panel, title, shown[:, columns], reach)


def _reach(first: Array, second: Array) -> float:
    """Return half the height of a panel that holds either of two sets of points (J, 2)."""
    sides = [np.nanmax(p, axis=0) - np.nanmin(p, axis=0) for p in (first, second)]
    return float(max(max(width / _SHAPE, height) for width, height in sides)) / 2 * _MARGIN


def _frame(axes: 'Axes', title: str, points: Array, reach: float) -> None:
    middle = (np.nanmax(points, axis=0) + np.nanmin(points, axis=0)) / 2
    axes.set_xlim(middle[0] - _SHAPE * reach, middle[0] + _SHAPE * reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)
    axes.set_aspect('equal')
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8)


def _draw(axes: 'Axes', points: Array, colour: str | None) -> None:
    """Draw the bones of a pose (17, 2), in the colours of its sides or in one."""
    width = 2.0 if colour is None else 3.2
    for side, bones in bones_by_side(H36M_17).items():
        for bone in bones:
            x, y = points[list(bone)].T
            axes.plot(x, y, color=colour or SIDES[side], lw=width, solid_capstyle='round')


def _colours() -> list[str]:
    """Return the colour of each joint."""
    side = dict.fromkeys(H36M_17.left, 'left') | dict.fromkeys(H36M_17.right, 'right')
    return [SIDES[side.get(joint, 'middle')] for joint in range(len(H36M_17))]


def write_joint_errors(errors_mm: Array, path: Path) -> None:
    """Write the mean and the 90 % quantile of each joint's error (N, 17) as bars."""
    figure = new_figure(6.0, 4.2)
    axes = figure.subplots()
    mean, high = errors_mm.mean(0), np.quantile(errors_mm, 0.9, axis=0)
    place = np.arange(len(H36M_17))
    axes.barh(place, high, color='#dddddd')
    axes.barh(place, mean, color=_colours(), height=0.5)
    axes.set_yticks(place, [name.replace('_', ' ') for name in H36M_17.joint_names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel('error after scaling, mm', fontsize=9)
    axes.set_title('grey: 90 % of the poses lie below; coloured: mean', fontsize=9)
    axes.grid(axis='x', alpha=0.3)
    save_figure(figure, path, _DPI)


def write_elevations(
    true_deg: Array, found_deg: Array, clip_index: NDArray[np.int64], path: Path
) -> None:
    """Write true against found camera elevations (N,), by frame and as the mean of each clip."""
    figure = new_figure(6.0, 5.6)
    axes = figure.subplots()
    _, position = np.unique(clip_index, return_inverse=True)
    clips = [
        np.bincount(position, column) / np.bincount(position) for column in (true_deg, found_deg)
    ]
    both = np.concatenate([true_deg, *clips, *np.quantile(found_deg, [[0.001, 0.999]])])
    low, high = both.min() - 3, both.max() + 3
    axes.fill_between([low, high], [low - 5, high - 5], [low + 5, high + 5], color='#e8e8e8')
    axes.plot([low, high], [low, high], color='#999999', lw=1)
    # Points of thousands of frames: pixels, not one vector drawing each.
    axes.plot(true_deg, found_deg, ',', color=SIDES['right'], alpha=0.4)
    axes.plot(*clips, 'o', color=SIDES['left'], ms=3.5, alpha=0.8)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect('equal')
    axes.set_xlabel('true elevation, deg (positive = looks down)', fontsize=9)
    axes.set_ylabel('found elevation, deg', fontsize=9)
    axes.set_title('blue: frames, orange: means of clips, grey: within 5 degrees', fontsize=9)
    axes.grid(alpha=0.3)
    save_figure(figure, path, _DPI)


def write_calibration(error_in_sigmas: Array, path: Path) -> None:
    """Write the share of joint errors within k sigma, over all joints and of each.

    Args:
        error_in_sigmas: (N, 16) errors of all joints but the root over their sigma.
        path: PNG to write.
    """
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    within = (error_in_sigmas[..., None] < _MULTIPLES).mean(0)
    for colour, share in zip(_colours()[1:], within, strict=True):
        axes.plot(_MULTIPLES, share, color=colour, lw=0.8, alpha=0.6)
    axes.plot(_MULTIPLES, within.mean(0), color='black', lw=2.2, label='all joints')
    # Errors that are normal and alike in all directions have this distribution of distances.
    normal = chi.cdf(_MULTIPLES * chi.ppf(0.68, 3), 3)
    axes.plot(_MULTIPLES, normal, '--', color='#888888', label='normal errors of this sigma')
    axes.errorbar([1], [0.68], yerr=0.05, color='red', fmt='o', ms=5, capsize=4, label='68 ± 5 %')
    axes.set_xlabel('error in sigmas', fontsize=9)
    axes.set_ylabel('share of joint errors within', fontsize=9)
    axes.set_ylim(0, 1)
    axes.set_title("thin: single joints (orange: person's left, blue: right)", fontsize=9)
    axes.legend(fontsize=8, loc='lower right')
    axes.grid(alpha=0.3)
    save_figure(figure, path, _DPI)
