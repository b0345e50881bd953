# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The rooms of `benchmarks/camera_elevation.py` are what it says, and one scene of it."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elepose_core.geometry.elevation import angle_between, level_from_camera

ROOT = Path(__file__).parents[3]


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    import support.rooms

    return support.rooms


def test_people_stand_in_the_picture_and_a_turned_camera_sees_them_turned(
    rooms: object, standing_m: np.ndarray, random: np.random.Generator
) -> None:
    room = rooms.random_room(random)  # type: ignore[attr-defined]
    # Camera coordinates become x forward, y left, z up.
    body = np.stack([standing_m[:, 2], -standing_m[:, 0], -standing_m[:, 1]], axis=-1)
    body -= [0.0, 0.0, body[:, 2].min()]
    place = room.places[len(room.places) // 2]
    people = (body + np.array([*place, 0.0]))[None]
    seen = rooms.photographed(room, people, 0.0, random)[0]  # type: ignore[attr-defined]
    assert np.isfinite(seen).all(axis=-1).sum() >= 15
    matrix = room.camera.matrix
    rays = np.concatenate([seen, np.ones((17, 1))], axis=-1) @ np.linalg.inv(matrix).T
    wanted = (people[0] - [0.0, 0.0, room.height_m]) @ level_from_camera(room.up_cam)
    good = np.isfinite(seen[:, 0])
    assert np.degrees(angle_between(rays, wanted))[good].max() < 1e-4
    angle = math.radians(1.0)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    turned = rooms.photographed(room, people, 0.0, random, turn)[0]  # type: ignore[attr-defined]
    centre = matrix[:2, 2]
    both = good & np.isfinite(turned[:, 0])
    np.testing.assert_allclose(
        (turned - centre)[both], ((seen - centre) @ turn[:2, :2].T)[both], atol=1e-6
    )


def test_one_scene_gives_the_figures(tmp_path: Path) -> None:
    found = tmp_path / 'found.json'
    command = [sys.executable, str(ROOT / 'benchmarks' / 'camera_elevation.py')]
    done = subprocess.run(
        [*command, '--scenes', '1', '--json', str(found)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(found.read_text())['people']['1']
    assert figures['scenes'] == 1
    assert 0 < figures['elevation_mae_deg'] < 6
    assert 0 < figures['mean_elevation_mae_deg'] < 10
    assert 0.5 <= figures['elevation_sigma_deg'] < 4
    assert '1 people: elevation' in done.stdout
