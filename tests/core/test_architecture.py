# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms and arrows: who may import whom, how large a file and a function may be."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE, ROS = ROOT / 'elepose_core', ROOT / 'elepose_ros'
# A room imports its own files and rooms of lower levels only.
LEVELS = {
    **dict.fromkeys(('errors', 'files', 'skeleton', 'bundle', 'opencv', 'body'), 0),
    **dict.fromkeys(('geometry', 'priors'), 1),
    **dict.fromkeys(('data', 'metrics', 'losses', 'models', 'images', 'detect', 'runtime'), 2),
    **dict.fromkeys(('bags', 'refinement'), 2),
    **dict.fromkeys(('training', 'evaluation', 'export', 'offline', 'visualize'), 3),
    **dict.fromkeys(('config', 'cli', '__main__', '__init__'), 4),
}
# Rooms of one level that nevertheless know each other, and why.
SAME_LEVEL = {
    ('files', 'errors'): "the vocabulary of errors is everybody's",
    ('skeleton', 'errors'): 'likewise',
    ('bundle', 'errors'): 'likewise',
    ('opencv', 'errors'): 'likewise',
    ('body', 'errors'): 'likewise',
    ('bundle', 'files'): 'a bundle is written whole or not at all',
    ('cli', 'config'): 'the command composes the settings',
    ('__main__', 'cli'): 'python -m elepose_core is the command',
    ('detect', 'images'): 'a detector takes pixels',
}
FOR_ROS = {
    *('runtime', 'skeleton', 'bundle', 'body', 'detect', 'images', 'errors', 'files'),
    *('geometry.camera', 'geometry.elevation'),
}
# Two tools beside the nodes stand in for `ros2 bag` where it is absent.
BAG_TOOLS = {'record.py', 'replay.py'}
ONLY_TORCH = {'models', 'priors', 'losses', 'training', 'export', 'config'}
# Torch beside numpy: the exported geometry, the lifter in torch for the protocol, the run folder.
TORCH_FILES = {
    'geometry/virtual_camera.py',
    'evaluation/clip_lift.py',
    'evaluation/torch_lift.py',
    'cli/run_reader.py',
    'cli/training_data.py',
    'cli/training_run.py',
}


def _files(package: Path) -> list[Path]:
    return sorted(p for p in package.rglob('*.py') if '__pycache__' not in p.parts)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> Iterator[str]:
    """Yield dotted names, also of imports inside functions."""
    package = path.relative_to(ROOT).with_suffix('').parts
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = list(package[: -node.level]) if node.level else []
            module = '.'.join([*origin, *([node.module] if node.module else [])])
            yield from (f'{module}.{alias.name}' for alias in node.names)


def _room(path: Path) -> str:
    return path.relative_to(CORE).with_suffix('').parts[0]


def _statements(function: ast.AST) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


@pytest.mark.parametrize('path', _files(CORE), ids=_name)
def test_room_imports_lower_rooms_only(path: Path) -> None:
    room = _room(path)
    assert room in LEVELS, f'{path} is in no known room'
    for name in _imports(path):
        if not name.startswith('elepose_core.'):
            continue
        other = name.split('.')[1]
        if other == '__version__' or other == room:
            continue
        allowed = LEVELS[other] < LEVELS[room] or (room, other) in SAME_LEVEL
        assert allowed, f'{path.relative_to(ROOT)} (level {LEVELS[room]}) imports {name}'


@pytest.mark.parametrize('path', _files(CORE), ids=_name)
def test_core_knows_no_ros(path: Path) -> None:
    for name in _imports(path):
        top = name.split('.')[0]
        assert top not in {'rclpy', 'elepose_ros'}, f'{path} imports {name}'
        assert not top.endswith(('_msgs', '_interfaces')), f'{path} imports {name}'


@pytest.mark.parametrize('path', _files(ROS), ids=_name)
def test_nodes_use_only_the_rooms_for_robots(path: Path) -> None:
    for name in _imports(path):
        if name.startswith('elepose_core.'):
            inside = name.removeprefix('elepose_core.')
            rooms = FOR_ROS | ({'bags'} if path.name in BAG_TOOLS else set())
            allowed = any(f'{inside}.'.startswith(f'{room}.') for room in rooms)
            assert allowed, f'{path.relative_to(ROOT)} imports {name}'


@pytest.mark.parametrize('path', _files(CORE), ids=_name)
def test_torch_stays_where_training_is(path: Path) -> None:
    inside = str(path.relative_to(CORE))
    if _room(path) in ONLY_TORCH or inside in TORCH_FILES or inside.startswith('cli/methods/'):
        return
    tops = {name.split('.')[0] for name in _imports(path)}
    assert not tops & {'torch', 'FrEIA', 'tensorboard'}, f'{inside} imports torch'


@pytest.mark.parametrize('path', _files(CORE) + _files(ROS), ids=_name)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    assert len(text.splitlines()) <= 400, f'{path} is too long'
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert _statements(node) <= 50, f'{path}: {node.name} has too many statements'


@pytest.mark.parametrize('path', _files(CORE) + _files(ROS), ids=_name)
def test_files_say_whose_they_are_and_names_say_what_they_hold(path: Path) -> None:
    assert path.stem not in {'utils', 'helpers', 'common', 'manager', 'base'}
    lines = path.read_text(encoding='utf-8').splitlines()
    assert lines[:2] == [
        '# Copyright 2026 The elepose authors',
        '# SPDX-License-Identifier: Apache-2.0',
    ]
    tree = _tree(path)
    stars = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert not any(alias.name == '*' for node in stars for alias in node.names)
    names = {
        t.id
        for n in tree.body
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    public = [
        n.name
        for n in tree.body
        if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith('_')
    ]
    assert '__all__' in names or not public, f'{path} has no __all__'


def test_the_walk_itself_sees_what_it_shall_see(tmp_path: Path) -> None:
    """The tests above are only as good as the reading of imports."""
    source = CORE / 'cli' / 'lift.py'
    names = set(_imports(source))
    assert 'elepose_core.errors.InputError' in names  # inside a function
    assert 'tyro' in names
    function = ast.parse('def f():\n    if a:\n        b = 1\n    return b').body[0]
    assert _statements(function) == 3


def test_the_page_shows_the_rooms_and_their_levels() -> None:
    page = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| (\d) \| (.*) \|$', page, re.MULTILINE)
    shown = {room: int(level) for level, rooms in rows for room in re.findall('`(.*?)`', rooms)}
    assert shown == LEVELS
