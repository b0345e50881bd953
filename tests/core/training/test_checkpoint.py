# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are data: what is in them is never run."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='checkpoints are torch files')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.training.checkpoint import (  # noqa: E402
    git_revision,
    load_checkpoint,
    save_checkpoint,
)


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self._marker,))


def _refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_state_comes_back(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    state = {'step': 7, 'lifter': {'w': torch.randn(3)}, 'generator': generator.get_state()}
    save_checkpoint(tmp_path / 'a.pt', state)
    found = load_checkpoint(tmp_path / 'a.pt')
    assert found['step'] == 7
    assert torch.equal(found['lifter']['w'], state['lifter']['w'])
    assert torch.equal(found['generator'], state['generator'])


def test_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / 'executed'
    torch.save({'schema': 1, 'step': Malicious(marker)}, tmp_path / 'a.pt')
    assert 'is not a readable checkpoint' in _refused(tmp_path / 'a.pt')
    assert not marker.exists()
    # The file is as dangerous as it looks: a careless reader runs it.
    torch.load(tmp_path / 'a.pt', weights_only=False)
    assert marker.exists()


def test_missing_damaged_and_foreign_files_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / 'a.pt'
    assert 'a.pt does not exist; expected a checkpoint' in _refused(path)
    save_checkpoint(path, {'step': 1, 'w': torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:700])
    assert 'is not a readable checkpoint' in _refused(path)
    path.write_text('text')
    assert 'is not a readable checkpoint' in _refused(path)
    assert 'is not a readable checkpoint' in _refused(tmp_path)


@pytest.mark.parametrize('content', [{'step': 1}, {'schema': 99}, [1, 2], torch.zeros(2)])
def test_other_schema_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / 'a.pt')
    assert 'has checkpoint schema' in _refused(tmp_path / 'a.pt')


def test_failed_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / 'a.pt', {'step': 1})
    with pytest.raises(Exception, match='pickle'):
        save_checkpoint(tmp_path / 'a.pt', {'step': lambda: None})
    assert load_checkpoint(tmp_path / 'a.pt')['step'] == 1
    assert [path.name for path in tmp_path.iterdir()] == ['a.pt']


def test_revision_names_the_commit_of_the_source_tree() -> None:
    def git(*arguments: str) -> str:
        command = ['git', *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()

    if not (Path(__file__).parents[3] / '.git').exists():
        pytest.skip('this copy of the source is no git checkout')
    commit = git_revision().removesuffix('-dirty')
    assert git('rev-parse', f'{commit}^{{commit}}') == git('rev-parse', 'HEAD')
