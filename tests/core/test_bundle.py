# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle opens only when it is whole; each fault is one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elepose_core.bundle import SCHEMA_VERSION, Bundle, Manifest, open_bundle, write_bundle
from elepose_core.errors import InputError
from elepose_core.files import sha256_of

ManifestOf = Callable[..., Manifest]


@pytest.fixture
def bundle(tmp_path: Path, manifest_of: ManifestOf) -> Bundle:
    """Return a bundle whose graph nobody loads: opening does not look inside."""
    return write_bundle(
        tmp_path / 'b.elepose', manifest_of(), lambda path: path.write_bytes(b'graph') and None
    )


def _refused(model: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        open_bundle(model)
    sentence = str(caught.value)
    assert '\n' not in sentence
    return sentence


def _change(bundle: Bundle, **changes: Any) -> None:
    path = bundle.folder / 'manifest.json'
    tree = json.loads(path.read_text())
    tree = {k: v for k, v in {**tree, **changes}.items() if v is not None}
    path.write_text(json.dumps(tree))


def test_written_bundle_opens_with_what_was_said(bundle: Bundle) -> None:
    opened = open_bundle(bundle.folder)
    assert opened == bundle
    assert opened.manifest.method == 'untrained'
    assert opened.manifest.sha256 == sha256_of(bundle.onnx_path)
    assert opened.manifest.metrics['generated']['elevation_clip_mae_deg'] == 4.0
    assert sorted(p.name for p in bundle.folder.iterdir()) == ['lifter.onnx', 'manifest.json']
    assert open_bundle(str(bundle.folder)) == bundle


def test_bundle_of_single_frames_is_written_for_older_nodes_too(bundle: Bundle) -> None:
    tree = json.loads((bundle.folder / 'manifest.json').read_text())
    assert tree['schema_version'] == 2
    assert {'frames', 'fps', 'body'}.isdisjoint(tree)
    opened = open_bundle(bundle.folder).manifest
    assert (opened.frames, opened.body) == (1, None)


@pytest.mark.parametrize('said', [{'frames': 9, 'fps': 25.0}, {'body': 'seventeen'}])
def test_what_is_new_is_written_in_the_new_schema(
    said: dict[str, Any], tmp_path: Path, manifest_of: ManifestOf
) -> None:
    write_bundle(
        tmp_path / 'b.elepose', manifest_of(**said), lambda p: p.write_bytes(b'g') and None
    )
    opened = open_bundle(tmp_path / 'b.elepose').manifest
    assert opened.schema_version == SCHEMA_VERSION == 3
    assert {name: getattr(opened, name) for name in said} == said


def test_damaged_graph_is_refused(bundle: Bundle) -> None:
    bundle.onnx_path.write_bytes(b'grapf')
    sentence = _refused(bundle.folder)
    assert 'lifter.onnx has sha256' in sentence
    assert 'the file was damaged or exchanged' in sentence


def test_missing_graph_is_refused(bundle: Bundle) -> None:
    bundle.onnx_path.unlink()
    assert 'lifter.onnx does not exist; the bundle is incomplete' in _refused(bundle.folder)


def test_other_schema_is_refused(bundle: Bundle) -> None:
    _change(bundle, schema_version=SCHEMA_VERSION + 1)
    assert f'schema_version is {SCHEMA_VERSION + 1}; expected 2 or {SCHEMA_VERSION}' in _refused(
        bundle.folder
    )
    _change(bundle, schema_version=None)
    assert 'schema_version is None' in _refused(bundle.folder)


@pytest.mark.parametrize(
    ('changes', 'part'),
    [
        ({'sha256': 'abc'}, 'sha256 is wrong'),
        ({'method': None}, 'method is wrong: Field required'),
        ({'opset': 3}, 'opset is wrong'),
        ({'colour': 'red'}, 'colour is wrong'),
        ({'input_names': 'rays'}, 'input_names is wrong'),
        ({'metrics': {'val': 3}}, 'metrics.val is wrong'),
        ({'schema_version': 3, 'frames': 257}, 'frames is wrong'),
        ({'schema_version': 3, 'frames': 0}, 'frames is wrong'),
        ({'schema_version': 3, 'fps': 0}, 'fps is wrong'),
        ({'schema_version': 3, 'body': '../etc'}, 'body is wrong'),
        ({'schema_version': 2, 'frames': 9}, 'frames, fps need schema_version 3'),
        ({'schema_version': 2, 'body': 'seventeen'}, 'body need schema_version 3'),
    ],
)
def test_wrong_manifest_names_the_field(
    changes: dict[str, Any], part: str, bundle: Bundle
) -> None:
    _change(bundle, **changes)
    sentence = _refused(bundle.folder)
    assert part in sentence
    assert 'manifest.json' in sentence


@pytest.mark.parametrize('content', [b'', b'{', b'[]', b'3', b'\xff\xfe', b'[' * 100_000])
def test_manifest_that_is_no_json_object_is_refused(content: bytes, bundle: Bundle) -> None:
    (bundle.folder / 'manifest.json').write_bytes(content)
    assert 'manifest.json' in _refused(bundle.folder)


def test_unknown_name_lists_what_is_shipped() -> None:
    assert "model is 'defualt'; expected a shipped bundle (" in _refused('defualt')


def test_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    assert 'no.elepose does not exist; expected a bundle' in _refused(tmp_path / 'no.elepose')
    (tmp_path / 'empty.elepose').mkdir()
    said = _refused(tmp_path / 'empty.elepose')
    assert 'manifest.json cannot be read; expected a bundle' in said
    (tmp_path / 'file.elepose').write_text('')
    assert 'expected a bundle folder' in _refused(tmp_path / 'file.elepose')
    assert 'expected a bundle folder' in _refused(f'{tmp_path}/anything')


def test_name_without_the_suffix_is_refused(tmp_path: Path, manifest_of: ManifestOf) -> None:
    with pytest.raises(InputError, match=r'expected a folder name that ends in \.elepose'):
        write_bundle(tmp_path / 'b', manifest_of(), lambda path: None)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_bundle(bundle: Bundle, manifest_of: ManifestOf) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b'half')
        raise RuntimeError('disk full')

    with pytest.raises(RuntimeError, match='disk full'):
        write_bundle(bundle.folder, manifest_of(), fail)
    assert open_bundle(bundle.folder) == bundle
    assert [p.name for p in bundle.folder.parent.iterdir()] == ['b.elepose']


def test_bundle_can_be_moved(bundle: Bundle, tmp_path: Path) -> None:
    moved = tmp_path / 'elsewhere' / 'c.elepose'
    shutil.copytree(bundle.folder, moved)
    assert open_bundle(moved).manifest == bundle.manifest
