# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Clips as a node would see them: the frames before, and nothing from later or elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.cli.evaluate import evaluate as evaluate_command
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.clips import over_clips
from elepose_core.evaluation.protocol import Conditions, measure
from elepose_core.geometry.camera import Camera
from elepose_core.runtime.history import PoseHistory
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.runtime.predictor import Predictor

tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')

Float32 = NDArray[np.float32]
FRAMES = 4


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(60, seed=2))  # six clips of ten frames at 30 Hz


@pytest.fixture(scope='module')
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp('bundles') / 'clips.elepose'
    return Predictor(tiny_bundles.write_tiny_bundle(folder, FRAMES).folder)


def _over(predictor: Predictor, poses: PoseSet) -> Any:
    manifest = predictor.manifest
    return over_clips(predictor.lift, poses, PoseHistory(manifest.frames, manifest.fps))


def test_each_frame_is_lifted_once_with_those_before_it(
    predictor: Predictor, poses: PoseSet, random: np.random.Generator
) -> None:
    kept = poses.select(random.permutation(60)[:45])
    measured = measure(_over(predictor, kept), kept, Conditions())
    np.testing.assert_allclose(
        measured.lifts.joints_cam[..., :2], kept.rays, atol=1e-6, err_msg='each on its own rays'
    )
    there = {*zip(kept.clip_index.tolist(), kept.frame_index.tolist(), strict=True)}
    shares = [
        sum((c, f - back) in there for back in range(FRAMES)) / FRAMES
        for c, f in zip(kept.clip_index, kept.frame_index, strict=True)
    ]
    assert measured.lifts.plausibility is not None
    np.testing.assert_allclose(measured.lifts.plausibility, shares, atol=1e-6)


def test_set_of_twice_the_rate_is_looked_at_in_steps_of_the_lifter(
    predictor: Predictor, poses: PoseSet
) -> None:
    """Ten frames at 60 Hz: frame f has f // 2 frames at 30 Hz before it."""
    fast = replace(poses, fps=60.0)
    found = measure(_over(predictor, fast), fast, Conditions()).lifts.plausibility
    assert found is not None
    wanted = [min(frame // 2 + 1, FRAMES) / FRAMES for frame in range(10)]
    np.testing.assert_allclose(found.reshape(6, 10), np.tile(wanted, (6, 1)), atol=1e-6)


def test_clip_is_measured_as_a_node_would_lift_it(predictor: Predictor, poses: PoseSet) -> None:
    clip = poses.select(poses.clip_index == 3)
    measured = measure(_over(predictor, clip), clip, Conditions())
    camera = Camera(clip.camera_matrix[0], *map(int, clip.image_size[0]))
    lifter = PeopleLifter(predictor)
    live = []
    for frame, points in enumerate(clip.keypoints_px):
        person = Person2D('walker', points, np.ones(17, np.float32))
        people = People2D(round(frame * 1e9 / 30), 'h36m_17', (person,))
        live += [s.plausibility for s in lifter.lift(people, camera).skeletons]
    np.testing.assert_allclose(measured.lifts.plausibility, live, atol=1e-6)


def test_command_measures_a_bundle_clip_by_clip(
    predictor: Predictor, poses: PoseSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses.save(tmp_path / 'p.npz')
    evaluate_command(str(predictor.folder), data=(tmp_path / 'p.npz',))
    assert 'N-MPJPE, mm' in capsys.readouterr().out
    with pytest.raises(InputError, match='looks at 4 frames itself; expected no --window-s'):
        evaluate_command(str(predictor.folder), data=(tmp_path / 'p.npz',), window_s=0.2)


def test_set_without_tracks_is_refused(predictor: Predictor, poses: PoseSet) -> None:
    crowd = replace(poses, clip_index=np.zeros(60, np.int64))
    with pytest.raises(InputError, match='clip 0 has two poses in one frame'):
        measure(_over(predictor, crowd), crowd, Conditions())
