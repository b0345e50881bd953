# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A normal distribution of three things of the camera and one of each person, in linear time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ['SHARED', 'CameraAndPeople', 'Posterior']

Array = NDArray[np.float64]

# Elevation, roll, relative error of the height.
SHARED = 3


class Posterior(NamedTuple):
    """What is known, priors included.

    Attributes:
        camera: (3,) mean of what people share.
        camera_covariance: (3, 3).
        mean: (T,) of each person's own.
        variance: (T,).
        cross: (T, 3) covariance of each person's own with the camera's.
    """

    camera: Array
    camera_covariance: Array
    mean: Array
    variance: Array
    cross: Array


class CameraAndPeople:
    """What was measured, as information, apart from any prior.

    A measurement knows the camera and one person, so people are tied to the camera alone and the
    information matrix has the form of an arrow: with the camera's 3 x 3 eliminated last (Schur's
    complement), time and memory grow with the number of people, not with its cube.
    """

    def __init__(self) -> None:
        """Start without anybody."""
        self._camera, self._vector = np.zeros((SHARED, SHARED)), np.zeros(SHARED)
        self._own, self._own_vector = np.zeros(0), np.zeros(0)
        self._ties = np.zeros((0, SHARED))

    def __len__(self) -> int:
        return len(self._own)

    def append(self, count: int) -> None:
        """Make rows of people of whom nothing is known."""
        self._own = np.pad(self._own, (0, count))
        self._own_vector = np.pad(self._own_vector, (0, count))
        self._ties = np.pad(self._ties, ((0, count), (0, 0)))

    def drop(self, gone: NDArray[np.bool_], prior: Array) -> None:
        """Forget people; what they told of the camera stays.

        Args:
            gone: (T,).
            prior: (T,) variance of each person's own before anything was measured; mean 0.
        """
        ties, own = self._ties[gone], self._own[gone] + 1 / prior[gone]
        share = ties / own[:, None]
        self._camera = self._camera - share.T @ ties
        self._vector = self._vector - share.T @ self._own_vector[gone]
        self._own, self._own_vector = self._own[~gone], self._own_vector[~gone]
        self._ties = self._ties[~gone]

    def fade(self, kept: float) -> None:
        """Let everything count less, 0..1."""
        self._camera, self._vector = self._camera * kept, self._vector * kept
        self._own, self._own_vector = self._own * kept, self._own_vector * kept
        self._ties = self._ties * kept

    def clear(self) -> None:
        """Forget all that was measured; people keep their rows."""
        self.fade(0.0)

    def add(self, rows: NDArray[np.intp], gradient: Array, value: Array, variance: Array) -> None:
        """Take in measurements of a person's own less the camera's times a gradient.

        Args:
            rows: (M,) whose; none comes twice.
            gradient: (M, 3).
            value: (M,).
            variance: (M,).
        """
        weight = 1 / variance
        weighted = gradient * weight[:, None]
        self._camera = self._camera + gradient.T @ weighted
        self._vector = self._vector - weighted.T @ value
        self._own[rows] += weight
        self._own_vector[rows] += weight * value
        self._ties[rows] -= weighted

    def posterior(
        self, camera: tuple[Array, Array], prior: Array, least: Array | None = None
    ) -> Posterior:
        """Add priors.

        Args:
            camera: (3,) mean and (3,) inverse variances of the camera's.
            prior: (T,) variance of each person's own, mean 0.
            least: (3,) variance that the camera's keep however much was measured, and that goes
                on to people as far as the camera told of them; None = 0.
        """
        mean, weights = camera
        own = self._own + 1 / prior
        share = self._ties / own[:, None]
        information = self._camera + np.diag(weights) - share.T @ self._ties
        vector = self._vector + weights * mean - share.T @ self._own_vector
        covariance = np.asarray(np.linalg.inv(information), np.float64)
        found = covariance @ vector
        if least is not None:
            covariance = covariance + np.diag(least)
        cross = -share @ covariance
        return Posterior(
            found,
            covariance,
            self._own_vector / own - share @ found,
            1 / own - (cross * share).sum(1),
            cross,
        )

    def keep_people(self, known: Posterior, prior: Array) -> None:
        """Forget the camera; of each person by themselves the same is known as before.

        Args:
            known: From `posterior`, with the same prior of people.
            prior: (T,) that prior.
        """
        self._camera, self._vector = np.zeros((SHARED, SHARED)), np.zeros(SHARED)
        self._own = np.maximum(1 / known.variance - 1 / prior, 0.0)
        self._own_vector = known.mean / known.variance
        self._ties = np.zeros_like(self._ties)
