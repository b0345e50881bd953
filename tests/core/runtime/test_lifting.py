# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People of one frame after the other, from pixels to metres."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import Bundle
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project, rays_from_pixels
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import Elevation, People2D, Person2D, ScaleSource, Skeletons3D
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import H36M_17

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
MS = 1_000_000
HALF_SECOND = 500 * MS
Pose = NDArray[np.float32]


@pytest.fixture(scope='module')
def predictor(tiny_bundle: Bundle) -> Predictor:
    return Predictor(tiny_bundle.folder)


@pytest.fixture
def lifter(predictor: Predictor) -> PeopleLifter:
    return PeopleLifter(predictor)


@pytest.fixture
def person(standing_m: NDArray[np.float64]) -> Callable[..., Person2D]:
    def make(x_m: float = 0.0, z_m: float = 4.0, upstream: str = '') -> Person2D:
        pixels = project(standing_m + np.array([x_m, 0.0, z_m]), CAMERA)
        return Person2D(upstream, pixels.astype(np.float32), np.full(17, 0.9, np.float32))

    return make


def _lift(lifter: PeopleLifter, ms: int, *people: Person2D) -> Skeletons3D:
    return lifter.lift(People2D(ms * MS, 'h36m_17', people), CAMERA)


def test_skeleton_has_the_documented_shapes_and_stamp(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    result = _lift(lifter, 1234, person())
    assert result.stamp_ns == 1234 * MS
    assert not result.was_reset
    (found,) = result.skeletons
    assert found.joints_cam_m.shape == (17, 3)
    assert found.joints_cam_m.dtype == np.float32
    assert (found.sigma_m.shape, found.scores.shape) == ((17,), (17,))
    assert (found.root_cam_m.shape, found.root_covariance_m2.shape) == ((3,), (3, 3))
    assert found.scale_source == ScaleSource.STATURE
    assert found.sigma_m.dtype == np.float32
    assert 0 <= found.plausibility <= 1
    np.testing.assert_allclose(found.joints_cam_m[0], found.root_cam_m, rtol=1e-6)


def test_upright_person_comes_out_upright_with_left_on_the_left(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    """Somebody who faces the camera has the left shoulder at the right of the picture."""
    joints = _lift(lifter, 0, person()).skeletons[0].joints_cam_m
    named = {name: joints[i] for i, name in enumerate(H36M_17.joint_names)}
    assert named['head_top'][1] < named['pelvis'][1] < named['left_ankle'][1]
    assert named['left_shoulder'][0] > named['right_shoulder'][0]
    assert (joints[:, 2] > 0).all()


def test_skeleton_projects_onto_its_keypoints_at_about_the_right_distance(
    predictor: Predictor, person: Callable[..., Person2D], standing_m: NDArray[np.float64]
) -> None:
    """The untrained lifter sees flat people: somebody frontal and flat lands within 20 %.

    It may correct the keypoints, and this one does so by hardly anything.
    """
    stature_m = skeleton_stature(standing_m.astype(np.float32))
    lifter = PeopleLifter(predictor, LiftingOptions(stature_m=stature_m))
    for z_m in (3.0, 6.0):
        seen = person(z_m=z_m)
        found = _lift(lifter, 0, seen).skeletons[0]
        np.testing.assert_allclose(
            project(found.joints_cam_m, CAMERA), seen.keypoints_px, atol=0.5
        )
        assert abs(found.root_cam_m[2] / z_m - 1) < 0.2


def test_lens_is_undone_before_lifting(
    lifter: PeopleLifter, standing_m: NDArray[np.float64], person: Callable[..., Person2D]
) -> None:
    lens = Camera(CAMERA.matrix, 640, 480, 'plumb_bob', (-0.3, 0.1, 0.001, -0.001, 0.0))
    pixels = project(standing_m + np.array([1.0, 0.0, 4.0]), lens).astype(np.float32)
    bent = Person2D('', pixels, np.full(17, 0.9, np.float32))
    straight = _lift(lifter, 0, person(x_m=1.0)).skeletons[0]
    found = lifter.lift(People2D(0, 'h36m_17', (bent,)), lens).skeletons[0]
    np.testing.assert_allclose(found.joints_cam_m, straight.joints_cam_m, atol=2e-3)


def test_missing_joints_are_nan_with_score_zero(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    seen = person()
    seen.keypoints_px[3] = np.nan
    seen.scores[6] = 0.19  # below the limit of 0.2
    seen.scores[13] = 0.0
    found = _lift(lifter, 0, seen).skeletons[0]
    missing = [3, 6, 13]
    assert np.flatnonzero(np.isnan(found.sigma_m)).tolist() == missing
    assert np.flatnonzero(np.isnan(found.joints_cam_m).any(-1)).tolist() == missing
    assert np.flatnonzero(found.scores == 0).tolist() == missing
    assert np.isfinite(found.root_cam_m).all()


def test_score_of_a_detector_that_overshoots_counts_as_one(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    sure = dataclasses.replace(person(), scores=np.full(17, 1.05, np.float32))
    assert (_lift(lifter, 0, sure).skeletons[0].scores == 1).all()


def test_hidden_pelvis_leaves_a_root_that_is_known(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    seen = person()
    seen.scores[0] = 0.0
    found = _lift(lifter, 0, seen).skeletons[0]
    assert np.isnan(found.joints_cam_m[0]).all()
    assert np.isfinite(found.root_cam_m).all()
    assert found.root_cam_m[2] > 0


def test_pixel_that_the_lens_has_no_ray_for_is_missing(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    strong = Camera(CAMERA.matrix, 640, 480, 'plumb_bob', (-0.4, 0.0, 0.0, 0.0))
    seen = person()
    seen.keypoints_px[16] = (90_000.0, 240.0)
    found = lifter.lift(People2D(0, 'h36m_17', (seen,)), strong).skeletons[0]
    assert np.isnan(found.joints_cam_m[16]).all()
    assert found.scores[16] == 0
    assert np.isfinite(found.joints_cam_m[:16]).all()
    # With all but three of them out there nobody is left to lift.
    seen.keypoints_px[3:] = (90_000.0, 240.0)
    assert lifter.lift(People2D(0, 'h36m_17', (seen,)), strong).skeletons == ()


@pytest.mark.parametrize('place_px', [1e6, 1e12, 1e30, 3e38])
def test_absurd_pixels_are_missing(
    place_px: float, lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    seen = person()
    seen.keypoints_px[13] = (place_px, -place_px)
    found = _lift(lifter, 0, seen).skeletons[0]
    assert np.isnan(found.joints_cam_m[13]).all()
    assert found.scores[13] == 0
    assert 2 < found.root_cam_m[2] < 6
    seen.keypoints_px[3:] = (place_px, -place_px)
    assert _lift(lifter, 33, seen).skeletons == ()


def test_joints_in_one_spot_are_nobody(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    spot = Person2D('', np.full((17, 2), 300, np.float32), np.ones(17, np.float32))
    result = _lift(lifter, 0, spot, person())
    assert result.sources == (1,)
    assert result.elevation is not None
    assert result.elevation.samples == 1
    # Far away is not one spot: 60 m are 17 pixels of this camera.
    far = _lift(lifter, 33, person(z_m=60.0)).skeletons
    assert len(far) == 1
    assert 40 < far[0].root_cam_m[2] < 80


def test_detector_layout_is_converted(lifter: PeopleLifter) -> None:
    random = np.random.default_rng(0)
    keypoints = random.uniform(100, 300, (17, 2)).astype(np.float32)
    person = Person2D('', keypoints, np.full(17, 0.5, np.float32))
    found = lifter.lift(People2D(0, 'coco_17', (person,)), CAMERA).skeletons[0]
    pixels = project(found.joints_cam_m, CAMERA)
    np.testing.assert_allclose(pixels[H36M_17.index('left_wrist')], keypoints[9], atol=1)
    np.testing.assert_allclose(pixels[0], keypoints[[11, 12]].mean(0), atol=1)


def test_tracks_and_ids_stay(lifter: PeopleLifter, person: Callable[..., Person2D]) -> None:
    first = _lift(lifter, 0, person(-1), person(1, upstream='anna'))
    second = _lift(lifter, 33, person(1.02, upstream='anna'), person(-0.98))
    assert [s.track for s in first.skeletons] == [0, 1]
    assert [s.track for s in second.skeletons] == [1, 0]
    assert [s.id for s in first.skeletons] == ['0', 'anna']
    assert [s.id for s in second.skeletons] == ['anna', '0']


def test_person_who_leaves_ends_after_the_gap(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    _lift(lifter, 0, person())
    assert _lift(lifter, 1000).ended_tracks == ()
    assert _lift(lifter, 1001).ended_tracks == (0,)
    assert _lift(lifter, 502).ended_tracks == ()
    assert [s.track for s in _lift(lifter, 503, person()).skeletons] == [1]


def test_empty_frame_keeps_the_elevation(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    assert _lift(lifter, 0).elevation is None
    before = _lift(lifter, 33, person()).elevation
    after = _lift(lifter, 66)
    assert after.skeletons == ()
    assert before is not None
    assert after.elevation is not None
    assert after.elevation.elevation_rad == before.elevation_rad
    assert after.elevation.samples == 1


def test_time_that_jumps_back_drops_everything_remembered(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    _lift(lifter, 10_000, person(-1), person(1))
    again = _lift(lifter, 0, person(-1))
    assert again.was_reset
    assert again.ended_tracks == ()
    assert [s.track for s in again.skeletons] == [2], 'numbers are not given twice'
    assert again.elevation is not None
    assert again.elevation.samples == 1
    assert not _lift(lifter, 33, person(-1)).was_reset
    assert not _lift(lifter, 33, person(-1)).was_reset, 'the same stamp twice is no jump'


def test_reset_forgets(lifter: PeopleLifter, person: Callable[..., Person2D]) -> None:
    _lift(lifter, 10_000, person())
    lifter.reset()
    result = _lift(lifter, 0, person())
    assert not result.was_reset
    assert result.elevation is not None
    assert result.elevation.samples == 1


def test_id_that_comes_twice_belongs_to_the_first(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    for ms in (0, 33, 66):
        result = _lift(lifter, ms, person(-1, upstream='a'), person(1, upstream='a'))
        assert [s.track for s in result.skeletons] == [0, 1]
        assert [s.id for s in result.skeletons] == ['a', '1']


def test_own_number_and_upstream_id_are_never_the_same_person(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    result = _lift(lifter, 0, person(-1.0, upstream='1'), person(1.0))
    assert [s.id for s in result.skeletons] == ['1', '1_']


def test_too_few_joints_are_not_lifted(
    predictor: Predictor, person: Callable[..., Person2D]
) -> None:
    seen = person()
    seen.scores[6:] = 0
    assert len(_lift(PeopleLifter(predictor), 0, seen).skeletons) == 1
    strict = PeopleLifter(predictor, LiftingOptions(min_keypoints=7))
    assert _lift(strict, 0, seen).skeletons == ()
    nothing = Person2D('', np.full((17, 2), np.nan, np.float32), np.ones(17, np.float32))
    result = _lift(strict, 33, nothing)
    assert result.skeletons == ()
    assert result.elevation is None


def test_more_people_than_allowed_keeps_the_surest_in_their_order(
    predictor: Predictor, person: Callable[..., Person2D]
) -> None:
    people = [person(x, upstream=str(x)) for x in (-2, -1, 0, 1)]
    for one, score in zip(people, (0.5, 0.9, 0.4, 0.8), strict=True):
        one.scores[:] = score
    few = PeopleLifter(predictor, LiftingOptions(max_people=2))
    assert [s.id for s in _lift(few, 0, *people).skeletons] == ['-1', '1']


def test_each_skeleton_says_whose_keypoints_it_came_from(
    predictor: Predictor, person: Callable[..., Person2D]
) -> None:
    people = [person(x) for x in (-2, -1, 0, 1)]
    people[1].scores[:] = 0  # nobody
    people[2].scores[:] = 0.3  # the least sure
    few = PeopleLifter(predictor, LiftingOptions(max_people=2))
    assert _lift(few, 0, *people).sources == (0, 3)
    assert _lift(few, 33).sources == ()


def test_stature_scales_everything(predictor: Predictor, person: Callable[..., Person2D]) -> None:
    adult = _lift(PeopleLifter(predictor), 0, person()).skeletons[0]
    child = _lift(PeopleLifter(predictor, LiftingOptions(stature_m=0.85)), 0, person())
    (small,) = child.skeletons
    np.testing.assert_allclose(2 * small.root_cam_m, adult.root_cam_m, rtol=1e-6)
    np.testing.assert_allclose(2 * small.sigma_m, adult.sigma_m, rtol=1e-6)


def test_assumed_camera_is_flagged(lifter: PeopleLifter, person: Callable[..., Person2D]) -> None:
    assumed = Camera.from_field_of_view(640, 480, math.radians(56))
    result = lifter.lift(People2D(0, 'h36m_17', (person(),)), assumed)
    assert result.skeletons[0].scale_source == ScaleSource.UNKNOWN


@pytest.mark.parametrize(
    ('layout', 'joints', 'sentence'),
    [
        ('body_17', 17, "layout is 'body_17'; expected one of h36m_17"),
        (
            'coco_17',
            18,
            r'keypoints of person 0 have shape \(18, 2\).*; layout coco_17 needs \(17, 2\)',
        ),
    ],
)
def test_wrong_input_is_one_sentence_and_changes_nothing(
    layout: str,
    joints: int,
    sentence: str,
    lifter: PeopleLifter,
    person: Callable[..., Person2D],
) -> None:
    _lift(lifter, 10_000, person())
    wrong = Person2D('', np.zeros((joints, 2), np.float32), np.ones(joints, np.float32))
    with pytest.raises(InputError, match=sentence):
        lifter.lift(People2D(0, layout, (wrong,)), CAMERA)
    after = _lift(lifter, 10_033, person())
    assert not after.was_reset
    assert [s.track for s in after.skeletons] == [0]


@pytest.mark.parametrize(
    ('option', 'value'),
    [
        ('stature_m', 0.0),
        ('stature_m', math.nan),
        ('min_keypoint_score', 1.5),
        ('min_keypoints', 2),
        ('min_keypoints', 18),
        ('max_gap_s', -1.0),
        ('max_people', 0),
    ],
)
def test_option_out_of_range_is_one_sentence(option: str, value: float) -> None:
    values: dict[str, Any] = {option: value}
    with pytest.raises(InputError, match=f'{option} is {value}; expected'):
        LiftingOptions(**values)


def test_input_arrays_are_not_changed(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    seen = person()
    seen.scores[4] = 0.1
    before = seen.keypoints_px.copy(), seen.scores.copy()
    _lift(lifter, 0, seen)
    np.testing.assert_array_equal(seen.keypoints_px, before[0])
    np.testing.assert_array_equal(seen.scores, before[1])


def test_same_recording_gives_the_same_bits(
    predictor: Predictor, person: Callable[..., Person2D]
) -> None:
    def play() -> list[bytes]:
        lifter = PeopleLifter(predictor)
        frames = [_lift(lifter, ms, person(ms / 1000), person(-1)) for ms in range(0, 300, 33)]
        return [s.joints_cam_m.tobytes() for frame in frames for s in frame.skeletons]

    assert play() == play()


def test_sigma_is_in_metres_and_the_root_has_none(
    predictor: Predictor, lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    """The lifter's sigma is scaled by what scales its joints; errors are those from the root."""
    seen = person()
    found = _lift(lifter, 0, seen).skeletons[0]
    rays = rays_from_pixels(seen.keypoints_px[None], CAMERA).astype(np.float32)
    plain = predictor.lift(rays, seen.scores[None])
    scale_m = found.root_cam_m[2] / plain.joints_cam[0, 0, 2]
    np.testing.assert_allclose(found.sigma_m[1:], plain.sigma[0, 1:] * scale_m, rtol=1e-5)
    assert found.sigma_m[0] == 0
    assert found.plausibility == plain.plausibility[0]


def _error_rad(predictor: Predictor, mae_deg: float | None, monkeypatch: Any) -> float:
    """Return, as an angle, the variance that one person's estimate does not explain."""
    metrics = {} if mae_deg is None else {'val': {'elevation_clip_mae_deg': mae_deg}}
    manifest = predictor.manifest.model_copy(update={'metrics': metrics})
    monkeypatch.setattr(Predictor, 'manifest', manifest)
    random = np.random.default_rng(0)
    keypoints = random.uniform(200, 400, (17, 2)).astype(np.float32)
    person = Person2D('', keypoints, np.ones(17, np.float32))
    elevation = _lift(PeopleLifter(predictor), 0, person).elevation
    assert elevation is not None
    rays = rays_from_pixels(keypoints[None], CAMERA).astype(np.float32)
    own = float(predictor.lift(rays, person.scores[None]).up_variance[0, 0])
    # Two samples a second apart make an independent one; half a degree stays whatever is seen.
    left = elevation.elevation_variance - 2 * own - math.radians(0.5) ** 2
    return math.sqrt(left)


@pytest.mark.parametrize(('mae_deg', 'error_deg'), [(None, 12.5), (2.0, 2.5)])
def test_variance_holds_the_error_that_the_bundle_states(
    mae_deg: float | None,
    error_deg: float,
    predictor: Predictor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deviation is 1.25 times the mean error; without figures the mean error is 10 degrees."""
    error_rad = _error_rad(predictor, mae_deg, monkeypatch)
    assert math.isclose(math.degrees(error_rad), error_deg, rel_tol=1e-4)


Told = list[tuple[Any, Any]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Return a list that takes up and its variance of every call of the graph from now on."""
    calls: Told = []
    plain = Predictor.lift

    def lift(predictor: Predictor, rays: Any, scores: Any, *more: Any) -> Any:
        calls.append((*more, None, None)[:2])
        return plain(predictor, rays, scores, *more)

    monkeypatch.setattr(Predictor, 'lift', lift)
    return calls


def test_up_of_the_frames_before_is_told_with_its_variance(
    lifter: PeopleLifter, person: Callable[..., Person2D], told: Told
) -> None:
    before = _lift(lifter, 0, person()).elevation
    _lift(lifter, 33, person(-1), person(1))
    assert before is not None
    assert told[0] == (None, None), 'nothing is known at first'
    up, variance = told[1]
    # Both stand where nobody stood before: as new people they are lifted without being told too.
    np.testing.assert_allclose(up, np.tile(before.up_cam, (4, 1)), atol=1e-7)
    wanted = max(before.elevation_variance, before.roll_variance)
    np.testing.assert_allclose(variance, [wanted, wanted, np.inf, np.inf], rtol=1e-6)
    lifter.reset()
    _lift(lifter, 66, person())
    _lift(lifter, 0, person())
    assert told[2:] == [(None, None)] * 2, 'forgotten: by a call, then by time that jumps back'


def test_up_is_not_told_to_those_who_want_each_frame_by_itself(
    predictor: Predictor, person: Callable[..., Person2D], told: Told
) -> None:
    alone = PeopleLifter(predictor, LiftingOptions(use_fused_up=False))
    first, second = (_lift(alone, ms, person()).skeletons[0] for ms in (0, 33))
    assert told == [(None, None)] * 2
    np.testing.assert_array_equal(first.joints_cam_m, second.joints_cam_m)


def test_what_is_fed_back_does_not_prove_itself(
    predictor: Predictor, person: Callable[..., Person2D]
) -> None:
    """Estimate and variance are the same to the bit, whether the lifter is told them or not."""
    listening = PeopleLifter(predictor)
    deaf = PeopleLifter(predictor, LiftingOptions(use_fused_up=False))
    moved = 0.0
    for ms in range(0, 2000, 200):
        people = person(ms / 1000), person(-1, z_m=3.0)
        one, other = _lift(listening, ms, *people), _lift(deaf, ms, *people)
        for mine, theirs in zip(one.skeletons, other.skeletons, strict=True):
            moved = max(moved, float(np.abs(mine.joints_cam_m - theirs.joints_cam_m).max()))
        assert one.elevation is not None
        assert other.elevation is not None
        for field in dataclasses.fields(Elevation):
            found, wanted = (getattr(e, field.name) for e in (one.elevation, other.elevation))
            np.testing.assert_array_equal(found, wanted)
    assert moved > 0, 'the poses do listen'


def test_another_model_keeps_the_people_and_starts_the_elevation_anew(
    lifter: PeopleLifter, person: Callable[..., Person2D], tiny_bundle: Bundle
) -> None:
    before = _lift(lifter, 0, person())
    assert _lift(lifter, 1000, person()).elevation.samples == 2  # type: ignore[union-attr]
    other = Predictor(tiny_bundle.folder)
    lifter.exchange(other)
    same = _lift(lifter, 2000, person())
    assert same.elevation is not None
    assert same.elevation.samples == 3, 'the same model on another device'
    another = Predictor(tiny_bundle.folder)
    another._manifest = another.manifest.model_copy(update={'sha256': 64 * '0'})
    lifter.exchange(another)
    after = _lift(lifter, 2033, person())
    assert after.skeletons[0].track == before.skeletons[0].track
    assert not after.was_reset
    assert after.elevation is not None
    assert after.elevation.samples == 1


def test_other_settings_count_from_the_next_frame_on_and_nobody_is_forgotten(
    lifter: PeopleLifter, person: Callable[..., Person2D]
) -> None:
    before = _lift(lifter, 0, person())
    lifter.change(dataclasses.replace(lifter.options, stature_m=0.85))
    after = _lift(lifter, 1000, person())
    assert after.skeletons[0].track == before.skeletons[0].track
    assert after.skeletons[0].root_cam_m[2] == pytest.approx(
        before.skeletons[0].root_cam_m[2] / 2, rel=0.02
    )
    assert after.elevation is not None
    assert after.elevation.samples == 2
    lifter.change(dataclasses.replace(lifter.options, max_gap_s=0.1))
    _lift(lifter, 1066)
    gone = _lift(lifter, 1200)
    assert gone.ended_tracks == (before.skeletons[0].track,)
    lifter.change(dataclasses.replace(lifter.options, elevation_memory_s=10.0))
    newcomer = _lift(lifter, 1233, person())
    assert newcomer.elevation is not None
    assert newcomer.elevation.samples == 1
