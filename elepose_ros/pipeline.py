# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Node: images in, skeletons out, both halves in one process without a message between them."""

from collections.abc import Sequence

from elepose_ros.adapters.sources import check_packages
from elepose_ros.body_input import keypoint_input
from elepose_ros.depth_input import DepthInput
from elepose_ros.frames import Frame
from elepose_ros.gravity_input import GravityInput
from elepose_ros.hri_output import further_outputs
from elepose_ros.image_input import ImageInput, load_detector
from elepose_ros.keypoint_input import CameraInput
from elepose_ros.lifecycle import Part, PartsNode, run
from elepose_ros.model_service import load_predictor
from elepose_ros.outputs import KeypointOutput, SkeletonOutput
from elepose_ros.parameters import DETECTOR, LIFTER, PIPELINE

__all__ = ['main', 'parts']


def parts(node: PartsNode) -> Sequence[Part]:
    """Build what the node is made of."""
    check_packages(node.parameters, with_keypoints=node.parameters.detector == 'none')
    predictor = load_predictor(node.parameters)
    detector = None if node.parameters.detector == 'none' else load_detector(node.parameters)
    cameras, depth, gravity = CameraInput(node), DepthInput(node), GravityInput(node)
    further = further_outputs(node)
    then = [part.publish for part in further]
    skeletons = SkeletonOutput(node, predictor, cameras.source, (depth, gravity), then)
    place = (cameras, depth, gravity)
    if detector is None:
        inputs = (*place, keypoint_input(node, cameras.source, skeletons.handle))
        return (*inputs, skeletons, *further)
    keypoints = KeypointOutput(node)

    def handle(frame: Frame) -> None:
        keypoints.publish_if_wanted(frame)
        skeletons.handle(frame)

    inputs = (*place, ImageInput(node, detector, handle))
    return (*inputs, keypoints, skeletons, *further)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end; returns the exit code."""
    return run(lambda: PartsNode('pipeline', (DETECTOR, LIFTER, PIPELINE), parts), args)
