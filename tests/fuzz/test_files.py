# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A few hundred damaged files of each kind; `benchmarks/fuzz.py` tries a hundred thousand."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.files import FILES, KEYPOINT_FILES
from fuzz.trial import ACCEPTED, REFUSED, trial

CORPUS = Path(__file__).parent / 'corpus'
TARGETS = {**FILES, **KEYPOINT_FILES}
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize('kind', TARGETS)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(seed=SEEDS)
def test_damaged_file_is_read_or_refused_in_one_sentence(kind: str, seed: int) -> None:
    assert trial(TARGETS[kind], Random(seed)) in (ACCEPTED, REFUSED)


@pytest.mark.parametrize('kind', TARGETS)
def test_some_are_read_and_some_refused(kind: str) -> None:
    # Else the generator tries one thing only.
    assert {trial(TARGETS[kind], Random(seed)) for seed in range(60)} == {ACCEPTED, REFUSED}


def test_the_good_files_are_read() -> None:
    def read(name: str) -> bytes:
        return (CORPUS / name).read_bytes()

    graph, manifest = read('bundle.elepose/lifter.onnx'), read('bundle.elepose/manifest.json')
    files = {'b.elepose/lifter.onnx': graph, 'b.elepose/manifest.json': manifest}
    TARGETS['PoseSet'].take(read('pose_set.npz'))
    TARGETS['bundle'].take(files)
    mcap = {'bag.mcap': read('bag_mcap.mcap'), 'metadata.yaml': read('bag_mcap.yaml')}
    TARGETS['bag_mcap'].take(mcap)
    sqlite3 = {'bag.db3': read('bag_sqlite3.db3'), 'metadata.yaml': read('bag_sqlite3.yaml')}
    TARGETS['bag_sqlite3'].take(sqlite3)
    TARGETS['coco_json'].take(read('coco.json'))
    TARGETS['openpose_json'].take(read('openpose.json'))


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob('*') if path.is_file()) < 300_000
