# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Joint orders and conversions against lists that are written out here once more."""

import numpy as np
import pytest

from elepose_core.errors import InputError
from elepose_core.skeleton import COCO_17, H36M_17, LAYOUTS, MEDIAPIPE_33, Skeleton, h36m_from

# Standard Human3.6M order, by hand.
H36M_ORDER = [
    'pelvis',
    *('right_hip', 'right_knee', 'right_ankle'),
    *('left_hip', 'left_knee', 'left_ankle'),
    *('spine', 'thorax', 'neck_nose', 'head_top'),
    *('left_shoulder', 'left_elbow', 'left_wrist'),
    *('right_shoulder', 'right_elbow', 'right_wrist'),
]
# Where each detector's documentation puts the joints that are copied, in the order of
# H36M 1, 2, 3 (right leg), 4, 5, 6 (left leg), 11, 12, 13 (left arm), 14, 15, 16 (right arm).
COPIED_TO = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
COPIED_FROM = {
    'coco_17': [12, 14, 16, 11, 13, 15, 5, 7, 9, 6, 8, 10],
    'halpe_26': [12, 14, 16, 11, 13, 15, 5, 7, 9, 6, 8, 10],
    'openpose_18': [8, 9, 10, 11, 12, 13, 5, 6, 7, 2, 3, 4],
    'openpose_25': [9, 10, 11, 12, 13, 14, 5, 6, 7, 2, 3, 4],
    'mediapipe_33': [24, 26, 28, 23, 25, 27, 11, 13, 15, 12, 14, 16],
    'h36m_17': COPIED_TO,
}
EARS = {
    'coco_17': (3, 4),
    'halpe_26': (3, 4),
    'openpose_18': (17, 16),
    'openpose_25': (18, 17),
    'mediapipe_33': (7, 8),
}
COUNTS = {
    'h36m_17': 17,
    'coco_17': 17,
    'openpose_18': 18,
    'openpose_25': 25,
    'halpe_26': 26,
    'mediapipe_33': 33,
}


def _numbered(layout: str) -> tuple[np.ndarray, np.ndarray]:
    """Keypoint i at (100 i, i * i), score 0.5 + i / 100: no two are alike."""
    number = np.arange(COUNTS[layout], dtype=np.float64)
    return np.stack([100 * number, number**2], -1), 0.5 + number / 100


def test_h36m_order_is_the_standard_one() -> None:
    assert list(H36M_17.joint_names) == H36M_ORDER
    assert H36M_17.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
    assert H36M_17.left == (4, 5, 6, 11, 12, 13)
    assert H36M_17.right == (1, 2, 3, 14, 15, 16)
    assert H36M_17.mirror == (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)
    assert len(H36M_17.bones) == 16
    assert H36M_17.bones[0] == (0, 1)


@pytest.mark.parametrize('layout', list(COUNTS))
def test_layout_is_a_forest_whose_mirror_is_its_own_inverse(layout: str) -> None:
    skeleton = LAYOUTS[layout]
    assert skeleton.name == layout
    assert len(skeleton) == COUNTS[layout] == len(set(skeleton.joint_names))
    mirror = np.array(skeleton.mirror)
    assert (mirror[mirror] == np.arange(len(skeleton))).all()
    assert len(skeleton.left) == len(skeleton.right)
    for joint in range(len(skeleton)):
        path = [joint]
        while skeleton.parents[path[-1]] >= 0:
            path.append(skeleton.parents[path[-1]])
            assert len(path) <= len(skeleton), f'{layout}: {joint} is its own ancestor'


def test_mirror_swaps_left_and_right_of_a_pose() -> None:
    pose = np.arange(17.0)[:, None]
    mirrored = pose[list(H36M_17.mirror)]
    assert mirrored[H36M_17.index('left_wrist')] == H36M_17.index('right_wrist')
    assert mirrored[H36M_17.index('head_top')] == H36M_17.index('head_top')


def test_layouts_are_those_of_the_detectors() -> None:
    assert COCO_17.joint_names[:5] == ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')
    assert COCO_17.index('right_ankle') == 16
    openpose = LAYOUTS['openpose_25']
    assert (openpose.index('neck'), openpose.index('mid_hip')) == (1, 8)
    assert openpose.index('right_heel') == 24
    halpe = LAYOUTS['halpe_26']
    assert [halpe.index(n) for n in ('head_top', 'neck', 'mid_hip')] == [17, 18, 19]
    assert MEDIAPIPE_33.index('right_foot_index') == 32


def test_unknown_joint_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'nose' is not in layout h36m_17.*left_wrist"):
        H36M_17.index('nose')


@pytest.mark.parametrize('layout', list(COUNTS))
def test_conversion_copies_each_limb_from_its_own_keypoint(layout: str) -> None:
    keypoints, scores = _numbered(layout)
    joints, joint_scores = h36m_from(keypoints, scores, layout)
    assert joints.dtype == joint_scores.dtype == np.float32
    np.testing.assert_allclose(joints[COPIED_TO], keypoints[COPIED_FROM[layout]], rtol=1e-6)
    np.testing.assert_allclose(joint_scores[COPIED_TO], scores[COPIED_FROM[layout]], rtol=1e-6)


@pytest.mark.parametrize('layout', list(EARS))
def test_conversion_makes_the_trunk_from_hips_shoulders_and_ears(layout: str) -> None:
    keypoints, scores = _numbered(layout)
    joints, joint_scores = h36m_from(keypoints, scores, layout)
    sources = dict(zip(COPIED_TO, COPIED_FROM[layout], strict=True))
    hips, shoulders, ears = [sources[1], sources[4]], [sources[11], sources[14]], EARS[layout]
    pelvis, thorax = keypoints[hips].mean(0), keypoints[shoulders].mean(0)
    head = keypoints[list(ears)].mean(0)
    expected = {0: pelvis, 7: pelvis + 0.55 * (thorax - pelvis), 8: thorax, 10: head}
    expected[9] = (thorax + head) / 2
    for joint, point in expected.items():
        np.testing.assert_allclose(joints[joint], point, rtol=1e-5)
    assert joint_scores[0] == np.float32(scores[hips].min())
    assert joint_scores[7] == np.float32(scores[hips + shoulders].min())
    assert joint_scores[9] == np.float32(scores[[*shoulders, *ears]].min())


def test_coco_pelvis_by_hand() -> None:
    keypoints = np.zeros((17, 2))
    keypoints[11], keypoints[12] = (220, 300), (180, 310)  # left hip, right hip
    joints, _ = h36m_from(keypoints, np.ones(17), 'coco_17')
    assert joints[0].tolist() == [200, 305]
    assert joints[4].tolist() == [220, 300]
    assert joints[1].tolist() == [180, 310]


@pytest.mark.parametrize('how', ['nan', 'score', 'infinite'])
def test_missing_keypoint_makes_only_its_own_joints_missing(how: str) -> None:
    keypoints, scores = _numbered('coco_17')
    left_shoulder = 5
    if how == 'score':
        scores[left_shoulder] = 0
    else:
        keypoints[left_shoulder, 1] = np.nan if how == 'nan' else np.inf
    joints, joint_scores = h36m_from(keypoints, scores, 'coco_17')
    missing = [7, 8, 9, 11]  # spine, thorax, neck/nose, left shoulder
    assert np.flatnonzero(np.isnan(joints).any(-1)).tolist() == missing
    assert np.flatnonzero(joint_scores == 0).tolist() == missing
    assert np.isnan(joints[missing]).all()


def test_all_missing_gives_seventeen_missing_joints() -> None:
    joints, scores = h36m_from(np.full((2, 17, 2), np.nan), np.ones((2, 17)), 'coco_17')
    assert joints.shape == (2, 17, 2)
    assert np.isnan(joints).all()
    assert (scores == 0).all()


@pytest.mark.parametrize('batch', [(), (5,), (2, 3), (0,)])
@pytest.mark.parametrize('layout', list(COUNTS))
def test_any_batch_shape_gives_what_single_poses_give(
    batch: tuple[int, ...], layout: str, random: np.random.Generator
) -> None:
    keypoints = random.normal(size=(*batch, COUNTS[layout], 2))
    scores = random.uniform(size=(*batch, COUNTS[layout]))
    joints, joint_scores = h36m_from(keypoints, scores, layout)
    assert joints.shape == (*batch, 17, 2)
    assert joint_scores.shape == (*batch, 17)
    for index in np.ndindex(batch):
        one, one_score = h36m_from(keypoints[index], scores[index], layout)
        np.testing.assert_array_equal(joints[index], one)
        np.testing.assert_array_equal(joint_scores[index], one_score)


@pytest.mark.parametrize('layout', list(COUNTS))
def test_mirrored_person_converts_to_the_mirrored_joints(
    layout: str, random: np.random.Generator
) -> None:
    skeleton = LAYOUTS[layout]
    keypoints = random.normal(size=(len(skeleton), 2))
    scores = random.uniform(0.1, 1, len(skeleton))
    swap = list(skeleton.mirror)
    mirrored, mirrored_scores = h36m_from(keypoints[swap], scores[swap], layout)
    joints, joint_scores = h36m_from(keypoints, scores, layout)
    np.testing.assert_allclose(mirrored, joints[list(H36M_17.mirror)], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(mirrored_scores, joint_scores[list(H36M_17.mirror)])


def test_input_arrays_are_not_changed() -> None:
    keypoints, scores = _numbered('coco_17')
    before = keypoints.copy(), scores.copy()
    h36m_from(keypoints, scores, 'coco_17')
    np.testing.assert_array_equal(keypoints, before[0])
    np.testing.assert_array_equal(scores, before[1])


def test_unknown_layout_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"layout is 'coco'; expected one of h36m_17, coco_17"):
        h36m_from(np.zeros((17, 2)), np.ones(17), 'coco')


@pytest.mark.parametrize(
    ('points', 'scores'), [((18, 2), (18,)), ((17, 3), (17,)), ((17, 2), (16,)), ((34,), (17,))]
)
def test_wrong_shapes_are_refused(points: tuple[int, ...], scores: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r'layout coco_17 needs \(\.\.\., 17, 2\)'):
        h36m_from(np.zeros(points), np.ones(scores), 'coco_17')


def test_skeleton_is_data_that_anybody_can_make() -> None:
    tail = Skeleton('tail', ('root', 'left_tip', 'right_tip'), (-1, 0, 0))
    assert tail.mirror == (0, 2, 1)
    assert tail.bones == ((0, 1), (0, 2))
