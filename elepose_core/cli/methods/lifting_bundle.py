# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle of every method whose product is a `LiftingGraph`."""

from torch import nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.method import BundleRequest
from elepose_core.export.calibration import calibrate_plausibility, calibrate_sigma
from elepose_core.export.onnx import export_bundle
from elepose_core.models.graph import LiftingGraph

__all__ = ['write_lifting_bundle']


def write_lifting_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    """Calibrate a trained graph on poses that it did not see, compare and write it."""
    assert isinstance(module, LiftingGraph)
    poses = request.poses
    rays, scores = poses.rays.astype('float32'), poses.scores
    if poses.joints_cam_m is None:
        print('the data has no 3D truth: sigma stays uncalibrated')
    else:
        calibrate_sigma(module, rays, scores, poses.joints_cam_m)
    calibrate_plausibility(module, rays, scores)
    return export_bundle(module, request.folder, request.manifest, rays, scores, request.precision)
