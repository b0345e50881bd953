# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The way back from a bundle to a lifter that can learn on."""

import onnx
import torch

from elepose_core.bundle import open_bundle
from elepose_core.errors import InputError
from elepose_core.models.lifter import Lifter

__all__ = ['start_from_bundle']

_PREFIX, _ADAPTER, _HALVED = 'lifter.', 'adapter.', '_float16'


def start_from_bundle(lifter: Lifter, model: str) -> None:
    """Give a lifter the weights that a bundle of ours holds.

    Args:
        lifter: Of the same size; it is changed.
        model: Bundle folder or the name of a shipped bundle.

    Raises:
        InputError: No such bundle, its lifter has other parts or sizes, or it has an adapter.
    """
    graph = onnx.load(str(open_bundle(model).onnx_path)).graph
    if any(weights.name.startswith(_ADAPTER) for weights in graph.initializer):
        raise InputError(
            f'setting start.model is {model!r}, whose lifter sees what its domain adapter moved; '
            'expected a bundle without one'
        )
    found = {
        weights.name.removeprefix(_PREFIX).removesuffix(_HALVED): torch.from_numpy(
            onnx.numpy_helper.to_array(weights).astype('float32')
        )
        for weights in graph.initializer
        if weights.name.startswith(_PREFIX)
    }
    wanted = {name: tuple(values.shape) for name, values in lifter.state_dict().items()}
    for name, shape in wanted.items():
        if name not in found or tuple(found[name].shape) != shape:
            held = f'of shape {tuple(found[name].shape)}' if name in found else 'absent'
            raise InputError(
                f'setting start.model is {model!r}, where {name} is {held}; expected {shape} as '
                'the settings of lifter say'
            )
    lifter.load_state_dict({name: found[name] for name in wanted})
