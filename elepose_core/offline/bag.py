# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded bag through the same detector and lifter as the live nodes, message by message."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elepose_core.bags import BagMessage, BagReader, BagWriter, Topic, writing_bag
from elepose_core.bags.writer import Storage, check_new_bag
from elepose_core.detect import Detector, DetectorOptions, make_detector
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera
from elepose_core.offline import bag_messages as messages
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.messages import (
    camera_from_message,
    camera_of_image,
    people_from_message,
)
from elepose_core.runtime.people import People2D, Person2D

__all__ = ['BagOptions', 'BagReport', 'choose_source', 'lift_bag']

IMAGES = (messages.IMAGE, messages.COMPRESSED_IMAGE)
Progress = Callable[[Iterable[BagMessage], int], Iterable[BagMessage]]


@dataclass(frozen=True)
class BagOptions:
    """What to read and how; empty names mean: the only candidate there is.

    Attributes:
        image_topic: Image or CompressedImage.
        keypoints_topic: People2D, instead of an image.
        camera_info_topic: CameraInfo of the source.
        horizontal_fov_deg: Assumed while there is no calibration, as the node's parameter.
        camera_info_timeout_s: A first CameraInfo that is later than this comes too late for the
            frames before it, as for the node.
        is_rectified: The image is free of distortion: P of CameraInfo counts, not K and D.
        storage: Of the bag that is written.
        detector: Settings of the detector; those of the node unless told otherwise.
    """

    image_topic: str = ''
    keypoints_topic: str = ''
    camera_info_topic: str = ''
    horizontal_fov_deg: float = 60.0
    camera_info_timeout_s: float = 2.0
    is_rectified: bool = False
    storage: Storage = 'mcap'
    detector: DetectorOptions = field(default_factory=DetectorOptions)


@dataclass(frozen=True)
class BagReport:
    """What came of a bag.

    Attributes:
        source: The topic that was lifted.
        frames: Messages read from it.
        skeletons: Skeletons written.
        skipped: Messages that could not be used.
        problem: The sentence about the first of those, '' when there was none.
        is_calibrated: The last frame had a calibrated camera.
        is_cut_off: The writer of the bag was killed.
    """

    source: Topic
    frames: int
    skeletons: int
    skipped: int
    problem: str
    is_calibrated: bool
    is_cut_off: bool


@dataclass(frozen=True)
class _Frame:
    people: People2D
    frame_id: str
    image_size: tuple[int, int]


def choose_source(bag: BagReader, options: BagOptions) -> Topic:
    """Return the topic to lift.

    Raises:
        InputError: There is none, or several and the options name none of them.
    """
    if options.image_topic and options.keypoints_topic:
        raise InputError('image_topic and keypoints_topic are both given; expected one of them')
    if options.image_topic:
        return _named(bag, options.image_topic, 'image_topic', IMAGES)
    if options.keypoints_topic:
        return _named(bag, options.keypoints_topic, 'keypoints_topic', (messages.PEOPLE_2D,))
    found = _of_types(bag, (*IMAGES, messages.PEOPLE_2D))
    if not found:
        raise InputError(
            f'bag {bag.path} holds no Image, CompressedImage or People2D topic; '
            f'it holds {_listed(bag.topics.values())}'
        )
    if len(found) > 1:
        raise InputError(
            f'bag {bag.path} holds several topics that could be lifted: {_listed(found)}; '
            'name one with --image-topic or --keypoints-topic'
        )
    return found[0]


def lift_bag(
    source: Path,
    out: Path,
    lifter: PeopleLifter,
    detector: str = 'movenet_multipose',
    options: BagOptions | None = None,
    progress: Progress | None = None,
) -> BagReport:
    """Lift a bag into another bag, to the bit as the live nodes would.

    The new bag holds /skeletons, /camera_elevation and, when the source is an image topic,
    /keypoints, with stamps, frame ids and log times of the input.

    Args:
        source: Bag to read.
        out: Bag to write; it must not exist yet.
        lifter: Fresh, or it remembers people of another recording.
        detector: Name of the 2D detector; it is loaded when the source is an image topic.
        options: Topics and camera.
        progress: Wraps the messages (iterable, total) for a bar on the terminal.

    Raises:
        InputError: The bag cannot be read, its topics are ambiguous, the detector is missing,
            `out` exists, or not a single frame could be used.
    """
    options = options or BagOptions()
    check_new_bag(out)
    with BagReader(source) as bag:
        run = _Run(bag, lifter, options)
        if run.source.type in IMAGES:
            run.detector = make_detector(detector, options.detector)
        stored = bag.messages(run.topics())
        total = sum(bag.topics[name].count for name in run.topics())
        with writing_bag(out, options.storage) as writer:
            run.announce(writer)
            for message in progress(stored, total) if progress else stored:
                run.take(message, writer)
            if run.skipped == run.frames:
                reason = run.problem or f'topic {run.source.name} holds no message'
                raise InputError(f'bag {source}: no frame could be lifted: {reason}')
        return BagReport(
            source=run.source,
            frames=run.frames,
            skeletons=run.skeletons,
            skipped=run.skipped,
            problem=run.problem,
            is_calibrated=run.cameras.is_calibrated,
            is_cut_off=bag.is_cut_off,
        )


class _Cameras:
    """Which camera a frame was taken with: the rules of the live node, on the bag's clock."""

    def __init__(self, bag: BagReader, source: Topic, options: BagOptions) -> None:
        self.topic = _camera_info_topic(bag, source, options)
        self.is_calibrated = False
        self._options = options
        self._newest: Any = None
        self._read: tuple[Any, Camera | None] = (None, None)
        self._first: tuple[int, Any] | None = None
        if self.topic:
            message = next(iter(bag.messages([self.topic])), None)
            if message is not None:
                self._first = (message.log_time_ns, bag.decode(message))

    def update(self, message: Any) -> None:
        self._newest = message

    def camera_for(self, image_size: tuple[int, int], log_time_ns: int) -> Camera:
        width, height = image_size
        message = self._newest
        if message is None and self._first is not None:
            first_ns, first = self._first
            # The node holds its first frame until a CameraInfo comes, but not for ever.
            is_soon = (first_ns - log_time_ns) * 1e-9 <= self._options.camera_info_timeout_s
            message = first if is_soon else None
        if message is not self._read[0]:
            rectified = self._options.is_rectified
            is_known = message is not None and message.k[0] != 0
            self._read = (message, camera_from_message(message, rectified) if is_known else None)
        camera = self._read[1]
        self.is_calibrated = camera is not None
        if camera is not None:
            return camera_of_image(camera, width, height)
        if not width or not height:
            raise InputError(
                f'image size of the keypoints is {width}x{height} and there is no calibrated '
                'CameraInfo; expected one of the two'
            )
        return Camera.from_field_of_view(
            width, height, math.radians(self._options.horizontal_fov_deg)
        )


class _Run:
    """One pass over a bag."""

    def __init__(self, bag: BagReader, lifter: PeopleLifter, options: BagOptions) -> None:
        self.source = choose_source(bag, options)
        self.cameras = _Cameras(bag, self.source, options)
        self.detector: Detector | None = None
        self.frames = self.skeletons = self.skipped = 0
        self.problem = ''
        self._bag = bag
        self._lifter = lifter

    def topics(self) -> list[str]:
        return [self.source.name, *([self.cameras.topic] if self.cameras.topic else [])]

    def announce(self, writer: BagWriter) -> None:
        if self.detector is not None:
            writer.add_topic('/keypoints', messages.PEOPLE_2D)
        writer.add_topic('/skeletons', messages.SKELETONS_3D)
        writer.add_topic('/camera_elevation', messages.CAMERA_ELEVATION)

    def take(self, message: BagMessage, writer: BagWriter) -> None:
        if message.topic.name == self.cameras.topic:
            self.cameras.update(self._bag.decode(message))
            return
        self.frames += 1
        outputs: list[tuple[str, Any]] = []
        try:
            for output in self._lifted(message):
                outputs.append(output)  # what came before an error stays, as live
        except InputError as error:
            # As live: one bad frame costs one frame.
            self.skipped += 1
            self.problem = self.problem or str(error)
        # A disk that is full costs more than a frame.
        for topic, content in outputs:
            writer.write(topic, message.log_time_ns, content)

    def _lifted(self, message: BagMessage) -> Iterator[tuple[str, Any]]:
        frame = self._frame_of(message)
        if self.detector is not None:
            keypoints = messages.people_message(frame.people, frame.frame_id, frame.image_size)
            yield '/keypoints', keypoints
        camera = self.cameras.camera_for(frame.image_size, message.log_time_ns)
        result = self._lifter.lift(frame.people, camera)
        self.skeletons += len(result.skeletons)
        yield '/skeletons', messages.skeletons_message(result, frame.frame_id)
        yield (
            '/camera_elevation',
            messages.elevation_message(result.elevation, result.stamp_ns, frame.frame_id),
        )

    def _frame_of(self, message: BagMessage) -> _Frame:
        stored = self._bag.decode(message)
        frame_id = messages.frame_of(stored)
        if self.detector is None:
            size = (int(stored.image_width), int(stored.image_height))
            return _Frame(people_from_message(stored), frame_id, size)
        image_rgb = messages.image_from_message(stored, message.topic.type)
        found = tuple(Person2D('', *person) for person in self.detector.detect(image_rgb))
        people = People2D(messages.stamp_ns_of(stored), self.detector.layout, found)
        return _Frame(people, frame_id, (image_rgb.shape[1], image_rgb.shape[0]))


def _camera_info_topic(bag: BagReader, source: Topic, options: BagOptions) -> str:
    """Return the CameraInfo of a source: the named one, its sibling, or the only one; or ''."""
    if options.camera_info_topic:
        wanted = (messages.CAMERA_INFO,)
        return _named(bag, options.camera_info_topic, 'camera_info_topic', wanted).name
    found = _of_types(bag, (messages.CAMERA_INFO,))
    base = source.name.removesuffix('/compressed').rpartition('/')[0]
    if any(topic.name == f'{base}/camera_info' for topic in found):
        return f'{base}/camera_info'
    if len(found) > 1:
        raise InputError(
            f'bag {bag.path} holds several CameraInfo topics: {_listed(found)}; '
            'name one with --camera-info-topic'
        )
    return found[0].name if found else ''


def _named(bag: BagReader, name: str, option: str, types: tuple[str, ...]) -> Topic:
    topic = bag.topics.get(name)
    if topic is None or topic.type not in types:
        candidates = _listed(_of_types(bag, types)) or 'none'
        raise InputError(
            f'{option} is {name!r}; bag {bag.path} holds these of type '
            f'{" or ".join(types)}: {candidates}'
        )
    return topic


def _of_types(bag: BagReader, types: tuple[str, ...]) -> list[Topic]:
    return [topic for topic in bag.topics.values() if topic.type in types and topic.count]


def _listed(topics: Iterable[Topic]) -> str:
    return ', '.join(f'{topic.name} ({topic.type})' for topic in topics)
