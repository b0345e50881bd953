# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Variation of pictures moves what is in them and what is known of them alike."""

from typing import Any

import pytest
import torch

from elepose_core.skeleton import H36M_17
from elepose_core.training.image_depth import (
    DepthLessons,
    Ordering,
    PictureSampling,
    places_varied,
    taught_rows,
    varied,
)
from elepose_core.training.ordinal_labels import OrdinalLabels

SIDE = 48
LEFT, RIGHT = H36M_17.index('left_wrist'), H36M_17.index('right_wrist')


def brightest(pictures: torch.Tensor, channel: int) -> torch.Tensor:
    """Return the middle (B, 2) of what is bright in a channel, edges at -1 and 1."""
    bright = pictures[:, channel] - pictures[:, channel].amin((1, 2), keepdim=True)
    bright = torch.where(bright > 0.5 * bright.amax((1, 2), keepdim=True), bright, 0.0)
    axis = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    total = bright.sum((1, 2))
    x = (bright.sum(1) * axis).sum(1) / total
    y = (bright.sum(2) * axis).sum(1) / total
    return torch.stack([x, y], dim=1)


def test_keypoints_stay_on_what_they_mark_and_left_becomes_the_left_of_the_mirrored() -> None:
    """Red marks the left wrist and blue the right one; mirrored, they change their names."""
    crops = torch.zeros(8, 3, SIDE, SIDE, dtype=torch.uint8)
    crops[:, 0, 10:14, 30:34] = 255
    crops[:, 2, 34:38, 20:24] = 255
    places = torch.zeros(8, 17, 2)
    places[:, LEFT] = torch.tensor([32 / 24 - 1, 12 / 24 - 1])
    places[:, RIGHT] = torch.tensor([22 / 24 - 1, 36 / 24 - 1])
    recipe = DepthLessons(
        None,  # type: ignore[arg-type]
        crops,
        torch.zeros(8, 17),
        PictureSampling(gain=0, offset=0, hidden_share=0),
    )
    draw = recipe.draw(8, torch.Generator().manual_seed(1))
    assert 0 < draw['flip'].sum() < 8
    seen = varied(crops, draw)
    found = places_varied(places, draw)
    red, blue = brightest(seen, 0), brightest(seen, 2)
    flip = draw['flip'][:, None]
    torch.testing.assert_close(
        torch.where(flip, found[:, RIGHT], found[:, LEFT]), red, atol=0.05, rtol=0
    )
    torch.testing.assert_close(
        torch.where(flip, found[:, LEFT], found[:, RIGHT]), blue, atol=0.05, rtol=0
    )


def test_a_patch_of_one_colour_covers_a_part() -> None:
    crops = torch.full((16, 3, SIDE, SIDE), 128, dtype=torch.uint8)
    sampling = PictureSampling(gain=0, offset=0, hidden_share=1)
    recipe = DepthLessons(None, crops, torch.zeros(16, 17), sampling)  # type: ignore[arg-type]
    seen = varied(crops, recipe.draw(16, torch.Generator().manual_seed(0)))
    covered = ((seen - 128 / 255).abs() > 1e-3).any(1).float().mean((1, 2))
    assert (covered > 0.005).all()
    assert (covered < 0.25).all()


@pytest.mark.parametrize(('share', 'count'), [(1.0, 6), (0.5, 3), (0.01, 1)])
def test_only_a_share_of_what_is_known_is_taught(share: float, count: int) -> None:
    known = torch.tensor([True, False] * 6)
    rows = taught_rows(known, share, 0)
    assert len(rows) == count
    assert known[rows].all()
    assert len(set(rows.tolist())) == count
    assert torch.equal(rows, taught_rows(known, share, 0))


class _Truthful(torch.nn.Module):
    """Stands in for a network: whichever wrist is bright is nearer; left ones are in the left."""

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        depth = torch.zeros(len(crops), 17)
        on_the_right = brightest(crops, 0)[:, 0] > 0
        depth[torch.arange(len(crops)), torch.where(on_the_right, RIGHT, LEFT)] = -1.0
        return depth, torch.ones_like(depth)

    def depth_and_places(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self(crops)[0], torch.zeros(len(crops), 17, 2)


def test_who_is_right_about_mirrored_pictures_has_no_error() -> None:
    crops = torch.zeros(8, 3, SIDE, SIDE, dtype=torch.uint8)
    crops[:, 0, 10:14, 8:12] = 255
    sampling = PictureSampling(gain=0, offset=0, hidden_share=0)
    network: Any = _Truthful()
    truth = torch.zeros(8, 17)
    truth[:, LEFT] = -1.0
    lessons = DepthLessons(network, crops, truth, sampling)
    draw = lessons.draw(32, torch.Generator().manual_seed(0))
    assert 0 < draw['flip'].sum() < 32
    assert lessons.terms(draw, 1)['depth'] == 0
    certain = torch.ones(8, 1)
    for nearer, penalty in ((certain, 0.0), (-certain, 10.0)):
        labels = OrdinalLabels(torch.tensor([[LEFT, RIGHT]]), nearer, certain)
        recipe = Ordering(network, crops, torch.zeros(8, 17, 2), labels, 1.0, sampling)
        assert float(recipe.terms(draw, 1)['order']) == pytest.approx(penalty, abs=1e-3)
