# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MATLAB files, of version 5 and of version 7.3, which are HDF5 (h5py)."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.mat_version_5 import MAX_MAT_ARRAY_BYTES, read_version_5
from elepose_core.errors import InputError, MissingDependency, shown
from elepose_core.files import read_bounded

__all__ = ['MAX_MAT_BYTES', 'read_mat']

# The largest file of MPI-INF-3DHP has an eighth of it.
MAX_MAT_BYTES = 1 << 31
_HDF5 = b'\x89HDF\r\n\x1a\n'
_USER_BLOCK = 512  # MATLAB's own header stands before the HDF5


def read_mat(path: Path, keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return variables of a MATLAB file, with axes in MATLAB's order.

    Cell arrays become arrays of objects; those of version 7.3 are refused.

    Raises:
        InputError: The file cannot be read, or lacks a variable.
        MissingDependency: It is of version 7.3 and h5py is not installed.
    """
    try:
        content = read_bounded(path, MAX_MAT_BYTES)
    except FileNotFoundError:
        raise InputError(f'{path} does not exist; expected a MATLAB file') from None
    except OSError as error:
        raise InputError(f'{path} is not readable ({error.strerror})') from None
    is_hdf5 = _HDF5 in (content[:8], content[_USER_BLOCK : _USER_BLOCK + 8])
    try:
        found = _read_hdf5(content, path, keys) if is_hdf5 else read_version_5(content, keys)
    except InputError:
        raise
    except Exception as error:  # zlib and h5py raise many kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f'{path} is not a readable MATLAB file ({reason})') from None
    for key in keys:
        if key not in found:
            raise InputError(f'{path}: variable {key!r} is missing; expected {", ".join(keys)}')
    return found


def _read_hdf5(content: bytes, path: Path, keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    try:
        import h5py
    except ImportError:
        raise MissingDependency(
            f'{path} is a MATLAB 7.3 file, which needs h5py: pip install "elepose[mat]"'
        ) from None
    # From memory: links to other files then lead nowhere.
    with h5py.File(io.BytesIO(content), 'r') as file:
        return {key: _numbers(file, key, path, h5py) for key in keys if key in file}


def _numbers(file: Any, key: str, path: Path, h5py: Any) -> NDArray[Any]:
    link = file.get(key, getlink=True)
    data = file[key] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise InputError(f'{path}: variable {key!r} is no array inside the file')
    size = math.prod(data.shape or (0,)) * data.dtype.itemsize
    if data.dtype.kind not in 'biuf' or size > MAX_MAT_ARRAY_BYTES:
        raise InputError(
            f'{path}: variable {key!r} is {shown(str(data.dtype))} of shape {data.shape}; '
            f'expected numbers of at most {MAX_MAT_ARRAY_BYTES} bytes'
        )
    return np.asarray(data[()]).T  # HDF5 has the axes the other way round
