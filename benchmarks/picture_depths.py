# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Whether depths that a second network sees in the picture make lifted people better.

    python benchmarks/picture_depths.py --crops FOLDER --json FILE [--ordering BUNDLE]

FOLDER holds sets of pictures that tools/render_people.py made. People are lifted from their
keypoints as they are, with noise of 5 px at 300 px height, and with three joints missing; then
`runtime/depth_fusion.py` turns those inside out that the picture says are flipped, and moves
joints along their rays to the mean of both depths. Each person's square is cut anew round the
keypoints that the lifter sees, out of the picture in the file; what lies outside of that is its
edge.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from elepose_core.bundle import open_bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.conditions import Conditions, view_of
from elepose_core.files import replacing
from elepose_core.geometry.person_crop import crop_from_pixels, person_squares
from elepose_core.metrics import is_flipped, n_mpjpe_mm, pa_mpjpe_mm, root_centred
from elepose_core.runtime.backends.interface import Graph
from elepose_core.runtime.backends.onnxruntime_backend import OnnxruntimeBackend
from elepose_core.runtime.depth_fusion import angular_sizes, fuse, unflipped
from elepose_core.runtime.predictor import Predictor

Float32 = NDArray[np.float32]

SETS = ('val', 'test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')
CONDITIONS = {
    'clean': Conditions(),
    'noise 5 px at 300 px': Conditions(noise_px_at_300=5.0),
    '3 joints missing': Conditions(missing=3),
    'noise and 3 missing': Conditions(noise_px_at_300=5.0, missing=3),
}
AT_ONCE = 256


class PictureNetwork:
    """The graph of a bundle of the method wsp, fed with crops."""

    def __init__(self, model: str) -> None:
        bundle = open_bundle(model)
        graph = Graph(bundle.onnx_path, bundle.manifest.sha256, {'crops': ()}, ('depth', 'sigma'))
        self._backend = OnnxruntimeBackend(graph, 'cpu', 2, 'it sees the picture')

    def look(self, crops: NDArray[np.uint8]) -> tuple[Float32, Float32]:
        """Return depth and sigma (N, 17) of crops (N, S, S, 3)."""
        parts = []
        for start in range(0, len(crops), AT_ONCE):
            some = crops[start : start + AT_ONCE].transpose(0, 3, 1, 2)
            feed = np.ascontiguousarray(some, np.float32) / np.float32(255)
            parts.append(self._backend.run({'crops': feed}))
        depth, sigma = zip(*parts, strict=True)
        return np.concatenate(depth), np.concatenate(sigma)


def cut_anew(poses: PoseSet, rays: NDArray[np.float64], seen: NDArray[np.bool_]) -> Any:
    """Return the crops of squares round the keypoints that are seen, out of those of the file."""
    crops = poses.extra['crops']
    side = crops.shape[1]
    matrix = poses.camera_matrix[poses.camera_index]
    # The set is neither rolled nor distorted: rays and pixels differ by K alone.
    pixels = np.insert(rays, 2, 1.0, axis=-1) @ matrix.transpose(0, 2, 1)
    was = crop_from_pixels(
        *person_squares(poses.keypoints_px.astype(np.float64), poses.scores > 0), side
    )
    now = crop_from_pixels(*person_squares(pixels[..., :2], seen), side)
    result = np.empty_like(crops)
    for row, crop in enumerate(crops):
        square = np.vstack([was[row], [0.0, 0.0, 1.0]])
        move = now[row] @ np.linalg.inv(square)
        result[row] = cv2.warpAffine(crop, move, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return result


def figures(joints: Float32, truth_mm: NDArray[np.float64]) -> dict[str, float]:
    """Return the mean errors of poses (N, 17, 3), and the share of those inside out."""
    pose = root_centred(joints.astype(np.float64))
    return {
        'n_mpjpe_mm': float(n_mpjpe_mm(pose, truth_mm).mean()),
        'pa_mpjpe_mm': float(pa_mpjpe_mm(pose, truth_mm).mean()),
        'flip_rate': float(is_flipped(pose, truth_mm).mean()),
    }


def depth_errors(
    joints: Float32, rays: NDArray[np.float64], depth: Float32, truth: NDArray[np.float64]
) -> dict[str, float]:
    """Return the mean errors of depth, mm: of the lifter and of the picture."""
    axis, size = angular_sizes(rays)
    true = np.einsum('njc,nc->nj', truth, axis)
    offset = true - true[:, :1]
    lifted = np.einsum('njc,nc->nj', joints.astype(np.float64), axis)
    lifted = (lifted / lifted[:, :1] - 1.0) * true[:, :1]
    shown = depth * size[:, None] * true[:, :1]
    return {
        'lifter_depth_mm': float(1000 * np.abs(lifted - offset)[:, 1:].mean()),
        'picture_depth_mm': float(1000 * np.abs(shown - offset)[:, 1:].mean()),
    }


def measured(
    poses: PoseSet, predictor: Predictor, network: PictureNetwork, conditions: Conditions
) -> dict[str, Any]:
    """Return the figures of the lifter alone and with the picture."""
    view = view_of(poses, conditions)
    truth_mm = root_centred(view.joints_cam_m) * 1000
    lifted = predictor.lift(view.rays.astype(np.float32), view.scores)
    seen = view.scores > 0
    depth, sigma = network.look(cut_anew(poses, view.rays, seen))
    told = (lifted.sigma, view.rays, depth, sigma)
    turned, which = unflipped(lifted.joints_cam, *told)
    fused, _ = fuse(turned, *told)
    return {
        'lifter': figures(lifted.joints_cam, truth_mm),
        'turned': {**figures(turned, truth_mm), 'turned_share': float(which.mean())},
        'fused': figures(fused, truth_mm),
        **depth_errors(lifted.joints_cam, view.rays, depth, view.joints_cam_m),
    }


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--crops', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--ordering', default='wsp', help='bundle that sees pictures')
    parser.add_argument('--model', default='default', help='lifter')
    parser.add_argument('--sets', nargs='+', default=list(SETS), choices=SETS)
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    predictor, network = Predictor(options.model, threads=2), PictureNetwork(options.ordering)
    tree: dict[str, Any] = {'model': options.model, 'ordering': options.ordering, 'sets': {}}
    print('| set | keypoints | N-MPJPE lifter | with picture | PA lifter | with picture |', end='')
    print(' flips | with picture | depth lifter | picture |\n' + '|---' * 10 + '|')
    for name in options.sets:
        poses = PoseSet.load(options.crops / f'{name}.npz')
        tree['sets'][name] = {}
        for kind, conditions in CONDITIONS.items():
            found = measured(poses, predictor, network, conditions)
            tree['sets'][name][kind] = found
            before, after = found['lifter'], found['fused']
            print(
                f'| {name} | {kind} | {before["n_mpjpe_mm"]:.1f} | {after["n_mpjpe_mm"]:.1f} | '
                f'{before["pa_mpjpe_mm"]:.1f} | {after["pa_mpjpe_mm"]:.1f} | '
                f'{before["flip_rate"]:.2%} | {after["flip_rate"]:.2%} | '
                f'{found["lifter_depth_mm"]:.0f} | {found["picture_depth_mm"]:.0f} |'
            )
    if options.json is not None:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
