# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way at tiny size: 2D data, train, evaluate, export, lift, all by the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip('torch', reason='the way begins with training')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
pytest.importorskip('tensorboard', reason='training writes TensorBoard events')

from elepose_core.bundle import open_bundle
from elepose_core.cli import main
from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera, project

TINY = {
    **{'lifter.width': 48, 'lifter.blocks': 1},
    **{'lifter.elevation_width': 32, 'lifter.elevation_blocks': 1},
    **{'lifter.completion_width': 32, 'lifter.completion_blocks': 1},
    **{'prior.components': 20, 'prior.blocks': 2, 'prior.width': 32},
    **{'prior.steps': 60, 'prior.batch_size': 128},
    **{'discovery.steps': 60, 'discovery.batch_size': 64, 'discovery.warm_up_steps': 10},
    **{'alternation.steps': 40, 'alternation.batch_size': 64, 'alternation.warm_up_steps': 10},
    **{'clips.refresh_every': 40, 'refinement.steps_per_stage': 1},
    **{'training.steps': 120, 'training.batch_size': 64, 'training.warm_up_steps': 10},
    **{'training.checkpoint_every': 50, 'training.validate_every': 60},
}
OVERRIDES = [f'{key}={value}' for key, value in TINY.items()]


class Paths(NamedTuple):
    train: Path
    truth: Path
    run: Path
    bundle: Path


def _elepose(*arguments: object) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert left.value.code == 0


@pytest.fixture(scope='module')
def paths(
    tmp_path_factory: pytest.TempPathFactory,
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., PoseSet],
) -> Paths:
    """Train on 2D keypoints alone, keeping an eye on people with truth; then export."""
    folder = tmp_path_factory.mktemp('walkthrough')
    paths = Paths(*(folder / n for n in ('train.npz', 'truth.npz', 'run', 'w.elepose')))
    pose_set_of(crowd_of(1500, seed=1), truth=False).save(paths.train)
    pose_set_of(crowd_of(300, seed=2)).save(paths.truth)
    _elepose(
        *('train', 'elepose', '--data', paths.train, '--val', paths.truth),
        *(
            '--out',
            paths.run,
            '--threads',
            1,
            *(word for override in OVERRIDES for word in ('--set', override)),
        ),
    )
    _elepose(
        *('evaluate', paths.run, '--data', paths.truth, '--json', folder / 'val.json'),
    )
    _elepose(
        *('export', paths.run, '--out', paths.bundle, '--data', paths.truth),
        *('--metrics', folder / 'val.json', '--data-licence', 'generated'),
    )
    return paths


def test_run_folder_says_everything(paths: Paths) -> None:
    names = {path.name for path in paths.run.iterdir()}
    assert {'config.toml', 'lessons.pt', 'last.pt', 'best.pt', 'run.json', 'events'} <= names
    for stage in ('discovery', 'alternation'):
        names = {path.name for path in (paths.run / stage).iterdir()}
        assert {'prior.pt', 'last.pt'} <= names
    facts = json.loads((paths.run / 'run.json').read_text())
    assert facts['poses'] == 1500
    assert facts['data'] == ['train.npz']
    assert 'width = 48' in (paths.run / 'config.toml').read_text()


def test_bundle_knows_data_licence_settings_and_figures(paths: Paths) -> None:
    manifest = open_bundle(paths.bundle).manifest
    assert (manifest.name, manifest.method) == ('w', 'elepose')
    assert manifest.training['data_licence'] == 'generated'
    assert manifest.training['config']['lifter']['width'] == 48
    assert manifest.training['step'] in (60, 120)
    assert manifest.metrics['val']['n'] == 300
    assert manifest.metrics['val']['n_mpjpe_mm'] > 0


def test_run_and_bundle_are_evaluated_alike_and_better_than_flat(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {}
    for name, model in (('run', paths.run), ('bundle', paths.bundle)):
        path = tmp_path / f'{name}.json'
        _elepose('evaluate', model, '--data', paths.truth, '--json', path)
        figures[name] = json.loads(path.read_text())
    for name, value in figures['run'].items():
        # The bundle alone is calibrated; see below.
        if isinstance(value, float) and not name.startswith(('sigma', 'plausibility')):
            np.testing.assert_allclose(figures['bundle'][name], value, rtol=1e-3, atol=1e-3)
    wanted = {'n', 'n_mpjpe_mm', 'n_mpjpe_norm_mm', 'pa_mpjpe_mm', 'pa_mpjpe_reflective_mm'}
    wanted |= {'flip_rate', 'pck150', 'auc', 'cps', 'mpjve_mm', 'elevation_mae_deg'}
    wanted |= {'elevation_median_deg', 'elevation_clip_mae_deg', 'roll_mae_deg', 'up_mae_deg'}
    wanted |= {'elevation_bias_deg', 'sigma_within', 'sigma_mm', 'plausibility_correlation'}
    assert wanted | {'by_action'} <= set(figures['run'])
    assert set(figures['run']['by_action']) == {'stand', 'walk'}
    assert 'PA-MPJPE strict, mm' in capsys.readouterr().out
    # On the people that export calibrated it with.
    assert abs(figures['bundle']['sigma_within'] - 0.68) < 0.01
    # Somebody flat, a little nearer than the truth's depth says, is what it started from.
    assert figures['run']['n_mpjpe_mm'] < 300


def test_lifted_file_holds_people_of_the_stated_stature(paths: Paths, tmp_path: Path) -> None:
    out = tmp_path / 'lifted.npz'
    _elepose('lift', paths.train, '--out', out, '--model', paths.bundle, '--stature-m', 1.6)
    poses = PoseSet.load(out)
    joints = poses.extra['lifted_joints_cam_m']
    assert joints.shape == (1500, 17, 3)
    camera = Camera(poses.camera_matrix[0], 640, 480)
    # The lifter may correct what was seen, but not move people about.
    miss_px = np.linalg.norm(project(joints, camera) - poses.keypoints_px, axis=-1)
    assert np.median(miss_px) < 5
    assert miss_px.max() < 50
    assert (poses.extra['lifted_sigma_m'][:, 1:] > 0).all()
    assert len(np.unique(poses.extra['lifted_plausibility'])) > 10
    height = joints[:, [3, 6], 1].max(1) - joints[:, 10, 1]
    assert 1.0 < np.median(height) < 1.8
    assert (joints[..., 2] > 0).all()


def test_finished_run_resumes_to_the_same_weights(paths: Paths) -> None:
    before = (paths.run / 'last.pt').read_bytes()
    _elepose(
        *('train', 'elepose', '--data', paths.train, '--out', paths.run, '--resume'),
        *('--threads', 1),
    )
    assert (paths.run / 'last.pt').read_bytes() == before
