# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How much each piece of knowledge counts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ['MEAN_BONE_MM', 'WINDOW_REFINEMENT', 'RefinementConfig']

# Millimetres below are those of a person of this mean bone length, an adult.
MEAN_BONE_MM = 245.0
_FPS = 30.0

Positive = Annotated[float, Field(gt=0)]


class RefinementConfig(BaseModel):
    """Standard deviations of what is known; the smaller, the more it counts.

    A residual beyond its `soft` length counts less and less. Motion is that of recordings at 30
    frames per second (see `at_rate`); the defaults were chosen on the val split.

    Attributes:
        anchor_mm: Of the lifter's distances in relation to the pelvis.
        anchor_soft_mm: Its soft length.
        bone_mm: Of a bone's length in one frame, one value per stage; they tighten from stage to
            stage because tight bones at a bad start lead nowhere.
        acceleration_mm: Of a joint's acceleration, mm per frame and frame.
        acceleration_soft_mm: Its soft length.
        limb_looseness: Knees, ankles, elbows and wrists accelerate so many times as much.
        standing_mm: Of the motion of a standing foot, mm per frame; also its soft length.
        floor_mm: Of the lower ankle's height over the floor.
        floor_soft_mm: Its soft length.
        ray_acceleration_mm: Of a joint's acceleration across its ray, mm per frame and frame; the
            noise of the rays is measured, and this says what motion is beside it.
        usual_noise_mm: Of the rays of a clip too short or too gappy to measure it.
        guess_mm: Of a joint that was not seen, from where the lifter guesses it in the image.
        repeated_noise: What is left of the noise is much the same in neighbouring frames, where
            bones would count it as often as there are frames; by so much it is taken for larger.
        bone_ratio: Of a person's bone in relation to the given ratio.
        bone_symmetry: Of the difference of left and right in relation to the bone.
        elevation_deg: Of the lifter's elevation, averaged over a clip.
        roll_deg: Of the lifter's roll, likewise.
        steps_per_stage: Gauss-Newton steps.
        rounds: Each round lifts anew, told the up direction that the last one found; a second one
            is worth another 1 mm and takes as long.
        poses_at_once: A part of so many poses is solved together (20 kB each); a person with more
            is cut, each part with bones of its own.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    anchor_mm: Positive = 120.0
    anchor_soft_mm: Positive = 20.0
    bone_mm: Annotated[tuple[Positive, ...], Field(min_length=1)] = (20.0, 10.0, 5.0, 3.0, 2.0)
    acceleration_mm: Positive = 10.0
    acceleration_soft_mm: Positive = 20.0
    limb_looseness: Annotated[float, Field(ge=1)] = 2.0
    standing_mm: Positive = 10.0
    floor_mm: Positive = 15.0
    floor_soft_mm: Positive = 15.0
    ray_acceleration_mm: Positive = 3.0
    usual_noise_mm: Positive = 5.0
    guess_mm: Positive = 100.0
    repeated_noise: Positive = 3.0
    bone_ratio: Positive = 0.08
    bone_symmetry: Positive = 0.03
    elevation_deg: Positive = 3.0
    roll_deg: Positive = 0.1
    steps_per_stage: Annotated[int, Field(ge=1)] = 3
    rounds: Annotated[int, Field(ge=1)] = 1
    poses_at_once: Annotated[int, Field(ge=1)] = 16_000

    def at_rate(self, fps: float) -> 'RefinementConfig':
        """Return the same knowledge of motion for another number of frames per second."""
        step = _FPS / fps
        by_step = {'standing_mm': step}
        by_step |= dict.fromkeys(
            ('acceleration_mm', 'acceleration_soft_mm', 'ray_acceleration_mm'), step**2
        )
        return self.model_copy(
            update={name: getattr(self, name) * factor for name, factor in by_step.items()}
        )


# Short windows know less of bones: they trust the lifter more, and several rounds pay.
WINDOW_REFINEMENT = RefinementConfig(anchor_mm=80.0, rounds=3)
