# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Kept backbones for pictures: those of timm, imported on use."""

import importlib
from typing import Any

import torch
from torch import nn

from elepose_core.errors import InputError, MissingDependency

__all__ = ['picture_backbone']

# What the module torchvision declares kernels of when it is imported.
_NMS = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
# Declared operators live as long as the library that declared them.
_DECLARED: list[torch.library.Library] = []


def picture_backbone(name: str, stage: int) -> nn.Module:
    """Return an untrained network of timm that gives the features of one of its stages.

    Called with (B, 3, S, S) it returns a list of one map (B, C, S', S'); `feature_info` knows C
    and S / S'.

    Args:
        name: As timm calls it.
        stage: 0 = that with the largest map.

    Raises:
        MissingDependency: timm is not installed.
        InputError: timm has no such network or the network no such stage.
    """
    timm = _timm()
    known = timm.list_models()
    if name not in known:
        raise InputError(f'backbone is {name!r}; expected one of the {len(known)} of timm')
    try:
        made: nn.Module = timm.create_model(name, features_only=True, out_indices=(stage,))
    except (AssertionError, IndexError, RuntimeError, ValueError):
        raise InputError(
            f'stage is {stage}; expected one of the stages of {name} that gives features'
        ) from None
    return made


def _timm() -> Any:
    """Import timm, beside a torch without CUDA as well.

    timm imports torchvision. Its wheels on PyPI are built for CUDA: next to the CPU build of
    torch their library of operators does not load, which torchvision tolerates, but then it
    registers kernels for two operators that nobody declared, and the import fails ("operator
    torchvision::nms does not exist"). Declaring them, without any implementation, is all that it
    takes; timm calls neither.
    """
    if not _DECLARED and not _has_operators():
        library = torch.library.Library('torchvision', 'FRAGMENT')  # type: ignore[no-untyped-call]
        for operator in ('nms', 'qnms'):
            library.define(operator + _NMS)  # type: ignore[no-untyped-call]
        _DECLARED.append(library)
    try:
        return importlib.import_module('timm')
    except ImportError as error:
        raise MissingDependency(
            f'networks that look at pictures need timm, which is not usable here ({error}); '
            'install it with: pip install "elepose[images]"'
        ) from None


def _has_operators() -> bool:
    """Tell whether torchvision's library loads, which declares the operators itself."""
    try:
        importlib.import_module('torchvision')
    except (ImportError, RuntimeError):
        return False
    return True
