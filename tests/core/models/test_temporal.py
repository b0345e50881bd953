# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Networks over time: what they see of their neighbours."""

import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.models.temporal import (  # noqa: E402
    TemporalConfig,
    TemporalTrunk,
    for_each_frame,
    of_clips,
    of_frames,
)


def _trunk(blocks: int = 2) -> TemporalTrunk:
    torch.manual_seed(0)
    return TemporalTrunk(3, TemporalConfig(width=8, blocks=blocks)).requires_grad_(False)


@pytest.mark.parametrize('frames', [1, 2, 30])
def test_somebody_who_stands_still_looks_alike_in_all_frames(frames: int) -> None:
    found = _trunk()(torch.randn(2, 1, 3).expand(-1, frames, -1))
    assert found.shape == (2, frames, 8)
    torch.testing.assert_close(found, found[:, :1].expand_as(found))


def test_a_frame_reaches_one_and_two_and_four_frames_further_with_each_block() -> None:
    clip = torch.zeros(1, 31, 3)
    changed = clip.clone()
    changed[0, 15] = 1.0
    for blocks, reach in ((1, 1), (2, 3), (3, 7)):
        trunk = _trunk(blocks)
        differs = (trunk(changed) - trunk(clip)).abs().amax((0, 2)) > 0
        assert differs.nonzero().flatten().tolist() == list(range(15 - reach, 16 + reach))


def test_one_block_is_a_sum_over_three_frames() -> None:
    trunk, clip = _trunk(1), torch.randn(1, 5, 3)
    entered = clip @ trunk.entry.weight[..., 0].T + trunk.entry.bias
    x = torch.nn.functional.leaky_relu(entered)
    block = trunk.body[1]
    middle = sum(x[:, 1 + k] @ block.first.weight[..., 1 + k].T for k in (-1, 0, 1))
    hidden = torch.nn.functional.leaky_relu(middle + block.first.bias)
    hidden = hidden @ block.second.weight[..., 0].T + block.second.bias
    expected = x[:, 1] + torch.nn.functional.leaky_relu(hidden)
    torch.testing.assert_close(trunk(clip)[:, 1], expected)


def test_clips_and_frames() -> None:
    clips = torch.arange(24).reshape(2, 3, 4)
    assert of_frames(clips)[4].tolist() == [16, 17, 18, 19]  # second clip, second frame
    assert torch.equal(of_clips(of_frames(clips), 3), clips)
    assert for_each_frame(torch.tensor([7, 8]), 3).tolist() == [7, 7, 7, 8, 8, 8]
