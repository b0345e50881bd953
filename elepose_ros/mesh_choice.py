# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Whether bodies are drawn, and with which triangles."""

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.runtime.predictor import Predictor
from elepose_ros.reports import Reporter

__all__ = ['MeshChoice']

_KEY = 'publish_mesh'


class MeshChoice:
    """Follows parameter, listeners and model; a model without a body costs one warning."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._predictor: Predictor | None = None
        self._fault = ''
        self._known: NDArray[np.int32] | None = None
        self._is_drawn = False

    @property
    def faces(self) -> NDArray[np.int32] | None:
        """Return the triangles (F, 3) to draw with; None = no body is drawn."""
        return self._known if self._is_drawn else None

    @property
    def text(self) -> str:
        """Say in a word or a sentence whether bodies are drawn."""
        return self._fault or ('drawn' if self._is_drawn else 'not drawn')

    def follow(self, predictor: Predictor, is_asked_for: bool, has_listeners: bool) -> bool:
        """Decide for the next frame.

        Args:
            predictor: What it is lifted with.
            is_asked_for: The parameter.
            has_listeners: Somebody would see it.

        Returns:
            Whether bodies that were drawn are drawn no more, so that their markers must go.
        """
        was_drawn = self._is_drawn
        if is_asked_for and predictor is not self._predictor:
            self._look_at(predictor)
        if not is_asked_for:
            self._predictor, self._fault, self._known = None, '', None
            self._reporter.over(_KEY)
        self._is_drawn = self._known is not None and has_listeners
        return was_drawn and self._known is None

    def _look_at(self, predictor: Predictor) -> None:
        self._predictor, self._fault, self._known = predictor, '', None
        try:
            faces = predictor.faces()
        except InputError as error:
            self._fault = f'no mesh is drawn: {error}'
        else:
            if len(faces):
                self._known = faces
            else:
                self._fault = (
                    f'no mesh is drawn: the model {predictor.manifest.name} gives no body; load '
                    'one whose manifest names a body, or set publish_mesh to false'
                )
        if self._fault:
            self._reporter.warn(_KEY, self._fault)
        else:
            self._reporter.over(_KEY)
