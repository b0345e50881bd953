# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""README and docs are run: each bash and python block in order; each link leads somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md')])
BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (page and number, text) of all blocks in one language."""
    found = []
    for page in PAGES:
        texts = [
            m[2] for m in BLOCK.finditer(page.read_text(encoding='utf-8')) if m[1] == language
        ]
        found += [(f'{page.name}-{i}', text) for i, text in enumerate(texts)]
    return found


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that stands in for /tmp/elepose, shared by the blocks of all pages."""
    return tmp_path_factory.mktemp('elepose')


@pytest.mark.slow
@pytest.mark.parametrize('text', [pytest.param(text, id=name) for name, text in blocks('bash')])
def test_bash_block_runs(text: str, folder: Path) -> None:
    environment = ROOT / '.venv' / 'elepose.bash'
    if not environment.is_file():
        pytest.skip(f'{environment} is not there: run make setup')
    script = f'source .venv/elepose.bash\nset -eo pipefail\n{text}'
    done = subprocess.run(
        ['bash', '-c', script.replace('/tmp/elepose', str(folder))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f'{text}\n{done.stdout}\n{done.stderr}'


@pytest.mark.parametrize('text', [pytest.param(text, id=name) for name, text in blocks('python')])
def test_python_block_runs(text: str) -> None:
    environment = {**os.environ, 'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}'}
    done = subprocess.run(
        [sys.executable, '-c', text],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f'{text}\n{done.stdout}\n{done.stderr}'
    assert done.stdout.strip()


def test_make_targets_of_the_pages_exist() -> None:
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    named = {
        target
        for page in PAGES
        for target in re.findall(
            r'(?:^|`)make ([a-z][a-z0-9-]+)', page.read_text(encoding='utf-8'), re.M
        )
    }
    assert {'demo', 'test'} <= named
    missing = [t for t in named if not re.search(rf'^{t}:', makefile, re.MULTILINE)]
    assert not missing


def test_links_of_the_pages_lead_to_files() -> None:
    for page in PAGES:
        for target in re.findall(r'\]\(([^)#:]+)\)', page.read_text(encoding='utf-8')):
            assert (page.parent / target).exists(), f'{page.name} links to {target}'


def test_results_in_the_readme_are_what_the_tool_prints() -> None:
    printed = subprocess.run(
        [sys.executable, 'tools/results_table.py', 'docs/results'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() in (ROOT / 'README.md').read_text(encoding='utf-8')
