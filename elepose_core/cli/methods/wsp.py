# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Weakly supervised pre-training: the order of joints in depth from 2D, then 3D of a few."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.method import BundleRequest, Method
from elepose_core.cli.stages import Stages, seeded
from elepose_core.config import WspConfig
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.export.depth import calibrate_depth_sigma, export_depth_bundle
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.geometry.person_crop import person_squares
from elepose_core.models.image_depth import DepthSeen, ImageDepth, depth_offsets, placed_on_rays
from elepose_core.runtime.predictor import Lifted, Predictor
from elepose_core.training.image_depth import DepthLessons, Ordering, taught_rows
from elepose_core.training.loop import Progress
from elepose_core.training.ordinal_labels import (
    OrdinalLabels,
    lifter_labels,
    perspective_labels,
)

__all__ = [
    'METHOD',
    'PicturedPoses',
    'crops_of',
    'depths_seen',
    'lessons_of',
    'ordering_of',
    'pictured_poses',
]

# Where the first stage keeps its checkpoint, inside the run.
_PRETRAINING = Path('pretraining')
# Pictures that are looked at together where nothing is learned.
_AT_ONCE = 256


@dataclass(frozen=True)
class PicturedPoses:
    """People in pictures, complete in 2D, some of them in 3D.

    Attributes:
        crops: (N, 3, S, S) uint8 RGB.
        places: (N, 17, 2) of the joints in the crops, edges at -1 and 1.
        rays: (N, 17, 2).
        up_cam: (N, 3) against gravity: the truth, or what the default lifter finds in each clip.
        joints: (N, 17, 3) truth in the camera, NaN where a file has none.
    """

    crops: Tensor
    places: Tensor
    rays: Tensor
    up_cam: Tensor
    joints: Tensor

    @property
    def known(self) -> Tensor:
        """Tell (N,) whose 3D truth there is."""
        return torch.isfinite(self.joints).all(-1).all(-1)


def pictured_poses(data: Sequence[Path]) -> PicturedPoses:
    """Read PoseSets with pictures.

    Raises:
        InputError: There is no file, or one is no PoseSet, has no pictures or lacks keypoints; or
            pictures differ in size.
    """
    if not data:
        raise InputError('no file of pictures is given; expected at least one')
    parts = [_read(path) for path in data]
    sizes = {part.crops.shape[2] for part in parts}
    if len(sizes) > 1:
        raise InputError(
            f'pictures have {", ".join(map(str, sorted(sizes)))} pixels; expected one size'
        )
    return PicturedPoses(
        *(torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0]))
    )


def crops_of(poses: PoseSet, source: str) -> Tensor:
    """Return the pictures (N, 3, S, S) of a set; `source` names it in errors.

    Raises:
        InputError: It has none.
    """
    crops = poses.extra.get('crops')
    fits = crops is not None and crops.ndim == 4 and crops.dtype == np.uint8
    if crops is None or not fits or crops.shape[1:] != (crops.shape[1], crops.shape[1], 3):
        found = 'absent' if crops is None else f'{crops.dtype} of shape {crops.shape}'
        raise InputError(
            f'{source}: key crops is {found}; expected pictures (N, S, S, 3) uint8, one of each '
            'person, as tools/render_people.py writes them'
        )
    return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))


def ordering_of(network: ImageDepth, poses: PicturedPoses, experiment: WspConfig) -> Ordering:
    """Return the recipe of pre-training."""
    told = experiment.wsp
    labels = None if told.labels == 'places' else _labels_of(told.labels, poses)
    return Ordering(
        network, poses.crops, poses.places, labels, told.place_weight, experiment.pictures
    )


def lessons_of(
    network: ImageDepth, poses: PicturedPoses, experiment: WspConfig, seed: int
) -> DepthLessons:
    """Return the recipe of fine-tuning on a share of the 3D labels that `seed` draws.

    Raises:
        InputError: No pose has 3D truth.
    """
    known, joints = poses.known, poses.joints
    if experiment.wsp.lifted:
        lifted = torch.from_numpy(_lifted(poses.rays).joints_cam)
        joints = torch.where(known[:, None, None], joints, lifted)
        known = torch.ones_like(known)
    _some_known(known)
    rows = taught_rows(known, experiment.wsp.share, seed)
    truth = depth_offsets(joints[rows], poses.rays[rows])
    return DepthLessons(network, poses.crops[rows], truth, experiment.pictures)


def _labels_of(rule: str, poses: PicturedPoses) -> OrdinalLabels:
    if rule == 'perspective':
        return perspective_labels(poses.rays, poses.up_cam)
    lifted = _lifted(poses.rays)
    return lifter_labels(lifted.joints_cam, lifted.sigma, poses.rays.numpy())


def _lifted(rays: Tensor) -> Lifted:
    """Return what the default lifter says of complete people (N, 17, 2)."""
    return Predictor(threads=1).lift(rays.numpy(), np.ones(rays.shape[:2], np.float32))


@torch.no_grad()
def depths_seen(module: nn.Module, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Return depth and sigma (N, 17) that a network sees in crops (N, 3, S, S) uint8."""
    device = next(module.parameters()).device
    was_training = module.training
    module.eval()
    parts = [module(part.to(device).float() / 255) for part in torch.split(crops, _AT_ONCE)]
    module.train(was_training)
    depth, sigma = zip(*parts, strict=True)
    return torch.cat(depth).cpu(), torch.cat(sigma).cpu()


def _read(path: Path) -> PicturedPoses:
    poses = PoseSet.load(path)
    crops = crops_of(poses, str(path))
    complete = (poses.scores > 0).all(1) & np.isfinite(poses.keypoints_px).all((1, 2))
    if not complete.all():
        raise InputError(
            f'{path}: {int((~complete).sum())} of {len(poses)} poses lack keypoints; expected '
            'people with all 17'
        )
    rays = poses.rays.astype(np.float32)
    if poses.elevation_rad is None:
        up_cam = _up_of_clips(rays, poses.clip_index)
    else:
        level = np.zeros_like(poses.elevation_rad)
        roll = level if poses.roll_rad is None else poses.roll_rad
        up_cam = up_cam_from_elevation(poses.elevation_rad, roll).astype(np.float32)
    joints = poses.joints_cam_m
    if joints is None:
        joints = np.full((len(poses), 17, 3), np.nan, np.float32)
    return PicturedPoses(crops, *map(torch.from_numpy, (_places(poses), rays, up_cam, joints)))


def _places(poses: PoseSet) -> NDArray[np.float32]:
    """Return where keypoints are in the squares round people, edges at -1 and 1."""
    keypoints = poses.keypoints_px.astype(np.float64)
    centres, sides = person_squares(keypoints, poses.scores > 0)
    places = 2 * (keypoints - centres[:, None]) / sides[:, None, None]
    return np.asarray(places, np.float32)


def _up_of_clips(rays: NDArray[np.float32], clip: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean up direction (N, 3) that the default lifter finds in each clip."""
    found = _lifted(torch.from_numpy(rays)).up_cam
    _, number = np.unique(clip, return_inverse=True)
    total = np.zeros((number.max() + 1, 3))
    np.add.at(total, number, found)
    mean = total / np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(mean[number], np.float32)


def _train(
    experiment: WspConfig,
    data: PicturedPoses,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    """Train up to the stage `until`; returns how the last went."""
    seed = experiment.training.seed
    torch.manual_seed(seed)
    network = ImageDepth(experiment.network).to(device)
    if experiment.wsp.labels != 'none':
        ordering = ordering_of(network, data, experiment)
        progress = stages.train(ordering, seeded(experiment.pretraining, seed), _PRETRAINING)
        if until == 'pretraining':
            return progress
    torch.manual_seed(seed)
    return stages.train(lessons_of(network, data, experiment, seed), experiment.training, Path())


def _check(experiment: WspConfig, data: PicturedPoses, until: str | None) -> None:
    told = experiment.wsp
    if data.crops.shape[2] != experiment.network.side:
        raise InputError(
            f'network.side is {experiment.network.side}; the pictures have {data.crops.shape[2]} '
            'pixels'
        )
    if until == 'pretraining':
        if told.labels == 'none':
            raise InputError("until is 'pretraining'; a run with wsp.labels=none has none")
    elif not told.lifted:
        _some_known(data.known)


def _some_known(known: Tensor) -> None:
    if not known.any():
        raise InputError('no pose has joints_cam_m; expected 3D truth of some to learn from')


def _untrained(experiment: WspConfig) -> ImageDepth:
    return ImageDepth(experiment.network)


def _lift(module: nn.Module, poses: PoseSet) -> Lift:
    """Return a lifter of the rows of `poses`, whose pictures it looks at."""
    crops = crops_of(poses, 'the PoseSet')
    depth, sigma = depths_seen(module, crops)

    def lift(
        rays: NDArray[np.float32],
        scores: NDArray[np.float32],
        up_cam: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32] | None, ...]:
        del up_cam
        if not ((scores > 0).all() and np.isfinite(rays).all()):
            raise InputError('a keypoint is missing; this method places all joints on their rays')
        joints, spread = placed_on_rays(torch.from_numpy(rays), depth, sigma)
        # A pelvis has no error of its own, but the protocol wants a sigma above 0.
        return joints.numpy(), None, spread.numpy()

    return lift


def _facts(data: PicturedPoses) -> dict[str, Any]:
    return {'poses': len(data.crops), 'poses_with_3d': int(data.known.sum())}


def _write_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    assert isinstance(module, ImageDepth)
    crops = crops_of(request.poses, 'the PoseSet')
    graph = DepthSeen(module).eval()
    if request.poses.joints_cam_m is None:
        print('the data has no 3D truth: sigma stays uncalibrated')
    else:
        joints, rays = request.poses.joints_cam_m, request.poses.rays.astype(np.float32)
        truth = depth_offsets(torch.from_numpy(joints), torch.from_numpy(rays))
        calibrate_depth_sigma(graph, *depths_seen(module, crops), truth)
    return export_depth_bundle(graph, request.folder, request.manifest, crops, request.precision)


METHOD = Method(
    name='wsp',
    read=pictured_poses,
    facts=_facts,
    train=_train,
    untrained=_untrained,
    lift=_lift,
    write_bundle=_write_bundle,
    stages=('pretraining', 'training'),
    check=_check,
)
