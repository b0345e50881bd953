# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pickled object arrays inside npz files, read without running anything that they ask for.

numpy stores dicts and lists in an npz file as a pickle, and a pickle may call any function of any
module. Here only arrays of numbers, lists, tuples, dicts, strings and numbers come to be: names
of classes are looked up in a table of ours, whose entries keep the parts of an array as plain
data until they are checked. None of numpy's own code for pickles runs either, since it trusts
the sizes that a pickle states.
"""

import io
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import check_archive
from elepose_core.errors import InputError, shown
from elepose_core.files import open_regular

__all__ = ['MAX_DIMENSIONS', 'read_object']

# Of an array inside a pickle; poses have three.
MAX_DIMENSIONS = 8
# As numpy's pickles name them: kind and bytes.
_CODES_OF_TYPES = {'O', 'O4', 'O8', 'b1', *(f'{kind}{size}' for kind in 'iuf' for size in '248')}
_CODES_OF_TYPES |= {'i1', 'u1'}


def read_object(path: Path, key: str) -> Any:
    """Return what an npz file holds under a key that numpy stored as a pickle.

    Args:
        path: The npz file.
        key: Of an object array without dimensions, as `np.savez(path, key=a_dict)` writes.

    Returns:
        Dicts, lists, tuples, strings, numbers and arrays of numbers.

    Raises:
        InputError: The file cannot be read, has no such key, or its pickle asks for anything else.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            check_archive(archive, file.seek(0, os.SEEK_END))
            if f'{key}.npy' not in archive.namelist():
                found = ', '.join(sorted(n.removesuffix('.npy') for n in archive.namelist()))
                raise InputError(f'{path}: key {key!r} is missing; found {shown(found)}')
            return _unpickled(archive.read(f'{key}.npy'))
    except FileNotFoundError:
        raise InputError(f'{path} does not exist; expected an npz file') from None
    except InputError:
        raise
    # zipfile, zlib and the reader of pickles raise many kinds for a damaged file
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if isinstance(error, KeyError):
            reason = f'it has the code {reason}, which none of these needs'
        raise InputError(
            f'{path}: key {key!r} is not a pickle of plain containers and arrays ({reason})'
        ) from None


def _unpickled(content: bytes) -> Any:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(file)
    if shape != () or dtype != np.dtype(object):
        raise ValueError(f'it is {dtype} of shape {shape}; expected one object')
    whole = _Reader(file).load()
    if not isinstance(whole, _Array) or whole.dtype.kind != 'O' or len(whole.items) != 1:
        raise ValueError('it holds no array of one object')
    return _plain(whole.items[0])


def _plain(tree: Any) -> Any:
    """Turn what stands for arrays into arrays, level by level and each container once."""
    whole = [tree]
    waiting: list[Any] = [whole]
    met: dict[int, Any] = {}
    # A tuple that stands in many places becomes one list: a pickle of a few bytes may hold one
    # whose places double with each level.
    listed: dict[int, tuple[Any, list[Any]]] = {}
    while waiting:
        container = waiting.pop()
        if id(container) in met:
            continue
        met[id(container)] = container  # kept, so that no other gets its id
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for place, value in list(entries):
            if isinstance(value, _Array):
                value = value.numbers()
                container[place] = value
            elif isinstance(value, tuple):
                value = listed.setdefault(id(value), (value, list(value)))[1]
                container[place] = value
            if isinstance(value, list | dict):
                waiting.append(value)
    return whole[0]


def _said(value: object) -> str:
    """Return what a pickle states as it may stand in a sentence.

    Only text and numbers are written out: what a few bytes nest takes forever to write.
    """
    plain = isinstance(value, str | int | float)
    return shown(value) if plain else f'a {type(value).__name__}'


class _Dtype:
    """Type of the numbers of an array."""

    __slots__ = ('dtype', 'kind')

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or code not in _CODES_OF_TYPES:
            raise pickle.UnpicklingError(f'an array has the type {_said(code)}')
        self.kind = code[0]
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, *parts = state[1:5]
        if order not in ('<', '>', '|', '=') or any(part is not None for part in parts):
            raise pickle.UnpicklingError('an array has a type of several fields')
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array before it is one: its parts as the pickle states them, checked."""

    __slots__ = ('content', 'dtype', 'items', 'order', 'shape')

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, content = state
        if not (
            isinstance(shape, tuple)
            and len(shape) <= MAX_DIMENSIONS
            and all(type(side) is int and side >= 0 for side in shape)
            and type(dtype) is _Dtype
        ):
            raise pickle.UnpicklingError(f'an array has the shape {_said(shape)}')
        self.shape, self.dtype, self.order = shape, dtype, 'F' if is_fortran else 'C'
        self.items: list[Any] = []
        self.content = b''
        count = math.prod(shape)
        if dtype.kind == 'O':
            if type(content) is not list or len(content) != count:
                raise pickle.UnpicklingError(f'an array of shape {shape} lacks objects')
            self.items = content
        else:
            wanted = count * dtype.dtype.itemsize
            if type(content) is not bytes or len(content) != wanted:
                raise pickle.UnpicklingError(f'an array of shape {shape} lacks {wanted} bytes')
            self.content = content

    def numbers(self) -> NDArray[Any] | list[Any]:
        """Return the array; one of objects becomes a list, whatever its shape."""
        if self.dtype.kind == 'O':
            return self.items
        flat = np.frombuffer(self.content, self.dtype.dtype)
        return flat.reshape(self.shape, order='F' if self.order == 'F' else 'C')


class _Maker:
    """What a pickle may call; nothing of it can be changed from within the pickle."""

    __slots__ = ('_make',)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError('it changes a function')


def _encoded(text: str, encoding: str = 'latin1') -> bytes:
    """Return bytes as pickles of protocol 2 keep them."""
    if type(text) is not str or encoding != 'latin1':
        raise pickle.UnpicklingError(f'it has bytes in {_said(encoding)}')
    return text.encode('latin1')


def _nothing() -> bytes:
    return b''


def _scalar(dtype: Any, content: Any) -> Any:
    if type(dtype) is not _Dtype or type(content) is not bytes or dtype.kind == 'O':
        raise pickle.UnpicklingError('it has a number of no known type')
    return np.frombuffer(content, dtype.dtype, count=1)[0].item()


def _set_items(container: object, items: list[Any]) -> None:
    """Put keys and values, in turn, into a dict; the hash of nested tuples takes forever."""
    if type(container) is not dict or any(type(key) is not str for key in items[::2]):
        raise pickle.UnpicklingError('it has a dict with keys that are no text')
    container.update(zip(items[::2], items[1::2], strict=True))


def _allowed() -> dict[tuple[str, str], _Maker]:
    names: dict[tuple[str, str], _Maker] = {
        ('numpy', 'dtype'): _Maker(_Dtype),
        ('numpy', 'ndarray'): _Maker(lambda *_: None),
        ('_codecs', 'encode'): _Maker(_encoded),
        # Protocol 2 asks for no bytes in this way.
        ('__builtin__', 'bytes'): _Maker(_nothing),
    }
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # NumPy 1 and 2
        names[module, '_reconstruct'] = _Maker(lambda *_: _Array())
        names[module, 'scalar'] = _Maker(_scalar)
    return names


class _Reader(pickle._Unpickler):  # type: ignore[name-defined,misc,unused-ignore]
    """The reader that is written in Python.

    The one in C makes room for as many remembered objects, and as large bytearrays, as a pickle
    states before it has read them.
    """

    _CODES: ClassVar[tuple[bytes, ...]] = (
        *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK),
        *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BINFLOAT),
        *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
        *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8),
        *(pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8),
        *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS),
        *(pickle.EMPTY_DICT,),
        *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
        *(pickle.BINGET, pickle.LONG_BINGET, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE),
        *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BUILD),
    )
    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {
        code[0]: pickle._Unpickler.dispatch[code[0]]  # type: ignore[attr-defined,unused-ignore]
        for code in _CODES
    }

    def _load_setitem(self) -> None:
        stack: list[Any] = self.stack  # type: ignore[attr-defined,unused-ignore]
        value, key = stack.pop(), stack.pop()
        _set_items(stack[-1], [key, value])

    def _load_setitems(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined,unused-ignore]
        _set_items(self.stack[-1], items)  # type: ignore[attr-defined,unused-ignore]

    dispatch |= {pickle.SETITEM[0]: _load_setitem, pickle.SETITEMS[0]: _load_setitems}

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._names = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of what numpy needs; refuse everything else."""
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f'it asks for {shown(f"{module}.{name}")}')
        return self._names[module, name]
