# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle: a folder `<name>.elepose` with `lifter.onnx` and `manifest.json`."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from elepose_core.errors import InputError, shown
from elepose_core.files import read_bounded, replacing, sha256_of

__all__ = [
    'MAX_FRAMES',
    'MAX_GRAPH_BYTES',
    'MAX_MANIFEST_BYTES',
    'SCHEMA_VERSION',
    'Bundle',
    'Manifest',
    'open_bundle',
    'write_bundle',
]

# 2: the graph is told the variance of up, and gives sigma, plausibility and the variance of its
# own up. 3: besides, it may look at several frames and give a body. A bundle that does neither is
# written as 2, so that nodes that know no other read it.
SCHEMA_VERSION = 3
_PLAIN_VERSION = 2
_VERSIONS = (_PLAIN_VERSION, SCHEMA_VERSION)
# What a graph may look at: eight seconds at 30 Hz. Each person's are kept.
MAX_FRAMES = 256
# Twenty times the shipped ones.
MAX_MANIFEST_BYTES = 1 << 20
MAX_GRAPH_BYTES = 1 << 28
_SHIPPED = Path(__file__).resolve().parent / 'bundles'


class Manifest(BaseModel):
    """What a bundle says of itself.

    Attributes:
        schema_version: Of this file.
        name: Of the bundle.
        method: Training method.
        joint_layout: Layout of input and output joints.
        input_names: Of the graph, in order.
        output_names: Of the graph, in order.
        opset: ONNX operator set.
        sha256: Of `lifter.onnx`.
        parity: Largest difference from torch on real poses, per output and batch size.
        training: Data, licence, steps, seed, revision, resolved settings.
        metrics: Figures by data set, as `elepose evaluate` prints them.
        frames: How many frames in a row the graph looks at; it lifts the last of them.
        fps: Frames per second of those; of a graph of single frames without meaning.
        body: Name of the faces that go with the graph's vertices; None = it gives no body.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    schema_version: int
    name: str = Field(max_length=200)
    method: str
    joint_layout: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    opset: int = Field(ge=7)
    sha256: str = Field(pattern=r'^[0-9a-f]{64}$')
    parity: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, dict[str, Any]] = {}
    frames: int = Field(default=1, ge=1, le=MAX_FRAMES)
    fps: float = Field(default=30.0, ge=1.0, le=1000.0)
    # Names in files never become paths: no dot, no slash.
    body: str | None = Field(default=None, pattern=r'^[a-z0-9_]{1,64}$')

    @field_validator('metrics')
    @classmethod
    def _check_error(cls, metrics: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Refuse an error that nodes could not weigh the camera's tilt with."""
        error_deg = metrics.get('val', {}).get('elevation_clip_mae_deg', 0.0)
        if type(error_deg) not in (int, float) or not 0 <= error_deg <= 90:
            raise ValueError(
                f'elevation_clip_mae_deg of val is {shown(error_deg)}; expected 0..90'
            )
        return metrics

    @model_validator(mode='after')
    def _check_version(self) -> 'Manifest':
        """Refuse what an older schema cannot say."""
        if self.schema_version < SCHEMA_VERSION and (new := self._new_fields()):
            raise ValueError(f'{", ".join(new)} need schema_version {SCHEMA_VERSION}')
        return self

    def _new_fields(self) -> list[str]:
        """Return the fields of the newest schema that say something."""
        said = {'frames': self.frames > 1, 'fps': self.frames > 1, 'body': self.body is not None}
        return [name for name, is_said in said.items() if is_said]

    def plainest(self) -> 'Manifest':
        """Return it in the oldest schema that says the same."""
        version = SCHEMA_VERSION if self._new_fields() else _PLAIN_VERSION
        return self.model_copy(update={'schema_version': version})

    def text(self) -> str:
        """Return it as JSON."""
        left_out = {'frames', 'fps', 'body'} if self.schema_version < SCHEMA_VERSION else set()
        tree = self.model_dump(mode='json', exclude=left_out)
        return json.dumps(tree, indent=2, sort_keys=False) + '\n'


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def onnx_path(self) -> Path:
        """Return the path of the graph."""
        return self.folder / 'lifter.onnx'


def open_bundle(model: str | Path = 'default') -> Bundle:
    """Open and check a bundle.

    Args:
        model: Path of a bundle folder, or the name of one that the package ships ('default').

    Raises:
        InputError: No such bundle, an unreadable manifest, another schema or a graph whose
            checksum differs from the manifest's.
    """
    folder = Path(model)
    # A bare name means a shipped bundle; a path has a separator or the suffix.
    if isinstance(model, str) and folder.name == model and folder.suffix != '.elepose':
        folder = _SHIPPED / f'{model}.elepose'
        if folder not in _SHIPPED.glob('*.elepose'):
            shipped = ', '.join(sorted(p.stem for p in _SHIPPED.glob('*.elepose'))) or 'none'
            raise InputError(
                f'model is {shown(model)}; expected a shipped bundle ({shipped}) or the path of a '
                'folder <name>.elepose'
            )
    manifest = _read_manifest(folder)
    bundle = Bundle(folder, manifest)
    try:
        graph = read_bounded(bundle.onnx_path, MAX_GRAPH_BYTES)
    except FileNotFoundError:
        raise InputError(f'{bundle.onnx_path} does not exist; the bundle is incomplete') from None
    except OSError as error:
        raise InputError(f'{bundle.onnx_path} cannot be read ({error.strerror})') from None
    found = hashlib.sha256(graph).hexdigest()
    if found != manifest.sha256:
        raise InputError(
            f'{bundle.onnx_path} has sha256 {found[:12]}... but its manifest says '
            f'{manifest.sha256[:12]}...; the file was damaged or exchanged'
        )
    return bundle


def write_bundle(folder: Path, manifest: Manifest, write_onnx: Callable[[Path], None]) -> Bundle:
    """Write a bundle folder; it appears whole or not at all.

    Args:
        folder: Must end in `.elepose`.
        manifest: Its sha256 is replaced by that of the written graph, its schema version by the
            oldest that can say the same.
        write_onnx: Called with the path of the graph to write.
    """
    folder = Path(folder)
    if folder.suffix != '.elepose':
        raise InputError(f'output is {folder}; expected a folder name that ends in .elepose')
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_onnx(temporary / 'lifter.onnx')
        digest = sha256_of(temporary / 'lifter.onnx')
        manifest = manifest.plainest().model_copy(update={'sha256': digest})
        (temporary / 'manifest.json').write_text(manifest.text(), encoding='utf-8')
    return Bundle(folder, manifest)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / 'manifest.json'
    try:
        tree = json.loads(read_bounded(path, MAX_MANIFEST_BYTES).decode())
    except FileNotFoundError:
        fault = f'{path} cannot be read' if folder.exists() else f'{folder} does not exist'
        raise InputError(f'{fault}; expected a bundle folder') from None
    except OSError as error:
        raise InputError(
            f'{shown(str(path))} cannot be read ({error.strerror}); expected a bundle folder'
        ) from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path} is not JSON ({error})') from None
    version = tree.get('schema_version') if isinstance(tree, dict) else None
    if version not in _VERSIONS:
        raise InputError(
            f'{path}: schema_version is {shown(version)}; expected '
            f'{" or ".join(map(str, _VERSIONS))} '
            '(a bundle of another version of elepose is exported anew from its run)'
        )
    try:
        return Manifest.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f'{path}: {".".join(map(str, first["loc"])) or "it"} is wrong: {first["msg"]}'
        ) from None
