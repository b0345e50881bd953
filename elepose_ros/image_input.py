# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Images in, keypoints of all people out."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from elepose_core.detect import Detector, DetectorOptions, make_detector
from elepose_core.errors import InputError
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.runtime.people import People2D, Person2D
from elepose_ros.conversions import rgb_from_message
from elepose_ros.endpoints import Topic
from elepose_ros.frames import Frame
from elepose_ros.inputs import Input
from elepose_ros.lifecycle import Part, PartsNode
from elepose_ros.parameters import Parameters

__all__ = ['ImageInput', 'load_detector']


def load_detector(parameters: Parameters) -> Detector:
    """Load the detector, before anything of ROS is made that would have to be undone.

    Raises:
        InputError: The detector is none, unknown, or its model or package is missing.
    """
    if parameters.detector == 'none':
        raise InputError(
            'parameter detector is none; expected a detector '
            '(keypoints that come from a topic need lifter_node alone)'
        )
    return make_detector(parameters.detector, _options(parameters))


class ImageInput(Part):
    """Detects people in the newest image and hands the keypoints on."""

    def __init__(self, node: PartsNode, detector: Detector, then: Callable[[Frame], None]) -> None:
        parameters = node.parameters
        self._node = node
        self._statistics = node.statistics
        self._detector = detector
        self._then = then
        self._name = parameters.detector
        self._options = _options(parameters)
        self._changing: threading.Thread | None = None
        name, kind = 'image', Image
        if parameters.image_transport == 'compressed':
            # As image_transport does: the base name is remapped, the ending is added after that.
            name, kind = f'{node.resolve_topic_name("image")}/compressed', CompressedImage
        topic = Topic(name, kind, parameters.image_reliability, 'image_reliability', 2, True)
        self._input = Input(node, topic, self._on_image, 1, (node.reporter, node.statistics))

    def start(self) -> None:
        """Begin to detect."""
        self._input.start()

    def stop(self) -> None:
        """Finish the image at hand and stop."""
        self._input.stop()

    def close(self) -> None:
        """End the subscription."""
        self._input.close()

    def watch(self) -> None:
        """Say what to do when no image comes."""
        self._input.set_reliability(self._node.parameters.image_reliability)
        self._input.watch()

    def faults(self) -> dict[str, str]:
        """Return why no image comes."""
        return self._input.faults()

    def facts(self) -> dict[str, str]:
        """Return the detector and the topic."""
        return {
            'detector': self._name,
            'image topic': self._input.topic_name,
            'input age [s]': f'{self._input.age_s():.1f}',
        }

    def _follow_options(self) -> None:
        """Make another detector when its parameters have changed; the old one goes on until then.

        It is made in a thread of its own, since it takes as long as several frames.
        """
        options = _options(self._node.parameters)
        if options == self._options or (self._changing and self._changing.is_alive()):
            return
        self._options = options

        def change() -> None:
            try:
                self._detector = make_detector(self._name, options)
            except Exception as error:
                self._node.reporter.warn('detector', f'the detector stays as it is: {error}')

        # A daemon: a node that is told to end does not wait for it.
        self._changing = threading.Thread(target=change, name='detector', daemon=True)
        self._changing.start()

    def _on_image(self, message: Any, arrived_s: float) -> None:
        statistics = self._statistics
        statistics.record('wait', time.perf_counter() - arrived_s)
        with statistics.measure('decode'):
            image_rgb = rgb_from_message(message)
        self._follow_options()
        detector = self._detector
        with statistics.measure('detect'):
            found = detector.detect(image_rgb)
        people = People2D(
            stamp_ns=stamp_ns_from_header(message.header),
            layout=detector.layout,
            people=tuple(Person2D('', keypoints_px, scores) for keypoints_px, scores in found),
        )
        height, width = image_rgb.shape[:2]
        # Only who looks at it keeps an image in memory.
        rgb = image_rgb if self._node.parameters.ordering_model else None
        self._then(Frame(message.header, people, width, height, arrived_s, rgb))


def _options(parameters: Parameters) -> DetectorOptions:
    return DetectorOptions(
        model_path=_path(parameters.detector_model_path),
        person_model_path=_path(parameters.detector_person_model_path),
        input_long_side=parameters.detector_input_long_side,
        num_threads=parameters.num_threads,
        min_person_score=parameters.min_person_score,
        roi=parameters.detector_roi,
    )


def _path(text: str) -> Path | None:
    """Return a path; the empty text, ROS's way to say nothing, becomes None."""
    return Path(text).expanduser() if text else None
