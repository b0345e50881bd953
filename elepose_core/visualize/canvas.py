# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""An empty figure, and the way to its file."""

from pathlib import Path
from typing import TYPE_CHECKING

from elepose_core.errors import MissingDependency
from elepose_core.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ['new_figure', 'save_figure']


def new_figure(width_in: float, height_in: float) -> 'Figure':
    """Return an empty figure that needs no window.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency(
            'pictures need matplotlib; install it with: pip install "elepose[view]"'
        ) from error
    figure = Figure(figsize=(width_in, height_in), layout='constrained')
    # No window toolkit: the same bytes on a robot, in CI and on a desk.
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: 'Figure', path: Path, dpi: int) -> None:
    """Write a PNG; it appears whole or not at all."""
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, dpi=dpi, format='png')
