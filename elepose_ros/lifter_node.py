# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Node: keypoints in, skeletons, markers and camera elevation out."""

from collections.abc import Sequence

from elepose_ros.adapters.sources import check_packages
from elepose_ros.body_input import keypoint_input
from elepose_ros.depth_input import DepthInput
from elepose_ros.gravity_input import GravityInput
from elepose_ros.hri_output import further_outputs
from elepose_ros.keypoint_input import CameraInput
from elepose_ros.lifecycle import Part, PartsNode, run
from elepose_ros.model_service import load_predictor
from elepose_ros.outputs import SkeletonOutput
from elepose_ros.parameters import LIFTER

__all__ = ['main', 'parts']


def parts(node: PartsNode) -> Sequence[Part]:
    """Build what the node is made of."""
    check_packages(node.parameters)
    predictor = load_predictor(node.parameters)
    cameras, depth, gravity = CameraInput(node), DepthInput(node), GravityInput(node)
    further = further_outputs(node)
    then = [part.publish for part in further]
    output = SkeletonOutput(node, predictor, cameras.source, (depth, gravity), then)
    keypoints = keypoint_input(node, cameras.source, output.handle)
    return (cameras, depth, gravity, keypoints, output, *further)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end; returns the exit code."""
    return run(lambda: PartsNode('lifter', (LIFTER,), parts), args)
