# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle of the method whose product is a `BodyGraph`."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.method import BundleRequest
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.export.calibration import calibrate_plausibility, calibrate_sigma
from elepose_core.export.onnx import export_bundle
from elepose_core.training.clip_windows import window_starts
from elepose_core.training.joint_bodies import JointParts
from elepose_core.training.sampling import Keypoints2D

__all__ = ['BODY', 'write_body_bundle']

# Name of the faces that go with the vertices.
BODY = 'anny_small'
# 29.97 and 30 frames per second are the same.
_SAME_RATE = 1.05
# Windows enough to calibrate on: neighbouring ones say the same.
_MOST_WINDOWS = 4000


def write_body_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    """Calibrate a trained graph on clips that it did not see, compare and write it."""
    assert isinstance(module, JointParts)
    training, poses = request.manifest.training, request.poses
    graph, frames = module.graph, training['config']['windows']['frames']
    # Runs of before said nothing of it.
    fps = training.get('fps', poses.fps)
    if not fps / _SAME_RATE <= poses.fps <= fps * _SAME_RATE:
        raise InputError(
            f'the data has {poses.fps:g} frames per second; expected {fps:g}, which training saw'
        )
    rows = _whole_windows(poses, frames)
    rays, scores = poses.rays.astype('float32')[rows], poses.scores[rows]
    if poses.joints_cam_m is None:
        print('the data has no 3D truth: sigma stays uncalibrated')
    else:
        calibrate_sigma(graph, rays, scores, poses.joints_cam_m[rows[:, -1]])
    calibrate_plausibility(graph, rays, scores)
    manifest = request.manifest.model_copy(update={'frames': frames, 'fps': fps, 'body': BODY})
    return export_bundle(graph, request.folder, manifest, rays, scores, request.precision)


def _whole_windows(poses: PoseSet, frames: int) -> NDArray[np.int64]:
    """Return rows (W, frames) of neighbouring frames of one clip, spread over the set."""
    clip, frame = torch.from_numpy(poses.clip_index), torch.from_numpy(poses.frame_index)
    seen = Keypoints2D(torch.from_numpy(poses.rays), clip, frame, clip, poses.fps)
    first = window_starts(seen, frames).numpy()
    return np.asarray(first[:: 1 + len(first) // _MOST_WINDOWS, None] + np.arange(frames))
