# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From data to a geometric lifter, then to one with an adapter, by the command."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='the way begins with training')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
pytest.importorskip('tensorboard', reason='training writes TensorBoard events')

from elepose_core.cli import main  # noqa: E402
from elepose_core.training.checkpoint import load_checkpoint  # noqa: E402

DATA = Path(__file__).parents[2] / 'data'
POSES_2D, POSES_3D = DATA / 'poses_2d.npz', DATA / 'poses_3d.npz'
SIZES: dict[str, Any] = {
    **{'lifter.width': 16, 'lifter.blocks': 1, 'lifter.elevation_width': 16},
    **{'lifter.elevation_blocks': 1, 'lifter.completion_width': 16, 'lifter.completion_blocks': 1},
    **{'prior.components': 8, 'prior.blocks': 1, 'prior.width': 16, 'prior.steps': 5},
    **{'judges.width': 16, 'training.steps': 4, 'training.batch_size': 16},
}


def _elepose(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def _train(method: str, out: Path, settings: dict[str, Any]) -> int:
    overrides = [word for item in settings.items() for word in ('--set', '{}={}'.format(*item))]
    return _elepose(
        *('train', method, '--data', POSES_2D, '--out', out, '--threads', 1, *overrides)
    )


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp('runs') / 'geometric'
    small = {**SIZES, 'adversarial.steps': 3, 'adversarial.batch_size': 16}
    assert _train('geometric', run, small) == 0
    return run


def test_run_gets_an_adapter_and_keeps_its_lifter(run: Path, tmp_path: Path) -> None:
    adapted = tmp_path / 'adapted'
    source = {'source.wild': POSES_3D, 'source.run': run, 'adapter.width': 16}
    assert _train('adapter', adapted, {**SIZES, **source, 'training.learning_rate': 0.1}) == 0
    before, after = (load_checkpoint(path / 'last.pt')['exported'] for path in (run, adapted))
    for name, values in before.items():
        assert torch.equal(after[f'graph.{name}'], values), name
    assert after['graph.adapter.head.weight'].abs().max() > 0
    assert _elepose('evaluate', adapted, '--data', POSES_3D) == 0


def test_facts_of_a_run_that_are_none_are_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / 'damaged'
    damaged.mkdir()
    for name in ('config.toml', 'last.pt'):
        (damaged / name).write_bytes((run / name).read_bytes())
    (damaged / 'run.json').write_text('[1]')
    assert _elepose('evaluate', damaged, '--data', POSES_3D) == 2
    assert 'run.json holds [1]; expected the facts of a run' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        ({}, 'source.wild is not set; expected --set source.wild=...'),
        ({'source.wild': POSES_3D}, 'source.run is not set'),
        ({'source.wild': POSES_3D, 'source.run': 'none'}, 'none/config.toml is not a readable'),
        ({'source.wild': POSES_3D, 'source.run': '{run}', 'lifter.width': 24}, 'of other sizes'),
    ],
)
def test_what_does_not_fit_is_refused(
    settings: dict[str, Any],
    sentence: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = {key: str(value).format(run=run) for key, value in settings.items()}
    assert _train('adapter', tmp_path / 'adapted', {**SIZES, **filled}) == 2
    assert sentence in capsys.readouterr().err
    # A folder that was begun would refuse the next try.
    assert not (tmp_path / 'adapted').exists()
