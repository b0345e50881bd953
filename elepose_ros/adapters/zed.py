# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""zed_msgs/ObjectsStamped of the ZED's body tracking: its 2D keypoints, not its 3D ones.

Facts read: msg/Object.msg of stereolabs/zed-ros2-interfaces and the orders of the ZED SDK's
BODY_18_PARTS, BODY_34_PARTS and BODY_38_PARTS. Coordinates are pixels of the rectified left image.
"""

from typing import Any

import numpy as np

from elepose_core.errors import InputError
from elepose_core.runtime.bounds import check_count
from elepose_core.runtime.people import People2D
from elepose_core.skeleton import OPENPOSE_18
from elepose_ros.adapters.points import coco_columns, people_from_points

__all__ = ['people_from_objects']

_BODY_34 = (
    'pelvis naval_spine chest_spine neck '
    'left_clavicle left_shoulder left_elbow left_wrist left_hand left_handtip left_thumb '
    'right_clavicle right_shoulder right_elbow right_wrist right_hand right_handtip right_thumb '
    'left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot '
    'head nose left_eye left_ear right_eye right_ear left_heel right_heel'
)
_BODY_38 = (
    'pelvis spine_1 spine_2 spine_3 neck nose left_eye right_eye left_ear right_ear '
    'left_clavicle right_clavicle left_shoulder right_shoulder left_elbow right_elbow '
    'left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle '
    'left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel '
    'left_hand_thumb_4 right_hand_thumb_4 left_hand_index_1 right_hand_index_1 '
    'left_hand_middle_4 right_hand_middle_4 left_hand_pinky_1 right_hand_pinky_1'
)
# By the message's body_format. The SDK's BODY_18 has OpenPose's order; BODY_70 was withdrawn.
_COLUMNS = {
    0: coco_columns(OPENPOSE_18.joint_names),
    1: coco_columns(_BODY_34.split()),
    2: coco_columns(_BODY_38.split()),
}
# 0 = not valid, 2 and 3 = searched for, 3 for the last time: what is sent then is a prediction and
# no observation.
_SEEN = 1


def people_from_objects(message: Any) -> People2D:
    """Read a zed_msgs/ObjectsStamped.

    Objects without a skeleton, and tracked ones that are not seen now, are left out. The SDK marks
    a keypoint that it did not find by negative coordinates or a confidence of NaN. A camera whose
    messages carry no confidence per keypoint lends each one that of the whole body.

    Raises:
        InputError: body_format is none of 0, 1 and 2, or a point or the number of objects is out
            of reach.
    """
    check_count(len(message.objects))
    ids, points, scores = [], [], []
    for number, body in enumerate(message.objects):
        tracked = body.tracking_available
        if not body.skeleton_available or (tracked and body.tracking_state != _SEEN):
            continue
        columns = _COLUMNS.get(body.body_format)
        if columns is None:
            raise InputError(
                f'body_format of objects[{number}] is {body.body_format}; expected 0 (18 '
                'keypoints), 1 (34) or 2 (38): set body_format of the ZED node'
            )
        keypoints = body.skeleton_2d.keypoints
        place = np.array([keypoints[column].kp for column in columns], np.float32)
        confidence = np.array(getattr(body, 'skeleton_keypoint_confidence', ()), np.float32)
        if confidence.any():  # NaN counts as set
            if len(confidence) <= max(columns):
                raise InputError(
                    f'skeleton_keypoint_confidence of objects[{number}] has {len(confidence)} '
                    f'entries; expected more than {max(columns)}'
                )
            score = confidence[list(columns)] / 100
        else:
            score = np.full(len(columns), body.confidence / 100, np.float32)
        score[(place < 0).any(1)] = 0.0
        ids.append(str(body.label_id) if tracked and body.label_id >= 0 else '')
        points.append(place)
        scores.append(score)
    return people_from_points(message.header, ids, points, scores)
