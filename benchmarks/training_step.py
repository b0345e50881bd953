# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Speed of a training step of the published method: this project's loop against a plain one.

    python benchmarks/training_step.py --threads 1 --json step.json

Both train 1024 wide networks on batches of 256 generated poses with the same frozen flow, in turn,
one step each. The plain loop is written as the method was released: both heads in both lifts,
rotations from Euler angles, an optimiser that walks over the parameters one by one. It rests on
what is known of that code and holds none of it. On a machine that others use too, --clock cpu with
one thread counts the processor's time instead of waiting.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

# Before torch is loaded: threads that spin while they wait slow down shared cores.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import torch
from torch import Tensor, nn

from elepose_core.models.elepose_paper import ElePoseLifter, ElePoseLifterConfig
from elepose_core.priors.flow import FlowPrior, PriorConfig
from elepose_core.skeleton import H36M_17
from elepose_core.training.elepose_paper import PublishedLosses, PublishedRecipe
from elepose_core.training.loop import TrainingConfig, train

WARM_UP_STEPS = 3
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
JOINTS = len(H36M_17)
PARENTS, CHILDREN = (list(ends) for ends in zip(*H36M_17.bones, strict=True))


class PlainBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.leaky_relu(self.first(x))
        return nn.functional.leaky_relu(self.second(hidden)) + x


class PlainLifter(nn.Module):
    """Vectors of all x, then all y; gives depth offsets and the angle that levels the pose."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.entry, self.shared = nn.Linear(2 * JOINTS, width), PlainBlock(width)
        self.depth_blocks = nn.ModuleList(PlainBlock(width) for _ in range(2))
        self.angle_blocks = nn.ModuleList(PlainBlock(width) for _ in range(2))
        self.depth_exit, self.angle_exit = nn.Linear(width, JOINTS), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = nn.functional.leaky_relu(self.shared(self.entry(x)))
        depth = angle = hidden
        for block in self.depth_blocks:
            depth = nn.functional.leaky_relu(block(depth))
        for block in self.angle_blocks:
            angle = nn.functional.leaky_relu(block(angle))
        return self.depth_exit(depth), self.angle_exit(angle)


def plain_rotation(angles: Tensor) -> Tensor:
    """Multiply the rotations about x, y and z by angles (B, 3): (B, 3, 3)."""
    matrices = []
    for axis, angle in enumerate(angles.unbind(1)):
        c, s, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
        rows = (
            [one, zero, zero, zero, c, -s, zero, s, c],
            [c, zero, s, zero, one, zero, -s, zero, c],
            [c, -s, zero, s, c, zero, zero, zero, one],
        )[axis]
        matrices.append(torch.stack(rows, dim=1).reshape(-1, 3, 3))
    return matrices[0] @ matrices[1] @ matrices[2]


def plain_lift(x: Tensor, offset: Tensor) -> Tensor:
    """Return (B, 51) root-centred joints, all x, all y, all z."""
    offset = offset.clone()
    offset[:, 0] = 0.0
    depth = offset + 10.0
    depth[depth < 1.0] = 1.0
    joints = torch.cat([x[:, :JOINTS] * depth, x[:, JOINTS:] * depth, depth], dim=1)
    centred = joints.reshape(-1, 3, JOINTS)
    return (centred - centred[:, :, :1]).reshape(-1, 3 * JOINTS)


def plain_project(joints: Tensor) -> Tensor:
    x, y, z = joints.reshape(-1, 3, JOINTS).unbind(1)
    return torch.cat([x / (z + 10.0), y / (z + 10.0)], dim=1)


def plain_terms(
    lifter: PlainLifter, prior: FlowPrior, ratios: Tensor, batch: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Return the five losses; `prior` expects x and y of each joint together."""
    x = batch['poses']
    offset, angle = lifter(x)
    joints = plain_lift(x, offset)
    angles = torch.zeros(len(x), 3)
    level = plain_rotation(torch.cat([angle, angles[:, 1:]], dim=1))
    azimuth = plain_rotation(torch.stack([angles[:, 0], batch['azimuth'], angles[:, 2]], dim=1))
    wanted = -angle.mean() + angle.std() * batch['standard']
    tilt = plain_rotation(torch.cat([wanted[:, None], angles[:, 1:]], dim=1))
    rotation = tilt @ azimuth @ level
    turned = (rotation @ joints.reshape(-1, 3, JOINTS)).reshape(-1, 3 * JOINTS)
    seen = plain_project(turned)
    together = seen.reshape(-1, 2, JOINTS).transpose(1, 2).flatten(1)
    latent, log_determinant = prior.flow((together - prior.mean) @ prior.whitening)
    offset, _ = lifter(seen)
    turned_again = plain_lift(seen, offset)
    back = rotation.transpose(1, 2) @ turned_again.reshape(-1, 3, JOINTS)
    again = back.reshape(-1, 3 * JOINTS)
    change = (joints[0::2] - joints[1::2]) - (again[0::2] - again[1::2])
    points = joints.reshape(-1, 3, JOINTS)
    bones = (points[:, :, PARENTS] - points[:, :, CHILDREN]).norm(dim=1)
    relative = bones / bones.mean(dim=1, keepdim=True)
    return {
        'likelihood': (0.5 * (latent**2).sum(1) - log_determinant).mean(),
        'consistency_3d': (turned - turned_again).norm(dim=1).mean(),
        'reprojection': (plain_project(again) - x).abs().sum(1).mean(),
        'pairwise_deformation': change.norm(dim=1).mean(),
        'bone_ratio': ((relative - ratios) ** 2).sum(1).mean(),
    }


class PlainLoop:
    def __init__(self, prior: FlowPrior, ratios: Tensor, poses: Tensor, width: int) -> None:
        self._prior, self._ratios = prior, ratios
        self._poses = torch.cat([poses[..., 0], poses[..., 1]], dim=1)
        self._lifter = PlainLifter(width)
        self._optimiser = torch.optim.Adam(
            self._lifter.parameters(), 2e-4, weight_decay=1e-5, fused=False
        )

    def step(self, batch_size: int) -> float:
        rows = torch.randperm(len(self._poses))[:batch_size]
        batch = {
            'poses': self._poses[rows],
            'azimuth': (torch.rand(batch_size) * 2 - 1) * math.pi,
            'standard': torch.randn(batch_size),
        }
        terms = plain_terms(self._lifter, self._prior, self._ratios, batch)
        weights = PublishedLosses().model_dump(exclude={'bone_ratios'})
        loss = sum((weights[name] * term for name, term in terms.items()), torch.zeros(()))
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.item()


def generated_rays(count: int) -> Tensor:
    """Return (count, 17, 2) rays of boneless people; speed does not depend on the poses."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(count, JOINTS, 2, generator=generator)


def measure(steps: int, batch_size: int, clock: str = 'wall', width: int = 1024) -> dict[str, Any]:
    """Alternate both loops and return the medians."""
    now = CLOCKS[clock]
    torch.manual_seed(0)
    rays = generated_rays(8192)
    lifter = ElePoseLifter(ElePoseLifterConfig(width=width))
    lifter.fit_scale(rays)
    poses = lifter.normalised(rays)
    prior = FlowPrior(PriorConfig(components=26, width=width, hidden_layers=1, whiten=False))
    prior.fit_components(poses.flatten(1))
    prior.requires_grad_(False)
    ratios = torch.ones(len(PARENTS))
    recipe = PublishedRecipe(lifter, prior, rays, ratios, PublishedLosses())
    plain = PlainLoop(prior, ratios, poses, width)
    times_s: dict[str, list[float]] = {'ours': [], 'plain': []}
    began_s = [now()]

    def on_step(_step: int, _terms: dict[str, float], _module: nn.Module) -> None:
        """Take one step of the plain loop between two steps of ours."""
        ended_s = now()
        times_s['ours'].append(ended_s - began_s[0])
        plain.step(batch_size)
        began_s[0] = now()
        times_s['plain'].append(began_s[0] - ended_s)

    config = TrainingConfig(
        steps=WARM_UP_STEPS + steps,
        batch_size=batch_size,
        optimiser='adam',
        learning_rate=2e-4,
        weight_decay=1e-5,
        schedule='exponential',
        warm_up_steps=1,
        largest_gradient=0.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, config, Path(folder), on_step)
    settled = {name: median(values[WARM_UP_STEPS:]) for name, values in times_s.items()}
    return {
        'clock': clock,
        'threads': torch.get_num_threads(),
        'batch_size': batch_size,
        'steps': steps,
        'step_s': settled,
        'poses_per_s': {name: batch_size / value for name, value in settled.items()},
        'ratio': settled['plain'] / settled['ours'],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--threads', type=int, default=0, help='0 = all')
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--batch-size', type=int, default=256)
    parser.add_argument('--clock', choices=tuple(CLOCKS), default='wall')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    result = measure(options.steps, options.batch_size, options.clock)
    text = json.dumps(result)
    print(text)
    if options.json:
        options.json.write_text(text + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
