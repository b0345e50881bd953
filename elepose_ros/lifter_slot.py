# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The lifter that frames are lifted with; parameters move it and a service exchanges it."""

import threading
from collections.abc import Callable

from elepose_core.runtime.predictor import Predictor
from elepose_ros.model_service import ready_predictor
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter

__all__ = ['LifterSlot']


class LifterSlot:
    """Holds the lifter; the two that replace it never undo each other's work.

    A move to another device or number of threads begins with the lifter that is there. Should the
    service have put another one into its place when the move ends, then what was moved is dropped
    and the new one is moved, unless it was loaded for the same place.
    """

    def __init__(
        self, predictor: Predictor, parameters: Callable[[], Parameters], reporter: Reporter
    ) -> None:
        self._predictor = predictor
        self._parameters = parameters
        self._reporter = reporter
        # Where the lifter runs, or where it was tried in vain to have it run.
        self._place = _place(parameters())
        self._moving: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def predictor(self) -> Predictor:
        """The lifter for the next frame."""
        return self._predictor

    def exchange(self, predictor: Predictor, loaded_for: Parameters) -> None:
        """Lift with another model from the next frame on; the frame at hand is finished.

        Args:
            predictor: The other one.
            loaded_for: The parameters when it began to load, which may have changed since.
        """
        with self._lock:
            self._predictor, self._place = predictor, _place(loaded_for)

    def follow(self) -> None:
        """Move the lifter where the parameters want it; it lifts on until then."""
        if self._moving is not None and self._moving.is_alive():
            return
        parameters = self._parameters()
        with self._lock:
            if _place(parameters) == self._place:
                return
            predictor, self._place = self._predictor, _place(parameters)
        # A daemon: a node that is told to end does not wait for an engine.
        self._moving = threading.Thread(
            target=self._move, args=(predictor, parameters), name='device', daemon=True
        )
        self._moving.start()

    def _move(self, predictor: Predictor, parameters: Parameters) -> None:
        try:
            moved = ready_predictor(parameters, predictor.folder, predictor.backend.name)
        except Exception as error:
            self._reporter.warn('device', f'the lifter stays as it is: {error}')
            return
        with self._lock:
            if self._predictor is predictor:
                self._predictor = moved


def _place(parameters: Parameters) -> tuple[str, int]:
    return parameters.device, parameters.num_threads
