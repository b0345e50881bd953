# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Every method of training, all the way at toy size: train, evaluate, export, lift in a node."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip('torch', reason='the way begins with training')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
pytest.importorskip('tensorboard', reason='training writes TensorBoard events')
pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from elepose_core.bundle import open_bundle
from elepose_core.cli import main
from elepose_core.runtime.messages import stamp_ns_from_header

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data'
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
    'posenet3d': Toy(
        (POSES_2D,),
        {
            **{key: value for key, value in _SMALL.items() if 'completion' not in key},
            **{'judges.width': 16, 'frames.steps': 10, 'frames.batch_size': 32},
            **{'temporal.width': 16, 'temporal.blocks': 1, 'windows.frames': 4},
            **{'bodies.width': 16, 'bodies.blocks': 1, 'bodies.up_width': 16},
            **{'bodies.up_blocks': 1, 'bodies.completion_width': 16, 'student.batch_size': 8},
            **{'teacher.steps': 5, 'teacher.batch_size': 8, 'student.steps': 5},
            **{'refinement.bone_mm': [5.0], 'refinement.steps_per_stage': 1},
            **{'training.steps': 5, 'training.batch_size': 8, 'training.validate_every': 5},
        },
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


def _bundle(method: str, toy: Toy, truth: Path, folder: Path) -> Path:
    """Train, measure and export; returns the bundle."""
    run, bundle = folder / 'run', folder / f'{method}.elepose'
    settings = [f'{key}={value}' for key, value in toy.settings.items()]
    _elepose(
        *('train', method, '--data', *toy.data, '--val', truth, '--out', run, '--threads', 1),
        *(word for setting in settings for word in ('--set', setting)),
    )
    _elepose('evaluate', run, '--data', truth, '--json', folder / 'figures.json')
    figures = json.loads((folder / 'figures.json').read_text())
    assert 0 < figures['n_mpjpe_mm'] < 500
    assert figures['mpjve_mm'] > 0
    _elepose('export', run, '--out', bundle, '--data', truth)
    assert open_bundle(bundle).manifest.method == method
    return bundle


def _joints(message: Any) -> NDArray[np.float64]:
    (person,) = message.skeletons
    joints = np.array([person.x, person.y, person.z])
    assert joints.shape == (3, 17)
    assert np.isfinite(joints).all()
    return joints


@pytest.mark.parametrize('method', TOYS)
def test_a_method_goes_from_data_to_skeletons_of_a_node(
    method: str, tmp_path: Path, start: Any, connect: Any, make_scene: Any
) -> None:
    bundle = _bundle(method, TOYS[method], POSES_3D, tmp_path)
    has_body = open_bundle(bundle).manifest.body is not None
    assert has_body == (method == 'posenet3d')
    _elepose('evaluate', bundle, '--data', POSES_3D)
    space = f'/{method}'
    process = start(
        'lifter_node', name='lifter', remaps={'__ns': space}, model=bundle, publish_mesh=has_body
    )
    live, scene = connect(process, space), make_scene()
    live.camera_info.publish(scene.camera_info())
    live.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: (
            live.skeletons_with(1)
            and (not has_body or any(space == 'mesh' for _, space, _ in live.marker_actions()))
        ),
        'a skeleton and, where there is one, its mesh',
    )
    message = live.skeletons_with(1)[-1]
    assert 0 < stamp_ns_from_header(message.header) <= scene.stamp_ns
    _joints(message)
    assert process.end() == 0


@pytest.mark.skipif(importlib.util.find_spec('timm') is None, reason='timm is not installed')
def test_pictures_go_from_rendering_to_depths_in_a_pipeline(
    tmp_path: Path, start: Any, connect: Any
) -> None:
    crops = tmp_path / 'crops.npz'
    render = [sys.executable, ROOT / 'tools' / 'render_people.py', POSES_3D, '--out', crops]
    subprocess.run([*map(str, render), '--count', '300', '--seed', '0'], check=True)
    settings = {'network.channels': 4, 'network.width': 16, 'training.steps': 3}
    settings |= {'pretraining.steps': 3, 'pretraining.batch_size': 8, 'training.batch_size': 8}
    bundle = _bundle('wsp', Toy((crops,), settings), crops, tmp_path)
    remaps = {'__ns': '/wsp', 'image': '/wsp/image'}
    process = start(
        'pipeline',
        name='pipeline',
        remaps=remaps,
        image_transport='compressed',
        ordering_model=bundle,
    )
    live = connect(process, '/wsp')
    images = live.probe.talk(CompressedImage, '/wsp/image/compressed')
    photograph = (DATA / 'skier.jpg').read_bytes()
    stamps = itertools.count(1)

    def send() -> None:
        header = Header(stamp=Time(sec=next(stamps)), frame_id='camera_optical')
        images.publish(CompressedImage(header=header, format='jpeg', data=photograph))

    live.probe.until(lambda: live.skeletons_with(1), 'a skeleton', again=send)
    assert _joints(live.skeletons_with(1)[-1])[2].min() > 0
    assert process.end() == 0
