# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of neighbouring frames."""

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.training.clip_windows import (  # noqa: E402
    draw_windows,
    mirrored_clips,
    window_starts,
)
from elepose_core.training.sampling import Keypoints2D  # noqa: E402


def _data() -> Keypoints2D:
    """Return a clip of four frames, one with a gap after its second, one of three."""
    clip = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    frame = torch.tensor([0, 1, 2, 3, 0, 1, 3, 4, 5, 6, 7])
    return Keypoints2D(torch.zeros(11, 17, 2), clip, frame, torch.zeros_like(clip))


def test_windows_stay_within_a_clip_and_leap_over_no_gap() -> None:
    assert window_starts(_data(), 3).tolist() == [0, 1, 8]
    assert window_starts(_data(), 2).tolist() == [0, 1, 2, 4, 6, 8, 9]


def test_rows_of_two_clips_in_turns_are_no_window() -> None:
    clip, frame = torch.tensor([0, 1, 0, 1, 0, 0]), torch.tensor([0, 0, 2, 2, 4, 5])
    data = Keypoints2D(torch.zeros(6, 17, 2), clip, frame, clip)
    assert window_starts(data, 2).tolist() == [4]
    with pytest.raises(InputError, match='no clip has 5 frames'):
        window_starts(data, 5)


def test_too_long_windows_are_refused() -> None:
    with pytest.raises(InputError, match='no clip has 5 frames'):
        window_starts(_data(), 5)


def test_windows_are_drawn_evenly() -> None:
    starts, generator = torch.tensor([0, 1, 8]), torch.Generator().manual_seed(0)
    rows, flip = draw_windows(starts, 3, 3000, 0.5, generator)
    assert (torch.diff(rows, dim=1) == 1).all()
    count = torch.bincount(rows[:, 0])
    assert count[[0, 1, 8]].min() > 900
    assert int(count.sum()) == 3000
    assert 1400 < int(flip.sum()) < 1600


def test_clips_are_mirrored_as_a_whole() -> None:
    clips = torch.rand(2, 3, 17, 2)
    found = mirrored_clips(clips, torch.tensor([False, True]))
    torch.testing.assert_close(found[0], clips[0])
    left, right = 12, 15  # elbows
    torch.testing.assert_close(found[1, :, left, 0], -clips[1, :, right, 0])
    torch.testing.assert_close(found[1, :, left, 1], clips[1, :, right, 1])
