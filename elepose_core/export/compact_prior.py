# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The prior as the exported graph holds it: the same density in half as many nodes.

For one person a graph spends more time between its nodes than in them. What is constant in a
trained flow is therefore folded into its linear layers: whitening, the scale and the offset after
each coupling, the rotation behind them, and their parts of the determinant.
"""

import torch
from FrEIA.modules import AllInOneBlock
from torch import Tensor, nn

from elepose_core.priors.flow import FlowPrior

__all__ = ['CompactPrior']


class CompactPrior(nn.Module):
    """Stands in for a trained `FlowPrior` where only the density is asked for."""

    def __init__(self, prior: FlowPrior) -> None:
        super().__init__()
        whitening = prior.whitening.T
        self.whitened = _linear(whitening, -whitening @ prior.mean)
        couplings = [_Coupling(block) for block in prior.flow.module_list]
        self._couplings = nn.ModuleList(couplings)
        self._log_determinant = sum(coupling.log_determinant for coupling in couplings)

    def negative_log_likelihood(self, components: Tensor, condition: Tensor) -> Tensor:
        """Return -log p (B,), as `FlowPrior.negative_log_likelihood` does."""
        log_scales = []
        for coupling in self._couplings:
            components, log_scale = coupling(components, condition)
            log_scales.append(log_scale)
        stretched = torch.cat(log_scales, dim=1).sum(1)
        return 0.5 * (components**2).sum(1) - (stretched + self._log_determinant)


class _Coupling(nn.Module):
    """One block: half of the components scale and shift the others, then all are mixed.

    Source: FrEIA's AllInOneBlock, which scales the subnet's output by a tenth.
    """

    def __init__(self, block: AllInOneBlock) -> None:
        super().__init__()
        *layers, last = block.subnet
        self._subnet = nn.Sequential(*layers, _linear(0.1 * last.weight, 0.1 * last.bias))
        self._split, self._clamp = list(block.splits), float(block.clamp)
        scale = block.global_scale_activation(block.global_scale)[0]
        mixing = block.w_perm
        self._mix = _linear(mixing * scale, mixing @ block.global_offset[0])
        self.log_determinant = float(torch.log(scale.detach()).sum())

    def forward(self, components: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the components that follow (B, C) and the logarithms of the scales."""
        kept, changed = torch.split(components, self._split, dim=1)
        told = self._subnet(torch.cat([kept, condition], dim=1))
        raw, shift = torch.split(told, [self._split[1]] * 2, dim=1)
        log_scale = self._clamp * torch.tanh(raw)
        changed = changed * torch.exp(log_scale) + shift
        return self._mix(torch.cat([kept, changed], dim=1)), log_scale


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer
