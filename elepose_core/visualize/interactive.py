# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The interactive page: skeletons in 3D with a slider over time, in one file without a network."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.body.surface import person_colour
from elepose_core.errors import InputError, MissingDependency
from elepose_core.files import replacing
from elepose_core.skeleton import H36M_17
from elepose_core.visualize.motion import SIDES, Motion, bones_by_side

__all__ = ['write_page']

Array = NDArray[np.float64]
_MARGIN_M = 0.25
# A browser copes with about this many frames; of a longer recording every n-th is shown.
_MOST_FRAMES = 400
# Likewise of all bodies in all frames; each takes about 20 bytes of the page.
_MOST_VERTICES = 1_000_000
_BODY_OPACITY = 0.6


def write_page(motions: Sequence[Motion], path: Path) -> None:
    """Write a page with one 3D view for each motion.

    Args:
        motions: At least one.
        path: HTML to write; about 5 MB, since the drawing code is inside.

    Raises:
        InputError: There is nothing to draw.
        MissingDependency: plotly is not installed.
    """
    if not motions:
        raise InputError('the page needs at least one motion; got none')
    try:
        import plotly.io
    except ImportError as error:
        raise MissingDependency(
            'interactive pages need plotly; install it with: pip install "elepose[view]"'
        ) from error
    parts = []
    for index, motion in enumerate(motions):
        # The drawing code is several megabytes: once is enough.
        part = plotly.io.to_html(
            _figure(motion), full_html=False, include_plotlyjs=index == 0, auto_play=False
        )
        parts.append(f'<h2>{html.escape(motion.title)}</h2>\n{part}')
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>elepose</title>'
        '<style>body{font-family:sans-serif;margin:1.5rem;}</style></head>\n'
        f'<body>{"".join(parts)}</body></html>\n'
    )
    with replacing(Path(path)) as temporary:
        temporary.write_text(page, encoding='utf-8')


def _figure(motion: Motion) -> Any:
    from plotly import graph_objects

    joints = motion.joints_level_m()
    chosen = range(0, len(joints), -(-len(joints) // _most_frames(motion)))
    frames = [
        graph_objects.Frame(
            data=[*_traces(joints[frame]), *_bodies(motion, frame)],
            # The camera stands between the two and never moves.
            traces=[0, 1, 2, *range(4, 4 + len(_bodies(motion, frame)))],
            name=str(frame),
            layout={'title': {'text': _label(motion, frame)}},
        )
        for frame in chosen
    ]
    first = [*_traces(joints[0], _camera()), *_bodies(motion, 0, whole=True)]
    figure = graph_objects.Figure(data=first, frames=frames)
    figure.update_layout(
        title={'text': _label(motion, 0)},
        height=640,
        scene=_scene(joints, motion.is_level),
        sliders=[_slider(motion, chosen)],
        updatemenus=[_buttons(motion.time_s[chosen])],
        legend={'itemsizing': 'constant'},
    )
    return figure


def _traces(joints: Array, *fixed: Any) -> list[Any]:
    """Return the three coloured halves of all people, and traces that never move."""
    from plotly import graph_objects

    names = {'left': "person's left", 'right': "person's right", 'middle': 'middle'}
    traces = []
    for side, bones in bones_by_side(H36M_17).items():
        # None between two bones lifts the pen; a NaN joint does the same.
        points: list[list[float | None]] = []
        for person in joints:
            for bone in bones:
                points += [*_numbers(person[list(bone)]), [None, None, None]]
        columns = list(zip(*points, strict=True)) if points else [(), (), ()]
        traces.append(
            graph_objects.Scatter3d(
                x=columns[0],
                y=columns[1],
                z=columns[2],
                mode='lines+markers',
                name=names[side],
                line={'color': SIDES[side], 'width': 7},
                marker={'color': SIDES[side], 'size': 3},
                connectgaps=False,
                hovertemplate='%{x:.2f}, %{y:.2f}, %{z:.2f} m<extra></extra>',
            )
        )
    return [*traces, *fixed]


def _most_frames(motion: Motion) -> int:
    if motion.bodies is None:
        return _MOST_FRAMES
    _, places, vertices, _ = motion.bodies.vertices_cam_m.shape
    fitting = _MOST_VERTICES // max(int(places * vertices), 1)
    return max(1, min(_MOST_FRAMES, fitting))


def _bodies(motion: Motion, frame: int, whole: bool = False) -> list[Any]:
    """Return the bodies of all places; `whole` = with triangles and looks, which stay."""
    from plotly import graph_objects

    if motion.bodies is None:
        return []
    there = motion.bodies_level_m(frame)
    _, places, count, _ = motion.bodies.vertices_cam_m.shape
    # Who is not there has all vertices in the camera, where a body without size is not seen.
    nobody = np.zeros((count, 3))
    traces = []
    for place in range(places):
        # As lists: not every version of the drawing code reads packed arrays in frames.
        x, y, z = np.round(there.get(place, nobody), 3).T.tolist()
        number = int(motion.bodies.person[frame, place])
        red, green, blue = (round(255 * part) for part in person_colour(number))
        look: dict[str, Any] = {'color': f'rgb({red},{green},{blue})'}
        if whole:
            i, j, k = motion.bodies.faces.T.tolist()
            look |= {'i': i, 'j': j, 'k': k}
            look |= {'opacity': _BODY_OPACITY, 'hoverinfo': 'skip', 'flatshading': True}
        traces.append(graph_objects.Mesh3d(x=x, y=y, z=z, **look))
    return traces


def _numbers(points: Array) -> list[list[float | None]]:
    return [[round(float(v), 4) if np.isfinite(v) else None for v in row] for row in points]


def _camera() -> Any:
    from plotly import graph_objects

    return graph_objects.Scatter3d(
        x=[0, 0.4],
        y=[0, 0],
        z=[0, 0],
        mode='lines+markers',
        name='camera, looking along +x',
        line={'color': 'black', 'width': 5},
        marker={'color': 'black', 'size': [5, 0]},
    )


def _scene(joints: Array, is_level: bool) -> dict[str, Any]:
    flat = joints.reshape(-1, 3)
    flat = np.vstack([flat[np.isfinite(flat).all(axis=-1)], np.zeros((1, 3))])
    low, high = flat.min(axis=0) - _MARGIN_M, flat.max(axis=0) + _MARGIN_M
    texts = ('x forward, m', 'y left, m', 'z up, m' if is_level else 'z image up, m')
    axes = {
        f'{name}axis': {'title': {'text': text}, 'range': [float(low[i]), float(high[i])]}
        for i, (name, text) in enumerate(zip('xyz', texts, strict=True))
    }
    # Fixed ranges and the data's own proportions: people neither stretch nor jump.
    span = (high - low) / (high - low).max()
    ratio = dict(zip('xyz', (float(part) * 1.6 for part in span), strict=True))
    # From behind the camera and above it, at the people, who are at the far end of the box.
    view = {
        'center': {'x': 0.2 * ratio['x'], 'y': 0, 'z': -0.1},
        'eye': {'x': -0.65 * ratio['x'], 'y': 0.8, 'z': 0.55},
        'up': {'x': 0, 'y': 0, 'z': 1},
    }
    return {**axes, 'aspectmode': 'manual', 'aspectratio': ratio, 'camera': view}


def _label(motion: Motion, frame: int) -> str:
    degrees = np.degrees(motion.elevation_rad[frame])
    text = f'{degrees:.1f} deg' if np.isfinite(degrees) else 'not estimated'
    return f'{motion.time_s[frame]:.2f} s, camera elevation {text}'


def _slider(motion: Motion, chosen: range) -> dict[str, Any]:
    still = {'mode': 'immediate', 'frame': {'duration': 0, 'redraw': True}}
    steps = [
        {
            'method': 'animate',
            'label': f'{motion.time_s[frame]:.2f}',
            'args': [[str(frame)], still],
        }
        for frame in chosen
    ]
    return {'steps': steps, 'currentvalue': {'prefix': 'time, s: '}, 'x': 0.15, 'len': 0.85}


def _buttons(time_s: Array) -> dict[str, Any]:
    steps = np.diff(time_s)
    period_ms = float(np.median(steps)) * 1000 if len(steps) else 100.0
    play = {'frame': {'duration': max(20.0, period_ms), 'redraw': True}, 'fromcurrent': True}
    stop = {'mode': 'immediate', 'frame': {'duration': 0, 'redraw': False}}
    return {
        'type': 'buttons',
        'showactive': False,
        'direction': 'left',
        'x': 0.0,
        'y': 0.0,
        'yanchor': 'top',
        'pad': {'t': 70},
        'buttons': [
            {'label': 'play', 'method': 'animate', 'args': [None, play]},
            {'label': 'stop', 'method': 'animate', 'args': [[None], stop]},
        ],
    }
