# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest
import torch

from elepose_core.errors import InputError, MissingDependency
from elepose_core.models.backbones import picture_backbone

HAS_TIMM = importlib.util.find_spec('timm') is not None


@pytest.mark.skipif(HAS_TIMM, reason='timm is installed')
def test_without_timm_one_is_told_what_to_install() -> None:
    with pytest.raises(MissingDependency, match=r'pip install "elepose\[images\]"'):
        picture_backbone('regnetx_002', 2)


@pytest.mark.skipif(not HAS_TIMM, reason='timm is not installed')
def test_a_stage_gives_one_map_and_what_is_not_there_is_refused() -> None:
    backbone = picture_backbone('regnetx_002', 2)
    (features,) = backbone(torch.zeros(2, 3, 32, 32, dtype=torch.float32))
    assert features.shape == (2, 56, 4, 4)
    with pytest.raises(InputError, match="backbone is 'resnet-magic'; expected one of the"):
        picture_backbone('resnet-magic', 2)
    with pytest.raises(InputError, match='stage is 8; expected one of the stages of regnetx_002'):
        picture_backbone('regnetx_002', 8)
