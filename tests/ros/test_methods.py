# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Every method of training, all the way at toy size: train, evaluate, export, lift in a node."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip('torch', reason='the way begins with training')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
pytest.importorskip('tensorboard', reason='training writes TensorBoard events')
pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from elepose_core.bundle import open_bundle
from elepose_core.cli import main
from elepose_core.runtime.messages import stamp_ns_from_header

DATA = Path(__file__).parents[1] / 'data'
POSES_2D, POSES_3D = DATA / 'poses_2d.npz', DATA / 'poses_3d.npz'


class Toy(NamedTuple):
    """A method at toy size.

    Attributes:
        data: Files to learn from.
        settings: That make it small.
    """

    data: tuple[Path, ...]
    settings: dict[str, Any]


_SMALL = {
    **{'lifter.width': 32, 'lifter.blocks': 1, 'lifter.elevation_width': 16},
    **{'lifter.elevation_blocks': 1, 'lifter.completion_width': 16, 'lifter.completion_blocks': 1},
    **{'prior.components': 16, 'prior.blocks': 2, 'prior.width': 16, 'prior.steps': 20},
    **{'prior.batch_size': 64, 'training.steps': 20, 'training.batch_size': 32},
    **{'training.warm_up_steps': 5, 'training.validate_every': 10},
}
TOYS = {
    'elepose': Toy(
        (POSES_2D,),
        {
            **_SMALL,
            **{'discovery.steps': 20, 'discovery.batch_size': 32},
            **{'alternation.steps': 10, 'alternation.batch_size': 32, 'clips.refresh_every': 5},
            **{'refinement.bone_mm': [5.0], 'refinement.steps_per_stage': 1},
        },
    ),
    # Too few poses are refused; the same ones twice will do here.
    'supervised': Toy(
        (POSES_3D, POSES_3D), {**_SMALL, 'teacher.steps': 20, 'teacher.batch_size': 32}
    ),
    'geometric': Toy(
        (POSES_2D,),
        {**_SMALL, 'judges.width': 16, 'adversarial.steps': 20, 'adversarial.batch_size': 32},
    ),
}


def _elepose(*words: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 0


@pytest.mark.parametrize('method', TOYS)
def test_a_method_goes_from_data_to_skeletons_of_a_node(
    method: str, tmp_path: Path, start: Any, connect: Any, make_scene: Any
) -> None:
    toy, run, bundle = TOYS[method], tmp_path / 'run', tmp_path / f'{method}.elepose'
    overrides = [
        word for key, value in toy.settings.items() for word in ('--set', f'{key}={value}')
    ]
    _elepose(
        *('train', method, '--data', *toy.data, '--val', POSES_3D, '--out', run),
        *('--threads', 1, *overrides),
    )
    _elepose('evaluate', run, '--data', POSES_3D, '--json', tmp_path / 'figures.json')
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert 0 < figures['n_mpjpe_mm'] < 500
    assert figures['mpjve_mm'] > 0
    _elepose('export', run, '--out', bundle, '--data', POSES_3D)
    assert open_bundle(bundle).manifest.method == method
    _elepose('evaluate', bundle, '--data', POSES_3D)
    space = f'/{method}'
    process = start('lifter_node', name='lifter', remaps={'__ns': space}, model=bundle)
    live, scene = connect(process, space), make_scene()
    live.camera_info.publish(scene.camera_info())
    live.send_until(lambda: scene.people((0.0, 4.0)), lambda: live.skeletons_with(1), 'a skeleton')
    message = live.skeletons_with(1)[-1]
    assert 0 < stamp_ns_from_header(message.header) <= scene.stamp_ns
    (person,) = message.skeletons
    joints = np.array([person.x, person.y, person.z])
    assert joints.shape == (3, 17)
    assert np.isfinite(joints).all()
    assert process.end() == 0
