# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""docs/security.md and the SROS 2 policy say what the code does."""

import ast
import importlib
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'security.md').read_text(encoding='utf-8')
POLICY = ROOT / 'config' / 'sros2' / 'elepose.policy.xml'
TOPICS = (ROOT / 'docs' / 'topics.md').read_text(encoding='utf-8')
BOUNDS = re.findall(r'^\| `([\w.]+)\.([A-Z_]+)` \| ([^|]+) \|', PAGE, re.MULTILINE)
EXECUTABLES = {'pipeline': 'pipeline', 'detector': 'detector_node', 'lifter': 'lifter_node'}
LIFECYCLE = {
    *('change_state', 'get_state', 'get_available_states', 'get_available_transitions'),
    'get_transition_graph',
}
PARAMETERS = {
    *('describe_parameters', 'get_parameters', 'get_parameter_types', 'list_parameters'),
    *('set_parameters', 'set_parameters_atomically', 'get_type_description'),
}


@pytest.mark.parametrize(('module', 'name', 'value'), BOUNDS)
def test_the_page_has_the_bounds_of_the_code(module: str, name: str, value: str) -> None:
    assert getattr(importlib.import_module(module), name) == ast.literal_eval(value.strip())


def test_the_page_has_every_bound() -> None:
    told = {(module, name) for module, name, _ in BOUNDS}
    rooms = {module for module, _, _ in BOUNDS}
    missing = {
        (room, name)
        for room in rooms
        for name in importlib.import_module(room).__all__
        if name.startswith('MAX_') and (room, name) not in told
    }
    # Told once, where they are used most, and bounds of time that no memory depends on.
    assert missing == {
        ('elepose_core.bags.limits', 'MAX_LOG_TIME_NS'),
    }


def rights(profile: ElementTree.Element, kind: str, right: str) -> set[str]:
    return {
        str(entry.text)
        for block in profile.findall(kind)
        for entry in block
        if block.get(right) == 'ALLOW'
    }


def listed(executable: str, heading: str) -> set[str]:
    """Return the names under a heading of the page of topics, which the nodes themselves wrote."""
    section = TOPICS.partition(f'### {heading} of {executable}\n')[2].partition('\n#')[0]
    return set(re.findall(r'^- \*\*(\S+)\*\*', section, re.MULTILINE))


@pytest.mark.parametrize('node', EXECUTABLES)
def test_an_enclave_allows_exactly_what_its_node_has(node: str) -> None:
    executable = EXECUTABLES[node]
    (enclave,) = ElementTree.parse(POLICY).findall(f"enclaves/enclave[@path='/elepose/{node}']")
    (profile,) = enclave.findall('profiles/profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', node)
    of_all = {'/clock', '/parameter_events'}
    assert rights(profile, 'topics', 'subscribe') - of_all == listed(
        executable, 'Subscribed topics'
    )
    of_all = {'/rosout', '/parameter_events', '~/transition_event'}
    assert rights(profile, 'topics', 'publish') - of_all == listed(executable, 'Published topics')
    of_all = {f'~/{name}' for name in LIFECYCLE | PARAMETERS}
    assert rights(profile, 'services', 'reply') - of_all == listed(executable, 'Services')
    assert rights(profile, 'services', 'reply') >= of_all
    assert not rights(profile, 'services', 'request')


def test_the_operator_may_call_the_services_and_send_no_data() -> None:
    (enclave,) = ElementTree.parse(POLICY).findall("enclaves/enclave[@path='/elepose/operator']")
    profiles = enclave.findall('profiles/profile')
    called = set().union(*(rights(profile, 'services', 'request') for profile in profiles))
    for node, executable in EXECUTABLES.items():
        own = {f'{node}/{name.removeprefix("~/")}' for name in listed(executable, 'Services')}
        assert own | {f'{node}/{name}' for name in LIFECYCLE | PARAMETERS} <= called
    sent = set().union(*(rights(profile, 'topics', 'publish') for profile in profiles))
    assert sent == {'/rosout', '/parameter_events'}


def test_the_policy_has_the_form_that_sros2_takes() -> None:
    policy = ElementTree.parse(POLICY).getroot()
    assert (policy.tag, policy.get('version')) == ('policy', '0.2.0')
    allowed = {
        'topics': ('topic', {'publish', 'subscribe'}),
        'services': ('service', {'request', 'reply'}),
    }
    for profile in policy.iter('profile'):
        assert set(profile.attrib) == {'ns', 'node'}
        for block in profile:
            entry, qualifiers = allowed[block.tag]
            assert set(block.attrib) <= qualifiers
            assert set(block.attrib.values()) == {'ALLOW'}
            assert {child.tag for child in block} == {entry}


def test_the_figures_of_the_fuzzer_are_those_that_it_wrote() -> None:
    pytest.importorskip('rclpy', reason='no ROS 2 sourced')
    results = ROOT / 'docs' / 'results' / 'fuzz.json'
    found = json.loads(results.read_text())
    assert found['messages']['reached_our_code'] >= 100_000
    assert found['files']['reached_our_code'] >= 100_000
    assert not any(found[f]['crashes'] for f in ('messages', 'files'))
    # What the run has found was mended afterwards.
    repeated = subprocess.run(
        [sys.executable, ROOT / 'benchmarks' / 'fuzz.py', '--again', results],
        capture_output=True,
        text=True,
        check=False,
    )
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    printed = subprocess.run(
        [sys.executable, ROOT / 'benchmarks' / 'fuzz.py', '--show', results],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() in PAGE
