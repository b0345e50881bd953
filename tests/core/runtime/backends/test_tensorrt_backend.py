# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT: buffers, launches and recordings over stand-ins; on a GPU the real ones.

The stand-ins show that what is done is done in the right order and with the right addresses, not
that TensorRT does what it says: that is for the tests marked `gpu`, and building is for
test_tensorrt_rtx.py.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elepose_core.errors import InputError
from elepose_core.runtime.backends.choice import Options, open_backend
from elepose_core.runtime.backends.cuda_driver import Gpu
from elepose_core.runtime.backends.interface import Device, Feeds, Graph

PRELUDE = """
    import ctypes, gc, threading
    import numpy as np
    import tensorrt
    from conftest import make_feeds, shipped_graph
    from elepose_core.errors import InputError
    from elepose_core.runtime.backends.choice import Options, open_backend
    from elepose_core.runtime.backends.cuda_driver import Gpu, Stream
    from elepose_core.runtime.backends.switching import SwitchingBackend
    from elepose_core.runtime.backends.tensorrt_backend import TensorRtBackend

    driver = ctypes.CDLL('libcuda.so.1')
    graph = shipped_graph()
    cpu = open_backend(graph, Options('cpu'))

    def on_tensorrt(engine=None, **options):
        engine = engine or tensorrt.Engine(graph.path.read_bytes())
        return TensorRtBackend(tensorrt, Stream(Gpu()), engine, graph, **options)

    def differs(backend, rows, seed=0):
        feeds = make_feeds(rows, seed)
        pairs = zip(backend.run(feeds), cpu.run(feeds), strict=True)
        return not all(np.array_equal(found, wanted) for found, wanted in pairs)
"""


def test_gpu_tells_what_it_is(on_stand_in: Callable[..., str]) -> None:
    said = on_stand_in(PRELUDE + '    print(Gpu().name, Gpu().compute_capability)')
    assert said == 'Stand-in 8.7\n'


def test_the_command_builds_ahead(on_stand_in: Callable[..., str], tmp_path: Path) -> None:
    script = """
    from elepose_core.cli import main
    main(['export', 'default', '--tensorrt'])
    """
    first, second = on_stand_in(script), on_stand_in(script)
    assert 'TensorRT' in first
    assert 'engine built, since' in first
    assert f'engine read from {tmp_path}' in second
    assert (tmp_path / 'builds').read_text().count('\n') == 1


def test_an_engine_that_cannot_be_kept_is_an_error_of_the_command(
    on_stand_in: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / 'cache').write_text('')
    script = """
    import contextlib, io
    from elepose_core.cli import main
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            main(['export', 'default', '--tensorrt'])
    except SystemExit as end:
        print(end.code, said.getvalue())
    """
    said = on_stand_in(script)
    assert said.startswith('2 elepose: engines are not kept: ')


def test_a_driver_without_a_gpu_is_told(on_stand_in: Callable[..., str]) -> None:
    script = """
    driver.stand_in_lose(1)
    try:
        Gpu()
    except InputError as error:
        print(error)
    """
    assert on_stand_in(PRELUDE + script) == (
        'no NVIDIA GPU can be used (cuInit of the CUDA driver failed with '
        'CUDA_ERROR_LAUNCH_FAILED)\n'
    )


@pytest.mark.parametrize('cuda_graphs', [False, True])
def test_any_number_of_people_in_any_order_and_thread(
    cuda_graphs: bool, on_stand_in: Callable[..., str]
) -> None:
    script = """
    backend = on_tensorrt(cuda_graphs=CUDA_GRAPHS)
    wrong = [rows for rows in (1, 3, 64, 1, 65, 200, 3, 2) if differs(backend, rows, rows)]

    def lift(person):
        seeds = range(person, 1000 + person, 100)
        wrong.extend(seed for seed in seeds if differs(backend, 1 + person, seed))

    threads = [threading.Thread(target=lift, args=(person,)) for person in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print('wrong', wrong)
    print('launches', len(backend._recordings))
    """
    said = on_stand_in(PRELUDE + script.replace('CUDA_GRAPHS', str(cuda_graphs)))
    # Recordings for 1, 2, 3, 4, 8 and 64 rows: 65 = 64 + 1 and 200 = 3 * 64 + 8.
    assert said == f'wrong []\nlaunches {6 if cuda_graphs else 0}\n'


def test_outputs_stay_when_the_next_frame_comes(on_stand_in: Callable[..., str]) -> None:
    script = """
    backend = on_tensorrt()
    kept = backend.run(make_feeds(2, 1))
    copy = [output.copy() for output in kept]
    backend.run(make_feeds(2, 2))
    print(all(np.array_equal(a, b) for a, b in zip(kept, copy)))
    """
    assert on_stand_in(PRELUDE + script) == 'True\n'


@pytest.mark.parametrize('cuda_graphs', [False, True])
def test_graph_of_several_frames_with_a_body_has_its_own_engine(
    cuda_graphs: bool, on_stand_in: Callable[..., str], tmp_path: Path
) -> None:
    """Shapes are those of the graph, in engine, buffers and cache; the body comes when wanted."""
    tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')
    for name, frames in (('single', 1), ('over_time', 7)):
        tiny_bundles.write_tiny_bundle(tmp_path / f'{name}.elepose', frames, frames > 1)
    script = f"""
    from pathlib import Path
    from elepose_core.runtime.predictor import Predictor
    for name, frames in (('single', ()), ('over_time', (7,)), ('over_time', (7,))):
        folder = Path({str(tmp_path)!r}) / f'{{name}}.elepose'
        one = Predictor(folder, 1, 'tensorrt', cuda_graphs={cuda_graphs})
        other = Predictor(folder)
        for people, wanted in ((2, False), (70, True), (2, True), (2, False)):
            rays = np.random.default_rng(0).normal(0, 0.1, (people, *frames, 17, 2))
            rays, scores = rays.astype(np.float32), np.ones((people, *frames, 17), np.float32)
            found, expected = (p.lift(rays, scores, None, None, wanted) for p in (one, other))
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
        print(name, one.backend.description.split('engine ')[1].split()[0], found[-1].shape)
    """
    assert on_stand_in(PRELUDE + script) == (
        'single built, (2, 0, 3)\nover_time built, (2, 0, 3)\nover_time read (2, 0, 3)\n'
    )


def test_everything_is_given_back(on_stand_in: Callable[..., str]) -> None:
    script = """
    backend = on_tensorrt(cuda_graphs=True)
    differs(backend, 3), differs(backend, 4)
    before = driver.stand_in_alive()
    del backend
    gc.collect()
    print(before > 20, driver.stand_in_alive())
    """
    assert on_stand_in(PRELUDE + script) == 'True 0\n'


def test_a_gpu_that_is_lost_is_told_and_the_cpu_goes_on(on_stand_in: Callable[..., str]) -> None:
    script = """
    backend = SwitchingBackend(cpu, on_tensorrt, 'tensorrt')
    backend.wait()
    print(backend.name, differs(backend, 3))
    driver.stand_in_lose(1)
    print(differs(backend, 3), backend.name, '|', backend.trouble)
    """
    assert on_stand_in(PRELUDE + script) == (
        'tensorrt False\n'
        'False cpu | tensorrt broke and cpu goes on: cuMemcpyHtoDAsync_v2 of the CUDA driver '
        'failed with CUDA_ERROR_LAUNCH_FAILED\n'
    )


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (
            "engine.names = ['rays', 'depth']; engine.num_io_tensors = 2",
            "InputError the engine has tensors ['depth', 'rays']; expected ['joints_cam', ",
        ),
        (
            'engine.get_tensor_dtype = lambda name: tensorrt.DataType.HALF',
            'InputError tensor ',
        ),
        (
            'engine.create_execution_context = lambda: None',
            'RuntimeError TensorRT has no memory for a context',
        ),
        (
            "engine.inputs['up_cam'] = [4]",
            'RuntimeError TensorRT does not take 3 rows of up_cam',
        ),
        (
            'tensorrt.Context.execute_async_v3 = lambda self, stream: False',
            'RuntimeError TensorRT cannot launch the engine',
        ),
    ],
)
def test_a_no_of_tensorrt_is_one_sentence(
    change: str, sentence: str, on_stand_in: Callable[..., str]
) -> None:
    script = f"""
    engine = tensorrt.Engine(graph.path.read_bytes())
    {change}
    try:
        on_tensorrt(engine).run(make_feeds(3))
    except (InputError, RuntimeError) as error:
        print(type(error).__name__, error)
    """
    assert on_stand_in(PRELUDE + script).startswith(sentence)


def test_a_graph_that_tensorrt_does_not_take_is_told(on_stand_in: Callable[..., str]) -> None:
    script = """
    from elepose_core.runtime.backends.engine_process import build_in_process
    other = {'image': ((1,), (1,), (1,))}
    for onnx, profile in ((b'no graph', {}), (graph.path.read_bytes(), other)):
        try:
            build_in_process(onnx, profile)
        except InputError as error:
            print(error)
    """
    first, second = on_stand_in(PRELUDE + script).splitlines()
    assert first.startswith('TensorRT 10.99 does not take the graph (')
    assert second.startswith("the graph takes ['rays', 'scores', 'up_cam', 'up_variance']; expect")


def test_a_builder_without_tensorrt_is_told(on_stand_in: Callable[..., str]) -> None:
    script = (
        PRELUDE.split('import tensorrt')[0]
        + """
    from elepose_core.errors import InputError
    from elepose_core.runtime.backends.engine_process import build_in_process
    try:
        build_in_process(b'', {})
    except InputError as error:
        print(error)
    """
    )
    said = on_stand_in(script, with_tensorrt=False)
    assert said == 'TensorRT is not installed; expected the Python module tensorrt\n'


def test_a_builder_ends_with_its_parent(on_stand_in: Callable[..., str], tmp_path: Path) -> None:
    """Also when the parent had no time to say good-bye."""
    module = tmp_path / 'slow' / 'tensorrt.py'
    module.parent.mkdir()
    pid = tmp_path / 'pid'
    module.write_text(
        'import os, pathlib, time\n'
        f'pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n'
        'time.sleep(600)\n'
    )
    script = f"""
    import os, sys, threading, time
    from pathlib import Path
    sys.path.insert(0, {str(module.parent)!r})
    from elepose_core.runtime.backends.engine_process import build_in_process
    threading.Thread(target=build_in_process, args=(b'onnx', {{}}), daemon=True).start()
    while not Path({str(pid)!r}).exists() or not Path({str(pid)!r}).read_text():
        time.sleep(0.02)
    print('building', flush=True)
    os._exit(0)
    """
    assert on_stand_in(script, with_tensorrt=False) == 'building\n'
    builder = Path('/proc') / pid.read_text()
    end = time.monotonic() + 30
    while builder.exists() and 'Z' not in (builder / 'stat').read_text().split()[2]:
        assert time.monotonic() < end, 'the builder lives on'
        time.sleep(0.05)


# ------------------------------------------------------------------ on a real GPU


@pytest.mark.gpu
@pytest.mark.parametrize(
    ('device', 'cuda_graphs'), [('cuda', False), ('tensorrt', False), ('tensorrt', True)]
)
def test_a_gpu_computes_what_the_cpu_computes(
    device: Device, cuda_graphs: bool, graph: Graph, feeds_of: Callable[..., Feeds]
) -> None:
    try:
        backend = open_backend(graph, Options(device, cuda_graphs=cuda_graphs))
    except InputError as error:
        pytest.skip(str(error))
    cpu = open_backend(graph, Options('cpu'))
    for rows in (1, 3, 64, 1, 65, 200):
        feeds = feeds_of(rows, rows)
        for found, wanted in zip(backend.run(feeds), cpu.run(feeds), strict=True):
            # 1e-4 of the root's depth is 0.5 mm for a person five metres away.
            np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.gpu
def test_a_real_gpu_tells_what_it_is() -> None:
    try:
        gpu = Gpu()
    except InputError as error:
        pytest.skip(str(error))
    command = ['nvidia-smi', '--query-gpu=name,compute_cap', '--format=csv,noheader', '--id=0']
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert told == f'{gpu.name}, {gpu.compute_capability}'
