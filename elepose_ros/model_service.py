# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Service `~/load_model`: another lifter for a running node, without a lost frame.

The new one is loaded and warmed up in a thread of its own while the old one lifts on; they change
between two frames. Whoever can reach the node can call it, so a path counts only inside the
folders that the node was started with.
"""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from elepose_core.errors import InputError
from elepose_core.runtime.backends.interface import Device
from elepose_core.runtime.backends.switching import SwitchingBackend
from elepose_core.runtime.ordering import Ordering
from elepose_core.runtime.predictor import Predictor
from elepose_ros import interfaces
from elepose_ros.guard import reason
from elepose_ros.parameter_table import Parameters
from elepose_ros.reports import Reporter

__all__ = [
    'ModelService',
    'allowed_bundle',
    'load_ordering',
    'load_predictor',
    'model_text',
    'ready_predictor',
]

# A sentence, not a page, about what a caller sent.
_SHOWN = 200
_WARM_UP_PEOPLE = (1, 2)


def load_predictor(parameters: Parameters, model: str | Path | None = None) -> Predictor:
    """Load a lifter, before anything of ROS is made that would have to be undone.

    It lifts on the CPU at once; another device takes over when it is ready.

    Args:
        parameters: Those of the node.
        model: Name or path of the bundle; None = the one of the parameters.

    Raises:
        InputError: The bundle is missing or damaged, or the device is not here.
    """
    device = cast(Device, parameters.device)  # one of its choices
    return Predictor(model or parameters.model, parameters.num_threads, device, in_background=True)


def load_ordering(parameters: Parameters) -> Ordering | None:
    """Load the network that sees pictures; None where the parameters name none.

    Raises:
        InputError: The bundle is missing, damaged or of another kind, or no pictures come.
    """
    if not parameters.ordering_model:
        return None
    if parameters.detector == 'none':
        raise InputError(
            f'parameter ordering_model is {parameters.ordering_model} and detector is none; '
            'expected a detector, since it looks at the images'
        )
    return Ordering(parameters.ordering_model, parameters.num_threads)


def ready_predictor(parameters: Parameters, model: str | Path, device_now: str) -> Predictor:
    """Load a lifter that is as fast from its first frame on as it will ever be.

    Args:
        parameters: Those of the node.
        model: Name or path of the bundle.
        device_now: Where the lifter runs that it is to replace.

    Raises:
        InputError: It cannot be loaded, does not lift, or not where the old one does.
    """
    predictor = load_predictor(parameters, model)
    backend = predictor.backend
    if isinstance(backend, SwitchingBackend):
        backend.wait()
    if backend.trouble and backend.name != device_now:
        raise InputError(f'{model} does not run on {device_now}: {backend.trouble}')
    for people in _WARM_UP_PEOPLE:
        rays = np.random.default_rng(0).uniform(-0.3, 0.3, (people, 17, 2)).astype(np.float32)
        lifted = predictor.lift(rays, np.ones((people, 17), np.float32))
        if not all(np.isfinite(part).all() for part in lifted):
            raise InputError(f'{model} is no lifter: it gives numbers that are not finite')
    return predictor


def allowed_bundle(model: str, folders: str) -> str | Path:
    """Return what a caller may have opened: a shipped bundle's name or a path without links.

    Args:
        model: As in LoadModel.srv; a relative path counts from each of the folders.
        folders: As in parameter `model_folders`.

    Raises:
        InputError: It lies in none of the folders, or some of its files do not.
    """
    shown = repr(model[:_SHOWN])
    if re.fullmatch(r'[A-Za-z0-9_-]+', model):  # a path has a dot or a slash
        return model
    if not folders:
        raise InputError(
            f'model is {shown}, but parameter model_folders is empty; expected the name of a '
            'shipped model, or a start with model_folders'
        )
    for folder in (Path(name).expanduser().resolve() for name in folders.split(':') if name):
        bundle = _resolved(folder / model)
        if bundle is None or bundle.suffix != '.elepose':
            continue
        if bundle.is_relative_to(folder) and bundle.is_dir():
            _check_files(bundle, folder)
            return bundle
    raise InputError(
        f'model is {shown}; expected a bundle NAME.elepose inside model_folders ({folders})'
    )


def model_text(predictor: Predictor) -> dict[str, str]:
    """Return what the diagnostics say of a lifter."""
    manifest = predictor.manifest
    return {'model': manifest.name, 'model sha256': manifest.sha256[:12]}


class ModelService:
    """Offers the service in every state of the lifecycle; one request at a time."""

    def __init__(
        self, node: Node, parameters: Callable[[], Parameters], reporter: Reporter
    ) -> None:
        self._node = node
        self._parameters = parameters
        self._reporter = reporter
        self._use: Callable[[Predictor, Parameters], None] | None = None
        self._device: Callable[[], str] | None = None
        self._loads = False
        # While one waits for its answer the others, and all other callbacks, must go on.
        self._group = ReentrantCallbackGroup()
        node.create_service(
            interfaces.LoadModel, '~/load_model', self._on_request, callback_group=self._group
        )

    def attach(
        self, use: Callable[[Predictor, Parameters], None], device: Callable[[], str]
    ) -> None:
        """Serve a lifter.

        Args:
            use: Changes to another one, loaded with these parameters, before the next frame.
            device: Tells where it runs now.
        """
        self._use, self._device = use, device

    def detach(self) -> None:
        """Serve nobody: the node is not configured."""
        self._use = self._device = None

    async def _on_request(self, request: Any, response: Any) -> Any:
        try:
            response.message = await self._change(request.model)
            response.success = True
        except Exception as error:
            why = reason(error, '~/load_model', self._reporter)
            response.message = f'the lifter stays as it is: {why}'
            response.success = False
            self._reporter.warn('load_model', f'load_model: {response.message}')
        return response

    async def _change(self, model: str) -> str:
        if self._use is None or self._device is None:
            raise InputError('the node is not configured; expected inactive or active')
        if self._loads:
            raise InputError('another model is being loaded; expected one at a time')
        use, parameters, device = self._use, self._parameters(), self._device()
        bundle = allowed_bundle(model, parameters.model_folders)
        self._loads = True
        try:
            outcome = await self._in_thread(lambda: ready_predictor(parameters, bundle, device))
        finally:
            self._loads = False
        if isinstance(outcome, InputError):
            raise outcome
        if use is not self._use:
            raise InputError('the node was cleaned up meanwhile; expected it to stay configured')
        use(outcome, parameters)
        what = model_text(outcome)
        text = (
            f'lifts with {what["model"]} (sha256 {what["model sha256"]}) on '
            f'{outcome.backend.name} from the next frame on'
        )
        self._reporter.info(text)
        return text

    async def _in_thread(self, load: Callable[[], Predictor]) -> Predictor | InputError:
        executor = self._node.executor
        future: Any = Future(executor=executor)

        def work() -> None:
            outcome: Predictor | InputError
            try:
                outcome = load()
            except InputError as error:
                outcome = error
            except Exception as error:  # a damaged graph may raise whatever it likes
                first = (str(error).splitlines() or [''])[0]
                outcome = InputError(f'it does not load ({type(error).__name__}: {first})')

            def hand_over() -> None:
                future.set_result(outcome)
                # Wakes the executor once more, which else would look at the waiting callback
                # only when something else happens.
                executor.create_task(lambda: None)

            # As a task: the future of an events executor may only be set from inside of it.
            if executor is not None:
                executor.create_task(hand_over)

        # A daemon: a node that is told to end does not wait for an engine.
        threading.Thread(target=work, name='load_model', daemon=True).start()
        return cast('Predictor | InputError', await future)


def _resolved(path: Path) -> Path | None:
    """Return the path without links; None when there cannot be such a path."""
    try:
        resolved = path.resolve()
        resolved.exists()  # asks the system, which refuses a name that is too long
        return resolved
    except (OSError, RuntimeError, ValueError):  # a loop of links, a zero byte
        return None


def _check_files(bundle: Path, folder: Path) -> None:
    """Refuse a bundle whose files lead elsewhere, or are pipes that would be waited for."""
    for name in ('manifest.json', 'lifter.onnx'):
        file = _resolved(bundle / name)
        if file is None or not file.is_relative_to(folder):
            raise InputError(f'{bundle / name} leads out of {folder}; expected a file inside')
        if file.exists() and not file.is_file():
            raise InputError(f'{bundle / name} is no file')
