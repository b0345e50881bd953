# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Following the skier through larger pictures with the shipped network."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.detect import Detection, DetectorOptions, make_detector, regions
from elepose_core.detect.movenet import MovenetMultipose
from elepose_core.detect.regions import REGION_LONG_SIDE, WHOLE_IMAGE_EVERY, RegionDetector
from elepose_core.errors import InputError
from elepose_core.evaluation.keypoints import AnnotatedPerson, best_similarities


class Counted(MovenetMultipose):
    """The network itself; it notes what it was given to see."""

    def __init__(self) -> None:
        super().__init__(DetectorOptions())
        self.seen: list[tuple[int, int, int]] = []

    def read(self, image_rgb: NDArray[np.uint8], long_side: int) -> list[Detection]:
        self.seen.append((*image_rgb.shape[:2], long_side))
        return super().read(image_rgb, long_side)

    def sides(self) -> list[int]:
        """Return the long sides read since the last call."""
        sides, self.seen = [side for _, _, side in self.seen], []
        return sides


@pytest.fixture(scope='module')
def loaded() -> Counted:
    return Counted()


@pytest.fixture
def network(loaded: Counted) -> Counted:
    loaded.seen = []
    return loaded


WIDTH, HEIGHT = 1281, 963
WHOLE, REGION = DetectorOptions.input_long_side, REGION_LONG_SIDE


def scene(skier: Any, *corners_px: tuple[int, int]) -> NDArray[np.uint8]:
    """A grey picture of odd size with the skier, cut out of her photograph, at these corners."""
    image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for left, upper in corners_px:
        image[upper : upper + 381, left : left + 299] = skier.rgb[20:401, 231:530]
    return image


def people_at(skier: Any, *corners_px: tuple[int, int]) -> list[AnnotatedPerson]:
    (person,) = skier.people
    return [
        AnnotatedPerson(person.keypoints_px + np.subtract(corner, (231, 20)), person.area_px2)
        for corner in corners_px
    ]


def similarities(found: list[Detection], people: list[AnnotatedPerson]) -> NDArray[np.float64]:
    return best_similarities([d.keypoints_px for d in found], people)


def test_somebody_far_away_is_read_better_in_pixels_of_the_image(
    network: Counted, skier: Any
) -> None:
    """Her height is a sixth of the picture's: 53 pixels of the 384."""
    corner = (403, 357)
    image = np.pad(scene(skier, corner), ((0, HEIGHT), (0, WIDTH), (0, 0)))
    people = people_at(skier, corner)
    detector = RegionDetector(network)
    (whole,), (closer,) = detector.detect(image), detector.detect(image)
    assert network.sides() == [WHOLE, REGION]
    assert similarities([closer], people)[0] > max(0.85, similarities([whole], people)[0] + 0.02)
    truth_px = people[0].keypoints_px
    errors_px = [np.linalg.norm(d.keypoints_px - truth_px, axis=-1) for d in (whole, closer)]
    assert np.median(errors_px[1]) < min(6, np.median(errors_px[0]))
    assert closer.keypoints_px.dtype == closer.scores.dtype == np.float32


def test_a_region_of_odd_place_and_size_is_read_like_its_copy(
    network: Counted, skier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = scene(skier, (403, 357))
    detector = RegionDetector(network)
    detector.detect(image)
    monkeypatch.setattr(regions, '_region', lambda *_: (373, 331, 752, 768))
    (found,) = detector.detect(image)
    (cut_out,) = network.read(image[331:768, 373:752].copy(), REGION)
    expected_px = np.add(cut_out.keypoints_px, [373, 331])
    np.testing.assert_allclose(found.keypoints_px, expected_px, atol=1e-3)
    np.testing.assert_array_equal(found.scores, cut_out.scores)


def test_colours_stay_in_order_in_regions(network: Counted, skier: Any) -> None:
    image = scene(skier, (403, 357))
    backwards = image[..., ::-1].copy()[..., ::-1]
    plain, viewing = RegionDetector(network), RegionDetector(network)
    for _ in range(3):
        (expected,), (found,) = plain.detect(image), viewing.detect(backwards)
        np.testing.assert_array_equal(found.keypoints_px, expected.keypoints_px)


def test_the_whole_image_now_and_then(network: Counted, skier: Any) -> None:
    image, empty = scene(skier, (403, 357)), scene(skier)
    detector = RegionDetector(network)
    for _ in range(2 * WHOLE_IMAGE_EVERY):
        assert len(detector.detect(image)) == 1
    cycle = [REGION] * WHOLE_IMAGE_EVERY
    assert network.sides() == [WHOLE, *cycle, WHOLE, *cycle[1:]]
    # Who is lost is looked for in the whole image at once, and nobody is not followed.
    assert detector.detect(empty) == detector.detect(empty) == []
    assert network.sides() == [REGION, WHOLE, WHOLE]


def test_somebody_who_jumps_is_found_in_the_same_frame(network: Counted, skier: Any) -> None:
    detector = RegionDetector(network)
    detector.detect(scene(skier, (57, 63)))
    found = detector.detect(scene(skier, (801, 517)))
    assert network.sides() == [WHOLE, REGION, WHOLE]
    assert similarities(found, people_at(skier, (801, 517)))[0] > 0.6


def test_somebody_who_walks_is_followed(network: Counted, skier: Any) -> None:
    """Steps of a tenth of her height in each frame."""
    detector = RegionDetector(network)
    corners = [(40 + 29 * i, 200 + 11 * i) for i in range(WHOLE_IMAGE_EVERY)]
    for corner in corners:
        found = detector.detect(scene(skier, corner))
        assert len(found) == 1
    assert network.sides() == [WHOLE, *[REGION] * (WHOLE_IMAGE_EVERY - 1)]
    assert similarities(found, people_at(skier, corners[-1]))[0] > 0.8


def test_a_newcomer_is_added_and_nobody_doubled(network: Counted, skier: Any) -> None:
    first, second = (57, 63), (801, 517)
    detector = RegionDetector(network)
    detector.detect(scene(skier, first))
    counts = [len(detector.detect(scene(skier, first, second))) for _ in range(13)]
    assert counts == [1] * (WHOLE_IMAGE_EVERY - 1) + [2] * (14 - WHOLE_IMAGE_EVERY)
    found = detector.detect(scene(skier, first, second))
    assert similarities(found, people_at(skier, first, second)).min() > 0.8
    means = [d.scores.mean() for d in found]
    assert means == sorted(means, reverse=True)


def test_somebody_at_the_edge_of_the_image(network: Counted, skier: Any) -> None:
    """A region is cut off where the image ends, and what leaves it entirely is nobody."""
    corner = (WIDTH - 299, HEIGHT - 381)
    detector = RegionDetector(network)
    for _ in range(3):
        found = detector.detect(scene(skier, corner))
    assert similarities(found, people_at(skier, corner))[0] > 0.8
    assert detector.detect(np.full((90, 120, 3), 120, np.uint8)) == []


def test_edges_lie_on_a_grid() -> None:
    """A box from (100, 200) to (180, 460): margin 78, grid 64 (0.25 of 260 is 65)."""
    points_px = np.tile([[100, 200], [180, 460]], (9, 1))[:17].astype(np.float32)
    person = Detection(points_px, np.ones(17, np.float32))
    assert regions._region(person, 1281, 963) == (0, 64, 320, 576)
    assert regions._region(person, 250, 500) == (0, 64, 250, 500)
    shaken = Detection(points_px + np.float32(3), person.scores)
    assert regions._region(shaken, 1281, 963) == (0, 64, 320, 576)
    # A guessed keypoint does not enlarge the region.
    points_px[0], person.scores[0] = (900, 900), 0.1
    assert regions._region(person, 1281, 963) == (0, 64, 320, 576)


def test_a_single_spot_is_no_region() -> None:
    spot = Detection(np.full((17, 2), 40, np.float32), np.ones(17, np.float32))
    left, upper, right, lower = regions._region(spot, 1281, 963)
    assert max(right - left, lower - upper) < regions._LEAST_SIDE_PX


def test_it_is_off_unless_asked_for_and_only_for_the_shipped_network(skier: Any) -> None:
    assert isinstance(make_detector('movenet_multipose'), MovenetMultipose)
    detector = make_detector('movenet_multipose', DetectorOptions(roi=True))
    assert isinstance(detector, RegionDetector)
    assert detector.layout == 'coco_17'
    (found,) = detector.detect(skier.rgb)
    (whole,) = make_detector('movenet_multipose').detect(skier.rgb)
    np.testing.assert_array_equal(found.keypoints_px, whole.keypoints_px)
    for name in ('rtmlib', 'mediapipe'):
        with pytest.raises(InputError, match=f'roi is True; expected False with detector {name}'):
            make_detector(name, DetectorOptions(roi=True))


def test_other_arrays_are_refused(network: Counted) -> None:
    with pytest.raises(InputError, match='image is'):
        RegionDetector(network).detect(np.zeros((4, 4), np.uint8))
