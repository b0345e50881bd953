# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped graphs in NVIDIA's own parser and builder, which need no GPU in TensorRT-RTX.

To run it: an environment with `pip install --no-deps tensorrt-rtx-cu13-bindings
tensorrt-rtx-cu13-libs` (read their licence first; docs/backends.md).
"""

import time
from pathlib import Path

import pytest

import elepose_core.detect
from elepose_core.errors import InputError
from elepose_core.runtime.backends.cuda_driver import Gpu
from elepose_core.runtime.backends.engine_process import build_in_process
from elepose_core.runtime.backends.interface import Graph
from elepose_core.runtime.backends.tensorrt_backend import lifter_profile
from elepose_core.runtime.backends.tensorrt_library import build_engine, import_tensorrt
from elepose_core.runtime.engine_cache import EngineCache

pytest.importorskip(
    'tensorrt_rtx_libs', reason='tensorrt-rtx-cu13-libs is not installed: nothing is built'
)
# Ampere; a build for one model of GPU that need not be here.
TARGET = 'SM86'
WEIGHTS = Path(elepose_core.detect.__file__).parent / 'weights'


def test_the_lifter_is_built_for_1_to_64_people_in_a_process_and_kept(
    graph: Graph, tmp_path: Path
) -> None:
    onnx = graph.path.read_bytes()
    start_s = time.perf_counter()

    def build() -> bytes:
        return build_in_process(onnx, lifter_profile(graph), TARGET)

    cache, key = EngineCache(tmp_path / 'cache'), {'target': TARGET}
    obtained = cache.obtain(key, build, bytes)
    print(f'{len(obtained.engine)} bytes in {time.perf_counter() - start_s:.1f} s')
    assert obtained.trouble == ''
    # The weights are all in it, as float32.
    assert len(obtained.engine) > 0.8 * len(onnx)
    assert cache.obtain(key, build, bytes).origin.startswith('read from ')


def test_the_detector_is_built_for_all_its_input_sizes() -> None:
    (path,) = WEIGHTS.glob('movenet*.onnx')
    profile = {'input:0': ((1, 256, 256, 3), (1, 288, 384, 3), (1, 512, 512, 3))}
    engine = build_in_process(path.read_bytes(), profile, TARGET)
    assert len(engine) > 0.8 * path.stat().st_size


@pytest.mark.parametrize(
    ('onnx', 'sentence'),
    [(b'no graph', 'does not take the graph'), (None, r'the graph takes .*; expected')],
)
def test_a_no_of_the_builder_is_one_sentence(
    onnx: bytes | None, sentence: str, graph: Graph
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        build_engine(import_tensorrt(), onnx or graph.path.read_bytes(), {}, TARGET)
    assert '\n' not in str(caught.value)


def test_an_engine_without_a_gpu_loads_as_none(graph: Graph, tmp_path: Path) -> None:
    """So that the cache builds it again instead of handing it on."""
    try:
        Gpu()
    except InputError:
        trt = import_tensorrt()
        engine = build_engine(trt, graph.path.read_bytes(), lifter_profile(graph), TARGET)
        runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        with pytest.raises(InputError, match='just built does not load'):
            EngineCache(tmp_path).obtain({}, lambda: engine, runtime.deserialize_cuda_engine)
    else:
        pytest.skip('this machine has a GPU')
