# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose convert`: files that train and evaluate take, or one sentence and no file."""

import json
from pathlib import Path

import numpy as np
import pytest
from toy_sets import toy_3dhp_training, toy_human36m

from elepose_core.cli import main
from elepose_core.data.poseset import PoseSet


def leaves(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_human36m_is_converted_and_the_shipped_lifter_measured_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_human36m(tmp_path / 'in', frames=130)
    assert leaves('convert', 'h36m', tmp_path / 'in', '--out', tmp_path / 'out') == 0
    printed = capsys.readouterr().out
    assert 'test.npz: 1040 poses in 8 clips, 50 per second' in printed
    assert '8 cameras fitted to 2D and 3D' in printed
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert names == {'train_2d.npz', 'train_3d.npz', 'test.npz', 'test_every_64th.npz'}
    measured = tmp_path / 'figures.json'
    data = tmp_path / 'out' / 'test_every_64th.npz'
    assert leaves('evaluate', 'default', '--data', data, '--json', measured) == 0
    figures = json.loads(measured.read_text())
    # Real people before other cameras: as good as on our own test sets, or joints are mixed up.
    assert figures['n_mpjpe_mm'] < 60
    assert figures['elevation_mae_deg'] < 8
    assert set(figures['by_action']) == {'Sitting', 'Walking'}


def test_training_files_have_every_joint(tmp_path: Path) -> None:
    toy_3dhp_training(tmp_path / 'in', frames=30)
    assert leaves('convert', '3dhp', tmp_path / 'in', '--out', tmp_path / 'out') == 0
    plain = PoseSet.load(tmp_path / 'out' / 'train_2d.npz')
    truth = PoseSet.load(tmp_path / 'out' / 'train_3d.npz')
    assert plain.joints_cam_m is None
    assert truth.joints_cam_m is not None
    assert truth.roll_rad is not None
    assert (plain.scores == 1).all()
    assert np.isfinite(plain.keypoints_px).all()
    assert not (tmp_path / 'out' / 'test.npz').exists()


def test_a_wrong_set_costs_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'in').mkdir()
    for data_set, sentence in (('h36m', 'data_3d_h36m.npz does not exist'), ('3dhp', 'neither')):
        assert leaves('convert', data_set, tmp_path / 'in', '--out', tmp_path / 'out') == 2
        said = capsys.readouterr().err
        assert sentence in said
        assert said.count('\n') == 1
        assert not (tmp_path / 'out').exists()
    words = (tmp_path / 'in', '--out', tmp_path / 'out', '--keypoints', 'cpn_ft_h36m_dbb')
    assert leaves('convert', '3dhp', *words) == 2
    assert "keypoints is 'cpn_ft_h36m_dbb', but MPI-INF-3DHP has" in capsys.readouterr().err
    assert leaves('convert', 'h36m', tmp_path / 'none', '--out', tmp_path / 'out') == 2
    assert 'is no folder' in capsys.readouterr().err


def test_a_folder_with_files_in_it_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'kept').write_text('x')
    assert leaves('convert', 'h36m', tmp_path, '--out', tmp_path / 'out') == 2
    assert 'expected a new or an empty folder' in capsys.readouterr().err
    assert (tmp_path / 'out' / 'kept').exists()
