# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose train posenet3d`: stages, figures of a stage, and the bundle of bodies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
pytest.importorskip('tensorboard', reason='training writes TensorBoard events')

from elepose_core.bundle import open_bundle  # noqa: E402
from elepose_core.cli import main  # noqa: E402
from elepose_core.cli.run_reader import read_run  # noqa: E402
from elepose_core.data.poseset import PoseSet  # noqa: E402
from elepose_core.models.graph import unknown_up  # noqa: E402
from elepose_core.runtime.predictor import Predictor  # noqa: E402

ROOT = Path(__file__).parents[3]
TRAIN, VAL = ROOT / 'tests/data/poses_2d.npz', ROOT / 'tests/data/poses_3d.npz'
FRAMES = 4
TINY = {
    **{'lifter.width': 8, 'lifter.blocks': 1, 'lifter.elevation_width': 8},
    **{'temporal.width': 8, 'temporal.blocks': 1, 'bodies.width': 8, 'bodies.blocks': 1},
    **{'bodies.up_width': 8, 'bodies.up_blocks': 1, 'judges.width': 8, 'judges.blocks': 1},
    **{'judges.components': 8, 'prior.components': 8, 'prior.blocks': 1, 'prior.width': 8},
    **{'prior.steps': 3, 'windows.frames': FRAMES, 'frames.steps': 2, 'frames.batch_size': 8},
    **{'teacher.steps': 2, 'teacher.batch_size': 8, 'student.steps': 2},
    **{'student.batch_size': 8, 'training.steps': 2, 'training.batch_size': 8},
    **{'training.validate_every': 2, 'student.average': 0.0, 'bodies.completion_width': 8},
    **{'refinement.bone_mm': [5.0], 'refinement.steps_per_stage': 1},
}


def _elepose(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def _train(out: Path, *more: object) -> int:
    overrides = [word for key, value in TINY.items() for word in ('--set', f'{key}={value}')]
    words = ('train', 'posenet3d', '--data', TRAIN, '--val', VAL, '--out', out, '--threads', 1)
    return _elepose(*words, *overrides, *more)


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('posenet3d') / 'run'
    assert _train(folder, '--until', 'teacher') == 0
    assert not (folder / 'last.pt').exists()
    assert _train(folder, '--resume') == 0
    return folder


@pytest.fixture(scope='module')
def bundle(run: Path) -> Path:
    out = run.parent / 'bodies.elepose'
    assert _elepose('export', run, '--out', out, '--data', VAL, '--precision', 'fp16') == 0
    return out


def test_stages_keep_their_checkpoints(run: Path) -> None:
    for stage in ('frames', 'teacher', 'student', '.'):
        assert (run / stage / 'last.pt').exists(), stage
    assert (run / 'student' / 'prior.pt').exists()
    assert (run / 'lessons.pt').exists()


def test_a_run_and_its_stages_are_measured(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ((), ('--stage', 'teacher'), ('--stage', 'student')):
        assert _elepose('evaluate', run, '--data', VAL, *more) == 0
        assert 'MPJVE' in capsys.readouterr().out


def test_too_short_clips_are_refused_before_the_first_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path / 'run', '--set', 'windows.frames=120') == 2
    assert 'no clip has 120 frames without a gap' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_a_bundle_says_the_rate_of_its_training_and_no_other(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = tmp_path / 'slow.npz'
    replace(PoseSet.load(VAL), fps=12.5).save(slow)
    assert _elepose('export', run, '--out', tmp_path / 'a.elepose', '--data', slow) == 2
    assert '12.5 frames per second; expected 30, which training saw' in capsys.readouterr().err


@pytest.mark.parametrize('stage', ['frames', 'teacher'])
def test_teachers_say_in_one_sentence_that_they_know_no_missing_joints(
    stage: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _elepose('evaluate', run, '--data', VAL, '--stage', stage, '--missing', 2) == 2
    assert 'a keypoint is missing; a teacher lifts whole people only' in capsys.readouterr().err


def test_a_stage_that_is_none_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _elepose('evaluate', run, '--data', VAL, '--stage', 'joint') == 2
    assert 'expected one of the method posenet3d to measure: frames, teacher' in (
        capsys.readouterr().err
    )
    assert _elepose('evaluate', 'default', '--data', VAL, '--stage', 'teacher') == 2
    assert 'is no run' in capsys.readouterr().err


def test_windows_of_clips_that_it_looks_at_itself_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would take the rows of windows for those of the set, and give figures all the same."""
    assert _elepose('evaluate', run, '--data', VAL, '--window-s', 0.5) == 2
    assert 'posenet3d' in (said := capsys.readouterr().err)
    assert 'looks at neighbouring frames itself; expected no --window-s' in said


def test_the_bundle_says_frames_and_body_and_agrees_with_torch(run: Path, bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert (manifest.frames, manifest.fps, manifest.body) == (FRAMES, 30.0, 'anny_small')
    assert manifest.output_names[-2:] == ('vertices_cam', 'body_parameters')
    worst, allowed = (
        manifest.parity[key] for key in ('largest_difference', 'tolerance_by_output')
    )
    assert allowed['body_parameters'] > allowed['joints_cam'] == manifest.parity['tolerance']
    for by_name in worst.values():
        assert all(by_name[name] <= limit for name, limit in allowed.items())
    assert set(worst) == {'1', '3', '64'}
    assert max(by_name['vertices_cam'] for by_name in worst.values()) < 6e-4


def test_a_node_gets_what_torch_says(run: Path, bundle: Path) -> None:
    module: Any = read_run(run)[0]
    poses = PoseSet.load(VAL)
    rows = np.arange(3)[:, None] * 5 + np.arange(FRAMES)
    rays, scores = poses.rays.astype(np.float32)[rows], poses.scores[rows]
    rays[1, :2], scores[1, :2] = np.nan, 0.0
    lifted = Predictor(bundle).lift(rays, scores, with_vertices=True)
    seen = torch.from_numpy(rays)
    with torch.no_grad():
        expected = module.graph(seen, torch.from_numpy(scores), *unknown_up(seen))
    np.testing.assert_allclose(lifted.joints_cam, expected[0].numpy(), atol=6e-4)
    assert lifted.vertices_cam is not None
    np.testing.assert_allclose(lifted.vertices_cam, expected[5].numpy(), atol=6e-4)
