# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""SMPL: what is said where it is absent, and a made-up file of its layout."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from scipy.spatial.transform import Rotation  # noqa: E402

from elepose_core.errors import InputError, MissingDependency  # noqa: E402
from elepose_core.models.smpl import open_smpl  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402

# Of SMPL's 24 joints; y up, facing along z.
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]


def _arrays() -> dict[str, Any]:
    """Return a body of 24 points, each vertex at one of them; 331 and 411 are a head."""
    place = np.zeros((24, 3))
    steps = {1: (0.1, -0.1), 2: (-0.1, -0.1), 16: (0.2, 0.0), 17: (-0.2, 0.0)}
    for joint, parent in enumerate(PARENTS[1:], start=1):
        across, up = steps.get(joint, (0.0, -0.4 if joint in (4, 5, 7, 8) else 0.15))
        place[joint] = place[parent] + (across, up, 0.0)
    owner = np.arange(6890) % 24
    owner[[331, 411]] = 15
    vertices = place[owner]
    vertices[331] += (0.0, 0.0, 0.1)
    vertices[411] += (0.0, 0.2, 0.0)
    weights = np.eye(24)[owner]
    regressor = np.zeros((24, 6890))
    for joint in range(24):
        regressor[joint, np.flatnonzero(owner == joint)[0]] = 1.0
    return {
        'v_template': vertices,
        'shapedirs': np.zeros((6890, 3, 10)),
        'posedirs': np.zeros((6890, 3, 207), np.float32),
        'J_regressor': regressor,
        'kintree_table': np.array([[2**32 - 1, *PARENTS[1:]], range(24)], np.uint32),
        'weights': weights,
        'f': np.zeros((1, 3), np.uint32),
    }


def _saved(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def test_without_smplx_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, 'smplx', None)
    with pytest.raises(MissingDependency, match='pip install'):
        open_smpl(tmp_path / 'smpl.npz')


class TestWithSmplx:
    @pytest.fixture(autouse=True)
    def _smplx(self) -> None:
        pytest.importorskip('smplx', reason='SMPL is computed by the package smplx')

    def test_pickles_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match='a pickle, which is not opened here'):
            open_smpl(tmp_path / 'SMPL_NEUTRAL.pkl')

    def test_absent_and_broken_files_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match='is not a readable npz'):
            open_smpl(tmp_path / 'absent.npz')
        for name, data in (('cut', b'PK\x03\x04 cut off'), ('empty', b'')):
            (tmp_path / f'{name}.npz').write_bytes(data)
            with pytest.raises(InputError, match='is not a readable npz'):
                open_smpl(tmp_path / f'{name}.npz')
        flat = {**_arrays(), 'shapedirs': np.zeros(())}
        with pytest.raises(InputError, match=r'shapedirs has shape \(\)'):
            open_smpl(_saved(tmp_path / 'flat.npz', flat))
        arrays = _arrays()
        del arrays['weights']
        with pytest.raises(InputError, match='has no weights'):
            open_smpl(_saved(tmp_path / 'less.npz', arrays))
        wrong = {**_arrays(), 'J_regressor': np.zeros((23, 6890))}
        with pytest.raises(InputError, match=r'J_regressor has shape \(23, 6890\)'):
            open_smpl(_saved(tmp_path / 'wrong.npz', wrong))

    def test_a_body_faces_the_camera_and_bends_at_its_joints(self, tmp_path: Path) -> None:
        body = open_smpl(_saved(tmp_path / 'smpl.npz', _arrays()))
        shape = body.shape(torch.zeros(1, 10))
        pose = torch.eye(3).expand(1, 24, 3, 3).clone()
        place = torch.tensor([[0.0, 0.0, 4.0]])
        upright = body(shape, pose, place)
        named = dict(zip(H36M_17.joint_names, upright.joints[0], strict=True))
        torch.testing.assert_close(named['pelvis'], place[0])
        assert named['left_hip'][0] > 0.05
        assert named['left_ankle'][1] > named['head_top'][1] + 1.0
        assert named['neck_nose'][2] < 3.95
        # The left shank turned back by a right angle: the ankle is behind the knee.
        turn = torch.from_numpy(Rotation.from_euler('x', 90, degrees=True).as_matrix()).float()
        pose[0, [4, 7, 10]] = turn
        bent = body(shape, pose, place)
        moved = dict(zip(H36M_17.joint_names, bent.joints[0], strict=True))
        expected = named['left_knee'] + torch.tensor([0.0, 0.0, 0.4])
        torch.testing.assert_close(moved['left_ankle'], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(moved['right_ankle'], named['right_ankle'])
