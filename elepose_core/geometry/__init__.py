# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras, directions and alignments.

Frames: the camera frame is the optical frame of REP 103 (x right, y down, z forward), metres.
`up_cam` points against gravity in it. Elevation is the angle of the optical axis below the
horizontal plane, positive = the camera looks down: without roll, up is (0, -cos e, -sin e).
Arrays are (batch..., joint, coordinate).
"""
