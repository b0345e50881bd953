# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""In which number format the networks multiply."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ['multiply_in']


def multiply_in(precision: Literal['float32', 'bfloat16']) -> AbstractContextManager[Any]:
    """Return a context in which linear layers multiply in this format.

    torch.autocast would also round the 3x3 rotations of the geometry to three digits, which is
    more than a pixel; here everything but the layers stays float32, and so does what they return.
    """
    return _Bfloat16Layers() if precision == 'bfloat16' else nullcontext()


class _Bfloat16Layers(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.linear:
            return _linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = functional.linear(x.bfloat16(), weight.bfloat16()).float()
    return product if bias is None else product + bias
