# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Clothes, light and surroundings of people who are rendered, all drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator

# Regions of the body, by the bone that a part of the skin goes with.
_REGIONS = {
    'trunk': ('spine', 'clavicle'),
    'hips': ('root',),
    'sleeves': ('upperarm',),
    'forearms': ('lowerarm',),
    'thighs': ('upperleg',),
    'shanks': ('lowerleg',),
    'feet': ('foot',),
}
_SKIN = np.array([[244, 208, 177], [224, 172, 138], [198, 134, 96], [141, 85, 54], [80, 52, 38]])
_HAIR = np.array([[25, 20, 18], [70, 45, 30], [120, 85, 50], [190, 160, 110], [150, 150, 150]])
# Rows of pixels that a wave of cloth takes, metres.
_STRIPE_M = (0.03, 0.12)


@dataclass(frozen=True)
class Mesh:
    """What of the body model its looks depend on.

    Attributes:
        faces: (F, 3) vertices of each triangle.
        bone: (F,) name of the bone that each triangle mostly goes with.
        place: (F, 3) its middle in the reference pose of a usual body, metres: x to the left, y
            down, z to the back.
    """

    faces: NDArray[np.int64]
    bone: NDArray[np.str_]
    place: Array


def dressed(mesh: Mesh, random: Random) -> Array:
    """Return the colours (F, 3) 0..255 of a person's skin, hair and clothes."""
    skin = _between(_SKIN, random)
    colours = np.tile(skin, (len(mesh.faces), 1))
    top, bottom, shoes = (random.uniform(10, 250, 3) for _ in range(3))
    if random.random() < 0.15:
        bottom = top
    worn = {'trunk': top, 'hips': bottom, 'thighs': bottom}
    if random.random() < 0.85:
        worn['sleeves'] = top
        if random.random() < 0.5:
            worn['forearms'] = top
    if random.random() < 0.75:
        worn['shanks'] = bottom
    if random.random() < 0.85:
        worn['feet'] = shoes
    patterns = {id(top): _pattern(mesh, random), id(bottom): _pattern(mesh, random)}
    for region, colour in worn.items():
        inside = np.char.startswith(mesh.bone, _REGIONS[region][0])
        for prefix in _REGIONS[region][1:]:
            inside |= np.char.startswith(mesh.bone, prefix)
        colours[inside] = colour + patterns.get(id(colour), np.zeros_like(colours))[inside]
    head = mesh.bone == 'head'
    # Hair covers the back of the head and the top of it.
    middle = mesh.place[head].mean(0)
    hairy = (mesh.place - middle) @ [0.0, -1.0, 0.7] > random.uniform(0.0, 0.06)
    if random.random() < 0.92:
        colours[head & hairy] = _between(_HAIR, random)
    shade = random.normal(1.0, random.uniform(0.0, 0.06), (len(colours), 1))
    return np.asarray(np.clip(colours * shade, 0, 255))


def lit(colours: Array, normals: Array, up_cam: Array, random: Random) -> NDArray[np.uint8]:
    """Return colours under one or two lamps and light from all around; all surfaces are dull."""
    light = np.full((len(normals), 3), random.uniform(0.3, 0.6))
    for _ in range(random.integers(1, 3)):
        way = random.normal(size=3)
        way /= np.linalg.norm(way)
        # Lamps hang above.
        way -= min(0.0, 1.2 * float(way @ up_cam)) * up_cam
        tint = random.uniform(0.85, 1.15, 3)
        strength = random.uniform(0.3, 0.9)
        light += strength * tint * np.maximum(0.0, normals @ way)[:, None]
    return np.clip(colours * light, 0, 255).astype(np.uint8)


def surroundings(side: int, photographs: Sequence[NDArray[np.uint8]], random: Random) -> Any:
    """Return a background (side, side, 3) uint8: a piece of a photograph, or made up."""
    if photographs and random.random() < 0.35:
        return _piece(photographs[random.integers(len(photographs))], side, random)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]  # type: ignore[misc]
    way = random.normal(size=2)
    ramp = (x * way[0] + y * way[1])[..., None] / np.abs(way).sum() / 2 + 0.5
    first, second = random.uniform(0, 255, 3), random.uniform(0, 255, 3)
    picture = first + (second - first) * ramp
    for _ in range(random.integers(0, 6)):
        low = random.integers(-side // 2, side, 2)
        size = random.integers(side // 12, side, 2)
        colour = random.uniform(0, 255, 3)
        cv2.rectangle(picture, low.tolist(), (low + size).tolist(), colour.tolist(), -1)
    for cells in (3, 8, 24):
        strength = random.uniform(0, 30)
        noise = random.normal(0, strength, (cells, cells, 3))
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.clip(picture, 0, 255).astype(np.uint8)


def photographed(picture: NDArray[np.uint8], random: Random) -> NDArray[np.uint8]:
    """Return the picture as a camera gives it: a little blurred, with contrast and noise."""
    seen = picture.astype(np.float32)
    if random.random() < 0.6:
        seen = cv2.GaussianBlur(seen, (0, 0), random.uniform(0.3, 0.8))
    seen = (seen - 128) * random.uniform(0.7, 1.15) + 128 + random.uniform(-25, 25)
    seen += random.normal(0, random.uniform(0, 7), seen.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def empty_photographs(folder: Path, people: Sequence[Any]) -> list[NDArray[np.uint8]]:
    """Return RGB pieces of photographs that lie left or right of all people in them.

    Args:
        folder: Of the pictures.
        people: Entries of `coco_images.json`: `file` and `persons` with a `bbox` each.
    """
    pieces = []
    for entry in people:
        picture = cv2.imread(str(folder / entry['file']))
        if picture is None:
            continue
        picture = np.asarray(picture[..., ::-1], np.uint8)
        boxes = np.array([person['bbox'] for person in entry['persons']])
        left, right = int(boxes[:, 0].min()) - 10, int((boxes[:, 0] + boxes[:, 2]).max()) + 10
        pieces += [p for p in (picture[:, : max(left, 0)], picture[:, right:]) if p.shape[1] > 60]
    return pieces


def _between(colours: NDArray[np.int64], random: Random) -> Array:
    """Return a colour (3,) between two neighbours."""
    place = random.uniform(0, len(colours) - 1)
    first = min(int(place), len(colours) - 2)
    part = place - first
    return np.asarray(colours[first] * (1 - part) + colours[first + 1] * part)


def _pattern(mesh: Mesh, random: Random) -> Array:
    """Return what a cloth adds (F, 3) to its colour: nothing, stripes, checks or patches."""
    kind = random.integers(0, 5)
    ink = random.uniform(-150, 150, 3)
    waves = np.sin(mesh.place * 2 * np.pi / random.uniform(*_STRIPE_M)) > 0
    if kind == 1:
        inked = waves[:, 1]
    elif kind == 2:
        inked = waves[:, 0]
    elif kind == 3:
        inked = waves[:, 0] ^ waves[:, 1]
    elif kind == 4:
        inked = random.random(len(mesh.faces)) < 0.3
    else:
        inked = np.zeros(len(mesh.faces), bool)
    return np.asarray(inked[:, None] * ink)


def _piece(photograph: NDArray[np.uint8], side: int, random: Random) -> NDArray[np.uint8]:
    height, width = photograph.shape[:2]
    size = int(random.uniform(0.4, 1.0) * min(height, width))
    top, left = random.integers(0, height - size + 1), random.integers(0, width - size + 1)
    piece = photograph[top : top + size, left : left + size]
    if random.random() < 0.5:
        piece = piece[:, ::-1]
    return np.asarray(cv2.resize(piece, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
