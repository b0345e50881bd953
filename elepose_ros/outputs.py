# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes publish: keypoints, skeletons, markers, camera elevation and the level frame."""

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.duration import Duration
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import Skeletons3D, Surroundings
from elepose_core.runtime.predictor import Predictor
from elepose_ros import interfaces
from elepose_ros.camera_source import CameraSource
from elepose_ros.compat import optional_message
from elepose_ros.conversions import message_from_elevation, message_from_people
from elepose_ros.depth_input import DepthInput
from elepose_ros.endpoints import SILENCE_S, make_publisher
from elepose_ros.frames import Frame
from elepose_ros.gravity_input import GravityInput
from elepose_ros.lifecycle import Part, PartsNode
from elepose_ros.lifter_slot import LifterSlot
from elepose_ros.markers import markers_from_skeletons, markers_that_delete_all
from elepose_ros.mesh_choice import MeshChoice
from elepose_ros.model_service import load_ordering, model_text
from elepose_ros.mount_file import save_mount
from elepose_ros.parameters import Parameters
from elepose_ros.qos import result_qos, tf_qos
from elepose_ros.skeleton_message import message_from_skeletons
from elepose_ros.stamps import StampWatch
from elepose_ros.tf import level_transform

__all__ = ['KeypointOutput', 'SkeletonOutput']

# An older stamp is a recording on another clock: its age says nothing about latency.
_MAX_AGE_S = 60.0
_FAREWELL_S = 0.5
_ELEVATION_STATUS = ('COLLECTING', 'CONVERGED', 'DISTURBED')


class KeypointOutput(Part):
    """Publishes keypoints."""

    def __init__(self, node: PartsNode) -> None:
        self._node = node
        self._publisher = make_publisher(node, interfaces.People2D, 'keypoints', result_qos())

    def publish(self, frame: Frame) -> None:
        """Publish the keypoints of a frame."""
        with self._node.statistics.measure('publish keypoints'):
            self._publisher.publish(
                message_from_people(frame.people, frame.header, frame.width, frame.height)
            )

    def publish_last(self, frame: Frame) -> None:
        """Publish the keypoints of a frame whose way ends here."""
        self.publish(frame)
        self._node.statistics.record('total', time.perf_counter() - frame.arrived_s)
        self._node.statistics.count('out')

    def publish_if_wanted(self, frame: Frame) -> None:
        """Publish the keypoints of a frame when somebody listens."""
        if self._publisher.get_subscription_count():
            self.publish(frame)

    def close(self) -> None:
        """End the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)


class SkeletonOutput(Part):
    """Lifts keypoints and publishes what comes out, with the stamp and frame of the input."""

    def __init__(
        self,
        node: PartsNode,
        predictor: Predictor,
        cameras: CameraSource,
        place: tuple[DepthInput, GravityInput],
        then: Sequence[Callable[[Skeletons3D, Frame], None]] = (),
    ) -> None:
        self._node = node
        self._cameras = cameras
        self._depth, self._gravity = place
        self._then = then
        self._slot = LifterSlot(predictor, lambda: node.parameters, node.reporter)
        self._device = predictor.backend.name
        self._ordering = load_ordering(node.parameters)
        self._lifter = PeopleLifter(predictor, _options(node.parameters), self._ordering)
        self._mesh = MeshChoice(node.reporter)
        self._header = Header()
        self._is_reset = threading.Event()
        self._stamps = StampWatch()
        self._last: Skeletons3D | None = None
        self._arrived: Frame | None = None
        self._compared: Frame | None = None
        self._skeletons = make_publisher(node, interfaces.Skeletons3D, 'skeletons', result_qos())
        self._markers = make_publisher(node, MarkerArray, 'markers', result_qos())
        self._elevation = make_publisher(
            node, interfaces.CameraElevation, 'camera_elevation', result_qos()
        )
        self._transform_message: Any = optional_message('tf2_msgs', 'TFMessage')
        self._transforms: Any = None
        if self._transform_message is not None:
            self._transforms = make_publisher(node, self._transform_message, '/tf', tf_qos())
        # Last: nobody may get hold of what could not be made.
        node.attach_lifter(self._slot.exchange, lambda: self._slot.predictor.backend.name)

    def handle(self, frame: Frame) -> None:
        """Lift a frame and publish the result.

        Raises:
            InputError: The frame does not fit the camera.
        """
        # First, as TF must be looked at anew also when it is what keeps frames from being lifted.
        self._arrived = frame
        statistics = self._node.statistics
        camera = self._cameras.camera_for(frame.width, frame.height)
        surroundings = self._surroundings(frame, camera)
        with statistics.measure('lift'):
            result = self._lifter_now().lift(frame.people, camera, surroundings)
        with statistics.measure('publish'):
            self._publish(result, frame.header)
        if self._then:
            # The size that not every input says.
            frame = dataclasses.replace(frame, width=camera.width, height=camera.height)
            for then in self._then:
                then(result, frame)
        statistics.record('total', time.perf_counter() - frame.arrived_s)
        now_ns = int(self._node.get_clock().now().nanoseconds)
        age_s = self._stamps.observe(result.stamp_ns, now_ns, frame.header.frame_id)
        if 0 <= age_s < _MAX_AGE_S:
            statistics.record('age of the stamp', age_s)
        self._last = result
        statistics.count('out')
        statistics.count('people', len(result.skeletons))

    def reset(self) -> None:
        """Forget people and elevation before the next frame, which another thread may be at."""
        self._is_reset.set()

    def start(self) -> None:
        """Begin with a clean display and no memory of people."""
        self._stamps, self._last, self._arrived = StampWatch(), None, None
        self._lifter.reset()
        self._markers.publish(markers_that_delete_all(self._header))

    def stop(self) -> None:
        """Leave a clean display."""
        self._markers.publish(markers_that_delete_all(self._header))
        # At the end of the process the publisher goes next, and with it what was not delivered.
        self._markers.wait_for_all_acked(Duration(seconds=_FAREWELL_S))

    def close(self) -> None:
        """End the publishers."""
        self._node.detach_lifter()
        publishers = [self._skeletons, self._markers, self._elevation, self._transforms]
        for publisher in publishers:
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def watch(self) -> None:
        """Say when another device takes over, or why it does not."""
        backend = self._slot.predictor.backend
        if backend.name != self._device:
            self._device = backend.name
            self._node.reporter.info(f'lifts with {backend.description}')
        if backend.trouble:
            self._node.reporter.warn('backend', backend.trouble, once=True)
        self._slot.follow()
        if self._transforms is None and self._node.parameters.publish_tf:
            self._node.reporter.warn(
                'tf2_msgs',
                'the package tf2_msgs is not there: no level frame is sent to /tf; install it '
                '(apt: ros-<distro>-tf2-msgs) or set publish_tf to false',
                once=True,
            )
        # Once per frame at most: transforms move on when frames do not.
        arrived, last = self._arrived, self._last
        if arrived is not None and arrived is not self._compared:
            self._compared = arrived
            self._gravity.compare(last.elevation if last else None, arrived.header)

    def save_mount(self) -> str:
        """Write the level frame into a file; returns its path.

        Raises:
            InputError: The tilt is not known well enough, or cannot be written.
        """
        elevation = self._last.elevation if self._last is not None else None
        configured = self._node.parameters.static_transform_file
        return str(save_mount(elevation, self._header, configured))

    def facts(self) -> dict[str, str]:
        """Return the model and where it runs."""
        backend = self._slot.predictor.backend
        return {
            **model_text(self._slot.predictor),
            'device': backend.name,
            'backend': backend.description,
            'frame': self._header.frame_id,
            **({'mesh': self._mesh.text} if self._node.parameters.publish_mesh else {}),
            **({'ordering model': self._ordering.manifest.name} if self._ordering else {}),
            **self._seen(),
        }

    def faults(self) -> dict[str, str]:
        """Return what is wrong with stamps and frames."""
        total = self._node.statistics.percentiles().get('total')
        found = self._stamps.faults(total.p50_ms if total else 0.0)
        frame, other = self._header.frame_id, self._cameras.frame_id
        if frame and other and frame != other:
            found['camera frame'] = (
                f'camera_info is that of frame {other!r} but the input is in {frame!r}: remap '
                'camera_info to the one beside the image'
            )
        return found

    def _seen(self) -> dict[str, str]:
        """Return what the newest frame has shown."""
        if self._last is None or self._last.elevation is None:
            return {'elevation status': 'nothing seen yet', 'tracks': '0'}
        message = message_from_elevation(self._last.elevation, self._header)
        names = {getattr(message, name): name for name in _ELEVATION_STATUS}
        elevation_deg = math.degrees(message.elevation)
        return {
            'elevation [deg]': f'{elevation_deg:.1f}',
            'elevation sigma [deg]': f'{math.degrees(math.sqrt(message.elevation_variance)):.1f}',
            'elevation status': names[message.status],
            'tracks': str(0 if self._is_silent() else self._lifter.tracks),
        }

    def _is_silent(self) -> bool:
        """Tell whether frames come no more: nobody is followed then, whatever the last one had."""
        patience_s = max(self._node.parameters.track_max_gap_s, SILENCE_S)
        arrived = self._arrived
        return arrived is None or time.perf_counter() - arrived.arrived_s > patience_s

    def _publish(self, result: Skeletons3D, header: Header) -> None:
        parameters = self._node.parameters
        self._header = header
        # Writing a message costs more than sending it; nobody pays when nobody listens.
        if self._skeletons.get_subscription_count():
            self._skeletons.publish(message_from_skeletons(result, header))
        if self._markers.get_subscription_count():
            lifetime_s = parameters.marker_lifetime_s
            message = markers_from_skeletons(result, header, lifetime_s, self._mesh.faces)
            self._markers.publish(message)
        if self._elevation.get_subscription_count():
            self._elevation.publish(message_from_elevation(result.elevation, header))
        if result.elevation is None or self._transforms is None or not parameters.publish_tf:
            return
        if not header.frame_id:
            self._node.reporter.warn(
                'frame_id',
                'frame_id of the input is empty: no level frame is sent to /tf and RViz shows '
                'nothing; set it in the camera driver',
            )
            return
        if not self._transforms.get_subscription_count():
            return
        transform = level_transform(result.elevation.up_cam, header)
        self._transforms.publish(self._transform_message(transforms=[transform]))

    def _lifter_now(self) -> PeopleLifter:
        """Return the lifter as parameters, services and the model want it now."""
        parameters, predictor = self._node.parameters, self._slot.predictor
        has_viewers = bool(self._markers.get_subscription_count())
        if self._mesh.follow(predictor, parameters.publish_mesh, has_viewers):
            self._markers.publish(markers_that_delete_all(self._header))
        options = dataclasses.replace(
            _options(parameters), with_vertices=self._mesh.faces is not None
        )
        if self._is_reset.is_set():
            self._is_reset.clear()
            self._lifter.reset()
            self._markers.publish(markers_that_delete_all(self._header))
        if options != self._lifter.options:
            self._lifter.change(options)
        if predictor is not self._lifter.predictor:
            self._lifter.exchange(predictor)
        return self._lifter

    def _surroundings(self, frame: Frame, camera: Camera) -> Surroundings:
        parameters = self._node.parameters
        return Surroundings(
            camera_height_m=self._gravity.camera_height_m or parameters.camera_height_m,
            camera_height_deviation_m=parameters.camera_height_deviation_m,
            depth=self._depth.depth_for(frame.people.stamp_ns, camera),
            picture=frame.rgb,
        )


def _options(parameters: Parameters) -> LiftingOptions:
    return LiftingOptions(
        stature_m=parameters.stature_m,
        min_keypoint_score=parameters.min_keypoint_score,
        min_keypoints=parameters.min_keypoints,
        max_gap_s=parameters.track_max_gap_s,
        max_people=parameters.max_people,
        use_fused_up=parameters.use_fused_up,
        elevation_memory_s=parameters.elevation_memory_s,
        smoothing_cutoff_hz=parameters.smoothing_cutoff_hz,
        smoothing_opening=parameters.smoothing_opening,
        with_vertices=parameters.publish_mesh,
    )
