# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`~/load_model` attacked: what is exchanged between the check and the loading, and wild names."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from elepose_core.bundle import open_bundle
from elepose_core.errors import InputError
from elepose_ros.model_service import allowed_bundle, ready_predictor
from elepose_ros.parameters import Parameters
from elepose_ros.replay import restamped

CORPUS = Path(__file__).parent / 'corpus'
FILES = ('manifest.json', 'lifter.onnx')


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a folder with a good bundle; beside it lies one that nobody may load."""
    for name in ('models/mine', 'secret'):
        shutil.copytree(CORPUS / 'bundle.elepose', tmp_path / f'{name}.elepose')
    return tmp_path / 'models'


def load(models: Path, between: Callable[[Path], None]) -> None:
    """Load as the service does, and do something after its check."""
    bundle = allowed_bundle('mine.elepose', str(models))
    between(Path(bundle))
    ready_predictor(Parameters(device='cpu'), bundle, 'cpu')


def test_a_good_bundle_loads(models: Path) -> None:
    load(models, lambda _: None)


@pytest.mark.parametrize('file', FILES)
@pytest.mark.parametrize('kind', ['pipe', '/dev/zero', '/dev/stdin', 'folder', 'gone'])
def test_file_that_becomes_something_else_after_the_check_is_refused(
    models: Path, file: str, kind: str
) -> None:
    def exchange(bundle: Path) -> None:
        path = bundle / file
        path.unlink()
        if kind == 'pipe':
            os.mkfifo(path)
        elif kind == 'folder':
            path.mkdir()
        elif kind != 'gone':
            path.symlink_to(kind)

    with pytest.raises(InputError):
        load(models, exchange)


def test_graph_that_is_exchanged_after_the_check_is_refused_by_its_checksum(models: Path) -> None:
    def exchange(bundle: Path) -> None:
        graph = bundle / 'lifter.onnx'
        graph.write_bytes(graph.read_bytes() + b'\0')

    with pytest.raises(InputError, match='the file was damaged or exchanged'):
        load(models, exchange)


@pytest.mark.parametrize('file', FILES)
@pytest.mark.parametrize('target', ['/dev/zero', '/dev/stdin', '/proc/self/environ', 'pipe'])
def test_device_or_pipe_in_a_bundle_is_refused_by_the_check(
    models: Path, file: str, target: str
) -> None:
    path = models / 'mine.elepose' / file
    path.unlink()
    if target == 'pipe':
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(InputError, match=r'leads out of|is no file'):
        allowed_bundle('mine.elepose', str(models))


def test_manifest_that_names_another_graph_reaches_nothing(models: Path) -> None:
    path = models / 'mine.elepose' / 'manifest.json'
    tree = json.loads(path.read_text())
    for key, value in {'graph': '../../secret.elepose/lifter.onnx', 'onnx': '/etc/passwd'}.items():
        path.write_text(json.dumps({**tree, key: value}))
        with pytest.raises(InputError, match=f'{key} is wrong: Extra inputs are not permitted'):
            load(models, lambda _: None)


PARTS = st.sampled_from(
    ['..', '.', '', 'mine.elepose', 'secret.elepose', '~', 'models', '\0', 'x' * 300, 'é', '*']
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(parts=st.lists(PARTS, min_size=1, max_size=6), is_absolute=st.booleans())
def test_no_name_leads_out_of_the_folders(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], is_absolute: bool
) -> None:
    root = tmp_path_factory.getbasetemp() / 'names'
    folder = root / 'models'
    for name in ('models/mine', 'secret'):
        if not (root / f'{name}.elepose').exists():
            shutil.copytree(CORPUS / 'bundle.elepose', root / f'{name}.elepose')
    name = '/'.join([*([str(root)] if is_absolute else []), *parts])
    with contextlib.suppress(InputError):
        found = allowed_bundle(name, str(folder))
        if '/' not in str(found):  # the name of a shipped model, of which there is none such
            with pytest.raises(InputError, match='expected a shipped bundle'):
                open_bundle(found)
        else:
            assert found == folder / 'mine.elepose'


@pytest.mark.parametrize('data', [b'', b'\0', b'\0\1\0\0', bytes(11)])
def test_message_without_a_header_ends_the_replay_with_a_trace(data: bytes) -> None:
    with pytest.raises(InputError, match='bytes; expected a header at its beginning'):
        restamped(data, 1)
