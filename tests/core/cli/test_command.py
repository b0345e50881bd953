# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Exit codes and sentences: 0 done, 2 wrong use or bad input, never a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.bundle import Bundle
from elepose_core.cli import main
from elepose_core.data.poseset import PoseSet

Elepose = Callable[..., 'subprocess.CompletedProcess[str]']


@pytest.fixture(scope='module')
def data(
    tmp_path_factory: pytest.TempPathFactory,
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., PoseSet],
) -> Path:
    path = tmp_path_factory.mktemp('data') / 'poses.npz'
    pose_set_of(crowd_of(60)).save(path)
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command in this process: code, output, errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return code, output.out, output.err

    return run


def _sentence(result: tuple[int, str, str]) -> str:
    code, _, err = result
    assert code == 2, err
    assert err.startswith('elepose: ')
    assert err.count('\n') == 1, err
    return err


def test_module_is_the_command(elepose: Elepose, data: Path, tiny_bundle: Bundle) -> None:
    done = elepose('evaluate', tiny_bundle.folder, '--data', data)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ''
    assert 'PA-MPJPE strict, mm' in done.stdout


def test_bad_input_is_code_2_and_one_sentence(elepose: Elepose, tiny_bundle: Bundle) -> None:
    done = elepose('evaluate', tiny_bundle.folder, '--data', 'none.npz')
    assert done.returncode == 2
    assert done.stderr == 'elepose: none.npz does not exist; expected a PoseSet npz file\n'
    assert done.stdout == ''


@pytest.mark.parametrize('arguments', [['fly'], ['evaluate'], ['lift', 'a.npz', '--nonsense']])
def test_wrong_use_is_code_2_without_a_traceback(
    arguments: list[str], run: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert 'Traceback' not in err
    assert 'required' in err.lower() or 'invalid' in err.lower() or 'unrecognized' in err.lower()


@pytest.mark.parametrize(
    'verb', ['', 'train', 'evaluate', 'export', 'lift', 'view', 'bench', 'doctor']
)
def test_help_of_each_verb(verb: str, run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run(*([verb] if verb else []), '--help')
    assert code == 0
    assert 'usage: elepose' in out


def test_evaluate_writes_json_under_all_conditions(
    run: Callable[..., tuple[int, str, str]], data: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / 'r.json'
    conditions = [
        '--max-missing',
        3,
        '--noise-px',
        2,
        '--roll-deg',
        10,
        '--up',
        'true',
        '--seed',
        4,
    ]
    code, _, _ = run('evaluate', tiny_bundle.folder, '--data', data, '--json', out, *conditions)
    assert code == 0
    first = json.loads(out.read_text())
    assert first['data'] == 'poses.npz'
    run('evaluate', tiny_bundle.folder, '--data', data, '--json', out, *conditions)
    assert json.loads(out.read_text()) == first
    run('evaluate', tiny_bundle.folder, '--data', data, '--json', out)
    assert json.loads(out.read_text())['n_mpjpe_mm'] != first['n_mpjpe_mm']


def test_evaluate_refuses_what_it_cannot_measure(
    run: Callable[..., tuple[int, str, str]], data: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    bundle = tiny_bundle.folder
    assert "model is 'defualt'" in _sentence(run('evaluate', 'defualt', '--data', data))
    assert 'manifest.json' in _sentence(run('evaluate', tmp_path, '--data', data))
    (tmp_path / 'config.toml').write_text('')
    assert 'last.pt does not exist' in _sentence(run('evaluate', tmp_path, '--data', data))
    assert 'max_missing is 99' in _sentence(
        run('evaluate', bundle, '--data', data, '--max-missing', 99)
    )
    assert 'seed is -1' in _sentence(run('evaluate', bundle, '--data', data, '--seed', -1))
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'precious').write_text('')
    assert 'is a folder' in _sentence(
        run('evaluate', bundle, '--data', data, '--json', tmp_path / 'folder')
    )
    assert (tmp_path / 'folder' / 'precious').exists()


def test_lift_npz(
    run: Callable[..., tuple[int, str, str]], data: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / 'out.npz'
    assert run('lift', data, '--out', out, '--model', tiny_bundle.folder)[0] == 0
    assert np.isfinite(PoseSet.load(out).extra['lifted_joints_cam_m']).all()


def test_lift_openpose_folder(
    run: Callable[..., tuple[int, str, str]], tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / 'json'
    folder.mkdir()
    numbers = [n for i in range(25) for n in (100 + i * 4, 50 + i * 9, 0.8)]
    (folder / 'a_keypoints.json').write_text(
        json.dumps({'people': [{'pose_keypoints_2d': numbers}]})
    )
    out, model = tmp_path / 'out.npz', ('--model', tiny_bundle.folder)
    assert 'give it with --image-size' in _sentence(run('lift', folder, '--out', out, *model))
    code, _, err = run('lift', folder, '--out', out, *model, '--image-size', 640, 480)
    assert (code, err) == (0, '')
    assert len(PoseSet.load(out)) == 1


def test_lift_refuses_what_it_cannot_read(
    run: Callable[..., tuple[int, str, str]], data: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    model = ('--model', tiny_bundle.folder)
    out = tmp_path / 'out.npz'
    assert 'does not exist' in _sentence(run('lift', 'none.npz', '--out', out))
    (tmp_path / 'a.txt').write_text('')
    assert "has the suffix '.txt'" in _sentence(
        run('lift', tmp_path / 'a.txt', '--out', out, *model)
    )
    assert 'ends in .npz' in _sentence(run('lift', data, '--out', tmp_path / 'a.json', *model))
    assert 'stature_m is 9' in _sentence(run('lift', data, '--out', out, *model, '--stature-m', 9))
    assert not out.exists()


def test_train_refuses_before_it_begins(
    run: Callable[..., tuple[int, str, str]], data: Path, tmp_path: Path
) -> None:
    pytest.importorskip('torch', reason='training needs torch')
    out = tmp_path / 'run'
    start = ('train', 'elepose', '--data', data, '--out')
    few = _sentence(run(*start, out, '--threads', 1))
    assert '60 poses have all joints; expected 1000 or more' in few
    assert not out.exists()
    assert 'setting losses.bone is unknown' in _sentence(
        run(*start, out, '--set', 'losses.bone=1')
    )
    assert 'config.toml is not a readable TOML' in _sentence(run(*start, out, '--resume'))
    assert 'threads is -1' in _sentence(run(*start, out, '--threads', -1))
    assert 'poses.npz is a file' in _sentence(run(*start, data))
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'a').write_text('')
    assert 'full is not empty' in _sentence(run(*start, tmp_path / 'full'))


def test_export_refuses_what_it_cannot_export(
    run: Callable[..., tuple[int, str, str]], data: Path, tmp_path: Path
) -> None:
    pytest.importorskip('torch', reason='export needs torch')
    out = tmp_path / 'b.elepose'
    assert 'ends in .elepose' in _sentence(
        run('export', tmp_path, '--out', tmp_path / 'b', '--data', data)
    )
    assert 'config.toml is not a readable TOML' in _sentence(
        run('export', tmp_path, '--out', out, '--data', data)
    )
    assert 'data is not given' in _sentence(run('export', tmp_path, '--out', out))
    assert 'out is not given' in _sentence(run('export', 'default'))


def test_export_names_what_an_engine_lacks_here(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    assert 'TensorRT' in _sentence(run('export', 'default', '--tensorrt'))


def test_bench_measures_each_number_of_people(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / 'bench.json'
    code, out, _ = run('bench', '--people', 1, 3, '--repeats', 4, '--json-file', path)
    assert code == 0
    tree = json.loads(path.read_text())
    assert list(tree['people']) == ['1', '3']
    for figures in tree['people'].values():
        assert 0 < figures['network_ms']['p50'] <= figures['network_ms']['p99']
        assert figures['network_ms']['p50'] < figures['frame_ms']['p50']
        assert figures['people_per_s'] > 0
    assert 50 < tree['resident_mb'] < 20_000
    assert '3 people, frame' in out
    assert 'detector' in out


def test_bench_refuses_what_makes_no_sense(run: Callable[..., tuple[int, str, str]]) -> None:
    assert 'people is (0,)' in _sentence(run('bench', '--people', 0))
    assert 'repeats is 0' in _sentence(run('bench', '--repeats', 0))


def test_doctor_reports_and_its_code_says_whether_the_core_works(elepose: Elepose) -> None:
    done = elepose('doctor')
    lines = done.stdout.splitlines()
    assert 'Traceback' not in done.stderr
    names = [line[6:34].strip() for line in lines[:-1]]
    assert names[:6] == ['python', 'numpy', 'scipy', 'onnxruntime', 'pydantic', 'tyro']
    assert names[6] == 'lapx'
    assert 'model default' in names
    works = all(not line.startswith('FAIL') for line in lines)
    assert done.returncode == (0 if works else 1)
    assert lines[-1] == 'everything that the core needs works' or lines[-1].startswith('broken: ')


def test_each_override_counts_when_several_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['train', 'elepose', '--data', 'no.npz', '--out', str(tmp_path / 'run')]
    overrides = ['--set', 'training.stepz=5', '--set', 'training.steps=5']
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *overrides])
    assert ended.value.code == 2
    assert 'training.stepz' in capsys.readouterr().err
