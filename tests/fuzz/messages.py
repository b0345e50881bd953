# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Messages as anybody on the network may send them, all the way through conversions and lifter.

Half of them are message objects with wild fields, half the bytes of good ones, damaged and read
again by the middleware.
"""

import contextlib
import dataclasses
import functools
import importlib
import math
import warnings
import zlib
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, rays_from_pixels
from elepose_core.images import ENCODINGS
from elepose_core.runtime.depth import DepthImage
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.messages import camera_from_message, people_from_message
from elepose_core.runtime.people import LEAST_HEIGHT_M, People2D, Skeletons3D, Surroundings
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import LAYOUTS
from elepose_ros import interfaces
from elepose_ros.adapters.yolo import people_from_detections
from elepose_ros.conversions import message_from_elevation, message_from_people, rgb_from_message
from elepose_ros.depth_input import depth_from_message
from elepose_ros.markers import markers_from_skeletons
from elepose_ros.skeleton_message import message_from_skeletons
from elepose_ros.tf import level_transform
from fuzz.mutation import damaged_bytes, wild_float, wild_int, wild_text
from fuzz.trial import Target, UnreadableError

__all__ = ['MESSAGES', 'check_lifted']

with warnings.catch_warnings():
    # What stands behind the type support still imports a module that Python has renamed.
    warnings.simplefilter('ignore', DeprecationWarning)
    importlib.import_module('rosidl_generator_py')

CORPUS = Path(__file__).parent / 'corpus'
K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
CAMERAS = (
    Camera.from_field_of_view(640, 480, 1.0),
    Camera(K, 640, 480, 'plumb_bob', (-0.4, 0.2, 0.01, 0.01, 0.5)),
    Camera(K, 640, 480, 'rational_polynomial', (0.3, -0.1, 0, 0, 0, 0.4, -0.2, 0.1)),
    Camera(K, 640, 480, 'equidistant', (0.1, -0.05, 0.01, 0.0)),
    Camera(K * [[1e4], [1e4], [1]], 65_535, 1),
    Camera(np.diag([1e-3, 1e7, 1.0]), 0, 0),
)
_HOLES = np.array([[0.0, np.nan, 1e-30, 3e38], [-1.0, np.inf, 2.0, 3.5]], np.float32)
SURROUNDINGS = (
    Surroundings(),
    Surroundings(camera_height_m=1.2),
    Surroundings(camera_height_m=LEAST_HEIGHT_M, camera_height_deviation_m=1e-9),
    Surroundings(depth=DepthImage(np.full((48, 64), 2500, np.uint16))),
    Surroundings(1.2, 0.03, DepthImage(np.tile(_HOLES, (24, 16)))),
)
_FRAME_NS = 33_000_000


@functools.lru_cache(maxsize=1)
def predictor() -> Predictor:
    return Predictor()


def check_lifted(result: Skeletons3D, people: People2D) -> None:
    """Check what is promised of every frame that is lifted, whatever the keypoints were."""
    assert len(result.skeletons) == len(result.sources) <= len(people.people)
    for skeleton in result.skeletons:
        seen = skeleton.scores > 0
        assert ((skeleton.scores >= 0) & (skeleton.scores <= 1)).all()
        assert np.isfinite(skeleton.joints_cam_m[seen]).all(), 'a joint that was seen is unknown'
        assert np.isnan(skeleton.joints_cam_m[~seen]).all(), 'a guess looks like a measurement'
        assert np.isfinite(skeleton.sigma_m[seen]).all()
        assert np.isnan(skeleton.sigma_m[~seen]).all()
        assert np.isfinite(skeleton.root_cam_m).all()
        covariance = skeleton.root_covariance_m2
        assert np.isfinite(covariance).all()
        np.testing.assert_allclose(covariance, covariance.T, rtol=1e-9, atol=1e-12)
        eigenvalues = np.linalg.eigvalsh(covariance)
        assert eigenvalues[0] >= -1e-9 * max(eigenvalues[-1], 1), 'covariance is not one'
        assert 0 <= skeleton.plausibility <= 1
    elevation = result.elevation
    if elevation is not None:
        assert abs(np.linalg.norm(elevation.up_cam) - 1) < 1e-6, 'up is no direction'
        assert abs(elevation.elevation_rad) <= math.pi / 2
        assert abs(elevation.roll_rad) <= math.pi
        assert 0 <= elevation.elevation_variance < math.inf
        assert 0 <= elevation.roll_variance < math.inf


def _header(random: Random) -> Header:
    header = Header(frame_id=wild_text(random) if random.random() < 0.2 else 'camera')
    if random.random() < 0.2:
        sec = random.choice((-(2**31), -1, 0, 2**31 - 1, random.randrange(2**31)))
        header.stamp = Time(sec=sec, nanosec=wild_int(random))
    return header


def _floats(random: Random, count: int, wild: float) -> list[float]:
    """Return numbers that fit float32; `wild` of them are odd."""
    values = []
    for _ in range(count):
        value = wild_float(random) if random.random() < wild else random.uniform(0, 640)
        values.append(value if not math.isfinite(value) or abs(value) < 3.4e38 else math.inf)
    return values


def _people(random: Random) -> Any:
    layout = random.choice(list(LAYOUTS)) if random.random() < 0.9 else wild_text(random)
    joints = len(LAYOUTS.get(layout, LAYOUTS['coco_17']))
    message = interfaces.People2D(header=_header(random), layout=layout)
    message.image_width, message.image_height = 640, 480
    if random.random() < 0.1:
        message.image_width, message.image_height = wild_int(random), wild_int(random)
    number = random.choice((0, 1, 1, 1, 2, 2, 3, 5, 20))
    if random.random() < 0.005:
        number = random.choice((300, 301, 10_000))
    wild = random.choice((0.0, 0.0, 0.0, 0.02, 0.5))
    for person in range(min(number, 20)):
        count = joints if random.random() < 0.97 else wild_int(random, 2000)
        one = interfaces.Person2D(id=f'{person}' if random.random() < 0.9 else wild_text(random))
        one.x, one.y = _floats(random, count, wild), _floats(random, joints, wild)
        one.score = [
            random.random() if random.random() > wild else wild_float(random) % 9e37
            for _ in range(joints)
        ]
        if random.random() < 0.2:
            _bend(random, one)
        message.people.append(one)
    if number > 20 and message.people:
        message.people = [message.people[0]] * number
    return message


def _bend(random: Random, person: Any) -> None:
    """Make a degenerate person: on one spot, on a line, tiny, at the edge of what is allowed."""
    spot = random.choice((0.0, 320.0, 1e6, -1e6, 1e-30))
    step = random.choice((0.0, 0.0, 1e-3, 1.0, 1e4))
    person.x = [min(spot + step * i, 1e6) for i in range(len(person.x))]
    if random.random() < 0.5:
        person.y = [spot] * len(person.y)


def _take_people(message: Any) -> None:
    people = people_from_message(message)
    for person in people.people:
        assert person.keypoints_px.dtype == person.scores.dtype == np.float32
    camera = CAMERAS[hash_of(message) % len(CAMERAS)]
    if message.image_width != 640:
        camera = Camera.from_field_of_view(message.image_width, message.image_height, 1.0)
    _lift(people, camera, message)


def _lift(people: People2D, camera: Camera, message: Any) -> None:
    """Lift two frames and write everything that a node publishes of them."""
    lifter = PeopleLifter(predictor(), LiftingOptions(min_keypoint_score=0.0))
    surroundings = SURROUNDINGS[hash_of(message) // len(CAMERAS) % len(SURROUNDINGS)]
    if surroundings.depth is not None and (camera.width, camera.height) != (640, 480):
        surroundings = Surroundings()
    for step in range(2):
        later = dataclasses.replace(people, stamp_ns=people.stamp_ns + step * _FRAME_NS)
        result = lifter.lift(later, camera, surroundings)
        check_lifted(result, people)
    written = deserialize_message(
        message_from_skeletons(result, message.header), interfaces.Skeletons3D
    )
    assert len(written.skeletons) == len(result.skeletons)
    serialize_message(message_from_elevation(result.elevation, message.header))
    serialize_message(message_from_people(people, message.header, 640, 480))
    markers = deserialize_message(markers_from_skeletons(result, message.header, 0.7), MarkerArray)
    assert len(markers.markers) == 2 * len(result.skeletons)
    if result.elevation is not None:
        serialize_message(level_transform(result.elevation.up_cam, message.header))


def hash_of(message: Any) -> int:
    """Return a number that depends on the message alone, so that a trial can be repeated."""
    return zlib.crc32(str(message)[:300].encode('utf-8', 'replace'))


def _image(random: Random) -> Any:
    encoding = random.choice(ENCODINGS) if random.random() < 0.9 else wild_text(random)
    width, height = random.randrange(1, 20), random.randrange(1, 20)
    data = random.randbytes(width * height * 8 + random.randrange(3))
    message = Image(header=_header(random), encoding=encoding, data=data)
    message.width, message.height, message.step = width, height, width * random.choice((1, 3, 8))
    message.is_bigendian = random.choice((0, 1, 255))
    for field in ('width', 'height', 'step'):
        if random.random() < 0.1:
            setattr(message, field, wild_int(random))
    return message


def _take_image(message: Any) -> None:
    image = rgb_from_message(message)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    # Read every pixel: a view over too few bytes would show here.
    assert 0 <= int(image.sum(dtype=np.int64)) <= 255 * image.size


def _compressed(random: Random) -> Any:
    data = random.choice([path.read_bytes() for path in sorted(CORPUS.glob('image_*'))])
    if random.random() < 0.9:
        # The first hundred bytes hold the sizes and tables.
        head = damaged_bytes(random, data[:120]) if random.random() < 0.5 else data[:120]
        data = head + data[120:] if random.random() < 0.5 else damaged_bytes(random, data)
    if random.random() < 0.3:
        data = _mended(data)
    return CompressedImage(header=_header(random), format=wild_text(random), data=data)


def _mended(png: bytes) -> bytes:
    """Put the right checksums into a damaged PNG, so that its chunks are believed."""
    out, place = bytearray(png[:8]), 8
    while place + 12 <= len(png):
        length = int.from_bytes(png[place : place + 4], 'big')
        end = place + 8 + length
        body = png[place + 4 : end]
        out += png[place : place + 4] + body + zlib.crc32(body).to_bytes(4, 'big')
        place = end + 4
    return bytes(out)


def _camera_info(random: Random) -> Any:
    model = random.choice(
        ('plumb_bob', 'rational_polynomial', 'equidistant', '', wild_text(random))
    )
    message = CameraInfo(header=_header(random), distortion_model=model, width=640, height=480)
    count = random.choice((0, 4, 5, 8, 14))
    message.d = [random.uniform(-1, 1) for _ in range(count)]
    message.k = K.reshape(-1).tolist()
    message.p = np.hstack([K, np.zeros((3, 1))]).reshape(-1).tolist()
    for _ in range(random.choice((0, 1, 1, 3))):
        what = random.randrange(6)
        if what == 0 and count:
            message.d[random.randrange(count)] = wild_float(random)
        elif what == 1:
            message.k[random.randrange(9)] = wild_float(random)
        elif what == 2:
            message.p[random.randrange(12)] = wild_float(random)
        elif what == 3:
            message.width, message.height = wild_int(random), wild_int(random)
        elif what == 4:
            sides = {n: wild_int(random) for n in ('x_offset', 'y_offset', 'width', 'height')}
            message.roi = RegionOfInterest(**sides)
        else:
            message.binning_x, message.binning_y = wild_int(random), wild_int(random)
    if random.random() < 0.02:
        message.d = [0.1] * random.choice((15, 100_000))
    return message


def _take_camera_info(message: Any) -> None:
    points = np.array([[0, 0], [320, 240], [-1e6, 1e6], [np.nan, 5], [639, 479]])
    for rectified in (False, True):
        camera = camera_from_message(message, rectified)
        for width, height in ((0, 0), (640, 480), (1280, 960)):
            used = camera.scaled_to(width, height) if width and camera.width else camera
            rays = rays_from_pixels(points, used)
            assert not np.isinf(rays).any(), 'a pixel has an infinite ray'


def _depth(random: Random) -> Any:
    encoding = random.choice(('16UC1', 'mono16', '32FC1', wild_text(random)))
    width, height = random.randrange(1, 20), random.randrange(1, 20)
    data = random.randbytes(width * height * 4 + random.randrange(3))
    message = Image(header=_header(random), encoding=encoding, data=data)
    message.width, message.height, message.step = width, height, width * random.choice((2, 4))
    message.is_bigendian = random.choice((0, 1, 255))
    for field in ('width', 'height', 'step'):
        if random.random() < 0.1:
            setattr(message, field, wild_int(random))
    return message


def _take_depth(message: Any) -> None:
    depth = depth_from_message(message)
    points = np.array([[0.0, 0], [3, 2], [-1e6, 1e6], [np.nan, 1], [1e300, 0]])
    metres = depth.metres(points)
    assert metres.shape == (5,)
    assert not (metres <= 0).any()
    with contextlib.suppress(InputError):
        depth.check_size(640, 480)


def _detections(random: Random) -> Any:
    """Return what yolo_ros sends, whose package need not be here."""
    people = []
    for person in range(random.choice((0, 1, 1, 2))):
        points = [
            SimpleNamespace(
                id=random.randrange(1, 18) if random.random() < 0.98 else wild_int(random),
                point=SimpleNamespace(x=random.uniform(0, 640), y=random.uniform(0, 480)),
                score=random.random(),
            )
            for _ in range(random.choice((0, 5, 17, 17)))
        ]
        for point in points:
            if random.random() < 0.03:
                point.point.x, point.score = wild_float(random) % 9e37, wild_float(random) % 9e37
        name = str(person) if random.random() < 0.9 else wild_text(random)
        people.append(SimpleNamespace(id=name, keypoints=SimpleNamespace(data=points)))
    if random.random() < 0.02:
        people = people[:1] * 10_000
    return SimpleNamespace(header=_header(random), detections=people)


def _take_detections(message: Any) -> None:
    people = people_from_detections(message)
    if hash_of(message) % 4 == 0:
        _lift(people, CAMERAS[1], message)


def _read_again(random: Random, kind: Any, message: Any) -> Any:
    """Return the message as it is, or as the middleware reads its damaged bytes."""
    if random.random() < 0.5:
        return message
    data = serialize_message(message)
    head = 4 if random.random() < 0.95 else 0
    return kind, data[:head] + damaged_bytes(random, data[head:])


def _target(name: str, kind: Any, make: Any, take: Any) -> Target:
    def take_bytes_too(made: Any) -> None:
        if isinstance(made, bytes):
            made = (kind, made)
        if isinstance(made, tuple):
            try:
                made = deserialize_message(made[1], kind)
            except Exception as error:  # its classes are not public
                raise UnreadableError from error
        take(made)

    return Target(name, lambda random: _read_again(random, kind, make(random)), take_bytes_too)


MESSAGES = {
    target.name: target
    for target in (
        _target('People2D', interfaces.People2D, _people, _take_people),
        _target('Image', Image, _image, _take_image),
        _target('CompressedImage', CompressedImage, _compressed, _take_image),
        _target('CameraInfo', CameraInfo, _camera_info, _take_camera_info),
        _target('depth Image', Image, _depth, _take_depth),
        Target('yolo_msgs', _detections, _take_detections),
    )
}
