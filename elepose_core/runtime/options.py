# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of `PeopleLifter`."""

from dataclasses import dataclass

from elepose_core.errors import InputError

__all__ = ['LiftingOptions']


@dataclass(frozen=True)
class LiftingOptions:
    """Settings of `PeopleLifter`.

    Attributes:
        stature_m: Assumed height of people, metres, 0.3..3.
        min_keypoint_score: Keypoints below this count as missing, 0..1.
        min_keypoints: Joints that a person needs to be lifted, 3..17.
        max_gap_s: A person unseen for longer is a new one.
        max_people: More are ignored, those with the lowest scores first.
        use_fused_up: Frames are lifted with the tilt that the frames before have shown, weighed
            by its variance; otherwise each by itself.
        elevation_memory_s: After so many seconds with people, what they showed of the camera's
            tilt counts 1 / e; the tilt rests on 512 samples at most, 64 s of a crowd.
        smoothing_cutoff_hz: Of the low pass on joints at rest; 0 = no smoothing.
        smoothing_opening: Hz per m/s; by so much the cutoff rises with a joint's speed.
        with_vertices: People come with the surface of their body, if the model gives it.
    """

    stature_m: float = 1.70
    min_keypoint_score: float = 0.2
    min_keypoints: int = 6
    max_gap_s: float = 1.0
    max_people: int = 20
    use_fused_up: bool = True
    elevation_memory_s: float = 60.0
    smoothing_cutoff_hz: float = 1.0
    smoothing_opening: float = 3.0
    with_vertices: bool = False

    def __post_init__(self) -> None:
        ranges = {
            'stature_m': (0.3, 3.0),
            'min_keypoint_score': (0.0, 1.0),
            'min_keypoints': (3, 17),
            'max_gap_s': (0.0, 60.0),
            'max_people': (1, 1000),
            'elevation_memory_s': (1.0, 1e6),
            'smoothing_cutoff_hz': (0.0, 1000.0),
            'smoothing_opening': (0.0, 1000.0),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f'{name} is {value}; expected {low}..{high}')
