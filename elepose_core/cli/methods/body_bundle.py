# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle of the method whose product is a `BodyGraph`."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.method import BundleRequest
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.export.calibration import calibrate_plausibility, calibrate_sigma
from elepose_core.export.onnx import export_bundle
from elepose_core.training.joint_bodies import JointParts

__all__ = ['BODY', 'write_body_bundle']

# Name of the faces that go with the vertices.
BODY = 'anny_small'
# Windows enough to calibrate on: neighbouring ones say the same.
_MOST_WINDOWS = 4000


def write_body_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    """Calibrate a trained graph on clips that it did not see, compare and write it."""
    assert isinstance(module, JointParts)
    graph, frames = module.graph, request.manifest.training['config']['windows']['frames']
    poses = request.poses
    rows = _whole_windows(poses, frames)
    rays, scores = poses.rays.astype('float32')[rows], poses.scores[rows]
    if poses.joints_cam_m is None:
        print('the data has no 3D truth: sigma stays uncalibrated')
    else:
        calibrate_sigma(graph, rays, scores, poses.joints_cam_m[rows[:, -1]])
    calibrate_plausibility(graph, rays, scores)
    manifest = request.manifest.model_copy(
        update={'frames': frames, 'fps': poses.fps, 'body': BODY}
    )
    return export_bundle(graph, request.folder, manifest, rays, scores, request.precision)


def _whole_windows(poses: PoseSet, frames: int) -> NDArray[np.int64]:
    """Return rows (W, frames) of neighbouring frames of one clip, spread over the set."""
    first = np.arange(max(0, len(poses) - frames + 1))
    end = first + frames - 1
    same = poses.clip_index[first] == poses.clip_index[end]
    whole = poses.frame_index[end] - poses.frame_index[first] == frames - 1
    first = first[same & whole]
    if not len(first):
        raise InputError(f'no clip of the data has {frames} frames in a row; expected longer ones')
    return np.asarray(first[:: 1 + len(first) // _MOST_WINDOWS, None] + np.arange(frames))
