# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Weakly supervised pre-training of a network that looks at people, and its fine-tuning on 3D.

Source: Qiu, Qiu, Fu, Fu, weakly supervised pre-training for 3D human pose estimation via
perspective knowledge (arXiv 2211.11983): first the order in depth of keypoints, which 2D
annotations tell, on many pictures; then 3D on few.
    Differs: pictures are rendered and networks small, since neither photographs with keypoints nor
    pretrained weights were at hand; the same head gives the order and the depth; pre-training also
    asks where the keypoints are, which the annotations say as well.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from elepose_core.losses import radius_surprise, ranking_loss
from elepose_core.models.image_depth import ImageDepth
from elepose_core.skeleton import H36M_17
from elepose_core.training.loop import Group
from elepose_core.training.ordinal_labels import OrdinalLabels
from elepose_core.training.sampling import draw_rows

__all__ = [
    'DepthLessons',
    'LabelConfig',
    'Ordering',
    'PictureSampling',
    'places_varied',
    'taught_rows',
    'varied',
]

_MIRROR = list(H36M_17.mirror)
_ROOT = H36M_17.index('pelvis')
# A difference in depth of so many angular sizes is a clear one.
_CLEAR_DEPTH = 0.1
# Sides of the patch that hides a part of a picture, as shares of the picture's.
_LEAST_PATCH, _LARGEST_PATCH = 0.1, 0.45


class PictureSampling(BaseModel):
    """How pictures are varied: shares are probabilities, amounts the largest.

    `shift` is in sides of the picture, `zoom` relative, `gain` and `offset` of each channel,
    `hidden_share` that of pictures of which a patch is covered.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    mirrored_share: float = Field(0.5, ge=0, le=1)
    shift: float = Field(0.05, ge=0, le=0.5)
    zoom: float = Field(0.08, ge=0, le=0.5)
    gain: float = Field(0.2, ge=0, le=1)
    offset: float = Field(0.1, ge=0, le=1)
    hidden_share: float = Field(0.3, ge=0, le=1)


class LabelConfig(BaseModel):
    """What the network is told.

    `labels` says what pre-training learns besides the places of keypoints in the picture: their
    order by perspective or by the default lifter; 'places' = nothing else; 'none' leaves
    pre-training out. `place_weight` is that of the places. `share` is that of the poses whose 3D
    truth is looked at. `lifted` says that people without truth were rendered as the default lifter
    poses them (tools/render_people.py), so that this is what their pictures show: it is then
    taught like truth.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    labels: Literal['perspective', 'lifter', 'places', 'none'] = 'perspective'
    place_weight: float = Field(3.0, ge=0)
    share: float = Field(1.0, gt=0, le=1)
    lifted: bool = False


@dataclass(frozen=True)
class Ordering:
    """Recipe of `training.loop`: put joints in the order that 2D tells, and find them.

    Attributes:
        module: Learns.
        crops: (N, 3, S, S) uint8.
        places: (N, 17, 2) of the joints in the crops, edges at -1 and 1.
        labels: Of the same people; None = only places are asked for.
        place_weight: How much places count.
        sampling: How pictures are varied.
    """

    module: ImageDepth
    crops: Tensor
    places: Tensor
    labels: OrdinalLabels | None
    place_weight: float
    sampling: PictureSampling

    @property
    def groups(self) -> list[Group]:
        """Return all parameters but those of sigma, which an order does not teach."""
        return [
            Group([p for n, p in self.module.named_parameters() if not n.startswith('sigma_head')])
        ]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw pictures and how to vary them."""
        return _drawn(len(self.crops), batch_size, self.sampling, generator)

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return the loss of the labelled pairs and the error of places."""
        del step
        rows, flip = draw['rows'].cpu(), draw['flip']
        crops = varied(self.crops[rows].to(flip.device), draw)
        depth, places = self.module.depth_and_places(crops)
        true = places_varied(self.places[rows].to(flip.device), draw)
        terms = {'place': (places - true).abs().mean()}
        if self.labels is not None:
            depth = _mirrored_back(depth, flip) / _CLEAR_DEPTH
            first, second = self.labels.pairs.unbind(1)
            terms['order'] = ranking_loss(
                depth[:, first],
                depth[:, second],
                self.labels.first_nearer[rows].to(flip.device),
                self.labels.confidence[rows].to(flip.device),
            )
        return terms

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term."""
        del step
        return {'order': 1.0, 'place': self.place_weight}

    def after_step(self, step: int) -> None:
        """Nothing else changes."""


@dataclass(frozen=True)
class DepthLessons:
    """Recipe of `training.loop`: plain supervision by 3D truth.

    Attributes:
        module: Learns.
        crops: (N, 3, S, S) uint8.
        depth: (N, 17) as `models.image_depth.depth_offsets` gives it.
        sampling: How pictures are varied.
    """

    module: ImageDepth
    crops: Tensor
    depth: Tensor
    sampling: PictureSampling

    @property
    def groups(self) -> list[Group]:
        """Return all parameters."""
        return [Group(list(self.module.parameters()))]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw pictures and how to vary them."""
        return _drawn(len(self.crops), batch_size, self.sampling, generator)

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return the error of depths and the surprise at it, given sigma."""
        del step
        rows = draw['rows'].cpu()
        crops = varied(self.crops[rows].to(draw['rows'].device), draw)
        depth, sigma = (_mirrored_back(said, draw['flip']) for said in self.module(crops))
        error = (depth - self.depth[rows].to(depth.device)).abs()
        others = [joint for joint in range(len(H36M_17)) if joint != _ROOT]
        error, sigma = error[:, others], sigma[:, others]
        return {'depth': error.mean(), 'sigma': radius_surprise(error.detach(), sigma)}

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term: sigma only listens."""
        del step
        return {'depth': 1.0, 'sigma': 0.05}

    def after_step(self, step: int) -> None:
        """Nothing else changes."""


def taught_rows(known: Tensor, share: float, seed: int) -> Tensor:
    """Return which rows (M,) of those with truth (N,) are taught, at random; at least one."""
    rows = torch.nonzero(known)[:, 0]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[: max(1, round(share * len(rows)))]].sort().values


def varied(crops: Tensor, draw: dict[str, Tensor]) -> Tensor:
    """Return pictures (B, 3, S, S) 0..1 of `crops` (B, 3, S, S) uint8, varied as was drawn."""
    pictures = crops.float() / 255
    count, _, side, _ = pictures.shape
    # Rows of the affine map from the new picture to the old one, both -1..1.
    maps = torch.zeros(count, 2, 3, device=pictures.device)
    maps[:, 0, 0] = draw['zoom'] * torch.where(draw['flip'], -1.0, 1.0)
    maps[:, 1, 1] = draw['zoom']
    maps[:, :, 2] = draw['shift']
    grid = functional.affine_grid(maps, [count, 3, side, side], align_corners=False)
    pictures = functional.grid_sample(
        pictures, grid, mode='bilinear', padding_mode='border', align_corners=False
    )
    pictures = (pictures - 0.5) * draw['gain'][..., None, None] + 0.5
    pictures = pictures + draw['offset'][..., None, None]
    place = torch.arange(side, device=pictures.device) / side
    inside = [
        (place >= draw['patch'][:, i, None])
        & (place < draw['patch'][:, i, None] + draw['patch'][:, i + 2, None])
        for i in (0, 1)
    ]
    covered = (inside[1][:, :, None] & inside[0][:, None, :])[:, None]
    pictures = torch.where(covered, draw['colour'][..., None, None], pictures).clamp(0.0, 1.0)
    return pictures.contiguous(memory_format=torch.channels_last)


def places_varied(places: Tensor, draw: dict[str, Tensor]) -> Tensor:
    """Return where joints (B, 17, 2) are in pictures that `varied` made; left stays left."""
    flip = draw['flip'][:, None, None]
    places = (places - draw['shift'][:, None]) / draw['zoom'][:, None, None]
    swapped = places[:, _MIRROR] * places.new_tensor([-1.0, 1.0])
    return torch.where(flip, swapped, places)


def _drawn(
    count: int, batch_size: int, config: PictureSampling, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw rows of `count` pictures and all that `varied` needs."""

    def even(*shape: int) -> Tensor:
        return torch.rand(batch_size, *shape, generator=generator) * 2 - 1

    rows, flip = draw_rows(count, batch_size, config.mirrored_share, generator)
    sides = _LEAST_PATCH + (_LARGEST_PATCH - _LEAST_PATCH) * (even(2) + 1) / 2
    hidden = torch.rand(batch_size, 1, generator=generator) < config.hidden_share
    return {
        'rows': rows,
        'flip': flip,
        'zoom': 1 + config.zoom * even(),
        'shift': 2 * config.shift * even(2),
        'gain': 1 + config.gain * (even(1) + even(3)) / 2,
        'offset': config.offset * (even(1) + even(3)) / 2,
        'patch': torch.cat([(even(2) + 1) / 2 * (1 - sides), torch.where(hidden, sides, 0.0)], 1),
        'colour': (even(3) + 1) / 2,
    }


def _mirrored_back(values: Tensor, flip: Tensor) -> Tensor:
    """Swap left and right of values (B, 17) of mirrored pictures."""
    return torch.where(flip[:, None], values[:, _MIRROR], values)
