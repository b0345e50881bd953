# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the repository promises as a package: versions, executables, messages, notices."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

import elepose_core

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / 'scripts').iterdir())
# Field types and names in the order of the contract; comments and constants left out.
MESSAGES = {
    'Person2D': ['string id', 'float32[] x', 'float32[] y', 'float32[] score'],
    'People2D': [
        'std_msgs/Header header',
        'string layout',
        'uint32 image_width',
        'uint32 image_height',
        'elepose_ros/Person2D[] people',
    ],
    'Skeleton3D': [
        'string id',
        'float32[] x',
        'float32[] y',
        'float32[] z',
        'float32[] sigma',
        'float32[] score',
        'geometry_msgs/Point root',
        'float64[9] root_covariance',
        'uint8 scale_source',
        'float32 plausibility',
    ],
    'Skeletons3D': [
        'std_msgs/Header header',
        'string layout',
        'elepose_ros/Skeleton3D[] skeletons',
    ],
    'CameraElevation': [
        'std_msgs/Header header',
        'float64 elevation',
        'float64 roll',
        'float64 elevation_variance',
        'float64 roll_variance',
        'geometry_msgs/Vector3 up',
        'uint32 samples',
        'uint8 status',
    ],
}
CONSTANTS = {
    'Skeleton3D': {'UNKNOWN': '0', 'STATURE': '1', 'GROUND': '2', 'DEPTH': '3'},
    'CameraElevation': {'COLLECTING': '0', 'CONVERGED': '1', 'DISTURBED': '2'},
}


def statements(message: str) -> list[str]:
    """Return the lines of a message definition without comments."""
    text = (ROOT / 'msg' / f'{message}.msg').read_text()
    lines = (re.sub(r'\s+', ' ', line.partition('#')[0]).strip() for line in text.splitlines())
    return [line for line in lines if line]


def tracked_files() -> list[Path]:
    """Return the files that git knows, or skip where this is no clone."""
    if not (ROOT / '.git').exists():
        pytest.skip('this is no clone: which files are shipped is not known')
    listing = subprocess.run(
        ['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True, text=True
    )
    listed = (ROOT / name for name in listing.stdout.split('\0') if name)
    return [path for path in listed if path.is_file()]  # a deletion may not be committed yet


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestVersion:
    def test_package_xml_has_the_version_of_the_library(self) -> None:
        version = ElementTree.parse(ROOT / 'package.xml').findtext('version')
        assert version == elepose_core.__version__

    def test_pip_takes_the_version_from_the_library(self) -> None:
        text = (ROOT / 'pyproject.toml').read_text()
        assert 'version = { attr = "elepose_core.__version__" }' in text
        assert not re.search(r'^version = "', text, re.MULTILINE)
        assert 'version' not in (ROOT / 'setup.py').read_text()

    def test_the_pip_name_is_not_the_ros_name(self) -> None:
        # rosidl installs metadata named after the ROS package; pip would take it for its own.
        name = ElementTree.parse(ROOT / 'package.xml').findtext('name')
        assert name == 'elepose_ros'
        assert 'name = "elepose"' in (ROOT / 'pyproject.toml').read_text()

    def test_there_is_no_setup_cfg(self) -> None:
        assert not (ROOT / 'setup.cfg').exists(), 'ament copies it into the build of each package'


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
class TestExecutables:
    def test_it_is_executable_and_has_no_ending(self, script: Path) -> None:
        assert os.access(script, os.X_OK)
        assert script.suffix == ''
        assert script.read_text().startswith('#!/usr/bin/env python3\n')

    def test_its_module_has_a_main(self, script: Path) -> None:
        match = re.search(r"^raise SystemExit\(start\('(\w+)'\)\)$", script.read_text(), re.M)
        assert match is not None
        module = ROOT / 'elepose_ros' / f'{match[1]}.py'
        assert re.search(r'^def main\(', module.read_text(), re.M)

    def test_colcon_installs_it(self, script: Path) -> None:
        assert f'  scripts/{script.name}\n' in (ROOT / 'CMakeLists.txt').read_text()


class TestMessages:
    @pytest.mark.parametrize('message', MESSAGES)
    def test_the_fields_are_those_of_the_contract(self, message: str) -> None:
        fields = [line for line in statements(message) if '=' not in line]
        assert fields == MESSAGES[message]

    @pytest.mark.parametrize('message', CONSTANTS)
    def test_the_constants_are_named(self, message: str) -> None:
        constants = [line for line in statements(message) if line.startswith('uint8 ')]
        pairs = (line.removeprefix('uint8 ').split('=') for line in constants if '=' in line)
        assert {name.strip(): value.strip() for name, value in pairs} == CONSTANTS[message]

    def test_each_definition_is_generated_and_there_is_no_other(self) -> None:
        assert {path.stem for path in (ROOT / 'msg').glob('*.msg')} == set(MESSAGES)
        generated = re.findall(r'"msg/(\w+)\.msg"', (ROOT / 'CMakeLists.txt').read_text())
        assert sorted(generated) == sorted(MESSAGES)

    @pytest.mark.ros
    @pytest.mark.parametrize('message', MESSAGES)
    def test_the_generated_class_has_the_fields(self, message: str) -> None:
        module = pytest.importorskip('elepose_ros.msg', reason='the messages are not built')
        fields = getattr(module, message).get_fields_and_field_types()
        assert list(fields) == [line.split()[1] for line in MESSAGES[message]]


class TestNotices:
    def test_the_licence_is_apache_2(self) -> None:
        text = (ROOT / 'LICENSE').read_text()
        assert 'Apache License' in text
        assert 'Version 2.0, January 2004' in text
        assert ElementTree.parse(ROOT / 'package.xml').findtext('license') == 'Apache-2.0'

    def test_each_shipped_model_and_recording_is_listed_with_its_checksum(self) -> None:
        notices = (ROOT / 'THIRD_PARTY_NOTICES').read_text()
        endings = ('.onnx', '.safetensors', '.npz', '.mcap', '.db3', '.mp4', '.jpg')
        shipped = [path for path in tracked_files() if path.name.endswith(endings)]
        assert shipped
        unlisted = [
            str(path.relative_to(ROOT))
            for path in shipped
            if sha256(path) not in notices and not self.in_manifest(path)
        ]
        assert not unlisted

    @staticmethod
    def in_manifest(path: Path) -> bool:
        """Our own lifters change with each training; their manifest holds the checksum."""
        manifest = path.parent / 'manifest.json'
        return (
            path.parent.suffix == '.elepose'
            and manifest.is_file()
            and sha256(path) in json.dumps(json.loads(manifest.read_text()))
        )

    def test_the_sources_of_the_training_data_are_acknowledged(self) -> None:
        notices = re.sub(r'\s+', ' ', (ROOT / 'THIRD_PARTY_NOTICES').read_text())
        assert 'obtained from mocap.cs.cmu.edu' in notices
        assert 'NSF EIA-0196217' in notices
        assert 'ACCAD / The Ohio State University' in notices

    def test_each_source_file_says_its_licence(self) -> None:
        lines = '# Copyright 2026 The elepose authors\n# SPDX-License-Identifier: Apache-2.0\n'
        python = [path for path in tracked_files() if path.suffix == '.py']
        without = [
            str(path.relative_to(ROOT)) for path in python if lines not in path.read_text()[:200]
        ]
        assert not without


def test_the_generated_pages_are_up_to_date(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / 'tools' / 'write_docs.py', tmp_path], check=True)
    for page in tmp_path.iterdir():
        assert page.read_text() == (ROOT / 'docs' / page.name).read_text(), 'run: make docs'


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_the_installed_package_needs(tmp_path: Path) -> None:
    pytest.importorskip('setuptools', reason='building needs setuptools')
    wanted = {
        'elepose_core/py.typed',
        'elepose_ros/py.typed',
        'elepose_core/body/anny_small.npz',
        'elepose_core/data/detector_noise.json',
        'elepose_core/bundles/default.elepose/manifest.json',
        'elepose_core/bundles/default.elepose/lifter.onnx',
        'elepose_core/bundles/default.elepose/README.md',
        'elepose_core/detect/weights/movenet-multipose-f16w.onnx',
    }
    source = tmp_path / 'source'
    for path in tracked_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    build = (
        'import setuptools.build_meta as backend, sys; out = sys.argv[1]; '
        'backend.build_wheel(out); backend.build_sdist(out)'  # the first replaces sys.argv
    )
    subprocess.run(
        [sys.executable, '-c', build, str(tmp_path)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob('*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    definitions = {f'elepose_core/bags/msg/{message}.msg' for message in MESSAGES}
    assert not (wanted | definitions) - names
    assert not [name for name in names if name.startswith(('tests/', 'tools/'))]
    (sdist,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        inside = {name.partition('/')[2] for name in archive.getnames()}
    assert not (wanted | {f'msg/{message}.msg' for message in MESSAGES}) - inside
    assert {'LICENSE', 'THIRD_PARTY_NOTICES', 'setup.py', 'pyproject.toml'} <= inside
