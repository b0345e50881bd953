# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People of one frame after the other: track, lift, place. The node and the files share this."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.depth_fusion import fuse, unflipped
from elepose_core.runtime.elevation import CameraTilt
from elepose_core.runtime.history import PoseHistory
from elepose_core.runtime.options import LiftingOptions
from elepose_core.runtime.ordering import Ordering
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
from elepose_core.runtime.usable import Usable, seen_joints, usable_people

__all__ = ['LiftingOptions', 'PeopleLifter', 'seen_joints']

# Clip error that a bundle without figures is taken to have.
_UNMEASURED_ELEVATION_ERROR_DEG = 10.0


class PeopleLifter:
    """Turns the 2D people of a camera into 3D skeletons, frame by frame.

    All memory between frames (tracks, smoothing, elevation) lives here and is dropped when time
    jumps back.
    """

    def __init__(
        self,
        predictor: Predictor,
        options: LiftingOptions | None = None,
        ordering: Ordering | None = None,
    ) -> None:
        """Start without anybody.

        Args:
            predictor: Model.
            options: Settings; None = the usual ones.
            ordering: A second model, which sees the pictures of the surroundings.
        """
        self.options = options or LiftingOptions()
        self._ordering = ordering
        self.predictor = predictor
        self._tracker = Tracker(self.options.max_gap_s)
        self._smoother = Smoother(*_smoothing(self.options))
        self._elevation = CameraTilt(
            _elevation_error_rad(predictor), self.options.elevation_memory_s
        )
        self._scales = ScaleFusion(self.options.elevation_memory_s)
        self._history = _history(predictor)
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
        if self._history is not None:
            self._history.reset()
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
        what the one before said of them has that model's error. One that looks at several frames
        begins with none of those before.
        """
        # The same graph may be said to look at another rate, or to err more.
        is_other = predictor.manifest != self.predictor.manifest
        self.predictor = predictor
        if is_other:
            self._history = _history(predictor)
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
        usable = usable_people(people, camera, self.options)
        was_reset = self._last_ns is not None and people.stamp_ns < self._last_ns
        if was_reset:
            self.reset()
        self._last_ns = people.stamp_ns
        numbers, ended = self._tracker.update(usable.keypoints_px, usable.ids, people.stamp_ns)
        self._forget(ended)
        # They are told with the next frame if this one fails.
        self._ended += ended
        self._heed(camera)
        seen = usable.scores > 0
        due = self._elevation.look(numbers, usable.rays, seen, people.stamp_ns)
        lifted, untold = self._lifted(self._shown(usable, numbers, people.stamp_ns), due)
        sound = untold.sound()
        self._elevation.add(numbers, due[sound], untold.of(sound), seen)
        elevation = self._elevation.estimate()
        if elevation is not None and camera.assumed:
            elevation = replace(elevation, converged=False)
        sound = lifted.sound()
        if not sound.all():
            usable, lifted = usable.of(sound), lifted.of(sound)
            numbers = [number for number, kept in zip(numbers, sound, strict=True) if kept]
        if self._ordering is not None and surroundings.picture is not None:
            lifted = _ordered(self._ordering, surroundings.picture, usable, lifted)
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

    def _forget(self, ended: tuple[int, ...]) -> None:
        self._smoother.forget(ended)
        self._scales.forget(ended)
        if self._history is not None:
            self._history.forget(ended)

    def _start_tilt_anew(self) -> None:
        self._elevation = CameraTilt(
            _elevation_error_rad(self.predictor), self.options.elevation_memory_s
        )
        self._scales.unlearn()

    def _heed(self, camera: Camera) -> None:
        """Start tilt, scales and history anew if they were seen through another camera."""
        before = self._camera
        is_same = before is not None and before.assumed == camera.assumed
        if before is None or not (is_same and camera.sees_like(before)):
            self._camera = camera
            if before is not None:
                self._start_tilt_anew()
                if self._history is not None:
                    self._history.reset()

    def _shown(
        self, usable: Usable, numbers: list[int], stamp_ns: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return rays and scores of everybody as the graph takes them."""
        rays = usable.rays.astype(np.float32)
        if self._history is None:
            return rays, usable.scores
        return self._history.add(numbers, rays, usable.scores, stamp_ns)

    def _lifted(
        self, shown: tuple[NDArray[np.float32], NDArray[np.float32]], due: NDArray[np.int64]
    ) -> tuple[Lifted, Lifted]:
        """Lift everybody with the fused up, and some without it too, in one batch.

        The elevation learns from the latter alone: what is fed back never proves itself.
        """
        rays, scores = shown
        count = len(rays)
        rows = np.concatenate([np.arange(count), due])
        up, variance = self._fused_up(len(rows))
        if variance is not None:
            variance[count:] = np.inf
        wanted = self.options.with_vertices
        both = self.predictor.lift(rays[rows], scores[rows], up, variance, wanted)
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
        usable: Usable,
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
        usable: Usable,
        lifted: Lifted,
        numbers: list[int],
        stamp_ns: int,
        placed: Placement,
    ) -> tuple[Skeleton3D, ...]:
        joints_cam_m, root_cam_m = self._smoother.smooth(
            numbers, placed.joints_cam_m, placed.root_cam_m, stamp_ns
        )
        moved_m = root_cam_m - placed.root_cam_m
        vertices = lifted.vertices_cam * placed.scale[:, None, None] + moved_m[:, None]
        vertices_cam_m = vertices.astype(np.float32)
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
                vertices_cam_m=vertices_cam_m[row],
            )
            for row, number in enumerate(numbers)
        )


def _own_name(number: int, upstream: list[str]) -> str:
    """Return the id of a track without one, which nobody in the frame has from upstream."""
    name = str(number)
    while name in upstream:
        name += '_'
    return name


def _history(predictor: Predictor) -> PoseHistory | None:
    manifest = predictor.manifest
    return PoseHistory(manifest.frames, manifest.fps) if manifest.frames > 1 else None


def _ordered(
    ordering: Ordering, picture: NDArray[np.uint8], usable: Usable, lifted: Lifted
) -> Lifted:
    """Return people with depths that their picture agrees with; bodies stay as they were."""
    seen = usable.scores > 0
    rays = np.where(seen[..., None], usable.rays, np.nan)
    depth, deviation = ordering.depths(picture, usable.keypoints_px, seen)
    joints, _ = unflipped(lifted.joints_cam, lifted.sigma, rays, depth, deviation)
    joints, sigma = fuse(joints, lifted.sigma, rays, depth, deviation)
    return lifted._replace(joints_cam=joints, sigma=sigma)


def _smoothing(options: LiftingOptions) -> tuple[float, float, float]:
    return options.smoothing_cutoff_hz, options.smoothing_opening, options.max_gap_s


def _elevation_error_rad(predictor: Predictor) -> float:
    """Return the error over a clip that the bundle states for the val split."""
    val = predictor.manifest.metrics.get('val', {})
    mae_deg = val.get('elevation_clip_mae_deg', _UNMEASURED_ELEVATION_ERROR_DEG)
    # A Gaussian's standard deviation is 1.25 times its mean absolute deviation.
    return math.radians(1.25 * mae_deg)
