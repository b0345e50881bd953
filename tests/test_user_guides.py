# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the pages for users quote and tell to type is what code, launch file and nodes have."""

import ast
import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import launch_stubs as stubs
import pytest

from elepose_ros.parameters import Parameters

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md'))]
NODES = {'pipeline', 'lifter', 'detector'}
PLACEHOLDER = '…'


def sentences_of_the_code() -> str:
    """Return all texts of both packages, one a line, with … for what is filled in."""
    texts = []
    for path in [*ROOT.glob('elepose_core/**/*.py'), *ROOT.glob('elepose_ros/**/*.py')]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding='utf-8'))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if id(node) in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                parts = (
                    v.value if isinstance(v, ast.Constant) else PLACEHOLDER for v in node.values
                )
                texts.append(''.join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r'\{\w+\}', PLACEHOLDER, node.value))
    return '\n'.join(re.sub(r'\s+', ' ', text) for text in texts)


def quotes(page: str) -> list[str]:
    """Return the quoted paragraphs of a page, a line each."""
    found = re.findall(r'(?:^> .*\n)+', page, re.MULTILINE)
    return [re.sub(r'\s*\n> |\s+', ' ', text.removeprefix('> ')).strip() for text in found]


TROUBLES = quotes((ROOT / 'docs' / 'troubleshooting.md').read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def code() -> str:
    return sentences_of_the_code()


@pytest.mark.parametrize('sentence', TROUBLES)
def test_a_quoted_sentence_is_one_that_the_code_prints(sentence: str, code: str) -> None:
    assert sentence in code


def test_the_page_of_troubles_quotes_what_an_active_node_reports() -> None:
    # One of each module that judges what comes from outside; the count guards the pattern above.
    assert len(TROUBLES) > 35
    joined = '\n'.join(TROUBLES)
    for word in (
        'nobody publishes',
        'camera_info is 0',
        'ahead of the clock',
        '/clock',
        'dropped',
    ):
        assert word in joined


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of the blocks of code in a page."""
    text = page.read_text(encoding='utf-8')
    return re.findall(r'^```(\w*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield (page, words) of each command line for ROS 2 in the pages."""
    for page in PAGES:
        for block in re.findall(
            r'^```\w*\n(.*?)^```$', page.read_text(encoding='utf-8'), re.M | re.S
        ):
            text = block.replace('\\\n', ' ')
            for line in text.splitlines():
                words = shlex.split(line, comments=True) if line.startswith('ros2 ') else []
                if words:
                    yield page.name, words


COMMANDS = [
    pytest.param(words, id=f'{page}: {" ".join(words)}'[:90]) for page, words in commands()
]
# What each of the verbs that the pages use is followed by.
FOREIGN = {'bag', 'topic', 'pkg', 'lifecycle'}


@pytest.mark.parametrize('words', COMMANDS)
def test_a_command_of_the_pages_is_accepted(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verb, *rest = words[1:]
    if verb == 'launch' and rest[0] == 'elepose_ros':
        check_launch(rest[1], rest[2:], monkeypatch)
    elif verb == 'run' and rest[0] == 'elepose_ros':
        check_run(rest[1], rest[2:])
    elif verb == 'param':
        assert rest[0] == 'set'
        check_node(rest[1])
        check_value(rest[2], rest[3], at_run_time=True)
    elif verb == 'service':
        name, kind = rest[1:3]
        page = (ROOT / 'docs' / 'topics.md').read_text(encoding='utf-8')
        check_node(name.rpartition('/')[0])
        assert f'**~/{name.rpartition("/")[2]}** ({kind.replace("/srv/", "/")})' in page
    else:
        # Other packages and ROS's own tools: nothing of ours to compare with.
        assert verb in FOREIGN or rest[0] != 'elepose_ros'


def check_launch(file: str, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    stubs.install(monkeypatch, ROOT, frozenset({'elepose_ros', 'ros2bag'}))
    arguments = dict(word.split(':=', 1) for word in given)
    arguments.pop('params_file', None)  # a file of the reader; its content is tested below
    assert stubs.started(stubs.load(ROOT / 'launch' / file), **arguments)


def check_run(executable: str, given: list[str]) -> None:
    assert (ROOT / 'scripts' / executable).is_file()
    if executable in ('replay', 'record'):
        source = (ROOT / 'elepose_ros' / f'{executable}.py').read_text(encoding='utf-8')
        flags = {word for word in given if word.startswith('--')} - {'--ros-args'}
        assert flags <= set(re.findall(r"'(--[a-z-]+)'", source))
        return
    assert given[:1] in ([], ['--ros-args'])
    for flag, word in zip(given[1::2], given[2::2], strict=True):
        assert flag in ('-p', '-r', '--params-file')
        if flag == '-p':
            check_value(*word.split(':=', 1), at_run_time=False)


def check_node(name: str) -> None:
    assert name.startswith('/')
    assert name.rpartition('/')[2] in NODES


def check_value(name: str, text: str, *, at_run_time: bool) -> None:
    """Fail unless this is the name of a parameter and a value that it takes."""
    yaml = pytest.importorskip('yaml', reason='PyYAML comes with ROS 2')
    fields = {field.name: field for field in dataclasses.fields(Parameters)}
    assert name in fields, f'{name} is no parameter'
    kind, row = fields[name].type, fields[name].metadata['row']
    value: Any = text if kind is str else yaml.safe_load(text)
    assert type(value) is kind, f'{name}: ROS does not take {text}'
    assert row.dynamic or not at_run_time, f'{name} does not change while the node runs'
    assert not row.choices or value in row.choices
    assert row.low is None or row.low <= value <= row.high


FILES = [
    pytest.param(text, id=page.name)
    for page in PAGES
    for language, text in blocks(page)
    if language == 'yaml'
]


@pytest.mark.parametrize('text', FILES)
def test_a_file_of_parameters_holds_names_and_values_of_ours(text: str) -> None:
    yaml = pytest.importorskip('yaml', reason='PyYAML comes with ROS 2')
    for node, content in yaml.safe_load(text).items():
        assert node == '/**' or node.rpartition('/')[2] in NODES
        for name, value in content['ros__parameters'].items():
            words = str(value).lower() if isinstance(value, bool) else str(value)
            check_value(name, words, at_run_time=False)


@pytest.mark.parametrize('page', [p for p in PAGES if p.name in ('tuning.md', 'integration.md')])
def test_parameters_named_in_a_page_exist(page: Path) -> None:
    known = {field.name for field in dataclasses.fields(Parameters)}
    named = set(
        re.findall(r'`([a-z]+(?:_[a-z0-9]+)+)(?::[^`]*)?`', page.read_text(encoding='utf-8'))
    )
    unknown = named - known - NOT_PARAMETERS
    assert not unknown


# Names with underscores that are something else.
NOT_PARAMETERS = {
    *('camera_info', 'camera_elevation', 'use_sim_time', 'scale_source', 'frame_id'),
    *('params_file', 'lifter_node', 'detector_node', 'base_link', 'rviz_frame'),
    *('root_covariance', 'camera_optical_frame', 'test_robot_low'),
    # of other packages
    *('bt_enabled', 'pub_resolution', 'camera_frame_id', 'yolo_msgs'),
}


def test_the_scripts_that_measure_what_a_page_says_exist() -> None:
    named = {
        path
        for page in PAGES
        for path in re.findall(r'python3? ([\w/]+\.py)', page.read_text(encoding='utf-8'))
    }
    assert 'benchmarks/people_over_time.py' in named
    assert not [path for path in named if not (ROOT / path).is_file()]


def test_the_threads_of_the_nodes_stand_in_the_page() -> None:
    page = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    files = [*ROOT.glob('elepose_core/runtime/**/*.py'), *ROOT.glob('elepose_ros/**/*.py')]
    calls = [
        node
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and re.search(r'Thread$|Worker$', ast.unparse(node.func))
    ]
    given = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == 'name']
    names = {value.value for value in given if isinstance(value, ast.Constant)}
    assert {'signals', 'second backend'} <= names
    assert not [name for name in names if f'`{name}`' not in page]
