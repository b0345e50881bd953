# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies kept in results, painted over pictures and drawn by `elepose view`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2 as typed_cv2
import numpy as np
import pytest

from elepose_core.cli.lift import lift
from elepose_core.cli.view import view
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project
from elepose_core.images import rgb_from_photograph
from elepose_core.offline.bodies import bodies_of_extra, from_root, painted_over, stored
from elepose_core.offline.keypoint_files import Assumptions, ImageSize, lift_keypoints
from elepose_core.offline.poses import lifted
from elepose_core.offline.results import frames_from_poses
from elepose_core.runtime.lifting import LiftingOptions
from elepose_core.runtime.people import ScaleSource, Skeleton3D
from elepose_core.runtime.predictor import Predictor

tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')

cv2: Any = typed_cv2  # its stubs lack the fourcc function
SKIER = Path(__file__).parents[2] / 'data' / 'skier.jpg'
CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
FRAMES = 3


@pytest.fixture(autouse=True)
def _brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_bundles.bring_prisms(tmp_path, monkeypatch)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('bundles')
    tiny_bundles.write_tiny_bundle(folder / 'body.elepose', FRAMES, True)
    tiny_bundles.write_tiny_bundle(folder / 'bones.elepose', FRAMES)
    return folder


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    whole = pose_set_of(crowd_of(20, seed=8))  # two clips of ten frames
    whole.scores[4, 4:] = 0.0  # four joints are too few
    return whole


def test_clips_are_lifted_with_the_frames_before_and_bodies_kept_small(
    poses: PoseSet, folder: Path
) -> None:
    predictor = Predictor(folder / 'body.elepose')
    result = lifted(poses, predictor, LiftingOptions(with_vertices=True))
    # Frame 4 of the first clip cannot be lifted and is missing in the two after it.
    wanted = np.tile([1, 2, *[3] * 8], (2, 1)) / 3
    wanted[0, 4], wanted[0, 5:7] = np.nan, 2 / 3
    found = result.extra['lifted_plausibility'].reshape(2, 10)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    kept = result.extra['lifted_vertices_m']
    assert (kept.shape, kept.dtype) == ((20, 96, 3), np.float16)
    assert str(result.extra['lifted_body']) == 'prisms'
    bodies = bodies_of_extra(result.extra, 20, 'r.npz')
    assert bodies is not None
    np.testing.assert_array_equal(bodies.faces, tiny_bundles.prism_faces())
    assert np.isnan(bodies.vertices_cam_m[4]).all()
    rows = np.arange(20) != 4
    joints = result.extra['lifted_joints_cam_m'][rows]
    ends = bodies.vertices_cam_m[rows].reshape(19, 32, 3, 3).mean(2)
    np.testing.assert_allclose(
        ends, joints[:, np.array(tiny_bundles.H36M_17.bones).ravel()], atol=2e-3
    )


def test_bodies_are_not_kept_unless_wanted(poses: PoseSet, folder: Path) -> None:
    for name, wanted in (('body', False), ('bones', True)):
        options = LiftingOptions(with_vertices=wanted)
        extra = lifted(poses, Predictor(folder / f'{name}.elepose'), options).extra
        assert not [key for key in extra if 'vert' in key or 'body' in key]


def test_keypoint_files_know_no_tracks_and_each_pose_is_lifted_by_itself(
    tmp_path: Path, folder: Path
) -> None:
    people = [[100.0 + 3 * i + shift for i in range(17)] for shift in (0, 200)]
    text = ', '.join(
        f'{{"image_id": 1, "keypoints": {[v for x in p for v in (x, 50 + 10 * n, 0.9)]}}}'
        for n, p in enumerate(people)
    )
    (tmp_path / 'k.json').write_text(f'[{text}, {text}]')
    out, predictor = tmp_path / 'out.npz', Predictor(folder / 'bones.elepose')
    assumed = Assumptions(60.0, ImageSize(640, 480))
    lift_keypoints(tmp_path / 'k.json', out, predictor, LiftingOptions(), assumed)
    found = PoseSet.load(out).extra['lifted_plausibility']
    np.testing.assert_allclose(found, 1 / FRAMES)


def test_picture_is_lifted_painted_and_viewed(tmp_path: Path, folder: Path) -> None:
    out, model = tmp_path / 'skier.npz', str(folder / 'body.elepose')
    lift(SKIER, out=tmp_path / 'plain.npz', model=model)
    lift(SKIER, out=out, model=model, mesh=True)
    plain, painted = (path.with_suffix('.overlay.jpg') for path in (tmp_path / 'plain.npz', out))
    assert plain.read_bytes() != painted.read_bytes()
    frames = frames_from_poses(out)
    assert frames.bodies is not None
    assert frames.bodies.vertices_cam_m.shape == (1, 1, 96, 3)
    view(out)
    view(tmp_path / 'plain.npz')
    pages = [(tmp_path / f'{name}.html').read_text() for name in ('skier', 'plain')]
    with_body, without = (page.count('"type":"mesh3d"') for page in pages)
    assert with_body == without + 2  # the figure and its frame
    assert (tmp_path / 'skier.png').stat().st_size > (tmp_path / 'plain.png').stat().st_size


def test_video_is_lifted_with_the_frames_before_and_painted(tmp_path: Path, folder: Path) -> None:
    image = rgb_from_photograph(SKIER.read_bytes())
    size = (320, 416)
    writer = cv2.VideoWriter(
        str(tmp_path / 'pan.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 30.0, size
    )
    for start in range(220, 180, -8):
        writer.write(np.ascontiguousarray(image[:416, start : start + 320, ::-1]))
    writer.release()
    model = str(folder / 'body.elepose')
    lift(tmp_path / 'pan.mp4', out=tmp_path / 'pan.npz', model=model, mesh=True)
    frames = frames_from_poses(tmp_path / 'pan.npz')
    assert frames.bodies is not None
    assert frames.bodies.vertices_cam_m.shape == (5, 1, 96, 3)
    assert np.isfinite(frames.bodies.vertices_cam_m).all()
    assert frames.bodies.person.tolist() == [[0]] * 5
    assert (tmp_path / 'pan.overlay.mp4').stat().st_size > 10_000


def test_picture_moves_depths_and_other_sources_have_none(
    tmp_path: Path, folder: Path, poses: PoseSet
) -> None:
    tiny_bundles.write_tiny_ordering(tmp_path / 'red.elepose')
    model, ordering = str(folder / 'body.elepose'), str(tmp_path / 'red.elepose')
    lift(SKIER, out=tmp_path / 'plain.npz', model=model)
    lift(SKIER, out=tmp_path / 'seen.npz', model=model, ordering_model=ordering)
    plain, seen = (
        PoseSet.load(tmp_path / f'{name}.npz').extra['lifted_joints_cam_m'][0]
        for name in ('plain', 'seen')
    )
    assert np.nanmax(np.abs(seen / seen[:1, 2:] - plain / plain[:1, 2:])[:, 2]) > 0.01
    poses.save(tmp_path / 'p.npz')
    with pytest.raises(InputError, match=r'p\.npz is no image or video; expected one'):
        lift(tmp_path / 'p.npz', out=tmp_path / 'o.npz', model=model, ordering_model=ordering)


def test_mesh_of_a_model_without_one_or_of_a_bag_is_refused_whatever_the_name(
    tmp_path: Path, folder: Path
) -> None:
    """A bag is lifted into a bag, also into one whose name ends in .npz."""
    with pytest.raises(InputError, match=r'bones\.elepose gives no body; expected a model whose'):
        lift(SKIER, out=tmp_path / 'o.npz', model=str(folder / 'bones.elepose'), mesh=True)
    (tmp_path / 'in').mkdir()
    with pytest.raises(InputError, match='in is a bag, whose messages have no place for it'):
        lift(
            tmp_path / 'in', out=tmp_path / 'o.npz', model=str(folder / 'body.elepose'), mesh=True
        )
    with pytest.raises(InputError, match=r'o\.jpg; expected a name that ends in \.npz'):
        lift(SKIER, out=tmp_path / 'o.jpg', model=str(folder / 'body.elepose'), mesh=True)
    assert not list(tmp_path.glob('o*'))


def _cube(at_m: tuple[float, float, float], track: int) -> Skeleton3D:
    vertices = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.5
    return Skeleton3D(
        *('a', track, np.zeros((17, 3), np.float32), np.zeros(17, np.float32)),
        *(np.ones(17, np.float32), np.array(at_m), np.eye(3), ScaleSource.STATURE, 1.0),
        (vertices + at_m).astype(np.float32),
    )


FACES = np.array([[0, 1, 3], [0, 3, 2], [4, 5, 7], [4, 7, 6], [0, 2, 6], [0, 6, 4]], np.int32)


def test_bodies_cover_where_they_project_and_the_near_one_covers_the_far() -> None:
    rgb = np.full((480, 640, 3), 200, np.uint8)
    far, near = _cube((0.0, 0.0, 8.0), 0), _cube((0.3, 0.0, 4.0), 1)
    picture = painted_over(rgb, [near, far], CAMERA, FACES)
    assert (rgb == 200).all(), 'the frame itself must not change'
    changed = (picture != rgb).any(-1)
    corners = project(near.vertices_cam_m, CAMERA)
    (_, low_y), (high_x, high_y) = corners.min(0), corners.max(0)
    ys, xs = np.nonzero(changed)
    assert abs(ys.min() - low_y) <= 2
    assert abs(ys.max() - high_y) <= 2
    assert abs(xs.max() - high_x) <= 2
    both = painted_over(rgb, [far, near], CAMERA, FACES)
    np.testing.assert_array_equal(both, picture)
    x, y = project(np.array([0.3, 0.0, 3.5]), CAMERA).round().astype(int)
    only_near = painted_over(rgb, [near], CAMERA, FACES)
    np.testing.assert_array_equal(only_near[y, x], picture[y, x])


def test_body_behind_or_in_the_camera_is_left_out() -> None:
    rgb = np.full((480, 640, 3), 200, np.uint8)
    for at in ((0.0, 0.0, -4.0), (0.0, 0.0, 0.5), (4000.0, 0.0, 4.0)):
        np.testing.assert_array_equal(painted_over(rgb, [_cube(at, 0)], CAMERA, FACES), rgb)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'lifted_vertices_m': np.zeros((3, 96, 2))}, r'lifted_vertices_m has shape \(3, 96, 2\)'),
        ({'lifted_vertices_m': np.zeros((2, 96, 3))}, r'expected \(3, up to 20000, 3\)'),
        ({'lifted_vertices_m': np.zeros((3, 96, 3), int)}, 'of a float type'),
        ({'lifted_root_cam_m': np.zeros((3, 2))}, 'lifted_root_cam_m has shape'),
        ({'lifted_root_cam_m': np.full((3, 3), 'x')}, 'and type <U1; expected'),
        ({'lifted_body': np.zeros(3)}, 'lifted_body is no text'),
        ({'lifted_body': np.array('nobody')}, "body is 'nobody'; expected one"),
        ({'lifted_vertices_m': np.zeros((3, 9, 3))}, 'body prisms has 96 vertices; found 9'),
    ],
)
def test_damaged_bodies_are_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    root = np.zeros((3, 3), np.float32)
    small = from_root(np.zeros((3, 96, 3), np.float32), root)
    extra = {'lifted_root_cam_m': root, **stored(small, 'prisms')}
    assert bodies_of_extra(extra, 3, 'r.npz') is not None
    with pytest.raises(InputError, match=sentence) as caught:
        bodies_of_extra(extra | changes, 3, 'r.npz')
    assert '\n' not in str(caught.value)


def test_vertices_that_are_not_finite_are_nobody() -> None:
    root = np.zeros((3, 3), np.float32)
    vertices = np.zeros((3, 96, 3))
    vertices[1, 5, 2], vertices[2, 0, 0] = np.inf, 1e300
    small = stored(from_root(np.zeros((3, 96, 3), np.float32), root), 'prisms')
    extra = {'lifted_root_cam_m': root, **small, 'lifted_vertices_m': vertices}
    bodies = bodies_of_extra(extra, 3, 'r.npz')
    assert bodies is not None
    assert np.isnan(bodies.vertices_cam_m).all((1, 2)).tolist() == [False, True, True]
    assert np.isfinite(bodies.vertices_cam_m[0]).all()


def test_person_keeps_number_and_colour_when_another_leaves(
    poses: PoseSet, folder: Path, tmp_path: Path
) -> None:
    """In a lifted video rows of a frame have no fixed place: the second becomes the first."""
    options = LiftingOptions(with_vertices=True)
    both = lifted(poses, Predictor(folder / 'body.elepose'), options)
    left = both.select(np.flatnonzero((both.clip_index == 1) | (both.frame_index < 4)))
    named = replace(left, extra={**left.extra, 'person_id': left.clip_index.astype(np.str_)})
    named.save(tmp_path / 'video.npz')
    bodies = frames_from_poses(tmp_path / 'video.npz').bodies
    assert bodies is not None
    assert bodies.person.tolist() == [[0, 1]] * 4 + [[1, -1]] * 6
    assert (np.isnan(bodies.vertices_cam_m).all((2, 3)) == (bodies.person < 0)).all()
    view(tmp_path / 'video.npz')


def test_selection_of_a_result_keeps_its_bodies(poses: PoseSet, folder: Path) -> None:
    options = LiftingOptions(with_vertices=True)
    result = lifted(poses, Predictor(folder / 'body.elepose'), options)
    few = replace(result).select(np.array([3, 11]))
    bodies = bodies_of_extra(few.extra, 2, 'r.npz')
    assert bodies is not None
    assert bodies.vertices_cam_m.shape == (2, 96, 3)
