# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What pre-training on order in depth, made from 2D alone, is worth when few 3D labels are there.

    python benchmarks/pretraining_gain.py --crops FOLDER --work FOLDER --json FILE

FOLDER holds sets of pictures that tools/render_people.py made (docs/training.md has the commands):
`finetune_3d`, which fine-tuning learns from, `train_2d_*` without 3D, and `val` and `test_*` to
measure on. For each seed a network is pre-trained by each rule and then fine-tuned on 1, 10 and
100 % of the 3D labels for 500 steps, beside one that was not pre-trained. All other settings are
those of configs/wsp.toml; --set changes them.

Pre-training by `places` only asks where the keypoints are in the picture; `perspective` asks for
their order in depth besides, by the rules of `training/ordinal_labels.py`, and `lifter` for the
order by the default lifter. The first two look at all pictures, `lifter` only at those of
`finetune_3d`: the people in the others are posed by that lifter, whose order is the truth there.

A call that was cut off goes on where it stopped; the checkpoints lie in --work.
"""

import argparse
import copy
import json
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from elepose_core.cli.methods.wsp import (
    PicturedPoses,
    depths_seen,
    lessons_of,
    ordering_of,
    pictured_poses,
)
from elepose_core.config import WspConfig, read_experiment
from elepose_core.files import replacing
from elepose_core.metrics import n_mpjpe_mm, root_centred
from elepose_core.models.image_depth import ImageDepth, depth_offsets, placed_on_rays
from elepose_core.models.observation import observe
from elepose_core.training.loop import TrainingConfig, train

ROOT = Path(__file__).resolve().parents[1]
RULES = ('none', 'places', 'perspective', 'lifter')
SHARES = (0.01, 0.1, 1.0)
# Of fine-tuning, for all shares alike.
STEPS = 500
SETS = ('val', 'test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')
# Pairs whose depths differ by less have no order worth asking for.
CLEAR_M = 0.05
FIGURES = {'depth_mm': 'depth, mm', 'n_mpjpe_mm': 'N-MPJPE, mm', 'order': 'order right'}


def measured(network: ImageDepth, poses: PicturedPoses) -> dict[str, float]:
    """Return mean error of depth, N-MPJPE and the share of pairs of joints in the right order."""
    depth, sigma = depths_seen(network, poses.crops)
    truth = depth_offsets(poses.joints, poses.rays)
    seen = observe(poses.rays, torch.ones(poses.rays.shape[:2]))
    # Metres of one unit of depth.
    unit = seen.scale * (poses.joints[:, 0] * seen.rotation[:, 2]).sum(-1)
    joints, _ = placed_on_rays(poses.rays, depth, sigma)
    first, second = torch.triu_indices(17, 17, 1)
    apart, found = truth[:, first] - truth[:, second], depth[:, first] - depth[:, second]
    clear = apart.abs() * unit[:, None] > CLEAR_M
    target = root_centred(poses.joints.double().numpy()) * 1000
    return {
        'depth_mm': float(1000 * ((depth - truth).abs() * unit[:, None])[:, 1:].mean()),
        'n_mpjpe_mm': float(n_mpjpe_mm(root_centred(joints.double().numpy()), target).mean()),
        'order': float((torch.sign(apart) == torch.sign(found))[clear].double().mean()),
    }


class Experiment:
    """The networks of one seed, trained as far as they are not yet."""

    def __init__(self, crops: Path, work: Path, config: WspConfig, sets: list[str]) -> None:
        self.work, self.config, self.sets = work, config, sets
        self.read = cache(lambda name: pictured_poses(sorted(crops.glob(f'{name}.npz'))))

    def network(self, seed: int) -> ImageDepth:
        torch.manual_seed(seed)
        return ImageDepth(self.config.network)

    def pretrained(self, rule: str, seed: int) -> ImageDepth:
        """Return a network that knows the order of joints, or an untrained one."""
        network = self.network(seed)
        if rule == 'none':
            return network
        names = ('finetune_3d',) if rule == 'lifter' else ('train_2d*', 'finetune_3d')
        parts = [self.read(name) for name in names]
        poses = PicturedPoses(*(torch.cat([vars(p)[k] for p in parts]) for k in vars(parts[0])))
        recipe = ordering_of(network, poses, self._told(labels=rule))
        stage = TrainingConfig(**self.config.pretraining.model_dump(), seed=seed)
        train(recipe, stage, self.work / f'{rule}_{seed}', _quiet)
        return network

    def finetuned(self, network: ImageDepth, name: str, share: float, seed: int) -> ImageDepth:
        network = copy.deepcopy(network)
        recipe = lessons_of(network, self.read('finetune_3d'), self._told(share=share), seed)
        stage = self.config.training.model_copy(update={'seed': seed})
        train(recipe, stage, self.work / f'{name}_{seed}_{share:g}', _quiet)
        return network

    def _told(self, **changes: Any) -> WspConfig:
        told = self.config.wsp.model_copy(update={'lifted': False, **changes})
        return self.config.model_copy(update={'wsp': told})

    def cells(self, rule: str, seed: int, done: dict[str, Any]) -> Any:
        """Yield the name and the figures of each share of labels that is not done yet."""
        names = {share: f'{rule}, seed {seed}, {share:g}' for share in SHARES}
        if all(name in done for name in names.values()):
            return
        start = self.pretrained(rule, seed)
        for share, name in names.items():
            if name not in done:
                network = self.finetuned(start, rule, share, seed)
                yield name, {on: measured(network, self.read(on)) for on in self.sets}


def _quiet(step: int, terms: dict[str, float], _: object) -> None:
    if step % 500 == 0:
        print(f'  step {step}: {terms}', flush=True)


def summary(cells: dict[str, Any], seeds: list[int]) -> dict[str, Any]:
    """Return mean and deviation over seeds of figures and of gains over no pre-training."""
    tree: dict[str, Any] = {}
    for on in next(iter(cells.values())):
        for share in SHARES:
            for rule in RULES:
                row: dict[str, Any] = {}
                for figure in FIGURES:
                    values, gains = [], []
                    for seed in seeds:
                        cell = cells.get(f'{rule}, seed {seed}, {share:g}')
                        without = cells.get(f'none, seed {seed}, {share:g}')
                        if cell is None or without is None:
                            continue
                        values.append(cell[on][figure])
                        gains.append(cell[on][figure] - without[on][figure])
                    if values:
                        row[figure] = _spread(values)
                        row[f'{figure}_change'] = _spread(gains)
                        row['seeds'] = len(values)
                if row:
                    tree.setdefault(on, {}).setdefault(f'{share:g}', {})[rule] = row
    return tree


def _spread(values: list[float]) -> dict[str, float]:
    return {'mean': mean(values), 'deviation': stdev(values) if len(values) > 1 else 0.0}


def show(tree: dict[str, Any]) -> None:
    """Print a table for each set."""
    for on, shares in tree.items():
        print(f'\n{on}\n| labels | pre-training | seeds | ' + ' | '.join(FIGURES.values()) + ' |')
        print('|---|---|---|' + '---|' * len(FIGURES))
        for share, rules in shares.items():
            for rule, row in rules.items():
                columns = []
                for figure in FIGURES:
                    factor, digits = (100.0, 1) if figure == 'order' else (1.0, 1)
                    unit = ' %' if figure == 'order' else ''
                    found, change = row[figure], row[f'{figure}_change']
                    text = f'{factor * found["mean"]:.{digits}f}{unit}'
                    text += f' ± {factor * found["deviation"]:.{digits}f}'
                    if rule != 'none':
                        text += f' ({factor * change["mean"]:+.{digits}f}'
                        text += f' ± {factor * change["deviation"]:.{digits}f})'
                    columns.append(text)
                labels = f'{100 * float(share):g} %'
                print(f'| {labels} | {rule} | {row["seeds"]} | ' + ' | '.join(columns) + ' |')


def main() -> None:
    """Train what is missing, print the tables, write the figures after each network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--crops', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--work', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--json', type=Path, required=True, metavar='FILE')
    parser.add_argument('--config', type=Path, default=ROOT / 'configs' / 'wsp.toml')
    parser.add_argument('--set', action='append', default=[], metavar='a.b=v')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--sets', nargs='+', default=list(SETS), choices=SETS)
    parser.add_argument('--rules', nargs='+', default=list(RULES), choices=RULES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = read_experiment(options.config, options.set, 'wsp')
    assert isinstance(config, WspConfig)
    training = config.training.model_copy(update={'steps': STEPS})
    config = config.model_copy(update={'training': training})
    tree: dict[str, Any] = {'cells': {}}
    if options.json.exists():
        tree = json.loads(options.json.read_text(encoding='utf-8'))
    experiment = Experiment(options.crops, options.work, config, options.sets)
    for seed in options.seeds:
        for rule in options.rules:
            for name, figures in experiment.cells(rule, seed, tree['cells']):
                print(name, figures['val'], flush=True)
                tree['cells'][name] = figures
                write(options.json, tree, config)
    write(options.json, tree, config)
    show(tree['summary'])


def write(path: Path, tree: dict[str, Any], config: WspConfig) -> None:
    """Sum up what is there and write it."""
    seeds = sorted({int(name.split('seed ')[1].split(',')[0]) for name in tree['cells']})
    tree |= {'settings': config.model_dump(), 'summary': summary(tree['cells'], seeds)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
