# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Make pictures of people in recorded poses, seen by the cameras that recorded them.

    python tools/render_people.py $ELEPOSE_DATA/mocap/val.npz --out runs/crops/val.npz \
        [--count 2000 --seed 0 --photographs $ELEPOSE_DATA/media/coco --sheet sheet.png]

Each picture is a square round one person (`geometry/person_crop.py`): the body model with a random
phenotype, posed by the joints, its bones stretched until they begin where the joints are, so that
keypoints and 3D truth of the recording hold for the picture too (but for neck and head, which
are the body's own); random clothes, light and surroundings. The output is a PoseSet of the chosen
poses with one key more, `crops` (N, S, S, 3) uint8 RGB. The same seed gives the same bytes.

Where a recording has 2D keypoints only, the default lifter, which learned from such, says how the
person stands that has them; the output then has no 3D truth, either.

--photographs takes pieces without people out of photographs as surroundings; its folder holds a
`coco_images.json` with each picture's people.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from people_looks import Mesh, dressed, empty_photographs, lit, photographed, surroundings
from torch import Tensor
from tqdm import tqdm

from elepose_core.body.data import PHENOTYPES, POSE_BONES, body_data
from elepose_core.data.poseset import PoseSet
from elepose_core.files import replacing
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.geometry.person_crop import crop_from_pixels, person_squares
from elepose_core.models.body import BodyModel, BodyShape
from elepose_core.models.body_pose import pose_of_joints
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import H36M_17
from elepose_core.visualize.mesh import face_normals, paint_mesh

Array = NDArray[np.float64]

# Pictures are painted so many times as large and then made small, which smooths the edges.
FINER = 2
# People that are posed at once.
BATCH = 256
# Bones that begin at a joint, and the joint.
STARTS = {
    'neck01': 'thorax',
    **{
        f'{bone}.{side[0].upper()}': f'{side}_{joint}'
        for side in ('left', 'right')
        for bone, joint in (
            ('upperleg01', 'hip'),
            ('lowerleg01', 'knee'),
            ('foot', 'ankle'),
            ('upperarm01', 'shoulder'),
            ('lowerarm01', 'elbow'),
            ('wrist', 'wrist'),
        )
    },
}
# Bones that begin at none move as another does, or by half of that.
GOES_WITH = {
    **dict.fromkeys(('head', 'spine01', 'clavicle.L', 'clavicle.R'), ('neck01', 1.0)),
    'spine03': ('neck01', 0.5),
}


class Posed(NamedTuple):
    """People in the camera frame, metres.

    Attributes:
        vertices: (N, V, 3).
        stretch: (N, 20) metres, how far bones were moved to begin at the joints.
    """

    vertices: Array
    stretch: Array


def main() -> None:
    """Render, save, and perhaps paint a sheet to look at."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='PoseSet')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--count', type=int, help='pictures of random poses; else one of each')
    parser.add_argument('--side', type=int, default=64, help='pixels of a picture')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--photographs', type=Path, metavar='FOLDER')
    parser.add_argument('--sheet', type=Path, metavar='PNG', help='some with their keypoints')
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(options.seed)
    poses = PoseSet.load(options.source)
    if options.count is not None:
        poses = chosen(poses, options.count, random)
    pieces: list[NDArray[np.uint8]] = []
    if options.photographs is not None:
        listed = json.loads((options.photographs / 'coco_images.json').read_text('utf-8'))
        pieces = empty_photographs(options.photographs, listed)
    started = time.process_time()
    crops, stretch = rendered(poses, options.side, pieces, random)
    spent_ms = 1000 * (time.process_time() - started) / len(poses)
    replace(poses, extra={**poses.extra, 'crops': crops}).save(options.out)
    print(
        f'{options.out}: {len(poses)} pictures of {options.side} px, {spent_ms:.1f} ms each; '
        f'bones were stretched by {1000 * stretch.mean():.0f} mm on average, '
        f'{1000 * np.percentile(stretch, 95):.0f} mm at most in 95 % of cases'
    )
    if options.sheet is not None:
        write_sheet(options.sheet, poses, crops)


def chosen(poses: PoseSet, count: int, random: np.random.Generator) -> PoseSet:
    """Return `count` poses in the order of the set: each as often as every other, nearly."""
    rounds = [random.permutation(len(poses)) for _ in range(-(-count // len(poses)))]
    return poses.select(np.sort(np.concatenate(rounds)[:count]))


def rendered(
    poses: PoseSet,
    side: int,
    photographs: list[NDArray[np.uint8]],
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], Array]:
    """Return pictures (N, side, side, 3) and by how much bones were stretched (N, 20), metres."""
    joints = lifted(poses) if poses.joints_cam_m is None else poses.joints_cam_m
    model, mesh = BodyModel().eval(), usual_mesh()
    centres, sides = person_squares(poses.keypoints_px.astype(np.float64), poses.scores > 0)
    maps = crop_from_pixels(centres, sides, FINER * side)
    up_cam = np.tile([0.0, -1.0, 0.0], (len(poses), 1))
    if poses.elevation_rad is not None:
        roll = 0.0 if poses.roll_rad is None else poses.roll_rad
        up_cam = up_cam_from_elevation(poses.elevation_rad, roll)
    crops = np.zeros((len(poses), side, side, 3), np.uint8)
    stretches = []
    for start in tqdm(range(0, len(poses), BATCH), unit='batch', disable=None):
        rows = np.arange(start, min(start + BATCH, len(poses)))
        posed = posed_people(model, joints[rows], random)
        stretches.append(posed.stretch)
        cameras = poses.camera_matrix[poses.camera_index[rows]]
        for row, vertices, camera in zip(rows, posed.vertices, cameras, strict=True):
            picture = surroundings(FINER * side, photographs, random)
            pixels = vertices @ camera.T
            points = np.insert(pixels[:, :2] / pixels[:, 2:], 2, 1.0, axis=1) @ maps[row].T
            colours = lit(
                dressed(mesh, random), face_normals(vertices, mesh.faces), up_cam[row], random
            )
            paint_mesh(picture, vertices, points, mesh.faces, colours)
            small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
            crops[row] = photographed(small, random)
    return crops, np.concatenate(stretches)


def lifted(poses: PoseSet) -> NDArray[np.float32]:
    """Return joints (N, 17, 3) as the default lifter sees them, the pelvis 4 m away."""
    found = Predictor(threads=1).lift(poses.rays.astype(np.float32), poses.scores)
    return found.joints_cam * np.float32(4.0)


@torch.no_grad()
def usual_mesh() -> Mesh:
    """Return what looks depend on, of a body of middling phenotype."""
    model = BodyModel()
    faces = body_data().faces.astype(np.int64)
    bone = model.shares().numpy()[:, faces].sum(-1).argmax(0)
    shape = model.shape(torch.full((1, len(PHENOTYPES)), 0.5))
    reference = torch.eye(3).expand(1, len(POSE_BONES), 3, 3)
    posed = model(shape, reference, shape.joints[:, H36M_17.index('pelvis')])
    assert posed.vertices is not None
    vertices = posed.vertices[0].numpy()
    return Mesh(faces, np.array(POSE_BONES)[bone], vertices[faces].mean(1).astype(np.float64))


@torch.no_grad()
def posed_people(
    model: BodyModel, joints_cam_m: NDArray[np.float32], random: np.random.Generator
) -> Posed:
    """Pose random bodies so that their bones begin where joints (N, 17, 3) are."""
    joints = torch.from_numpy(joints_cam_m)
    shape = model.shape(torch.from_numpy(random.uniform(0, 1, (len(joints), 6))).float())
    # Bodies are as tall as their joints say; the picture of a scaled scene is the same.
    size = skeleton_size(shape.joints) / skeleton_size(joints)
    scaled = joints * size[:, None, None]
    orientations = pose_of_joints(scaled, BodyShape(shape.bones, shape.joints, None))
    posed = model(shape, orientations, scaled[:, H36M_17.index('pelvis')])
    moves = torch.zeros_like(posed.bones)
    for bone, joint in STARTS.items():
        index = POSE_BONES.index(bone)
        moves[:, index] = scaled[:, H36M_17.index(joint)] - posed.bones[:, index]
    for bone, (other, share) in GOES_WITH.items():
        moves[:, POSE_BONES.index(bone)] = share * moves[:, POSE_BONES.index(other)]
    assert posed.vertices is not None
    vertices = posed.vertices + model.shares().T @ moves
    metres = size[:, None, None]
    return Posed(
        (vertices / metres).double().numpy(), (moves / metres).norm(dim=-1).double().numpy()
    )


def skeleton_size(joints: Tensor) -> Tensor:
    """Return the mean length (N,) of the bones of people (N, 17, 3)."""
    parents, children = zip(*H36M_17.bones, strict=True)
    return (joints[:, list(parents)] - joints[:, list(children)]).norm(dim=-1).mean(1)


def write_sheet(path: Path, poses: PoseSet, crops: NDArray[np.uint8], across: int = 12) -> None:
    """Paint pictures, each beside itself with its keypoints: left blue, right red."""
    side, larger = crops.shape[1], 2
    rows = np.linspace(0, len(crops) - 1, across * across // 2).astype(int)
    centres, sides = person_squares(
        poses.keypoints_px[rows].astype(np.float64), poses.scores[rows] > 0
    )
    maps = crop_from_pixels(centres, sides, larger * side)
    tiles = []
    for row, matrix in zip(rows, maps, strict=True):
        plain = cv2.resize(crops[row], (larger * side, larger * side))
        drawn = plain.copy()
        points = np.insert(poses.keypoints_px[row].astype(np.float64), 2, 1.0, axis=1) @ matrix.T
        for parent, child in H36M_17.bones:
            name = H36M_17.joint_names[child]
            colour = (30, 120, 255) if name.startswith('left') else (255, 70, 50)
            if not name.startswith(('left', 'right')):
                colour = (60, 200, 80)
            ends = [tuple(points[joint].round().astype(int).tolist()) for joint in (parent, child)]
            cv2.line(drawn, ends[0], ends[1], colour, 2, cv2.LINE_AA)
        tiles += [plain, drawn]
    lines = [np.concatenate(tiles[i : i + across], axis=1) for i in range(0, len(tiles), across)]
    with replacing(path) as temporary:
        cv2.imwrite(str(temporary), np.concatenate(lines)[..., ::-1])


if __name__ == '__main__':
    main()
