# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Files as somebody may hand them over: pose sets, bundles, bags and keypoints of other tools.

They start from the good ones in `corpus/`. Bytes alone would mostly trip over a checksum, so the
checksums are put right again after many kinds of damage.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from elepose_core.bags import BagReader
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.offline import bag_messages as messages
from elepose_core.offline.keypoint_files import ImageSize, read_coco, read_openpose
from elepose_core.offline.poses import lifted
from elepose_core.offline.results import frames_from_poses
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.messages import camera_from_message, people_from_message
from elepose_core.runtime.predictor import Predictor
from fuzz.mutation import damaged_bytes, damaged_tree, wild_array, wild_int, wild_text
from fuzz.trial import Target

__all__ = ['FILES', 'KEYPOINT_FILES']

CORPUS = Path(__file__).parent / 'corpus'
BUNDLE = CORPUS / 'bundle.elepose'
_MEMORY = Path('/dev/shm')
Files = dict[str, bytes]


@functools.lru_cache(maxsize=1)
def _predictor() -> Predictor:
    """Return the small lifter: what is lifted here is not judged by its looks."""
    return Predictor(BUNDLE)


@functools.lru_cache
def _corpus(name: str) -> bytes:
    return (CORPUS / name).read_bytes()


@contextlib.contextmanager
def _folder(files: Files) -> Iterator[Path]:
    """Write files into a folder that goes away again."""
    where = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        for file, data in files.items():
            path = Path(name, file)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        yield Path(name)


# --- pose sets

_OPTIONAL = ('subject', 'action', 'joints_cam_m', 'elevation_rad', 'own_key', 'scores')


def _pose_set(random: Random) -> bytes:
    data = _corpus('pose_set.npz')
    if random.random() < 0.3:
        return damaged_bytes(random, data)
    arrays = dict(_arrays())
    for key in _OPTIONAL if random.random() < 0.5 else ():
        del arrays[key]
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        key = random.choice(list(arrays))
        what = random.random()
        if what < 0.1:
            del arrays[key]
        elif what < 0.2:
            arrays[wild_text(random)] = arrays[key]
        else:
            arrays[key] = wild_array(random, arrays[key])
    return _zipped(random, arrays)


@functools.lru_cache(maxsize=1)
def _arrays() -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(_corpus('pose_set.npz'))) as archive:
        return dict(archive)


def _zipped(random: Random, arrays: dict[str, np.ndarray]) -> bytes:
    """Return an npz whose checksums are right and whose headers sometimes lie."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', random.choice((0, zipfile.ZIP_DEFLATED))) as archive:
        for key, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=True)
            data = member.getvalue()
            if random.random() < 0.03:
                data = damaged_bytes(random, data)
            elif random.random() < 0.03:
                shape = (wild_int(random) + 2**40, 17, 2)
                data = data.replace(str(array.shape).encode(), str(shape).encode())
            # Neither a zip nor ZipFile has names with a zero byte or of more than 65535 bytes.
            archive.writestr(f'{key}.npy'.replace('\0', '_')[-60_000:], data)
        if random.random() < 0.02:
            archive.writestr('zeros.npy', bytes(random.choice((1 << 20, 1 << 25))))
    return out.getvalue()


def _take_pose_set(data: bytes) -> None:
    with _folder({'poses.npz': data}) as folder:
        poses = PoseSet.load(folder / 'poses.npz')
        rays = poses.rays
        assert rays.shape == (len(poses), 17, 2)
        assert not np.isinf(rays).any()
        if len(data) % 4:  # the rest takes ten times as long
            return
        poses.select(np.arange(len(poses))[::2]).save(folder / 'half.npz')
        assert len(PoseSet.load(folder / 'half.npz')) == (len(poses) + 1) // 2
        result = lifted(poses, _predictor(), LiftingOptions())
        for key, value in result.extra.items():
            if key.startswith('lifted_'):
                assert not np.isinf(value).any(), key
        result.save(folder / 'lifted.npz')
        if len(poses):
            frames_from_poses(folder / 'lifted.npz')


# --- bundles


def _bundle(random: Random) -> Files:
    graph, text = _corpus('bundle.elepose/lifter.onnx'), _corpus('bundle.elepose/manifest.json')
    files = {'lifter.onnx': graph, 'manifest.json': text}
    what = random.random()
    if what < 0.35:
        tree = json.loads(text)
        for _ in range(random.choice((1, 1, 2))):
            tree = damaged_tree(random, tree)
        files['manifest.json'] = _json(tree)
    elif what < 0.5:
        files['manifest.json'] = damaged_bytes(random, text)
    else:
        files['lifter.onnx'] = damaged_bytes(random, graph)
        if random.random() < 0.9:
            tree = json.loads(text)
            tree['sha256'] = hashlib.sha256(files['lifter.onnx']).hexdigest()
            files['manifest.json'] = _json(tree)
    if random.random() < 0.03:
        del files[random.choice(list(files))]
    return {f'b.elepose/{name}': data for name, data in files.items()}


def _json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def _take_bundle(files: Files) -> None:
    with _folder(files) as folder:
        bundle = folder / 'b.elepose'
        bundle.mkdir(exist_ok=True)
        predictor = Predictor(bundle)
        PeopleLifter(predictor)
        # As `~/load_model` tries a lifter out; what a graph computes is its author's.
        predictor.lift(np.zeros((2, 17, 2), np.float32), np.ones((2, 17), np.float32))


# --- bags


def _bag(random: Random, storage: str) -> Files:
    ending = 'mcap' if storage == 'mcap' else 'db3'
    data, text = _corpus(f'bag_{storage}.{ending}'), _corpus(f'bag_{storage}.yaml')
    what = random.random()
    if what < 0.06:
        return {'metadata.yaml': damaged_bytes(random, text), f'bag.{ending}': data}
    if what < 0.3:
        return _bag_of_damaged_messages(random, storage)
    if storage == 'mcap' and what < 0.9:
        data = _without_checksum(data)
    return {f'bag.{ending}': damaged_bytes(random, data)}


def _without_checksum(data: bytes) -> bytes:
    """Return an MCAP file whose chunk has no checksum, so that damage inside is believed."""
    if not data.startswith(b'\x89MCAP'):
        return data
    place = 8
    while place + 9 < len(data):
        length = int.from_bytes(data[place + 1 : place + 9], 'little')
        if data[place] == 0x06:
            return data[: place + 33] + bytes(4) + data[place + 37 :]
        place += 9 + length
    return data


@functools.lru_cache
def _stored(storage: str) -> list[bytes]:
    ending = 'mcap' if storage == 'mcap' else 'db3'
    with BagReader(CORPUS / f'bag_{storage}.{ending}') as bag:
        return [message.data for message in bag.messages()]


def _bag_of_damaged_messages(random: Random, storage: str) -> Files:
    ending = 'mcap' if storage == 'mcap' else 'db3'
    file = _without_checksum(_corpus(f'bag_{storage}.{ending}'))
    for data in random.sample(_stored(storage), random.choice((1, 2, 6))):
        # In place, so that everything round it still fits.
        damaged = data[:4] + damaged_bytes(random, data[4:])
        file = file.replace(data, damaged[: len(data)].ljust(len(data), b'\0'))
    return {f'bag.{ending}': file}


def _take_bag(files: Files) -> None:
    with _folder(files) as folder:
        paths = list(folder.iterdir())
        problem = None
        with BagReader(folder if len(paths) > 1 else paths[0]) as bag:
            for message in bag.messages():
                # As `elepose lift` does: one bad message costs one message.
                try:
                    _use(message.topic.type, bag.decode(message))
                except InputError as error:
                    problem = error
        if problem is not None:
            raise problem


def _use(kind: str, message: Any) -> None:
    if kind == messages.CAMERA_INFO:
        camera_from_message(message, False)
    elif kind == messages.PEOPLE_2D:
        people = people_from_message(message)
        messages.people_message(people, messages.frame_of(message), (640, 480))
    elif kind in (messages.IMAGE, messages.COMPRESSED_IMAGE):
        assert messages.image_from_message(message, kind).dtype == np.uint8


# --- keypoints of other tools


def _keypoint_json(random: Random, name: str) -> bytes:
    data = _corpus(name)
    if random.random() < 0.25:
        return damaged_bytes(random, data)
    tree = json.loads(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        tree = damaged_tree(random, tree)
    if random.random() < 0.01:
        return b'[' * 100_000
    return _json(tree)


def _take_coco(data: bytes) -> None:
    with _folder({'coco.json': data}) as folder:
        _check_poses(read_coco(folder / 'coco.json'))


def _take_openpose(data: bytes) -> None:
    with _folder({'000_keypoints.json': data}) as folder:
        _check_poses(read_openpose(folder, ImageSize(640, 480)))


def _check_poses(poses: Iterator[Any]) -> None:
    for pose in poses:
        assert pose.keypoints_px.shape == (17, 2)
        assert not np.isinf(pose.keypoints_px).any()
        assert ((pose.scores >= 0) & (pose.scores <= 1)).all()


FILES = {
    target.name: target
    for target in (
        Target('PoseSet', _pose_set, _take_pose_set),
        Target('bundle', _bundle, _take_bundle),
        Target('bag_mcap', lambda random: _bag(random, 'mcap'), _take_bag),
        Target('bag_sqlite3', lambda random: _bag(random, 'sqlite3'), _take_bag),
    )
}
KEYPOINT_FILES = {
    target.name: target
    for target in (
        Target('coco_json', lambda random: _keypoint_json(random, 'coco.json'), _take_coco),
        Target(
            'openpose_json', lambda random: _keypoint_json(random, 'openpose.json'), _take_openpose
        ),
    )
}
