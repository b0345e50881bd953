# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The experiment: the rooms' own settings in one strict TOML file, with overrides.

The key `recipe` at the top of the file says which settings there are.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from elepose_core.errors import InputError
from elepose_core.files import replacing
from elepose_core.losses import AlternationWeights, DiscoveryWeights, DistillationWeights
from elepose_core.models.adapter import AdapterConfig
from elepose_core.models.body_student import StudentConfig
from elepose_core.models.discriminator import DiscriminatorConfig
from elepose_core.models.elepose_paper import ElePoseLifterConfig
from elepose_core.models.image_depth import ImageDepthConfig
from elepose_core.models.teacher import LifterConfig
from elepose_core.models.temporal import TemporalConfig
from elepose_core.priors.flow import PriorConfig
from elepose_core.refinement.clips import RefinementConfig
from elepose_core.training.adaptation import AdaptationWeights
from elepose_core.training.adversarial import AdversarialWeights
from elepose_core.training.alternation import AlternationConfig
from elepose_core.training.body_lessons import BodyWeights
from elepose_core.training.clip_teaching import ClipWeights, WindowConfig
from elepose_core.training.elepose_paper import PublishedLosses
from elepose_core.training.geometric import GeometricWeights, ViewsConfig
from elepose_core.training.image_depth import LabelConfig, PictureSampling
from elepose_core.training.joint_bodies import JointWeights
from elepose_core.training.loop import StageConfig, TrainingConfig
from elepose_core.training.sampling import SamplingConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    'AdaptationConfig',
    'AdapterSource',
    'Experiment',
    'ExperimentConfig',
    'GeometricConfig',
    'PoseNet3DConfig',
    'PublishedConfig',
    'SupervisedConfig',
    'WspConfig',
    'read_experiment',
    'write_experiment',
]


class ExperimentConfig(BaseModel):
    """All settings of one run of our own recipe; the defaults are those of the shipped bundle.

    Three stages: `discovery` and `alternation` train the teacher and the elevations of the clips,
    `training` the lifter that is deployed. `training.seed` seeds all of them.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['elevation'] = 'elevation'
    lifter: LifterConfig = LifterConfig()
    prior: PriorConfig = PriorConfig()
    sampling: SamplingConfig = SamplingConfig()
    discovery: StageConfig = StageConfig(steps=3000)
    discovery_losses: DiscoveryWeights = DiscoveryWeights()
    alternation: StageConfig = StageConfig(steps=5000, learning_rate=3e-4)
    alternation_losses: AlternationWeights = AlternationWeights()
    clips: AlternationConfig = AlternationConfig()
    refinement: RefinementConfig = RefinementConfig()
    training: TrainingConfig = TrainingConfig(
        steps=20_000, batch_size=384, learning_rate=7e-4, average=0.999
    )
    losses: DistillationWeights = DistillationWeights()


class PublishedConfig(BaseModel):
    """All settings of one run of ElePose as published; its values stand in its file."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['published'] = 'published'
    elepose_lifter: ElePoseLifterConfig = ElePoseLifterConfig()
    elepose_losses: PublishedLosses = PublishedLosses()
    prior: PriorConfig = PriorConfig()
    training: TrainingConfig = TrainingConfig()


class StartConfig(BaseModel):
    """What training starts from: a bundle whose lifter has the same size, or nothing ('')."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    model: str = ''


class SupervisedConfig(BaseModel):
    """All settings of one run with 3D truth; `sampling` as the deployed lifter of other methods.

    Training sets with 3D truth are small: new views and other bones stretch them, and a lifter
    that learned from many 2D poses can be what training starts from; then there is no teacher.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['supervised'] = 'supervised'
    start: StartConfig = StartConfig()
    lifter: LifterConfig = LifterConfig()
    prior: PriorConfig = PriorConfig(steps=1000)
    sampling: SamplingConfig = SamplingConfig()
    teacher: StageConfig = StageConfig(steps=5000, learning_rate=1e-3)
    training: TrainingConfig = TrainingConfig(steps=3000, batch_size=384, average=0.995)
    losses: DistillationWeights = DistillationWeights()


class GeometricConfig(BaseModel):
    """All settings of one run of geometric self-supervision.

    Two stages: `adversarial` trains the teacher against its judges, `training` the lifter that is
    deployed. `training.seed` seeds both.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['geometric'] = 'geometric'
    lifter: LifterConfig = LifterConfig()
    judges: DiscriminatorConfig = DiscriminatorConfig()
    prior: PriorConfig = PriorConfig(steps=1000)
    sampling: SamplingConfig = SamplingConfig()
    views: ViewsConfig = ViewsConfig()
    adversarial: StageConfig = StageConfig(steps=9000, batch_size=128)
    adversarial_losses: AdversarialWeights = AdversarialWeights()
    geometric_losses: GeometricWeights = GeometricWeights()
    training: TrainingConfig = TrainingConfig(steps=3000, learning_rate=7e-4, average=0.999)
    losses: DistillationWeights = DistillationWeights()


class PoseNet3DConfig(BaseModel):
    """All settings of one run of PoseNet3D.

    Four stages: `frames` trains a teacher of single frames against judges, `teacher` that of
    clips, `student` the bodies that are deployed, from refined clips, `training` teacher and
    student together.
    `training.seed` seeds all of them.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['posenet3d'] = 'posenet3d'
    lifter: LifterConfig = LifterConfig(width=256, blocks=3, elevation_width=128)
    temporal: TemporalConfig = TemporalConfig(width=192)
    judges: DiscriminatorConfig = DiscriminatorConfig()
    prior: PriorConfig = PriorConfig(steps=1000, blocks=6, width=128)
    bodies: StudentConfig = StudentConfig()
    # Milder than for lifters of single frames: a student of few steps forgets what it began with.
    sampling: SamplingConfig = SamplingConfig(
        **{'random_hidden_share': 0.15, 'group_hidden_share': 0.15, 'noisy_share': 0.4},
        **{'noise': 0.03, 'stretched_share': 0.0, 'tilted_share': 0.15},
        **{'rolled_share': 0.25, 'roll_deg': 15.0},
    )
    views: ViewsConfig = ViewsConfig()
    windows: WindowConfig = WindowConfig()
    frames: StageConfig = StageConfig(steps=7000, batch_size=128)
    frame_losses: GeometricWeights = GeometricWeights()
    adversarial_losses: AdversarialWeights = AdversarialWeights()
    teacher: StageConfig = StageConfig(steps=2500, batch_size=16, learning_rate=2e-4)
    teacher_losses: ClipWeights = ClipWeights()
    refinement: RefinementConfig = RefinementConfig()
    student: StageConfig = StageConfig(steps=3000, batch_size=16, learning_rate=7e-4, average=0.99)
    student_losses: BodyWeights = BodyWeights()
    training: TrainingConfig = TrainingConfig(
        steps=120,
        batch_size=16,
        learning_rate=1e-4,
        average=0.95,
        validate_every=120,
        warm_up_steps=20,
    )
    losses: JointWeights = JointWeights()


class AdapterSource(BaseModel):
    """Where an adapter's task comes from.

    Attributes:
        wild: PoseSet with keypoints as detectors or annotators mark them.
        run: Folder of the run whose lifter gets the adapter; its sections `lifter` and `prior`
            must be repeated.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    wild: str = ''
    run: str = ''


class AdaptationConfig(BaseModel):
    """All settings of one run that gives a trained lifter a domain adapter."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['adapter'] = 'adapter'
    source: AdapterSource = AdapterSource()
    lifter: LifterConfig = LifterConfig()
    prior: PriorConfig = PriorConfig()
    adapter: AdapterConfig = AdapterConfig()
    judges: DiscriminatorConfig = DiscriminatorConfig()
    adaptation: AdaptationWeights = AdaptationWeights()
    training: TrainingConfig = TrainingConfig(steps=3000, average=0.998)


class WspConfig(BaseModel):
    """All settings of one run of weakly supervised pre-training with pictures.

    Two stages: `pretraining` learns the order of joints in depth, which 2D tells, `training` the
    depths themselves. `training.seed` seeds both.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    recipe: Literal['wsp'] = 'wsp'
    network: ImageDepthConfig = ImageDepthConfig()
    wsp: LabelConfig = LabelConfig()
    pictures: PictureSampling = PictureSampling()
    pretraining: StageConfig = StageConfig(steps=3000, batch_size=64, learning_rate=1e-3)
    training: TrainingConfig = TrainingConfig(steps=1500, batch_size=64, learning_rate=1e-3)


Experiment: TypeAlias = (
    ExperimentConfig
    | PublishedConfig
    | SupervisedConfig
    | GeometricConfig
    | AdaptationConfig
    | PoseNet3DConfig
    | WspConfig
)
# By the method of the command that takes it; the first is taken where no file names one.
_RECIPES: dict[str, dict[str, type[Experiment]]] = {
    'elepose': {'elevation': ExperimentConfig, 'published': PublishedConfig},
    'supervised': {'supervised': SupervisedConfig},
    'geometric': {'geometric': GeometricConfig},
    'posenet3d': {'posenet3d': PoseNet3DConfig},
    'adapter': {'adapter': AdaptationConfig},
    'wsp': {'wsp': WspConfig},
}


def read_experiment(
    path: Path | None, overrides: Sequence[str] = (), method: str | None = None
) -> Experiment:
    """Read a TOML file and apply overrides of the form 'losses.bone_ratio=10'.

    Args:
        path: TOML file; None means the defaults.
        overrides: Later ones win.
        method: Whose recipe it must be; None means any, and that of our ElePose where the file
            names none.

    Raises:
        InputError: A key is unknown, a value has the wrong type or range, or the file is no TOML.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(Path(path).read_text(encoding='utf-8'))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f'{path} is not a readable TOML file ({error})') from None
    for override in overrides:
        _apply(tree, override)
    kind = _kind(tree, method)
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = '.'.join(map(str, first['loc']))
        known = ', '.join(_known_keys(kind()))
        value = 'unknown' if first['type'] == 'extra_forbidden' else repr(first['input'])
        raise InputError(f'setting {key} is {value}: {first["msg"]}; known: {known}') from None


def _kind(tree: dict[str, Any], method: str | None) -> type[Experiment]:
    """Return the settings that the recipe of `tree` has; name the usual one where it has none."""
    every = {recipe: kind for recipes in _RECIPES.values() for recipe, kind in recipes.items()}
    known = every if method is None else _RECIPES[method]
    recipe = str(tree.setdefault('recipe', next(iter(known))))
    if recipe not in known:
        whose = '' if method is None else f' of the method {method}'
        raise InputError(
            f'setting recipe is {recipe!r}; expected one of {", ".join(known)}{whose}'
        )
    return known[recipe]


def write_experiment(path: Path, experiment: Experiment) -> None:
    """Write the resolved settings as TOML."""
    tree = experiment.model_dump()
    # Numbers, strings and lists of them look the same in JSON and TOML.
    lines = [f'recipe = {json.dumps(tree.pop("recipe"))}', '']
    for section, values in tree.items():
        lines.append(f'[{section}]')
        lines += [f'{key} = {json.dumps(value)}' for key, value in values.items()] + ['']
    with replacing(path) as temporary:
        temporary.write_text('\n'.join(lines), encoding='utf-8')


def _apply(tree: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition('=')
    section, dot, key = name.strip().partition('.')
    if not equals or not dot:
        raise InputError(f'override {override!r} is not of the form section.key=value')
    try:
        value = tomllib.loads(f'value = {text}')['value']
    except tomllib.TOMLDecodeError:
        value = text.strip()
    branch = tree.setdefault(section, {})
    if not isinstance(branch, dict):
        raise InputError(f'override {override!r}: {section} is not a section')
    branch[key] = value


def _known_keys(experiment: Experiment) -> list[str]:
    tree = experiment.model_dump(exclude={'recipe'})
    return [f'{section}.{key}' for section, values in tree.items() for key in values]
