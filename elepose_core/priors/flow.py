# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The prior: a normalizing flow on whitened principal components of scaled 2D poses."""

import FrEIA.framework
import FrEIA.modules
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ['VIEW_CONDITIONS', 'FlowPrior', 'PriorConfig', 'scaled_pose', 'view_condition']

VIEW_CONDITIONS = 2

# Centre and spread of what people look like from cameras at human height, for the condition.
_USUAL_ELEVATION_RAD, _SPREAD_RAD = 0.17, 0.3
_USUAL_LOG_SCALE, _SPREAD_LOG = -2.6, 0.5


class PriorConfig(BaseModel):
    """Size and training of the prior."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    components: int = Field(28, ge=2, le=32)
    blocks: int = Field(8, ge=1, le=32)
    width: int = Field(256, ge=8, le=4096)
    hidden_layers: int = Field(2, ge=1, le=4)
    whiten: bool = True
    noise: float = Field(0.05, ge=0, le=1)
    steps: int = Field(3000, ge=1)
    batch_size: int = Field(256, ge=8)
    learning_rate: float = Field(1e-3, gt=0)


def scaled_pose(pose_2d: Tensor) -> Tensor:
    """Flatten complete root-centred poses (B, 17, 2) to (B, 34) with mean joint distance 1."""
    radius = torch.sqrt((pose_2d * pose_2d).sum(-1) + 1e-12).mean(1)
    return (pose_2d / radius[:, None, None]).flatten(1)


def view_condition(elevation_rad: Tensor, scale: Tensor) -> Tensor:
    """Return (B, 2): what a conditional prior is told of a view, both about -1..1.

    Args:
        elevation_rad: (B,) of the virtual camera.
        scale: (B,) angular size of the person, as in `Observation`.
    """
    elevation = (elevation_rad - _USUAL_ELEVATION_RAD) / _SPREAD_RAD
    return torch.stack([elevation, (torch.log(scale) - _USUAL_LOG_SCALE) / _SPREAD_LOG], dim=1)


class FlowPrior(nn.Module):
    """Density of scaled 2D poses, or of those from a given view.

    Source: the PCA + flow prior of ElePose, section 3.3.
        Differs: components are whitened, inputs carry a little noise while the flow learns, and
        poses are scaled one by one instead of by one constant per data set; the flow can be
        told the view.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, config: PriorConfig, conditions: int = 0) -> None:
        super().__init__()
        self.config = config
        self.register_buffer('mean', torch.zeros(34))
        self.register_buffer('whitening', torch.zeros(34, config.components))
        self.flow = FrEIA.framework.SequenceINN(config.components)
        # FrEIA draws its fixed rotations from numpy's global state: pin them to torch's seed.
        np.random.seed(torch.initial_seed() % 2**32)  # noqa: NPY002
        for _ in range(config.blocks):
            self.flow.append(
                FrEIA.modules.AllInOneBlock,
                cond=0 if conditions else None,
                cond_shape=(conditions,) if conditions else None,
                subnet_constructor=self._subnet,
                permute_soft=True,
            )

    def _subnet(self, inputs: int, outputs: int) -> nn.Module:
        width = self.config.width
        layers: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
        for _ in range(self.config.hidden_layers - 1):
            layers += [nn.Linear(width, width), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(width, outputs))

    def fit_components(self, poses: Tensor) -> None:
        """Set mean and principal axes, whitened if the config says so, from poses (N, 34)."""
        mean = poses.mean(0)
        _, singular, axes = torch.linalg.svd(poses - mean, full_matrices=False)
        count = self.config.components
        deviation = singular[:count] / len(poses) ** 0.5
        scale = deviation.clamp(min=1e-3) if self.config.whiten else torch.ones_like(deviation)
        self.mean.copy_(mean)
        self.whitening.copy_(axes[:count].T / scale)

    def whitened(self, poses: Tensor) -> Tensor:
        """Return the components (B, components) of scaled poses (B, 34)."""
        return (poses - self.mean) @ self.whitening

    def negative_log_likelihood(
        self, components: Tensor, condition: Tensor | None = None
    ) -> Tensor:
        """Return -log p (B,) in nat up to a constant.

        Args:
            components: (B, components) whitened.
            condition: (B, conditions) of a conditional prior.
        """
        return _surprise(*self.flow(components, _given(condition)))

    def frozen_negative_log_likelihood(
        self, components: Tensor, condition: Tensor | None = None
    ) -> Tensor:
        """Return the same; gradients reach the components, not the parameters of the flow."""
        frozen = {name: values.detach() for name, values in self.flow.state_dict().items()}
        arguments = (components, _given(condition))
        return _surprise(*functional_call(self.flow, frozen, arguments))


def _given(condition: Tensor | None) -> list[Tensor] | None:
    return None if condition is None else [condition]


def _surprise(latent: Tensor, log_determinant: Tensor) -> Tensor:
    return torch.as_tensor(0.5 * (latent**2).sum(1) - log_determinant)
