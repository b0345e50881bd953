# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People of one frame after the other: track, lift, place. The node and the files share this."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, rays_from_pixels
from elepose_core.runtime.elevation import CameraTilt
from elepose_core.runtime.people import (
    Elevation,
    People2D,
    ScaleSource,
    Skeleton3D,
    Skeletons3D,
    Surroundings,
)
from elepose_core.runtime.placement import Placement, place, place_by_stature, skeleton_stature
from elepose_core.runtime.predictor import Lifted, Predictor
from elepose_core.runtime.scale import ScaleFusion
from elepose_core.runtime.shapes import Shapes
from elepose_core.runtime.smoothing import Smoother
from elepose_core.runtime.tracking import Tracker
from elepose_core.skeleton import h36m_from, layout_named

__all__ = ['LiftingOptions', 'PeopleLifter', 'seen_joints']

# A keypoint farther out than 89 degrees from the axis is a detector's slip, not a joint.
_LARGEST_RAY = math.tan(math.radians(89.0))
# All joints in one spot are another; it would stand for a person beyond 170 m.
_SMALLEST_PERSON_RAD = 0.01

# Clip error that a bundle without figures is taken to have.
_UNMEASURED_ELEVATION_ERROR_DEG = 10.0


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


def seen_joints(
    rays: NDArray[np.float64], scores: NDArray[np.float32], options: LiftingOptions
) -> NDArray[np.bool_]:
    """Tell (N, 17) which joints count as seen; none of a person who cannot be lifted.

    Args:
        rays: (N, 17, 2) normalised image coordinates; NaN = missing or beyond the lens.
        scores: (N, 17).
        options: Score limit and number of joints that a person needs.
    """
    in_view = np.abs(rays) < _LARGEST_RAY
    seen = in_view[..., 0] & in_view[..., 1]
    seen &= scores >= max(options.min_keypoint_score, 1e-6)
    highest = np.where(seen[..., None], rays, -np.inf).max(1)
    lowest = np.where(seen[..., None], rays, np.inf).min(1)
    is_person = (highest - lowest).max(-1) >= _SMALLEST_PERSON_RAD
    is_person &= seen.sum(1) >= options.min_keypoints
    return np.asarray(seen & is_person[:, None])


class PeopleLifter:
    """Turns the 2D people of a camera into 3D skeletons, frame by frame.

    All memory between frames (tracks, smoothing, elevation) lives here and is dropped when time
    jumps back.
    """

    def __init__(self, predictor: Predictor, options: LiftingOptions | None = None) -> None:
        self.options = options or LiftingOptions()
        self.predictor = predictor
        self._tracker = Tracker(self.options.max_gap_s)
        self._smoother = Smoother(*_smoothing(self.options))
        self._elevation = CameraTilt(
            _elevation_error_rad(predictor), self.options.elevation_memory_s
        )
        self._scales = ScaleFusion(self.options.elevation_memory_s)
        self._last_ns: int | None = None
        self._camera: Camera | None = None
        self._ended: tuple[int, ...] = ()

    @property
    def tracks(self) -> int:
        """How many people are followed now, those who are hidden for a moment included."""
        return len(self._tracker)

    def reset(self) -> None:
        """Forget people and elevation."""
        self._tracker.reset()
        self._smoother.reset()
        self._elevation.reset()
        self._scales.reset()
        self._last_ns = None
        self._ended = ()

    def change(self, options: LiftingOptions) -> None:
        """Lift with other settings from the next frame on.

        People keep their tracks. Smoothing starts anew when its settings or the scale change, and
        so does the elevation, with statures, when its memory does.
        """
        before, self.options = self.options, options
        self._tracker.set_max_gap(options.max_gap_s)
        has_other_scale = options.stature_m != before.stature_m
        if has_other_scale or _smoothing(options) != _smoothing(before):
            self._smoother = Smoother(*_smoothing(options))
        if has_other_scale:
            self._scales.reset()
        if options.elevation_memory_s != before.elevation_memory_s:
            self._scales.set_memory(options.elevation_memory_s)
            self._start_tilt_anew()

    def exchange(self, predictor: Predictor) -> None:
        """Lift with another model, or the same one elsewhere, from the next frame on.

        People keep their tracks and smoothing. With another model elevation and scale start anew:
        what the one before said of them has that model's error.
        """
        is_other = predictor.manifest.sha256 != self.predictor.manifest.sha256
        self.predictor = predictor
        if is_other:
            self._start_tilt_anew()

    def lift(
        self, people: People2D, camera: Camera, surroundings: Surroundings | None = None
    ) -> Skeletons3D:
        """Lift the people of one frame.

        Of whom the graph gives something that is not finite is left out, like somebody with too
        few joints, and nothing of it is remembered.

        Args:
            people: Keypoints in pixels of `camera`'s image.
            camera: Its intrinsics. Elevation and scales start anew when they change; of an assumed
                camera the elevation never counts as converged.
            surroundings: What else tells how far people are; without it stature alone does.

        Raises:
            InputError: The layout is unknown, a person's arrays do not fit it, or the depth image
                has another aspect ratio than the camera's. Nothing that is remembered changes
                then.
        """
        surroundings = surroundings or Surroundings()
        if surroundings.depth is not None:
            surroundings.depth.check_size(camera.width, camera.height)
        usable = self._usable(people, camera)
        was_reset = self._last_ns is not None and people.stamp_ns < self._last_ns
        if was_reset:
            self.reset()
        self._last_ns = people.stamp_ns
        numbers, ended = self._tracker.update(usable.keypoints_px, usable.ids, people.stamp_ns)
        self._smoother.forget(ended)
        self._scales.forget(ended)
        # They are told with the next frame if this one fails.
        self._ended += ended
        self._heed(camera)
        seen = usable.scores > 0
        due = self._elevation.look(numbers, usable.rays, seen, people.stamp_ns)
        lifted, untold = self._lifted(usable, due)
        sound = untold.sound()
        self._elevation.add(numbers, due[sound], untold.of(sound), seen)
        elevation = self._elevation.estimate()
        if elevation is not None and camera.assumed:
            elevation = replace(elevation, converged=False)
        sound = lifted.sound()
        if not sound.all():
            usable, lifted = usable.of(sound), lifted.of(sound)
            numbers = [number for number, kept in zip(numbers, sound, strict=True) if kept]
        placed = self._placed(
            usable, lifted, numbers, people.stamp_ns, (camera, elevation, surroundings)
        )
        skeletons = self._skeletons(usable, lifted, numbers, people.stamp_ns, placed)
        ended, self._ended = self._ended, ()
        return Skeletons3D(
            stamp_ns=people.stamp_ns,
            skeletons=skeletons,
            ended_tracks=ended,
            elevation=elevation,
            was_reset=was_reset,
            sources=tuple(usable.sources),
        )

    def _start_tilt_anew(self) -> None:
        self._elevation = CameraTilt(
            _elevation_error_rad(self.predictor), self.options.elevation_memory_s
        )
        self._scales.unlearn()

    def _heed(self, camera: Camera) -> None:
        """Start tilt and scales anew if they were seen through another camera than this."""
        before = self._camera
        is_same = before is not None and before.assumed == camera.assumed
        if before is None or not (is_same and camera.sees_like(before)):
            self._camera = camera
            if before is not None:
                self._start_tilt_anew()

    def _usable(self, people: People2D, camera: Camera) -> '_Usable':
        """Convert to the lifter's layout and keep those with enough joints."""
        keypoints, scores = h36m_from(*_stacked(people), people.layout)
        rays = rays_from_pixels(keypoints, camera)
        seen = seen_joints(rays, scores, self.options)
        scores = np.where(seen, np.minimum(scores, np.float32(1)), np.float32(0))
        keypoints = np.where(seen[..., None], keypoints, np.float32(np.nan))
        kept = np.flatnonzero(seen.any(1))
        best = np.argsort(-scores[kept].sum(1), kind='stable')[: self.options.max_people]
        kept = kept[np.sort(best)]
        ids: list[str] = []
        for person in kept:
            upstream = people.people[person].id
            # An id that comes twice in one frame belongs to the first.
            ids.append('' if upstream in ids else upstream)
        return _Usable(rays[kept], keypoints[kept], scores[kept], ids, kept.tolist())

    def _lifted(self, usable: '_Usable', due: NDArray[np.int64]) -> tuple[Lifted, Lifted]:
        """Lift everybody with the fused up, and some without it too, in one batch.

        The elevation learns from the latter alone: what is fed back never proves itself.
        """
        count = len(usable.rays)
        rows = np.concatenate([np.arange(count), due])
        up, variance = self._fused_up(len(rows))
        if variance is not None:
            variance[count:] = np.inf
        both = self.predictor.lift(
            usable.rays[rows].astype(np.float32), usable.scores[rows], up, variance
        )
        return Lifted(*(part[:count] for part in both)), Lifted(*(part[count:] for part in both))

    def _fused_up(
        self, count: int
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """Return up (N, 3) and its variance (N,) as the frames before have it, if it is wanted."""
        fused = self._elevation.estimate() if self.options.use_fused_up else None
        if fused is None:
            return None, None
        up = np.tile(fused.up_cam.astype(np.float32), (count, 1))
        return up, np.full(count, fused.up_variance, np.float32)

    def _placed(
        self,
        usable: '_Usable',
        lifted: Lifted,
        numbers: list[int],
        stamp_ns: int,
        view: tuple[Camera, Elevation | None, Surroundings],
    ) -> Placement:
        """Scale people to metres; with an assumed camera nothing is known but their stature."""
        joints, sigma, seen = lifted.joints_cam, lifted.sigma, usable.scores > 0
        stature_m = self.options.stature_m
        if view[0].assumed:
            return place_by_stature(joints, sigma, seen, view[0], stature_m)
        unit_m = stature_m / np.maximum(skeleton_stature(joints, seen), 1e-9)
        shapes = Shapes(
            joints.astype(np.float64) * unit_m[:, None, None],
            sigma.astype(np.float64) * unit_m[:, None],
            seen,
            usable.keypoints_px,
            stature_m,
        )
        scales = self._scales.fuse(numbers, shapes, stamp_ns, view)
        return place(joints, sigma, seen, (unit_m * scales.factor, scales.spread, scales.source))

    def _skeletons(
        self,
        usable: '_Usable',
        lifted: Lifted,
        numbers: list[int],
        stamp_ns: int,
        placed: Placement,
    ) -> tuple[Skeleton3D, ...]:
        joints_cam_m, root_cam_m = self._smoother.smooth(
            numbers, placed.joints_cam_m, placed.root_cam_m, stamp_ns
        )
        return tuple(
            Skeleton3D(
                id=usable.ids[row] or _own_name(number, usable.ids),
                track=number,
                joints_cam_m=joints_cam_m[row],
                sigma_m=placed.sigma_m[row],
                scores=usable.scores[row],
                root_cam_m=root_cam_m[row],
                root_covariance_m2=placed.root_covariance_m2[row],
                scale_source=ScaleSource(int(placed.scale_source[row])),
                plausibility=float(lifted.plausibility[row]),
            )
            for row, number in enumerate(numbers)
        )


def _own_name(number: int, upstream: list[str]) -> str:
    """Return the id of a track without one, which nobody in the frame has from upstream."""
    name = str(number)
    while name in upstream:
        name += '_'
    return name


class _Usable(NamedTuple):
    rays: NDArray[np.float64]
    keypoints_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    ids: list[str]
    sources: list[int]

    def of(self, rows: NDArray[np.bool_]) -> '_Usable':
        """Return some of them."""
        kept = np.flatnonzero(rows).tolist()
        arrays = self.rays[kept], self.keypoints_px[kept], self.scores[kept]
        return _Usable(
            *arrays, [self.ids[row] for row in kept], [self.sources[row] for row in kept]
        )


def _smoothing(options: LiftingOptions) -> tuple[float, float, float]:
    return options.smoothing_cutoff_hz, options.smoothing_opening, options.max_gap_s


def _stacked(people: People2D) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return keypoints (N, J, 2) and scores (N, J) of all people, who must fit the layout."""
    joints = len(layout_named(people.layout))
    for number, person in enumerate(people.people):
        shapes = np.shape(person.keypoints_px), np.shape(person.scores)
        if shapes != ((joints, 2), (joints,)):
            raise InputError(
                f'keypoints of person {number} have shape {shapes[0]} and scores {shapes[1]}; '
                f'layout {people.layout} needs ({joints}, 2) and ({joints},)'
            )
    keypoints = np.array([p.keypoints_px for p in people.people], np.float32)
    scores = np.array([p.scores for p in people.people], np.float32)
    return keypoints.reshape(-1, joints, 2), scores.reshape(-1, joints)


def _elevation_error_rad(predictor: Predictor) -> float:
    """Return the error over a clip that the bundle states for the val split."""
    val = predictor.manifest.metrics.get('val', {})
    mae_deg = val.get('elevation_clip_mae_deg', _UNMEASURED_ELEVATION_ERROR_DEG)
    # A Gaussian's standard deviation is 1.25 times its mean absolute deviation.
    return math.radians(1.25 * mae_deg)
