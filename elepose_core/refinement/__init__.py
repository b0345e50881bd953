# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Whole clips in 3D from 2D keypoints and a single-frame lifter: a least-squares adjustment.

Every joint lies on its viewing ray, so that only its distance from the camera is unknown: the 2D
keypoints are met exactly. Distances of all frames, the bones of each person, and elevation, roll
and floor of each clip are sought together. What decides is what is true of every recording: bones
keep their length, bodies move smoothly, feet stand still, the lower foot is on the floor.

Inside this room lengths are in mean bone lengths of the person (about 0.245 m of an adult).

Source: B. Triggs, P. McLauchlan, R. Hartley and A. Fitzgibbon, Bundle adjustment, a modern
synthesis, 2000.
    Differs: one fixed camera and no reprojection error; the body takes the place of further views.
"""
