# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose doctor`: what is installed, what works, what to do."""

import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from elepose_core.cli.standing import STANDING

__all__ = ['doctor']


@dataclass(frozen=True)
class _Finding:
    """One line of the report; `needed` findings that fail make the exit code 1."""

    name: str
    works: bool
    text: str
    needed: bool = False


# module, what it serves, remedy
_OPTIONAL = (
    ('cv2', 'images and video', 'pip install "elepose[detect]" or apt install python3-opencv'),
    ('rosbags', 'bags without ROS', 'pip install "elepose[bag]"'),
    ('h5py', 'test set of MPI-INF-3DHP', 'pip install "elepose[mat]"'),
    ('torch', 'training', 'pip install "elepose[train]"'),
    ('matplotlib', 'pictures', 'pip install "elepose[view]"'),
    ('plotly', 'interactive views', 'pip install "elepose[view]"'),
    ('rclpy', 'ROS 2 nodes', 'source the setup file of ROS 2 or of this checkout'),
    ('std_srvs.srv', 'services of the nodes', 'apt install ros-$ROS_DISTRO-std-srvs'),
    ('elepose_ros.msg', 'ROS 2 messages', 'build this package with colcon and source its setup'),
    ('tf2_msgs.msg', 'level frame on TF', 'apt install ros-$ROS_DISTRO-tf2-msgs'),
    ('rtmlib', 'detector rtmlib', 'pip install --no-deps rtmlib'),
    ('mediapipe', 'detector mediapipe', 'pip install mediapipe'),
)


def doctor() -> int:
    """Report what is installed and whether the shipped model really lifts.

    Returns:
        0 when everything that the core needs works, else 1.
    """
    findings = [
        _Finding('python', sys.version_info >= (3, 10), platform.python_version(), needed=True),
        *(_package(name) for name in ('numpy', 'scipy', 'onnxruntime', 'pydantic', 'tyro')),
        _package('lap', 'lapx'),
        _tried('model default', _lift_once, 'reinstall elepose'),
        _tried('detector movenet_multipose', _detect_once, 'see cv2 below'),
        *(_optional(*row) for row in _OPTIONAL),
    ]
    for finding in findings:
        mark = 'ok  ' if finding.works else ('FAIL' if finding.needed else 'none')
        print(f'{mark}  {finding.name:<28} {finding.text}')
    broken = [f.name for f in findings if f.needed and not f.works]
    print(f'broken: {", ".join(broken)}' if broken else 'everything that the core needs works')
    return 1 if broken else 0


def _package(module: str, name: str = '') -> _Finding:
    name = name or module
    try:
        importlib.import_module(module)
        return _Finding(name, True, importlib.metadata.version(name), needed=True)
    except (ImportError, importlib.metadata.PackageNotFoundError) as error:
        return _Finding(name, False, f'{error}; pip install {name}', needed=True)


def _optional(module: str, serves: str, remedy: str) -> _Finding:
    try:
        importlib.import_module(module)
    except Exception:  # what is installed may be broken in any way
        return _Finding(module, False, f'{serves}: {remedy}')
    return _Finding(module, True, serves)


def _tried(name: str, attempt: Callable[[], str], remedy: str) -> _Finding:
    try:
        return _Finding(name, True, attempt(), needed=name.startswith('model'))
    except Exception as error:  # likewise; the report must come to its end
        return _Finding(name, False, f'{error}; {remedy}', needed=name.startswith('model'))


def _lift_once() -> str:
    """Lift a standing person and see that the head comes out above the feet."""
    from elepose_core.runtime.predictor import Predictor
    from elepose_core.skeleton import H36M_17

    predictor = Predictor()
    joints = predictor.lift(STANDING[None], np.ones((1, 17), np.float32)).joints_cam[0]
    head, foot = joints[H36M_17.index('head_top')], joints[H36M_17.index('left_ankle')]
    if not head[1] < foot[1]:
        raise ValueError('the shipped model lifts a standing person upside down')
    return f'{predictor.manifest.method}, step {predictor.manifest.training.get("step")}, lifts'


def _detect_once() -> str:
    from elepose_core.detect import DetectorOptions, make_detector

    found = make_detector('movenet_multipose', DetectorOptions()).detect(
        np.zeros((96, 128, 3), np.uint8)
    )
    return f'runs; finds {len(found)} people in a black image'
