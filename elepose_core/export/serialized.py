# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A module as the bytes of an ONNX graph."""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx
import torch
from torch import Tensor, nn

__all__ = ['OPSET', 'Precision', 'serialized', 'with_half_weights']

OPSET = 18
Precision = Literal['float32', 'float16']
_MOST_ROWS = 4096
# Weights that are worth halving: matrices, not biases.
_LARGE = 1024


def serialized(
    module: nn.Module,
    example: tuple[Tensor, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
) -> bytes:
    """Return the graph of a module; the first axis of every input is of any size.

    Args:
        module: Its `forward` has the inputs as arguments of these names.
        example: Inputs of two rows each.
        input_names: In order.
        output_names: In order.
    """
    batch = torch.export.Dim('batch', min=1, max=_MOST_ROWS)
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    # The exporter talks on stdout and warns of its own deprecations.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_shapes={name: {0: batch} for name in input_names},
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The exporter notes where in whose checkout each node was written: nobody's business.
    for entry in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del entry.metadata_props[:]
    return bytes(model.SerializeToString())


def with_half_weights(graph: bytes) -> bytes:
    """Store large weights as float16; each is cast to float32 where the graph is loaded.

    Raises:
        ArithmeticError: A weight is beyond the range of float16.
    """
    model = onnx.load_from_string(graph)
    casts = []
    for weights in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < _LARGE:
            continue
        with np.errstate(over='ignore'):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ArithmeticError(f'{weights.name} has weights beyond the range of float16')
        name, stored = weights.name, f'{weights.name}_float16'
        weights.CopyFrom(onnx.numpy_helper.from_array(half, stored))
        casts.append(onnx.helper.make_node('Cast', [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
