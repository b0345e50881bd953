# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Which backend is taken, what it says of itself, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest

from elepose_core.errors import InputError
from elepose_core.runtime.backends.choice import Options, open_backend
from elepose_core.runtime.backends.cuda_driver import Gpu
from elepose_core.runtime.backends.interface import Device, Feeds, Graph
from elepose_core.runtime.predictor import Predictor

MACHINE_HAS_GPU = Path('/dev/nvidiactl').exists() or Path('/dev/nvhost-gpu').exists()
without_gpu = pytest.mark.skipif(MACHINE_HAS_GPU, reason='this machine has a GPU')


def test_cpu_asks_for_nothing(graph: Graph, feeds_of: Callable[..., Feeds]) -> None:
    backend = open_backend(graph, Options('cpu'))
    assert backend.name == 'cpu'
    version = onnxruntime.__version__
    assert backend.description == f'onnxruntime {version} on the CPU (device cpu: as asked for)'
    assert backend.trouble == ''
    assert [len(output) for output in backend.run(feeds_of(3))] == [3] * 5


@without_gpu
@pytest.mark.parametrize('in_background', [False, True])
def test_auto_without_a_gpu_is_the_cpu_and_says_why(in_background: bool) -> None:
    backend = Predictor(device='auto', in_background=in_background).backend
    assert backend.name == 'cpu'
    assert backend.description.endswith(
        'on the CPU (device auto: no NVIDIA driver is here (libcuda.so.1 cannot be opened))'
    )
    assert backend.trouble == ''


@without_gpu
@pytest.mark.parametrize('in_background', [False, True])
@pytest.mark.parametrize('device', ['cuda', 'tensorrt'])
def test_a_device_that_is_asked_for_and_is_not_here_is_an_error(
    device: Device, in_background: bool
) -> None:
    with pytest.raises(InputError) as caught:
        Predictor(device=device, in_background=in_background)
    assert str(caught.value) == (
        f'device is {device!r}, but no NVIDIA driver is here (libcuda.so.1 cannot be opened)'
    )


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(InputError, match="device is 'gpu'; expected one of auto, cpu, cuda, tens"):
        Predictor(device='gpu')  # type: ignore[arg-type]


def test_a_library_that_is_no_driver_is_told() -> None:
    with pytest.raises(InputError, match=r'the NVIDIA driver is too old \(.*cuInit'):
        Gpu('libc.so.6')


CHOOSE = """
    from elepose_core.errors import InputError
    from elepose_core.runtime.predictor import Predictor

    try:
        backend = Predictor(device={device!r}, in_background={in_background}).backend
        getattr(backend, 'wait', bool)()
        print(backend.name, '|', backend.description, '|', backend.trouble)
    except InputError as error:
        print('refused |', error)
"""


def _choose(run: Callable[..., str], device: str, in_background: bool = False, **more: str) -> str:
    script = CHOOSE.format(device=device, in_background=in_background)
    return run(script, **more).strip()


@without_gpu
class TestOnStandIn:
    """A driver with a GPU is here; nothing of it computes."""

    def test_auto_names_what_is_missing_beside_the_gpu(
        self, on_stand_in: Callable[..., str]
    ) -> None:
        said = _choose(on_stand_in, 'auto', with_tensorrt=False)
        assert said.startswith('cpu | onnxruntime')
        assert (
            '(device auto: TensorRT is not installed and this onnxruntime has no Tensorrt' in said
        )
        assert 'this onnxruntime has no CUDAExecutionProvider (onnxruntime-gpu has)' in said

    @pytest.mark.parametrize(
        ('device', 'missing'),
        [
            ('cuda', 'this onnxruntime has no CUDAExecutionProvider (onnxruntime-gpu has)'),
            ('tensorrt', 'TensorRT is not installed and this onnxruntime has no TensorrtExec'),
        ],
    )
    def test_what_is_asked_for_and_misses_software_is_refused(
        self, device: str, missing: str, on_stand_in: Callable[..., str]
    ) -> None:
        said = _choose(on_stand_in, device, with_tensorrt=False)
        assert said.startswith(f"refused | device is '{device}', but {missing}")

    @pytest.mark.parametrize('in_background', [False, True])
    def test_tensorrt_is_built_then_read(
        self, in_background: bool, on_stand_in: Callable[..., str], tmp_path: Path
    ) -> None:
        said = _choose(on_stand_in, 'auto', in_background)
        assert said.startswith(
            'tensorrt | TensorRT 10.99 on Stand-in (device auto: the fastest that is here; '
            'engine built, since '
        )
        said = _choose(on_stand_in, 'tensorrt', in_background)
        assert '(device tensorrt: as asked for; engine read from ' in said
        (build,) = (tmp_path / 'builds').read_text().splitlines()  # once
        assert int(build.split()[1]) >= 10  # out of the robot's way

    def test_auto_goes_on_when_tensorrt_cannot_build(
        self, on_stand_in: Callable[..., str]
    ) -> None:
        said = _choose(on_stand_in, 'auto', STAND_IN_FAILS='1')
        assert said.startswith('cpu | ')
        assert 'TensorRT 10.99 built no engine' in said

    def test_tensorrt_that_cannot_build_is_refused(self, on_stand_in: Callable[..., str]) -> None:
        said = _choose(on_stand_in, 'tensorrt', STAND_IN_FAILS='1')
        assert said.startswith('refused | TensorRT 10.99 built no engine')

    @pytest.mark.parametrize(('device', 'what'), [('auto', 'a GPU'), ('tensorrt', 'tensorrt')])
    def test_in_the_background_a_failure_is_told(
        self, device: str, what: str, on_stand_in: Callable[..., str]
    ) -> None:
        said = _choose(on_stand_in, device, in_background=True, STAND_IN_FAILS='1')
        assert said.startswith('cpu | ')
        trouble = said.split(' | ')[2]
        assert trouble.startswith(f'{what} is not used and cpu goes on: TensorRT 10.99 built no')

    def test_a_cache_that_cannot_be_used_is_trouble_but_no_error(
        self, on_stand_in: Callable[..., str], tmp_path: Path
    ) -> None:
        (tmp_path / 'cache').write_text('a file')
        said = _choose(on_stand_in, 'tensorrt')
        assert said.startswith('tensorrt | ')
        assert 'engines are not kept: ' in said.split(' | ')[2]
