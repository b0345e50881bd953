# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What hostile input did before it was refused; each test is named after the symptom."""

import hashlib
import io
import json
import os
import resource
import shutil
import sqlite3
import struct
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.bags import BagReader
from elepose_core.bags.limits import check_data_file
from elepose_core.bundle import open_bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.files import read_bounded
from elepose_core.geometry.camera import Camera
from elepose_core.images import rgb_from_compressed, rgb_from_raw
from elepose_core.offline.keypoint_files import read_coco
from elepose_core.offline.poses import lifted
from elepose_core.offline.results import frames_from_poses
from elepose_core.runtime.backends.interface import Graph
from elepose_core.runtime.depth import DepthImage
from elepose_core.runtime.lifting import LiftingOptions
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import h36m_from

CORPUS = Path(__file__).parent / 'corpus'
K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
GIGABYTE = 1 << 30


@pytest.fixture(autouse=True)
def memory_is_not_spent() -> Iterator[None]:
    """Fail when a test touched more than a little memory, whatever it was told."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    assert grown_mb < 150, f'{grown_mb:.0f} MB were spent'


# --- images


def chunk(name: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(name + data)
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', crc)


def header(width: int, height: int) -> bytes:
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))


def test_second_png_header_hides_the_size_that_the_decoder_takes() -> None:
    rows = chunk(b'IDAT', zlib.compress(bytes(100)))
    png = b'\x89PNG\r\n\x1a\n' + header(30_000, 30_000) + rows + header(3, 3) + chunk(b'IEND', b'')
    with pytest.raises(InputError, match='image is 30000x30000 pixels; expected at most 64 mega'):
        rgb_from_compressed(png)


def test_progressive_jpeg_with_a_thousand_scans_takes_minutes() -> None:
    jpeg = (CORPUS / 'image_progressive.jpeg').read_bytes()
    place = jpeg.rindex(b'\xff\xda')
    many = jpeg[:place] + jpeg[place:-2] * 1000 + jpeg[-2:]
    with pytest.raises(InputError, match=r'JPEG image has 10\d\d scans; expected at most 32'):
        rgb_from_compressed(many)
    assert rgb_from_compressed(jpeg).shape == (30, 40, 3)


def test_compressed_image_of_any_size_is_copied() -> None:
    # 190 MiB that nobody wrote to; a copy would have to.
    with pytest.raises(InputError, match='compressed image has 199229440 bytes; expected at most'):
        rgb_from_compressed(np.empty(190 << 20, np.uint8))


def test_megabyte_of_encoding_comes_back_in_the_sentence() -> None:
    with pytest.raises(InputError, match='1000000 long') as caught:
        rgb_from_raw(b'', 1, 1, 1, 'x' * 1_000_000)
    assert len(str(caught.value)) < 800


# --- cameras


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({(2, 2): 0.0}, 'expected 0 and 0, 0, 1'),  # no inverse: every frame failed
        ({(1, 0): 500.0}, 'at the start of its second row'),
        ({(0, 0): 1e-300}, r'focal lengths are 1e-300 and 600 px; expected 0\.001\.\.1e\+07'),
        ({(0, 2): -1e300}, 'camera matrix reaches 1e.300 px'),
    ],
)
def test_camera_matrix_that_cannot_be_inverted_fails_in_every_frame(
    changes: dict[tuple[int, int], float], sentence: str
) -> None:
    matrix = K.copy()
    for place, value in changes.items():
        matrix[place] = value
    with pytest.raises(InputError, match=sentence):
        Camera(matrix, 640, 480)


def test_camera_of_any_size_and_any_distortion_is_taken() -> None:
    with pytest.raises(InputError, match=r'image is 2147483648x1 pixels; expected 0\.\.65535'):
        Camera(K, 2**31, 1)
    with pytest.raises(InputError, match=r'expected finite coefficients up to 1e\+06'):
        Camera(K, 640, 480, 'plumb_bob', (1e300, 0, 0, 0))


# --- pose sets


def npz(path: Path, **members: bytes) -> Path:
    """Add members to the pose set of the corpus."""
    shutil.copy(CORPUS / 'pose_set.npz', path)
    with zipfile.ZipFile(path, 'a', zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        PoseSet.load(path)
    return str(caught.value)


def test_pose_set_of_kilobytes_unpacks_to_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / 'bomb.npz'
    npz(path, **{'zeros.npy': npy(np.zeros(1 << 25, np.uint8))})
    assert path.stat().st_size < 50_000
    assert 'unpack to 335' in refused(path)


def test_header_of_a_small_array_reserves_terabytes(tmp_path: Path) -> None:
    lie = npy(np.zeros((6, 17, 2))).replace(b'(6, 17, 2)', b'(9999999999, 17, 2)')
    path = npz(tmp_path / 'lie.npz', **{'own.npy': lie})
    assert "'own.npy' says that it has 2719999999728 bytes; it has fewer" in refused(path)


def test_pose_set_with_a_key_twice_or_without_an_array(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match='Duplicate name'):
        twice = npz(tmp_path / 'twice.npz', **{'fps.npy': npy(30.0)})
    assert 'expected different ones' in refused(twice)
    assert "it holds 'readme.txt'; expected names that end" in refused(
        npz(tmp_path / 'text.npz', **{'readme.txt': b'text'})
    )


def test_pickled_object_in_a_pose_set_is_not_made(tmp_path: Path) -> None:
    said = refused(npz(tmp_path / 'object.npz', **{'own.npy': npy(np.array([{}], object))}))
    assert 'not a readable npz file of plain arrays' in said


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'subject': np.array([b'\xff', b'a'])}, r'subject is \|S1; expected text'),
        ({'clip_index': np.full(6, 2**63, np.uint64)}, 'clip_index has 9223372036854775808'),
        ({'image_size': np.array([2**40, 480])}, 'image_size has 1099511627776; expected'),
        ({'keypoints_px': np.full((6, 17, 2), 1e30)}, r'keypoints_px reaches 1e\+30; expected'),
        ({'camera_matrix': K * 1e-300}, 'focal length that is not in'),
        ({'camera_matrix': K * [[1], [1], [0]]}, 'camera_matrix 0 is no K; expected rows'),
        ({'fps': np.zeros((2, 2))}, r'fps is \[\[0\. 0\.\] \[0\. 0\.\]\]; expected one number'),
    ],
)
def test_values_beyond_all_bounds_wrap_round_or_overflow(
    changes: dict[str, Any], sentence: str
) -> None:
    with np.load(CORPUS / 'pose_set.npz') as archive:
        arrays = {**archive, **changes}
    with pytest.raises(InputError, match=sentence) as caught:
        PoseSet.from_arrays(arrays, 'poses.npz')
    assert '\n' not in str(caught.value)


def test_pose_set_with_a_camera_for_each_pose_takes_for_ever(tmp_path: Path) -> None:
    number = 20_000
    poses = PoseSet.from_arrays(
        {
            'keypoints_px': np.random.default_rng(0).uniform(0, 480, (number, 17, 2)),
            'camera_matrix': np.tile(K, (number, 1, 1)),
            'camera_index': np.arange(number),
            'image_size': np.array([640, 480]),
            'clip_index': np.arange(number),
            'frame_index': np.zeros(number, np.int64),
            'fps': np.array(30.0),
        },
        'poses.npz',
    )
    begin_s = time.process_time()
    found = lifted(poses, Predictor(CORPUS / 'bundle.elepose'), LiftingOptions())
    # One camera after the other took a minute.
    assert time.process_time() - begin_s < 10
    assert np.isfinite(found.extra['lifted_root_cam_m']).all()


def test_frames_far_apart_overflow_their_stamps(tmp_path: Path) -> None:
    with np.load(CORPUS / 'pose_set.npz') as archive:
        arrays = {**archive, 'frame_index': np.array([0, 1, 2**52] * 2)}
    PoseSet.from_arrays(arrays, 'poses.npz').save(tmp_path / 'poses.npz')
    with pytest.raises(InputError, match=r'the last frame is at .* s; expected at most 2\.14748e'):
        frames_from_poses(tmp_path / 'poses.npz')
    with pytest.raises(InputError, match='fps is 1e-310; expected one number > 0'):
        PoseSet.from_arrays({**arrays, 'fps': np.array(1e-310)}, 'poses.npz')


def test_signalling_nan_makes_numpy_warn() -> None:
    signalling = np.full((6, 17, 2), np.uint32(0x7FA00000), np.uint32).view(np.float32)
    with np.load(CORPUS / 'pose_set.npz') as archive:
        poses = PoseSet.from_arrays({**archive, 'keypoints_px': signalling}, 'poses.npz')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert np.isnan(poses.rays).all()
        assert np.isnan(DepthImage(signalling[..., 0]).metres(np.zeros((1, 2)))).all()
        h36m_from(signalling, np.ones((6, 17)), 'h36m_17')


# --- pipes and folders in the place of files


@pytest.mark.parametrize(
    ('name', 'open_it'),
    [
        ('poses.npz', PoseSet.load),
        ('coco.json', lambda path: list(read_coco(path))),
        ('a.elepose/manifest.json', lambda path: open_bundle(path.parent)),
        ('a.mcap', BagReader),
        ('a.db3', BagReader),
        ('bag/metadata.yaml', lambda path: BagReader(path.parent)),
        ('bag/a.mcap', lambda path: BagReader(path.parent)),
    ],
)
def test_pipe_or_folder_named_like_a_file_hangs_the_reader(
    name: str, open_it: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(InputError, match='regular file'):
        open_it(path)
    path.unlink()
    path.symlink_to('/dev/zero')
    with pytest.raises(InputError, match='regular file'):
        open_it(path)


def test_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / 'sparse'
    with path.open('wb') as file:
        file.truncate(4 * GIGABYTE)
    with pytest.raises(InputError, match='has 4294967296 bytes; expected at most 100'):
        read_bounded(path, 100)
    with pytest.raises(InputError, match='is no name of a file'):
        read_bounded(Path('a\0b'), 100)
    shutil.copytree(CORPUS / 'bundle.elepose', tmp_path / 'b.elepose')
    path.replace(tmp_path / 'b.elepose' / 'lifter.onnx')
    with pytest.raises(InputError, match='has 4294967296 bytes; expected at most 268435456'):
        open_bundle(tmp_path / 'b.elepose')


# --- bundles


def bundle(folder: Path, graph: bytes | None = None, **changes: Any) -> Path:
    shutil.copytree(CORPUS / 'bundle.elepose', folder / 'b.elepose')
    path = folder / 'b.elepose' / 'manifest.json'
    tree = {**json.loads(path.read_text()), **changes}
    if graph is not None:
        (folder / 'b.elepose' / 'lifter.onnx').write_bytes(graph)
        tree['sha256'] = hashlib.sha256(graph).hexdigest()
    path.write_text(json.dumps(tree))
    return folder / 'b.elepose'


@pytest.mark.parametrize('error_deg', [None, 'four', [4.0], -1, 1e9, True])
def test_error_that_is_no_number_ends_the_node_after_loading(
    error_deg: Any, tmp_path: Path
) -> None:
    folder = bundle(tmp_path, metrics={'val': {'elevation_clip_mae_deg': error_deg}})
    with pytest.raises(InputError, match=r'elevation_clip_mae_deg of val is .*; expected 0\.\.90'):
        open_bundle(folder)


def test_graph_of_another_shape_loads_and_fails_in_every_frame(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx', reason='a foreign graph is made with onnx')
    model = onnx.load(CORPUS / 'bundle.elepose' / 'lifter.onnx')
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 18
    with pytest.raises(InputError, match=r'lifter\.onnx (does not run|cannot be loaded)'):
        Predictor(bundle(tmp_path, model.SerializeToString()))
    model = onnx.load(CORPUS / 'bundle.elepose' / 'lifter.onnx')
    model.graph.node[-1].input[2] = 'one_place'
    place = onnx.helper.make_tensor('one_place', onnx.TensorProto.INT64, [1], [3])
    model.graph.initializer.append(place)
    model.graph.output[4].type.tensor_type.shape.dim[1].dim_param = 'any'
    shutil.rmtree(tmp_path / 'b.elepose')
    with pytest.raises(
        InputError, match=r'output up_variance_estimate has shape \(2, 3\) for 2 people'
    ):
        Predictor(bundle(tmp_path, model.SerializeToString()))


def test_names_of_a_graph_that_are_no_text_end_the_node(tmp_path: Path) -> None:
    graph = (CORPUS / 'bundle.elepose' / 'lifter.onnx').read_bytes()
    with pytest.raises(InputError):
        Predictor(bundle(tmp_path, graph.replace(b'rays', b'ra\x9fs')))


def test_graph_that_is_exchanged_after_its_checksum_was_compared_is_loaded(tmp_path: Path) -> None:
    path = bundle(tmp_path) / 'lifter.onnx'
    graph = Graph(path, hashlib.sha256(path.read_bytes()).hexdigest(), {}, ())
    assert graph.read() == path.read_bytes()
    path.write_bytes(b'another one')
    with pytest.raises(InputError, match='has changed since it was opened'):
        graph.read()


def test_name_of_a_model_that_is_no_name_ends_with_a_trace() -> None:
    for wild in ('x' * 100_000, 'a\0b', '..', '*'):
        with pytest.raises(InputError, match='expected'):
            open_bundle(wild)
    with pytest.raises(InputError):
        open_bundle('/tmp/' + 'x' * 100_000)


# --- bags


def test_view_that_poses_as_a_table_never_ends(tmp_path: Path) -> None:
    path = tmp_path / 'bag.db3'
    shutil.copy(CORPUS / 'bag_sqlite3.db3', path)
    connection = sqlite3.connect(path)
    connection.execute('ALTER TABLE messages RENAME TO hidden')
    connection.execute(
        'CREATE VIEW messages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) '
        "SELECT i AS id, 1 AS topic_id, i AS timestamp, x'00010000' AS data FROM n"
    )
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="holds the view 'messages'; expected plain tables"):
        BagReader(path)


def test_column_that_computes_its_bytes_takes_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / 'bag.db3'
    shutil.copy(CORPUS / 'bag_sqlite3.db3', path)
    connection = sqlite3.connect(path)
    connection.executescript(
        'CREATE TABLE other(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, '
        'data BLOB GENERATED ALWAYS AS (zeroblob(300000000))); '
        'INSERT INTO other(id, topic_id, timestamp) SELECT id, topic_id, timestamp FROM messages; '
        'DROP TABLE messages; ALTER TABLE other RENAME TO messages'
    )
    connection.close()
    with pytest.raises(InputError, match=r"generated column 'messages.data'; expected plain"):
        BagReader(path)


def test_virtual_table_is_no_table_of_a_bag(tmp_path: Path) -> None:
    path = tmp_path / 'bag.db3'
    shutil.copy(CORPUS / 'bag_sqlite3.db3', path)
    connection = sqlite3.connect(path)
    connection.execute('CREATE VIRTUAL  TABLE sums USING rtree(id, low, high)')
    connection.close()
    with pytest.raises(InputError, match="holds the table 'sums'; expected plain tables"):
        BagReader(path)


def test_topic_of_a_bag_without_a_type_ends_with_a_trace(tmp_path: Path) -> None:
    path = tmp_path / 'bag.db3'
    shutil.copy(CORPUS / 'bag_sqlite3.db3', path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE topics SET type = x'ff'")
    connection.commit()
    connection.close()
    with pytest.raises(InputError):
        BagReader(path)


def with_chunk(compression: bytes, size: int, data: bytes) -> bytes:
    """Return the recording of the corpus with its one chunk exchanged."""
    mcap = (CORPUS / 'bag_mcap.mcap').read_bytes()
    place = 8
    while mcap[place] != 0x06:
        place += 9 + int.from_bytes(mcap[place + 1 : place + 9], 'little')
    end = place + 9 + int.from_bytes(mcap[place + 1 : place + 9], 'little')
    times = mcap[place + 9 : place + 25]
    body = times + struct.pack('<QII', size, 0, len(compression)) + compression
    body += struct.pack('<Q', len(data)) + data
    # Without the index at the end, as after a kill: then the chunks are walked through.
    return mcap[:place] + b'\x06' + struct.pack('<Q', len(body)) + body + mcap[end:-8]


@pytest.mark.parametrize('compression', ['zstd', 'lz4'])
@pytest.mark.parametrize('size', [100, GIGABYTE])
def test_chunk_of_kilobytes_unpacks_to_gigabytes(
    compression: str, size: int, tmp_path: Path
) -> None:
    # Four gigabytes of zeros, packed in parts so that the test itself does not need them.
    if compression == 'zstd':
        zstd = pytest.importorskip('backports.zstd', reason='in the library from Python 3.14 on')
        data = zstd.compress(bytes(1 << 20)) * 4096
    else:
        lz4 = pytest.importorskip('lz4.frame')
        data = lz4.compress(bytes(1 << 20)) * 256
    path = tmp_path / 'bag.mcap'
    path.write_bytes(with_chunk(compression.encode(), size, data))
    with pytest.raises(InputError):
        BagReader(path)


def test_data_file_that_was_packed_as_a_whole_fills_the_disk(tmp_path: Path) -> None:
    zstd = pytest.importorskip('backports.zstd', reason='in the library from Python 3.14 on')
    path = tmp_path / 'bag.db3.zstd'
    path.write_bytes(zstd.compress(bytes(1 << 20)) * 256)
    with pytest.raises(InputError, match='unpacks to more than 67108864 bytes'):
        check_data_file(path)
    path.write_bytes(zstd.compress((CORPUS / 'bag_sqlite3.db3').read_bytes()))
    check_data_file(path)
    path.write_bytes(b'no zstd at all')
    with pytest.raises(InputError, match='is no whole zstd file'):
        check_data_file(path)


def test_message_of_the_year_2500_ends_the_replay_with_a_trace(tmp_path: Path) -> None:
    path = tmp_path / 'bag.db3'
    shutil.copy(CORPUS / 'bag_sqlite3.db3', path)
    connection = sqlite3.connect(path)
    connection.execute('UPDATE messages SET timestamp = 1 << 62')
    connection.commit()
    connection.close()
    with (
        BagReader(path) as bag,
        pytest.raises(InputError, match='has log time 4611686018427387904'),
    ):
        list(bag.messages())


# --- keypoints of other tools


@pytest.mark.parametrize(
    ('person', 'image', 'sentence'),
    [
        ({'keypoints': [10**400] * 51}, {}, 'coco_17 needs 51 numbers'),
        ({'keypoints': [1e300] * 51}, {}, r'keypoints reach 1e\+300 px; expected at most 1e\+06'),
        ({'keypoints': [1] * 51}, {'width': float('inf')}, 'without id, width and height'),
        ({'keypoints': [1] * 51, 'image_id': [[]] * 10**5}, {}, 'image_id is'),
    ],
)
def test_numbers_of_a_keypoint_file_overflow(
    person: dict[str, Any], image: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / 'coco.json'
    images = [{'id': 1, 'width': 640, 'height': 480, **image}]
    path.write_text(json.dumps({'images': images, 'annotations': [{'image_id': 1, **person}]}))
    with pytest.raises(InputError, match=sentence) as caught:
        list(read_coco(path))
    assert len(str(caught.value)) < 1000
