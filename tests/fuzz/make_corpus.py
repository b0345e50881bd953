# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Write the good files that the fuzzer starts from: python tests/fuzz/make_corpus.py.

All of them are drawn from numbers; nothing in them is anybody's.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / 'corpus'


def images() -> None:
    """A picture as baseline and progressive JPEG and as PNG of several kinds."""
    import cv2

    random = np.random.default_rng(0)
    small = random.integers(0, 255, (4, 5, 3), np.uint8)
    picture = cv2.resize(small, (40, 30), interpolation=cv2.INTER_CUBIC)
    kinds = {
        'image_baseline.jpeg': ('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 60]),
        'image_progressive.jpeg': ('.jpg', picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        'image_colour.png': ('.png', picture, []),
        'image_grey.png': ('.png', picture[..., 0], []),
        'image_deep.png': ('.png', picture.astype(np.uint16) * 257, []),
        'image_transparent.png': ('.png', np.dstack([picture, picture[..., :1]]), []),
    }
    for name, (ending, pixels, options) in kinds.items():
        (FOLDER / name).write_bytes(cv2.imencode(ending, pixels, options)[1].tobytes())


def pose_set() -> None:
    """Two clips of two people with everything that a PoseSet may have."""
    from elepose_core.data.poseset import PoseSet

    random = np.random.default_rng(1)
    arrays = {
        'keypoints_px': random.uniform(0, 480, (6, 17, 2)),
        'scores': random.uniform(0, 1, (6, 17)),
        'camera_matrix': np.array([[[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]] * 2),
        'camera_index': np.array([0, 0, 0, 1, 1, 1]),
        'image_size': np.array([[640, 480]] * 2),
        'clip_index': np.array([0, 0, 0, 1, 1, 1]),
        'frame_index': np.array([0, 1, 2, 0, 1, 2]),
        'fps': np.array(30.0),
        'subject': np.array(['a', 'b']),
        'action': np.array(['walk', 'stand']),
        'joints_cam_m': random.normal(0, 1, (6, 17, 3)),
        'elevation_rad': np.zeros(6),
        'own_key': np.arange(6),
    }
    PoseSet.from_arrays(arrays, 'corpus').save(FOLDER / 'pose_set.npz')


def bundle() -> None:
    """A lifter of a few nodes with the inputs and outputs of a real one."""
    from onnx import TensorProto, helper

    from elepose_core.bundle import SCHEMA_VERSION, Manifest, write_bundle

    shapes = {'rays': ['n', 17, 2], 'scores': ['n', 17], 'up_cam': ['n', 3], 'up_variance': ['n']}
    outputs = {
        'joints_cam': ['n', 17, 3],
        'up_cam_estimate': ['n', 3],
        'sigma': ['n', 17],
        'plausibility': ['n'],
        'up_variance_estimate': ['n', 2],
    }
    value = helper.make_tensor_value_info
    tensor = helper.make_tensor
    nodes = [
        helper.make_node('IsNaN', ['rays'], ['missing']),
        helper.make_node('Where', ['missing', 'zero', 'rays'], ['known']),
        helper.make_node('Mul', ['scores', 'zero'], ['zeros']),
        helper.make_node('Add', ['zeros', 'one'], ['ones']),
        helper.make_node('Unsqueeze', ['ones', 'last'], ['depth']),
        helper.make_node('Concat', ['known', 'depth'], ['joints_cam'], axis=2),
        helper.make_node('Identity', ['up_cam'], ['up_cam_estimate']),
        helper.make_node('Mul', ['ones', 'tenth'], ['sigma']),
        helper.make_node('ReduceMean', ['ones', 'first'], ['plausibility'], keepdims=0),
        helper.make_node('Slice', ['sigma', 'begin', 'two', 'first'], ['up_variance_estimate']),
    ]
    one_number = {'zero': 0.0, 'one': 1.0, 'tenth': 0.1}
    indices = {'last': 2, 'first': 1, 'begin': 0, 'two': 2}
    constants = [tensor(n, TensorProto.FLOAT, [1], [v]) for n, v in one_number.items()]
    constants += [tensor(n, TensorProto.INT64, [1], [v]) for n, v in indices.items()]
    graph = helper.make_graph(
        nodes,
        'corpus',
        [value(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [value(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name='corpus',
        method='none',
        joint_layout='h36m_17',
        input_names=tuple(shapes),
        output_names=tuple(outputs),
        opset=18,
        sha256='0' * 64,
        parity={},
        training={'data': 'none'},
        metrics={'val': {'elevation_clip_mae_deg': 4.0}},
    )
    shutil.rmtree(FOLDER / 'bundle.elepose', ignore_errors=True)
    data = model.SerializeToString()
    write_bundle(FOLDER / 'bundle.elepose', manifest, lambda path: path.write_bytes(data) and None)


def bags() -> None:
    """A short recording in both storages."""
    from elepose_core.bags import writing_bag
    from elepose_core.geometry.camera import Camera
    from elepose_core.offline import bag_messages as messages
    from elepose_core.runtime.people import People2D, Person2D

    random = np.random.default_rng(2)
    camera = Camera.from_field_of_view(640, 480, 1.0)
    for storage in ('mcap', 'sqlite3'):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'bag')
            with writing_bag(path, storage) as bag:  # type: ignore[arg-type]
                bag.add_topic('/camera_info', messages.CAMERA_INFO)
                bag.add_topic('/keypoints', messages.PEOPLE_2D)
                bag.add_topic('/image', messages.IMAGE)
                for stamp_ns in (10**9, 2 * 10**9):
                    points = random.uniform(0, 480, (17, 2)).astype(np.float32)
                    person = Person2D('a', points, np.full(17, 0.9, np.float32))
                    people = People2D(stamp_ns, 'h36m_17', (person,))
                    pixels = random.integers(0, 255, (4, 6, 3), np.uint8)
                    for topic, message in {
                        '/camera_info': messages.camera_info_message(camera, stamp_ns, 'c'),
                        '/keypoints': messages.people_message(people, 'c', (640, 480)),
                        '/image': messages.image_message(pixels, stamp_ns, 'c'),
                    }.items():
                        bag.write(topic, stamp_ns, message)
            for file in path.iterdir():
                ending = 'yaml' if file.suffix == '.yaml' else file.suffix[1:]
                shutil.copy(file, FOLDER / f'bag_{storage}.{ending}')


def keypoint_files() -> None:
    """COCO annotations and an OpenPose frame."""
    numbers = [float(i % 400) for i in range(51)]
    coco = {
        'images': [{'id': 1, 'width': 640, 'height': 480}],
        'annotations': [{'image_id': 1, 'keypoints': numbers, 'score': 0.9}],
    }
    (FOLDER / 'coco.json').write_text(json.dumps(coco))
    numbers = [float(i % 300) / (300 if i % 3 == 2 else 1) for i in range(75)]
    openpose = {'version': 1.3, 'people': [{'pose_keypoints_2d': numbers}]}
    (FOLDER / 'openpose.json').write_text(json.dumps(openpose))


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    FOLDER.mkdir(exist_ok=True)
    for write in (images, pose_set, bundle, bags, keypoint_files):
        write()
