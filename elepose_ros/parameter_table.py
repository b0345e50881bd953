# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The one table of parameters; `parameters` declares, checks and documents what stands here.

Each field of `Parameters` is a row.
"""

from dataclasses import dataclass, field
from typing import Any

from elepose_core.runtime.backends.interface import DEVICES

__all__ = ['DETECTOR', 'LIFTER', 'PIPELINE', 'Parameters', 'Row']

DETECTOR = 'detector'
LIFTER = 'lifter'
PIPELINE = 'pipeline'
_BOTH = (DETECTOR, LIFTER)


@dataclass(frozen=True)
class Row:
    """What the table knows about a parameter beside its name, type and default."""

    text: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    dynamic: bool = False
    used_by: tuple[str, ...] = _BOTH


def _row(default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={'row': Row(text, **more)})


_RELIABILITY = ('best_effort', 'reliable')


@dataclass(frozen=True)
class Parameters:
    """Values of all parameters; a node that does not use one has its default."""

    detector: str = _row(
        'movenet_multipose',
        '2D detector; "none" in the pipeline means that keypoints come from a topic',
        choices=('movenet_multipose', 'rtmlib', 'mediapipe', 'none'),
        used_by=(DETECTOR,),
    )
    detector_model_path: str = _row(
        '',
        'model file of the detector; empty = the one in the package (movenet_multipose has one)',
        used_by=(DETECTOR,),
    )
    detector_person_model_path: str = _row(
        '',
        'second model file, which finds the people, for rtmlib with a top-down RTMPose model',
        used_by=(DETECTOR,),
    )
    detector_input_long_side: int = _row(
        384,
        'long side of the image that movenet_multipose sees, a multiple of 32; the time grows '
        'with its square: 256 takes half as long as 384 but loses small people and bent poses, '
        '512 takes twice as long',
        unit='px',
        low=256,
        high=512,
        dynamic=True,
        used_by=(DETECTOR,),
    )
    detector_roi: bool = _row(
        False,
        'follow people: movenet_multipose reads a region of interest around each one, which '
        'costs about 0.4 of the whole image per person and shows people far away better; the '
        'whole image is read every 10th frame, so that newcomers wait as long, and when somebody '
        'is lost',
        dynamic=True,
        used_by=(DETECTOR,),
    )
    min_person_score: float = _row(
        0.2,
        'people with a lower score are left out',
        low=0.0,
        high=1.0,
        dynamic=True,
        used_by=(DETECTOR,),
    )
    num_threads: int = _row(1, 'threads of each of the two networks', low=1, high=64, dynamic=True)
    model: str = _row(
        'default',
        'bundle of the lifter: "default" or the path of a folder; ~/load_model changes it while '
        'the node runs',
        used_by=(LIFTER,),
    )
    model_folders: str = _row(
        '',
        'folders whose bundles ~/load_model may load, separated by colons; empty = only shipped '
        'models by their name',
        used_by=(LIFTER,),
    )
    ordering_model: str = _row(
        '',
        'bundle of a second network, which looks at the image of each person and tells how deep '
        'joints lie, on the CPU; its depths are fused with those of the lifter; empty = none',
        used_by=(PIPELINE,),
    )
    device: str = _row(
        'auto',
        'where the lifter runs; auto = the fastest that is here; the detector runs on the CPU',
        choices=DEVICES,
        dynamic=True,
        used_by=(LIFTER,),
    )
    stature_m: float = _row(
        1.70,
        'assumed body height, which sets the metric scale',
        unit='m',
        low=0.5,
        high=2.5,
        dynamic=True,
        used_by=(LIFTER,),
    )
    camera_height_m: float = _row(
        0.0,
        'height of the camera above the ground that people stand on; with it and the camera '
        'elevation that they show, their feet tell how far away they are; 0 = unknown, which is '
        'better for a camera below about a metre',
        unit='m',
        low=0.0,
        high=100.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    camera_height_deviation_m: float = _row(
        0.03,
        'standard deviation of camera_height_m: how well it was measured, and how even the '
        'ground is',
        unit='m',
        low=0.001,
        high=10.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    use_depth: bool = _row(
        False,
        'take distances from depth images (topic depth, aligned to the image, 16UC1 or 32FC1) '
        'where they show people',
        used_by=(LIFTER,),
    )
    depth_max_age_s: float = _row(
        0.05,
        'a depth image belongs to a frame when their stamps are no farther apart',
        unit='s',
        low=0.0,
        high=1.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    min_keypoint_score: float = _row(
        0.2,
        'keypoints with a lower score count as missing',
        low=0.0,
        high=1.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    min_keypoints: int = _row(
        6,
        'people with fewer keypoints are not lifted',
        low=3,
        high=17,
        dynamic=True,
        used_by=(LIFTER,),
    )
    max_people: int = _row(
        20,
        'at most so many people are lifted per frame',
        low=1,
        high=200,
        dynamic=True,
        used_by=(LIFTER,),
    )
    track_max_gap_s: float = _row(
        1.0,
        'a person who is away for longer gets a new track',
        unit='s',
        low=0.05,
        high=10.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    use_fused_up: bool = _row(
        True,
        'lift with the camera tilt that the frames before have shown; false = each frame by '
        'itself, for a camera that is moved against gravity while it looks',
        dynamic=True,
        used_by=(LIFTER,),
    )
    elevation_memory_s: float = _row(
        60.0,
        'what people have shown of the camera tilt fades within so many seconds with people, so '
        'that a mount that was knocked is found out; 512 samples are kept, which eight or more '
        'people fill in 64 s; a robot that nods needs use_fused_up false',
        unit='s',
        low=5.0,
        high=86400.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    smoothing_cutoff_hz: float = _row(
        1.0,
        'joints at rest are smoothed below this frequency: lower trembles less and lags more; '
        '0 = no smoothing',
        unit='Hz',
        low=0.0,
        high=100.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    smoothing_opening: float = _row(
        3.0,
        'by so much the frequency rises with the speed of a joint, so that motion does not lag',
        unit='Hz per m/s',
        low=0.0,
        high=100.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    horizontal_fov_deg: float = _row(
        60.0,
        'field of view that is assumed while no calibrated camera_info is there',
        unit='degrees',
        low=10.0,
        high=150.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    camera_info_timeout_s: float = _row(
        2.0,
        'wait so long for the first camera_info before a field of view is assumed',
        unit='s',
        low=0.0,
        high=60.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    image_rectified: bool = _row(
        False,
        'the image is rectified: use P of camera_info, not K and D',
        dynamic=True,
        used_by=(LIFTER,),
    )
    keypoints_type: str = _row(
        'people2d',
        'what comes on keypoints: people2d = elepose_ros/People2D, yolo = '
        'yolo_msgs/DetectionArray, zed = zed_msgs/ObjectsStamped; hri = hri_msgs/Skeleton2D, one '
        'topic per person under /humans/bodies',
        choices=('people2d', 'yolo', 'zed', 'hri'),
        used_by=(LIFTER,),
    )
    image_transport: str = _row(
        'raw',
        'raw = sensor_msgs/Image on image, compressed = CompressedImage on image/compressed',
        choices=('raw', 'compressed'),
        used_by=(DETECTOR,),
    )
    image_reliability: str = _row(
        'best_effort',
        'QoS of the image subscription; large images may need reliable',
        choices=_RELIABILITY,
        dynamic=True,
        used_by=(DETECTOR,),
    )
    depth_reliability: str = _row(
        'best_effort',
        'QoS of the depth subscription; large images may need reliable',
        choices=_RELIABILITY,
        dynamic=True,
        used_by=(LIFTER,),
    )
    keypoints_reliability: str = _row(
        'best_effort',
        'QoS of the keypoints and camera_info subscriptions',
        choices=_RELIABILITY,
        dynamic=True,
        used_by=(LIFTER,),
    )
    marker_lifetime_s: float = _row(
        0.7,
        'RViz removes a marker that is not renewed for so long; 0 = never',
        unit='s',
        low=0.0,
        high=60.0,
        dynamic=True,
        used_by=(LIFTER,),
    )
    publish_mesh: bool = _row(
        False,
        'draw the surface of bodies on markers too, with a model that gives it; a marker per '
        'person takes 180 kB, so keep it local',
        dynamic=True,
        used_by=(LIFTER,),
    )
    publish_tf: bool = _row(
        True,
        'send the level frame <camera frame>_level to /tf',
        dynamic=True,
        used_by=(LIFTER,),
    )
    publish_joint_tf: bool = _row(
        False,
        'send a frame <id>_<joint> to /tf for each joint that is seen, parallel to the camera '
        'frame; needs the package tf2_msgs',
        used_by=(LIFTER,),
    )
    publish_hri: bool = _row(
        False,
        'publish bodies as ROS4HRI does (REP 155): /humans/bodies/tracked, and per person roi, '
        'skeleton2d, joint_states and a frame body_<id>; needs the packages hri_msgs and tf2_msgs',
        used_by=(LIFTER,),
    )
    gravity_frame: str = _row(
        '',
        'frame with z up, as the robot or its localisation knows it: the node warns when people '
        'contradict its direction, since then the camera was moved or its mount is calibrated '
        'wrongly; empty = TF is not read',
        used_by=(LIFTER,),
    )
    ground_frame: str = _row(
        '',
        'frame with z up and z = 0 on the ground: the height of the camera above it takes the '
        'place of camera_height_m; empty = TF is not read',
        used_by=(LIFTER,),
    )
    use_imu: bool = _row(
        False,
        'compare the direction that people show with an IMU (topic imu, sensor_msgs/Imu) as '
        'well; its frame must be connected with that of the camera on TF',
        used_by=(LIFTER,),
    )
    static_transform_file: str = _row(
        '',
        'file that ~/save_static_transform writes; empty = one named after the frame of the '
        'camera in $ROS_HOME (~/.ros)',
        used_by=(LIFTER,),
    )
    autostart: bool = _row(
        True, 'configure and activate at start; false leaves that to a lifecycle manager'
    )
    executor: str = _row(
        'auto',
        'rclpy executor; auto = events where it exists (Jazzy or newer), since it takes a quarter '
        'of the time that single takes',
        choices=('auto', 'single', 'events'),
    )
