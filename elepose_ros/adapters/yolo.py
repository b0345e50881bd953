# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""yolo_msgs/DetectionArray of yolo_ros with a pose model.

Facts read: yolo_msgs/msg/*.msg and yolo_ros/yolo_node.py of mgonzs13/yolo_ros. A keypoint's id is
its number in COCO's order counted from 1; keypoints below the detector's threshold are not sent.
"""

import math
from typing import Any

from elepose_core.errors import InputError
from elepose_core.runtime.bounds import check_count
from elepose_core.runtime.people import People2D
from elepose_core.skeleton import COCO_17
from elepose_ros.adapters.points import people_from_points

__all__ = ['people_from_detections']

_ABSENT = (math.nan, math.nan, 0.0)


def people_from_detections(message: Any) -> People2D:
    """Read a yolo_msgs/DetectionArray.

    Detections without keypoints are other things than people and left out. Ids are the tracker's.

    Raises:
        InputError: A keypoint's id is none of COCO's 17, or a point or the number of detections
            is out of reach.
    """
    check_count(len(message.detections))
    ids, rows = [], []
    for number, detection in enumerate(message.detections):
        keypoints = detection.keypoints.data
        if not keypoints:
            continue
        row = [_ABSENT] * len(COCO_17)
        for keypoint in keypoints:
            if not 1 <= keypoint.id <= len(row):
                raise InputError(
                    f'id of a keypoint of detections[{number}] is {keypoint.id}; expected 1 to '
                    f'{len(row)}, as a pose model with the keypoints of COCO gives'
                )
            row[keypoint.id - 1] = (keypoint.point.x, keypoint.point.y, keypoint.score)
        ids.append(str(detection.id))
        rows.append(row)
    points = [[entry[:2] for entry in row] for row in rows]
    return people_from_points(
        message.header, ids, points, [[entry[2] for entry in row] for row in rows]
    )
