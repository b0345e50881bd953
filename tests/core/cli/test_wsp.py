# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures in, a bundle out: the method wsp on a handful of made-up pictures."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')
if importlib.util.find_spec('timm') is None:
    pytest.skip('timm is not installed', allow_module_level=True)

import onnxruntime

from elepose_core.bundle import open_bundle
from elepose_core.cli import main
from elepose_core.cli.methods.wsp import pictured_poses
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError

SIDE = 32
SETTINGS = {
    'network.side': SIDE,
    'network.channels': 4,
    'network.width': 16,
    'pretraining.steps': 3,
    'pretraining.batch_size': 8,
    'training.steps': 3,
    'training.batch_size': 8,
    'training.validate_every': 3,
}


def elepose(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def pictured(poses: PoseSet) -> PoseSet:
    crops = np.random.default_rng(0).integers(0, 255, (len(poses), SIDE, SIDE, 3), np.uint8)
    return replace(poses, extra={'crops': crops})


@pytest.fixture(scope='module')
def pictures(
    tmp_path_factory: pytest.TempPathFactory,
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., PoseSet],
) -> dict[str, Path]:
    """Return files: people in 3D, others in 2D only, and some to measure on."""
    folder = tmp_path_factory.mktemp('pictures')
    sets = {
        'train': pose_set_of(crowd_of(40, seed=1)),
        'flat': replace(pose_set_of(crowd_of(40, seed=2), truth=False), elevation_rad=None),
        'val': pose_set_of(crowd_of(256, seed=3)),
    }
    paths = {name: folder / f'{name}.npz' for name in sets}
    for name, poses in sets.items():
        pictured(poses).save(paths[name])
    return paths


def test_train_evaluate_and_export(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / 'run', tmp_path / 'toy.elepose'
    sets = [part for key, value in SETTINGS.items() for part in ('--set', f'{key}={value}')]
    train = ['train', 'wsp', '--data', pictures['train'], pictures['flat'], '--out', run, *sets]
    assert (
        elepose(
            *train, '--set', 'wsp.share=0.5', '--set', 'wsp.lifted=true', '--until', 'pretraining'
        )
        == 0
    )
    assert not (run / 'last.pt').exists()
    assert (
        elepose(
            'train',
            'wsp',
            '--data',
            pictures['train'],
            pictures['flat'],
            '--out',
            run,
            '--resume',
            '--val',
            pictures['val'],
        )
        == 0
    )
    facts = json.loads((run / 'run.json').read_text())
    assert (facts['method'], facts['poses'], facts['poses_with_3d']) == ('wsp', 80, 40)
    figures = tmp_path / 'val.json'
    assert elepose('evaluate', run, '--data', pictures['val'], '--json', figures) == 0
    found = json.loads(figures.read_text())
    assert 0 < found['n_mpjpe_mm'] < 400
    assert 'elevation_mae_deg' not in found  # it does not tell
    assert (
        elepose('export', run, '--out', out, '--data', pictures['val'], '--precision', 'fp16') == 0
    )
    bundle = open_bundle(out)
    assert bundle.manifest.method == 'wsp'
    assert bundle.manifest.input_names == ('crops',)
    session = onnxruntime.InferenceSession(
        str(bundle.onnx_path), providers=['CPUExecutionProvider']
    )
    crops = np.zeros((3, 3, SIDE, SIDE), np.float32)
    depth, sigma = session.run(['depth', 'sigma'], {'crops': crops})
    assert depth.shape == sigma.shape == (3, 17)
    assert (depth[:, 0] == 0).all()
    assert (sigma > 0).all()
    assert elepose('evaluate', run, '--data', pictures['val'], '--missing', 1) == 2
    assert 'a keypoint is missing; this method places' in capsys.readouterr().err


def test_what_it_cannot_learn_from_is_refused(
    pictures: dict[str, Path],
    tmp_path: Path,
    pose_set_of: Callable[..., PoseSet],
    crowd_of: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = tmp_path / 'plain.npz'
    pose_set_of(crowd_of(20)).save(plain)
    assert elepose('train', 'wsp', '--data', plain, '--out', tmp_path / 'a') == 2
    assert 'key crops is absent; expected pictures (N, S, S, 3) uint8' in capsys.readouterr().err
    assert elepose('train', 'wsp', '--data', pictures['train'], '--out', tmp_path / 'b') == 2
    assert 'network.side is 64; the pictures have 32 pixels' in capsys.readouterr().err
    train = ('train', 'wsp', '--out', tmp_path / 'c', '--set', f'network.side={SIDE}')
    assert elepose(*train, '--data', pictures['flat']) == 2
    assert 'no pose has joints_cam_m' in capsys.readouterr().err
    none = ('--set', 'wsp.labels=none', '--until', 'pretraining')
    assert elepose(*train, '--data', pictures['train'], *none) == 2
    assert 'a run with wsp.labels=none has none' in capsys.readouterr().err
    # Folders that were begun would refuse the next try.
    assert not any((tmp_path / name).exists() for name in 'abc')
    poses = PoseSet.load(pictures['train'])
    holes = poses.keypoints_px.copy()
    holes[3, 5] = np.nan
    scores = poses.scores.copy()
    scores[3, 5] = 0
    replace(poses, keypoints_px=holes, scores=scores).save(plain)
    with pytest.raises(InputError, match='1 of 40 poses lack keypoints'):
        pictured_poses([plain])
    with pytest.raises(InputError, match='no file of pictures is given'):
        pictured_poses([])


def test_the_horizon_of_a_rolled_camera_is_rolled(
    tmp_path: Path, pose_set_of: Callable[..., PoseSet], crowd_of: Callable[..., Any]
) -> None:
    poses = pictured(pose_set_of(crowd_of(4)))
    level = np.zeros(4, np.float32)
    replace(poses, elevation_rad=level, roll_rad=level + np.float32(np.pi / 6)).save(
        tmp_path / 'rolled.npz'
    )
    up_cam = pictured_poses([tmp_path / 'rolled.npz']).up_cam
    np.testing.assert_allclose(up_cam, [[-0.5, -np.sqrt(0.75), 0]] * 4, atol=1e-6)
