# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose train` as a user meets it: cut off, resumed, in two processes, by either recipe."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
pytest.importorskip('tensorboard', reason='training writes TensorBoard events')

from tensorboard.backend.event_processing.event_accumulator import (  # noqa: E402
    EventAccumulator,
)

from elepose_core.cli import main, training_run  # noqa: E402
from elepose_core.cli.run_reader import lift_of_run, read_run  # noqa: E402
from elepose_core.data.poseset import PoseSet  # noqa: E402
from elepose_core.evaluation.conditions import Conditions  # noqa: E402
from elepose_core.evaluation.protocol import evaluate  # noqa: E402
from elepose_core.training.checkpoint import load_checkpoint  # noqa: E402

ROOT = Path(__file__).parents[3]
TRAIN, VAL = ROOT / 'tests/data/poses_2d.npz', ROOT / 'tests/data/poses_3d.npz'
SMALL = {
    **{'prior.components': 12, 'prior.blocks': 2, 'prior.width': 16},
    **{'prior.steps': 12, 'prior.batch_size': 32, 'training.steps': 6, 'training.batch_size': 16},
    **{'training.warm_up_steps': 2, 'training.validate_every': 2},
}
OURS = {
    **SMALL,
    **{'lifter.width': 16, 'lifter.blocks': 1, 'training.average': 0.9},
    **{'discovery.steps': 4, 'discovery.batch_size': 16, 'discovery.validate_every': 4},
    **{'alternation.steps': 4, 'alternation.batch_size': 16, 'alternation.validate_every': 4},
    **{'clips.refresh_every': 3, 'refinement.bone_mm': [5.0], 'refinement.steps_per_stage': 1},
}


def _arguments(out: Path, settings: dict[str, Any], *more: object) -> list[str]:
    overrides = [word for key, value in settings.items() for word in ('--set', f'{key}={value}')]
    words = ['train', 'elepose', '--data', TRAIN, '--out', out, '--threads', 1, *more]
    return [str(word) for word in [*words, *overrides]]


def _train(out: Path, settings: dict[str, Any], *more: object) -> int:
    return _elepose(*_arguments(out, settings, *more))


def _elepose(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that nothing stopped."""
    run = tmp_path_factory.mktemp('whole') / 'run'
    assert _train(run, OURS, '--val', VAL) == 0
    return run


def _flat(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _flat(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, torch.Tensor) else state


@pytest.mark.parametrize(
    ('cut', 'left'),
    [
        (('discovery prior', 7, signal.SIGINT), {'config.toml', 'run.json', 'events'}),
        (('discovery loss', 3, signal.SIGINT), {'discovery/prior.pt', 'discovery/last.pt'}),
        (('alternation loss', 2, signal.SIGTERM), {'alternation/prior.pt', 'alternation/last.pt'}),
        (('loss', 3, signal.SIGINT), {'lessons.pt', 'last.pt', 'best.pt'}),
    ],
)
def test_run_that_was_cut_off_and_resumed_ends_at_the_same_bits(
    cut: tuple[str, int, signal.Signals],
    left: set[str],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_: Any, group: str, values: Any, at: int) -> None:
        del values
        if (group, at) == cut[:2]:
            signal.raise_signal(cut[2])

    run = tmp_path / 'run'
    # A shell starts what runs in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(training_run._Log, 'now_and_then', interrupt)
        assert _train(run, OURS, '--val', VAL) == 130
    signal.signal(signal.SIGINT, before)
    assert all((run / name).exists() for name in left)
    assert 'Traceback' not in capsys.readouterr().err
    assert _train(run, {}, '--val', VAL, '--resume') == 0
    names = [str(path.relative_to(whole)) for path in whole.rglob('*.pt')]
    assert len(names) == 9, 'two priors, the lessons, last and best of three stages'
    for name in names:
        first, second = (load_checkpoint(folder / name) for folder in (whole, run))
        assert _flat(first) == _flat(second), name


def test_val_is_told_before_and_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train(tmp_path / 'run', {**OURS, 'training.steps': 2}, '--val', VAL) == 0
    told = capsys.readouterr().out
    assert 'val at step 0: N-MPJPE' in told
    assert 'val at step 2: N-MPJPE' in told
    assert 'done: best.pt holds the' in told


def test_early_stopping_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = iter([90.0, 50.0, 60.0, 50.0])

    def validate(_lift: Any, _val: Any, _log: Any, title: str, _step: int, _module: Any) -> float:
        return next(figures) if title == 'val' else 1.0

    monkeypatch.setattr(training_run, '_validate', validate)
    settings = {**OURS, 'training.validate_every': 1, 'training.patience': 2}
    assert _train(tmp_path / 'run', settings, '--val', VAL) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        'stopped at step 3: 2 validations in a row were not below the 50.0 mm of step 1 '
        '(training.patience)'
    )


def test_divergence_is_one_sentence_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {**OURS, 'discovery.learning_rate': 1e30, 'discovery.warm_up_steps': 1}
    assert _train(tmp_path / 'run', {**settings, 'discovery.steps': 20}) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith('elepose: discovery: ')
    assert 'at step ' in told
    assert 'a smaller learning_rate' in told


@pytest.mark.parametrize(
    ('more', 'part'),
    [
        (('--device', 'tpu'), "device is 'tpu'; expected auto, cpu, cuda or cuda:N"),
        (('--device', 'cuda:99'), 'device is cuda:99; expected GPU 99, but torch finds'),
        (('--set', 'training.precision=int8'), 'setting training.precision is'),
        (('--val', str(TRAIN)), 'poses_2d.npz has no joints_cam_m; expected 3D truth'),
        (
            ('--config', str(ROOT / 'configs' / 'supervised.toml')),
            "setting recipe is 'supervised'; expected one of elevation, published of the me",
        ),
        (('--until', 'lunch'), "until is 'lunch'; expected a stage of the method elepose: disc"),
    ],
)
def test_what_is_not_there_is_refused_before_it_begins(
    more: tuple[str, ...], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path / 'run', OURS, *more) == 2
    assert part in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_published_recipe_is_trained_and_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {**SMALL, 'elepose_lifter.width': 16}
    published = ROOT / 'configs' / 'elepose_paper.toml'
    run = tmp_path / 'run'
    assert _train(run, settings, '--config', published, '--val', VAL) == 0
    assert 'recipe = "published"' in (run / 'config.toml').read_text()
    poses = PoseSet.load(VAL)
    result = evaluate(lift_of_run(run, poses), poses, Conditions())
    assert 0 < result['n_mpjpe_mm'] < 1000
    assert read_run(run)[1].name == 'elepose'
    out = tmp_path / 'published.elepose'
    assert _elepose('export', run, '--out', out, '--data', VAL) == 2
    assert 'cannot be made of a run of the published method' in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize('native', [True, False])
def test_bfloat16_trains_and_is_told_where_it_is_emulated(
    native: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(training_run, 'multiplies_bfloat16', lambda _: native)
    settings = {**SMALL, 'elepose_lifter.width': 16, 'training.precision': 'bfloat16'}
    published = ROOT / 'configs' / 'elepose_paper.toml'
    assert _train(tmp_path / 'run', settings, '--config', published) == 0
    assert ('it is emulated' in capsys.readouterr().out) is not native
    assert load_checkpoint(tmp_path / 'run' / 'last.pt')['step'] == SMALL['training.steps']


def _losses(run: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(run / 'events')).Reload()
    return {
        tag: [event.value for event in events.Scalars(tag)]
        for tag in events.Tags()['scalars']
        if 'loss/' in tag
    }


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(whole: Path, tmp_path: Path) -> None:
    one, two = whole, tmp_path / 'two'
    launch = ('torch.distributed.run', '--standalone', '--nproc-per-node', '2')
    done = subprocess.run(
        [
            *(sys.executable, '-m', *launch, '-m', 'elepose_core'),
            *_arguments(two, OURS, '--val', VAL),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith('val at step 0: ')]
    assert len(told) == 1, 'the first process alone speaks'
    assert json.loads((two / 'run.json').read_text())['poses'] > 1000
    first, second = _losses(one), _losses(two)
    assert first.keys() == second.keys()
    # Sums of float32 in another order, and the ratio is a difference of large numbers; measured:
    # 1.4e-6 in the fourth step of the second stage.
    for term, values in first.items():
        assert len(values) == (4 if ' ' in term else 6), 'the last stage takes six steps'
        assert second[term] == pytest.approx(values, rel=1e-4, abs=1e-5), term
    weights = [load_checkpoint(run / 'last.pt')['module'] for run in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-5)
