# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles with a graph of a few nodes whose answers are known by hand: several frames, a body.

The graph puts each joint of the last frame at depth 1, says that up is up in the picture, and
tells as plausibility the share of its frames and joints that were seen. A body is a prism around
each bone.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from elepose_core.bundle import Bundle, Manifest, write_bundle
from elepose_core.skeleton import H36M_17

BODY = 'prisms'
# Half the thickness of a limb, in units of the distance of the person.
_HALF = 0.012
_CORNERS = _HALF * np.array([[1, 0, 0], [-0.5, 0.87, 0.5], [-0.5, -0.87, -0.5]])
_SIGMA, _UP_VARIANCE = 0.01, 0.01


def prism_faces() -> NDArray[np.int32]:
    """Return (128, 3): six vertices and eight triangles for each of the 16 bones."""
    ends = [[0, 1, 2], [5, 4, 3]]
    sides = [[a, b, a + 3] for a, b in ((0, 1), (1, 2), (2, 0))]
    sides += [[b, b + 3, a + 3] for a, b in ((0, 1), (1, 2), (2, 0))]
    bone = np.array(ends + sides)
    return np.concatenate([bone + 6 * number for number in range(16)]).astype(np.int32)


def prism_vertices(joints: NDArray[Any]) -> NDArray[Any]:
    """Return (..., 96, 3) of joints (..., 17, 3), as the graph does."""
    return joints[..., _ENDS, :] + np.tile(_CORNERS, (32, 1))


_ENDS = np.repeat(np.array(H36M_17.bones).ravel(), 3)


def write_tiny_bundle(
    folder: Path, frames: int = 1, with_body: bool = False, **more: Any
) -> Bundle:
    """Write a bundle; further words change its manifest."""
    outputs = ['joints_cam', 'up_cam_estimate', 'sigma', 'plausibility', 'up_variance_estimate']
    said: dict[str, Any] = {'frames': frames, 'fps': 30.0}
    if with_body:
        outputs += ['vertices_cam', 'body_parameters']
        said |= {'body': BODY}
    manifest = Manifest(
        **{
            'schema_version': 3,
            'name': folder.stem,
            'method': 'by hand',
            'joint_layout': 'h36m_17',
            'input_names': ('rays', 'scores', 'up_cam', 'up_variance'),
            'output_names': tuple(outputs),
            'opset': 18,
            'sha256': '0' * 64,
            'parity': {},
            'training': {},
            'metrics': {'val': {'elevation_clip_mae_deg': 4.0}},
            **said,
            **more,
        }
    )
    model = _model(frames, outputs)
    return write_bundle(folder, manifest, lambda path: path.write_bytes(model) and None)


def _model(frames: int, outputs: list[str]) -> bytes:
    over = [] if frames == 1 else [frames]
    shapes: dict[str, list[Any]] = {
        'rays': ['B', *over, 17, 2],
        'scores': ['B', *over, 17],
        'up_cam': ['B', 3],
        'up_variance': ['B'],
        'joints_cam': ['B', 17, 3],
        'up_cam_estimate': ['B', 3],
        'sigma': ['B', 17],
        'plausibility': ['B'],
        'up_variance_estimate': ['B', 2],
        'vertices_cam': ['B', 96, 3],
        'body_parameters': ['B', 3],
    }
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    constants = {
        'nought': np.float32(0),
        'one': np.float32(1),
        'last': np.int64(frames - 1),
        'sigma_of_all': np.float32(_SIGMA),
        'image_up': np.float32([0, -1, 0]),
        'variance_of_all': np.float32([_UP_VARIANCE, _UP_VARIANCE]),
        'add_a_depth': np.int64([0, 0, 0, 0, 0, 1]),
        'all_but_people': np.int64([1, 2] if over else [1]),
        'first_two': np.int64([0, 1]),
        'ends': _ENDS.astype(np.int64),
        'corners': np.tile(_CORNERS, (32, 1)).astype(np.float32),
    }
    make = helper.make_node
    nodes = [
        make('Gather', ['rays', 'last'], ['rays_now'], axis=1)
        if over
        else make('Identity', ['rays'], ['rays_now']),
        make('Gather', ['scores', 'last'], ['scores_now'], axis=1)
        if over
        else make('Identity', ['scores'], ['scores_now']),
        make('IsNaN', ['rays_now'], ['is_missing']),
        make('Where', ['is_missing', 'nought', 'rays_now'], ['known']),
        make('Pad', ['known', 'add_a_depth', 'one'], ['joints_cam']),
        make('Mul', ['up_cam', 'nought'], ['no_up']),
        make('Add', ['no_up', 'image_up'], ['up_cam_estimate']),
        make('Mul', ['scores_now', 'nought'], ['no_sigma']),
        make('Add', ['no_sigma', 'sigma_of_all'], ['sigma']),
        make('Greater', ['scores', 'nought'], ['is_seen']),
        make('Cast', ['is_seen'], ['seen'], to=TensorProto.FLOAT),
        make('ReduceMean', ['seen', 'all_but_people'], ['plausibility'], keepdims=0),
        make('Gather', ['no_up', 'first_two'], ['no_variance'], axis=1),
        make('Add', ['no_variance', 'variance_of_all'], ['up_variance_estimate']),
    ]
    if 'vertices_cam' in outputs:
        nodes += [
            make('Gather', ['joints_cam', 'ends'], ['bones'], axis=1),
            make('Add', ['bones', 'corners'], ['vertices_cam']),
            make('Identity', ['up_cam'], ['body_parameters']),
        ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        'by_hand',
        [infos[name] for name in ('rays', 'scores', 'up_cam', 'up_variance')],
        [infos[name] for name in outputs],
        [
            numpy_helper.from_array(np.asarray(v), name)
            for name, v in constants.items()
            if name in used
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def bring_prisms(folder: Path, monkeypatch: Any) -> None:
    """Let the package bring the body of these graphs as long as the patch lasts."""
    np.savez(folder / f'{BODY}.npz', faces=prism_faces())
    monkeypatch.setattr('elepose_core.body.surface._FOLDER', folder)


def write_tiny_ordering(folder: Path, side: int = 32, **more: Any) -> Bundle:
    """Write a bundle that sees pictures: a joint is as deep as the picture is red, sigma 0.1.

    That is, depth = 2 * mean of red - 1 for all joints but the pelvis, which is at 0.
    """
    but_the_pelvis = np.ones((1, 17), np.float32)
    but_the_pelvis[0, H36M_17.index('pelvis')] = 0
    constants = {
        'first': np.int64([0]),
        'of_a_picture': np.int64([1, 2, 3]),
        'twice': np.float32([[2]]),
        'one': np.float32([[1]]),
        'nought': np.float32([[0]]),
        'but_the_pelvis': but_the_pelvis,
        'sigma_of_all': np.float32([[0.1]]),
    }
    make = helper.make_node
    nodes = [
        make('Gather', ['crops', 'first'], ['red'], axis=1),
        make('ReduceMean', ['red', 'of_a_picture'], ['redness'], keepdims=0),
        make('Unsqueeze', ['redness', 'last_axis'], ['column']),
        make('Mul', ['column', 'twice'], ['doubled']),
        make('Sub', ['doubled', 'one'], ['signed']),
        make('Mul', ['signed', 'but_the_pelvis'], ['depth']),
        make('Mul', ['depth', 'nought'], ['no_sigma']),
        make('Add', ['no_sigma', 'sigma_of_all'], ['sigma']),
    ]
    constants['last_axis'] = np.int64([1])
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        'red_is_far',
        [info('crops', TensorProto.FLOAT, ['B', 3, side, side])],
        [info(name, TensorProto.FLOAT, ['B', 17]) for name in ('depth', 'sigma')],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    manifest = Manifest(
        **{
            'schema_version': 2,
            'name': folder.stem,
            'method': 'wsp',
            'joint_layout': 'h36m_17',
            'input_names': ('crops',),
            'output_names': ('depth', 'sigma'),
            'opset': 18,
            'sha256': '0' * 64,
            'parity': {},
            'training': {},
            **more,
        }
    )
    return write_bundle(folder, manifest, lambda path: path.write_bytes(data) and None)
