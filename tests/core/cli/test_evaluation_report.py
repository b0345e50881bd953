# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose evaluate --report`: one page whose pictures are there."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('matplotlib')

from elepose_core.bundle import Bundle
from elepose_core.cli import main
from elepose_core.cli.evaluation_report import _examples, write_report
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.conditions import Conditions
from elepose_core.evaluation.protocol import measure
from elepose_core.runtime.predictor import Predictor


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(60, seed=4))


def test_page_has_pictures_and_tables_of_each_set(
    poses: PoseSet, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses.save(tmp_path / 'first.npz')
    replace(poses, elevation_rad=None, action=None).save(tmp_path / 'second.npz')
    page, figures = tmp_path / 'report' / 'report.md', tmp_path / 'figures.json'
    files = [str(tmp_path / name) for name in ('first.npz', 'second.npz')]
    arguments = ['evaluate', str(tiny_bundle.folder), '--data', *files, '--missing', '2']
    with pytest.raises(SystemExit) as left:
        main([*arguments, '--report', str(page.parent), '--json', str(figures)])
    assert left.value.code == 0
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert 'missing = 2' in text
    pictures = re.findall(r'!\[[^\]]+\]\(([^)]+)\)', text)
    first = [f'first_{kind}.png' for kind in ('poses', 'joints', 'elevation', 'sigma')]
    assert pictures == [*first, *(f'second_{kind}.png' for kind in ('poses', 'joints', 'sigma'))]
    assert all((page.parent / picture).stat().st_size > 5000 for picture in pictures)
    assert '| walk | 30 |' in text
    by_data = json.loads(figures.read_text())['by_data']
    assert set(by_data) == {'first', 'second'}
    assert f'| N-MPJPE, mm | {by_data["first"]["n_mpjpe_mm"]:.1f} |' in text
    assert 'elevation_mae_deg' not in by_data['second']


def test_sigma_has_its_picture(poses: PoseSet, tiny_bundle: Bundle, tmp_path: Path) -> None:
    predictor = Predictor(tiny_bundle.folder)

    def lift(rays: Any, scores: Any, told: Any) -> Any:
        lifted = predictor.lift(rays, scores, told)
        return lifted.joints_cam, lifted.up_cam, np.full(scores.shape, 0.05, np.float32)

    measured = {'a': measure(lift, poses, Conditions())}
    text = write_report(tmp_path, 'tiny', measured, Conditions()).read_text()
    assert '(a_sigma.png)' in text
    assert 'joint errors within 1 sigma, %' in text
    assert (tmp_path / 'a_sigma.png').stat().st_size > 5000


def test_examples_are_the_worst_the_median_and_the_best(
    poses: PoseSet, tiny_bundle: Bundle
) -> None:
    measured = measure(Predictor(tiny_bundle.folder).lift, poses, Conditions())
    examples = _examples(measured)
    errors = measured.columns['n_mpjpe_mm']
    assert {name: len(chosen) for name, chosen in examples.items()} == {
        'worst': 3,
        'median': 3,
        'best': 3,
    }
    for name, value in (
        ('worst', errors.max()),
        ('median', np.median(errors)),
        ('best', errors.min()),
    ):
        shown = float(examples[name][0].title.split()[0])
        assert abs(shown - value) < 0.02 * value + 0.5, name
    for chosen in examples.values():
        clips = [re.search(r'clip (\d+)', example.title) for example in chosen]
        assert len({match[1] for match in clips if match}) == 3
    # Level: the generated people stand, so that the truth's head is above the feet.
    for example in examples['median']:
        assert example.truth_mm[10, 2] > example.truth_mm[[3, 6], 2].max() + 800


def test_same_names_and_no_files_are_one_sentence(
    poses: PoseSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = [str(tmp_path / 'a' / 'x.npz'), str(tmp_path / 'b' / 'x.npz')]
    with pytest.raises(SystemExit) as left:
        main(['evaluate', 'default', '--data', *twice])
    assert left.value.code == 2
    assert 'expected PoseSet files with different names' in capsys.readouterr().err
