# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Node: images in, keypoints out."""

from collections.abc import Sequence

from elepose_ros.image_input import ImageInput, load_detector
from elepose_ros.lifecycle import Part, PartsNode, run
from elepose_ros.outputs import KeypointOutput
from elepose_ros.parameters import DETECTOR

__all__ = ['main', 'parts']


def parts(node: PartsNode) -> Sequence[Part]:
    """Build what the node is made of."""
    detector = load_detector(node.parameters)
    output = KeypointOutput(node)
    return (ImageInput(node, detector, output.publish_last), output)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end; returns the exit code."""
    return run(lambda: PartsNode('detector', (DETECTOR,), parts), args)
