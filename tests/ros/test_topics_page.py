# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What makes docs/topics.md; that the page is up to date is a test of test_packaging.py."""

import dataclasses
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from foreign_messages import is_real

from elepose_ros.parameters import Parameters

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'topics.md'
NEEDS_PACKAGE = 'publish_hri'
FLAGS = [
    field
    for field in dataclasses.fields(Parameters)
    if field.type is bool and field.name not in ('autostart', NEEDS_PACKAGE)
]


@pytest.fixture(scope='module')
def tool(ros: None) -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location('node_topics', ROOT / 'tools/node_topics.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules['node_topics'] = module
    spec.loader.exec_module(module)
    with module.initialised():
        yield module
    del sys.modules['node_topics']


def test_a_topic_without_a_text_is_an_error(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {name: text for name, text in tool.TEXTS['published'].items() if name != 'markers'}
    monkeypatch.setitem(tool.TEXTS, 'published', texts)
    with pytest.raises(ValueError, match=r'markers is published by .*expected a text'):
        tool.topics_page()


def test_no_switch_makes_a_topic_that_the_page_lacks(tool: Any) -> None:
    page = PAGE.read_text(encoding='utf-8')
    executable = next(e for e in tool.EXECUTABLES if e.name == 'pipeline')
    flipped = {f.name: str(not f.default).lower() for f in FLAGS}
    for endpoint in tool.collect(executable, flipped):
        assert f'- **{endpoint.name}** ({endpoint.kind}' in page


def test_each_parameter_that_needs_a_package_stands_in_the_page(tool: Any) -> None:
    field = next(f for f in dataclasses.fields(Parameters) if f.name == 'keypoints_type')
    kinds = {('keypoints_type', kind) for kind in field.metadata['row'].choices}
    assert set(tool.FOREIGN) == kinds - {('keypoints_type', 'people2d')} | {
        (NEEDS_PACKAGE, 'true')
    }


@pytest.mark.parametrize('number', range(4))
def test_topics_with_messages_of_other_packages_are_those_of_the_page(
    tool: Any, number: int
) -> None:
    (name, value), expected = [*tool.FOREIGN.items()][number]
    if not is_real(f'{"hri" if name == NEEDS_PACKAGE else value}_msgs'):
        pytest.skip('not built: make test-ros-adapters')
    executable = next(e for e in tool.EXECUTABLES if e.name == 'lifter_node')
    plain = tool.collect(executable, {})
    others = [e for e in tool.collect(executable, {name: value}) if e not in plain]
    # Bodies get topics when they come.
    here = {(e.role, e.name, e.kind) for e in expected if '<id>' not in e.name}
    assert {(e.role, e.name, e.kind) for e in others} == here
