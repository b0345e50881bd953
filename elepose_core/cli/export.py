# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose export`: make a bundle of a training run, and a TensorRT engine of a bundle."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

__all__ = ['export']

_WEIGHTS: dict[str, Literal['float32', 'float16']] = {'fp32': 'float32', 'fp16': 'float16'}


def export(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    out: Path | None = None,
    data: Path | None = None,
    metrics: tuple[Path, ...] = (),
    data_licence: str = '',
    precision: Literal['fp32', 'fp16'] = 'fp32',
    tensorrt: bool = False,
) -> None:
    """Make a bundle of a training run and compare it with torch; or build its engine ahead.

    Args:
        model: Folder that `elepose train` wrote; best.pt is taken, last.pt where there is none.
            Without --out the bundle, or the name of a shipped one, to build an engine of.
        out: Bundle folder, <name>.elepose.
        data: PoseSet that training did not see, better the val split: sigma is calibrated on its
            3D truth, if it has one, and the comparison uses its poses.
        metrics: JSON files of `elepose evaluate`; they enter the manifest under their stems.
        data_licence: Licence and origin of the training data, for the manifest.
        precision: Of the stored weights: fp16 halves the file.
        tensorrt: Build the engine for this machine's GPU and keep it in the cache, where nodes and
            `Predictor` look for it. Run it on the robot, or on one of the same model.
    """
    if out is not None:
        _export_run(Path(model), out, data, metrics, data_licence, precision)
    elif not tensorrt or data is not None or metrics:
        from elepose_core.errors import InputError

        raise InputError(
            'out is not given; expected --out <name>.elepose for a bundle of a run, or --tensorrt '
            'alone for an engine of a bundle'
        )
    if tensorrt:
        print(_build_engine(model if out is None else out))


def _build_engine(model: str | Path) -> str:
    from elepose_core.errors import InputError
    from elepose_core.runtime.backends.tensorrt_library import import_tensorrt
    from elepose_core.runtime.predictor import Predictor

    import_tensorrt()  # without it onnxruntime's provider would serve, which keeps no engine
    backend = Predictor(model, device='tensorrt').backend
    if backend.trouble:
        raise InputError(backend.trouble)
    return backend.description


def _export_run(
    run: Path,
    out: Path,
    data: Path | None,
    metrics: tuple[Path, ...],
    data_licence: str,
    precision: Literal['fp32', 'fp16'],
) -> None:
    from elepose_core.bundle import SCHEMA_VERSION, Manifest
    from elepose_core.cli.methods.method import BundleRequest
    from elepose_core.cli.run_reader import read_run
    from elepose_core.data.poseset import PoseSet
    from elepose_core.errors import InputError
    from elepose_core.skeleton import H36M_17

    if out.suffix != '.elepose':
        raise InputError(f'output is {out}; expected a folder name that ends in .elepose')
    if data is None:
        raise InputError('data is not given; expected a PoseSet that training did not see')
    module, method, training = read_run(run)
    if data_licence:
        training['data_licence'] = data_licence
    poses = PoseSet.load(data)
    if len(poses) < 256:
        raise InputError(f'{data} holds {len(poses)} poses; expected 256 or more to compare on')
    training['sigma_calibrated_on'] = data.name if poses.joints_cam_m is not None else None
    figures = {path.stem: _figures(path) for path in metrics}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=out.stem,
        method=str(training.pop('method', 'elepose')),
        joint_layout=H36M_17.name,
        input_names=(),
        output_names=(),
        opset=7,
        sha256='0' * 64,
        parity={},
        training=training,
        metrics=figures,
    )
    request = BundleRequest(out, manifest, poses, _WEIGHTS[precision])
    bundle = method.write_bundle(module, request)
    size_mb = bundle.onnx_path.stat().st_size / 1e6
    print(f'{bundle.folder}: {size_mb:.1f} MB, sha256 {bundle.manifest.sha256[:12]}')
    for batch, by_output in bundle.manifest.parity['largest_difference'].items():
        row = ', '.join(f'{name} {value:.1e}' for name, value in by_output.items())
        print(f'  batch {batch}: largest difference from torch: {row}')
    if (panned := bundle.manifest.parity.get('change_when_panned')) is not None:
        print(f'  largest change of a person when the camera turns: {panned:.1e} of the distance')


def _figures(path: Path) -> dict[str, Any]:
    from elepose_core.errors import InputError

    try:
        tree = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(f'{path} is not a readable JSON file ({error})') from None
    if not isinstance(tree, dict):
        raise InputError(f'{path} holds no figures; expected what elepose evaluate --json wrote')
    # The manifest stays short; the files hold the figures by action.
    return {name: value for name, value in tree.items() if name != 'by_action'}
