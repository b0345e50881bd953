# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A robot has no torch: what runs there must not ask for it."""

import subprocess
import sys
import textwrap

from elepose_core.bundle import Bundle

BLOCKED = ('torch', 'FrEIA', 'onnx', 'onnxscript', 'tensorboard', 'tqdm', 'rclpy')
SCRIPT = """
    import importlib.abc
    import sys

    class Block(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split('.')[0] in BLOCKED:
                raise ModuleNotFoundError(f'{name} is blocked', name=name)
            return None

    BLOCKED = set(sys.argv[2].split(','))
    sys.meta_path.insert(0, Block())
    import numpy as np
    from elepose_core.geometry.camera import Camera
    from elepose_core.runtime.lifting import PeopleLifter
    from elepose_core.runtime.people import People2D, Person2D
    from elepose_core.runtime.predictor import Predictor

    lifter = PeopleLifter(Predictor(sys.argv[1]))
    keypoints = np.random.default_rng(0).uniform(100, 300, (17, 2)).astype(np.float32)
    person = Person2D('', keypoints, np.ones(17, np.float32))
    camera = Camera.from_field_of_view(640, 480, 1.0)
    found = lifter.lift(People2D(5, 'coco_17', (person,)), camera)
    assert np.isfinite(found.skeletons[0].joints_cam_m).all()
    import elepose_core.cli
    import elepose_core.evaluation.protocol
    import elepose_core.offline.poses
    assert not BLOCKED & {name.split('.')[0] for name in sys.modules}
    print('lifted', len(found.skeletons))
"""


def test_runtime_lifts_with_torch_blocked(tiny_bundle: Bundle) -> None:
    command = [
        *(sys.executable, '-c', textwrap.dedent(SCRIPT)),
        *(str(tiny_bundle.folder), ','.join(BLOCKED)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == 'lifted 1\n', done.stderr
    assert done.returncode == 0
