# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the report: upright people, and the numbers that were given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip('matplotlib')

from elepose_core.errors import MissingDependency
from elepose_core.skeleton import H36M_17
from elepose_core.visualize import report
from elepose_core.visualize.motion import LEFT_COLOUR, RIGHT_COLOUR
from elepose_core.visualize.report import (
    Comparison,
    write_calibration,
    write_comparisons,
    write_elevations,
    write_joint_errors,
)

Array = NDArray[np.float64]
OPTICAL_TO_LEVEL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list of figures that were saved; they are still written."""
    figures: list[Any] = []
    save = report.save_figure

    def keep(figure: Any, path: Path, dpi: int) -> None:
        figures.append(figure)
        save(figure, path, dpi)

    monkeypatch.setattr(report, 'save_figure', keep)
    return figures


@pytest.fixture
def comparison(standing_m: Array) -> Comparison:
    """Return somebody who faces the camera; the lifted one is 50 mm too near."""
    truth = standing_m @ OPTICAL_TO_LEVEL.T * 1000
    rays = standing_m[:, :2] / 4.0
    rays[H36M_17.index('left_wrist')] = np.nan
    return Comparison('standing', rays, truth - (50, 0, 0), truth)


def test_people_stand_upright_in_all_panels(
    comparison: Comparison, drawn: list[Any], tmp_path: Path
) -> None:
    write_comparisons({'worst': [comparison] * 2, 'best': [comparison] * 2}, tmp_path / 'a.png')
    (figure,) = drawn
    assert len(figure.axes) == 12
    for axes in figure.axes:
        assert axes.get_ylim()[0] < axes.get_ylim()[1]
        assert axes.get_xlim()[0] < axes.get_xlim()[1]
        assert axes.get_aspect() == 1.0
        highest = max(np.nanmax(line.get_ydata()) for line in axes.lines)
        for colour in (LEFT_COLOUR, RIGHT_COLOUR):  # legs and arms; the head is above them
            ys = [line.get_ydata() for line in axes.lines if line.get_color() == colour]
            assert np.nanmax(np.concatenate(ys)) < highest
    picture, front, side = figure.axes[:3]
    for axes in (picture, front):
        left, right = (
            np.nanmean([line.get_xdata() for line in axes.lines if line.get_color() == colour])
            for colour in (LEFT_COLOUR, RIGHT_COLOUR)
        )
        assert left > right, 'somebody who faces the camera has the left side on the right'
    assert np.ptp(front.get_xlim()) == pytest.approx(np.ptp(side.get_xlim()))
    # Nearer is farther left when seen from the camera's right: the grey truth is behind.
    grey, coloured = (
        np.mean([line.get_xdata() for line in side.lines if (line.get_lw() > 3) == thick])
        for thick in (True, False)
    )
    assert grey - coloured == pytest.approx(50)


def test_the_file_is_small_and_holds_all_colours(comparison: Comparison, tmp_path: Path) -> None:
    write_comparisons({'worst': [comparison] * 3}, tmp_path / 'a.png')
    pixels = np.asarray(Image.open(tmp_path / 'a.png').convert('RGB')).reshape(-1, 3)
    for colour in (LEFT_COLOUR, RIGHT_COLOUR, '#b0b0b0'):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - rgb).max(axis=1) < 10).sum() > 30
    assert (tmp_path / 'a.png').stat().st_size < 200_000


def test_joint_errors_are_bars_of_mean_and_quantile(drawn: list[Any], tmp_path: Path) -> None:
    errors = np.arange(11.0)[:, None] * np.arange(17.0)
    write_joint_errors(errors, tmp_path / 'a.png')
    bars = [bar.get_width() for bar in drawn[0].axes[0].patches]
    np.testing.assert_allclose(bars[:17], 9 * np.arange(17.0))
    np.testing.assert_allclose(bars[17:], 5 * np.arange(17.0))
    labels = [text.get_text() for text in drawn[0].axes[0].get_yticklabels()]
    assert labels[0] == 'pelvis'
    assert labels[-1] == 'right wrist'


def test_elevations_show_frames_and_means_of_clips(drawn: list[Any], tmp_path: Path) -> None:
    true, found = np.array([10.0, 10, 40]), np.array([8.0, 14, 30])
    write_elevations(true, found, np.array([7, 7, 9]), tmp_path / 'a.png')
    _, frames, clips = drawn[0].axes[0].lines
    np.testing.assert_allclose(frames.get_xydata(), np.stack([true, found], -1))
    np.testing.assert_allclose(clips.get_xydata(), [[10, 11], [40, 30]])
    low, high = drawn[0].axes[0].get_xlim()
    assert low < 8
    assert high > 40


def test_calibration_shows_the_share_within_multiples(
    drawn: list[Any], tmp_path: Path, random: np.random.Generator
) -> None:
    """Normal errors whose 68 % radius is the sigma follow the dashed line, by Monte Carlo."""
    error = np.linalg.norm(random.normal(size=(4000, 16, 3)), axis=-1)
    write_calibration(error / np.quantile(error, 0.68), tmp_path / 'a.png')
    lines = {line.get_label(): line.get_xydata() for line in drawn[0].axes[0].lines}
    np.testing.assert_allclose(
        lines['all joints'], lines['normal errors of this sigma'], atol=0.01
    )
    assert [lines['all joints'][i, 0] for i in (0, -1)] == [0.25, 3.0]
    assert lines['all joints'][3] == pytest.approx([1.0, 0.68], abs=1e-3)


def test_a_missing_library_is_named(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__('sys').modules, 'matplotlib.figure', None)
    with pytest.raises(MissingDependency, match=r'pip install "elepose\[view\]"'):
        write_comparisons({'a': [comparison]}, tmp_path / 'a.png')
