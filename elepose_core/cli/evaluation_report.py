# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The report of `elepose evaluate`: a page of Markdown and its pictures in one folder."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from elepose_core import metrics
from elepose_core.evaluation.conditions import Conditions
from elepose_core.evaluation.protocol import Measured, summary
from elepose_core.evaluation.report import action_table, markdown_table
from elepose_core.files import replacing
from elepose_core.geometry.elevation import elevation_from_up_cam, level_from_camera
from elepose_core.visualize.report import (
    Comparison,
    write_calibration,
    write_comparisons,
    write_elevations,
    write_joint_errors,
)

__all__ = ['write_report']

_EXAMPLES = 3


def write_report(
    folder: Path, model: str, measured: Mapping[str, Measured], conditions: Conditions
) -> Path:
    """Write report.md and its pictures; returns the path of the page.

    Args:
        folder: Made where it is not there; other files in it stay.
        model: Name to show.
        measured: What was measured, by the name of the data set.
        conditions: Under which it was.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = {name: summary(of_set) for name, of_set in measured.items()}
    parts = [f'# {model}', _said(conditions), markdown_table(results)]
    for name, of_set in measured.items():
        parts += [f'## {name}', *_pictures(folder, name, of_set)]
        if 'by_action' in results[name]:
            parts.append(action_table(results[name]))
    page = folder / 'report.md'
    with replacing(page) as temporary:
        temporary.write_text('\n\n'.join(parts) + '\n', encoding='utf-8')
    return page


def _said(conditions: Conditions) -> str:
    changed = [
        f'{field.name} = {value}'
        for field in fields(conditions)
        if (value := getattr(conditions, field.name)) != field.default
    ]
    return f'Conditions: {", ".join(changed) or "none; joints, images and cameras as they are"}.'


def _pictures(folder: Path, name: str, measured: Measured) -> list[str]:
    """Write the pictures of one set; returns the lines that show them."""
    lines = []

    def place(kind: str, text: str) -> Path:
        path = folder / f'{name}_{kind}.png'
        lines.append(f'![{text}]({path.name})')
        return path

    write_comparisons(
        _examples(measured), place('poses', 'Worst, median and best poses; the truth is grey')
    )
    errors_mm = metrics.joint_errors_mm(measured.pose_mm, measured.target_mm)
    write_joint_errors(errors_mm, place('joints', 'Error by joint'))
    if measured.view.up_cam is not None and measured.lifts.up_cam is not None:
        write_elevations(
            np.degrees(elevation_from_up_cam(measured.view.up_cam)),
            np.degrees(elevation_from_up_cam(measured.lifts.up_cam)),
            measured.poses.clip_index,
            place('elevation', 'True and found camera elevation'),
        )
    if measured.error_in_sigmas is not None:
        path = place('sigma', 'Share of joint errors within multiples of sigma')
        write_calibration(measured.error_in_sigmas, path)
    return lines


def _examples(measured: Measured) -> dict[str, list[Comparison]]:
    """Choose the worst, the median and the best poses, no two of a row from one clip."""
    error_mm = measured.columns['n_mpjpe_mm']
    order = {
        'worst': np.argsort(-error_mm, kind='stable'),
        'median': np.argsort(np.abs(error_mm - np.median(error_mm)), kind='stable'),
        'best': np.argsort(error_mm, kind='stable'),
    }
    clip_count = len(np.unique(measured.poses.clip_index))
    chosen = {}
    for name, rows in order.items():
        _, first = np.unique(measured.poses.clip_index[rows], return_index=True)
        picked = rows[np.sort(first)[: min(_EXAMPLES, clip_count)]]
        chosen[name] = [_comparison(measured, int(row)) for row in picked]
    return chosen


def _comparison(measured: Measured, row: int) -> Comparison:
    poses, view = measured.poses, measured.view
    up = measured.lifts.up_cam if view.up_cam is None else view.up_cam
    # Where nobody knows better the camera counts as level.
    to_level = level_from_camera([0.0, -1.0, 0.0] if up is None else up[row])
    clip = int(poses.clip_index[row])
    action = '' if poses.action is None else f', {poses.action[clip]}'
    error_mm = measured.columns['n_mpjpe_mm'][row]
    return Comparison(
        title=f'{error_mm:.0f} mm (clip {clip}, frame {poses.frame_index[row]}{action})',
        rays=view.rays[row],
        pose_mm=measured.pose_mm[row] @ to_level.T,
        truth_mm=measured.target_mm[row] @ to_level.T,
    )
