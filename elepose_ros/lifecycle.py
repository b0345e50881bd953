# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The node that ours are made of: parameters, parts, autostart, diagnostics and a clean end."""

import gc
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from elepose_core.errors import InputError
from elepose_core.runtime.predictor import Predictor
from elepose_ros import services
from elepose_ros.compat import (
    GuardedLifecycleNode,
    forget_ended,
    make_executor,
    on_parameter_changes,
)
from elepose_ros.diagnostics import DiagnosticsPublisher, node_faults
from elepose_ros.guard import alone, reason
from elepose_ros.model_service import ModelService
from elepose_ros.parameters import LIFTER, Parameters, declare, unknown_names, with_changes
from elepose_ros.reports import Reporter
from elepose_ros.signals import Signals
from elepose_ros.stages import StageStatistics

__all__ = ['Part', 'PartsNode', 'run']

_SPIN_S = 3600.0
# The graph is asked for other nodes of our name each so many seconds.
_SURVEY_EVERY = 5
EXIT_OK = 0
EXIT_START_UP_ERROR = 2


class Part:
    """Something that a node is made of; made in configure, ended by `close` in cleanup."""

    def start(self) -> None:
        """Begin to work (activate)."""

    def stop(self) -> None:
        """Work no more and leave no thread behind (deactivate)."""

    def close(self) -> None:
        """Give everything back (cleanup)."""

    def reset(self) -> None:
        """Forget what earlier frames have shown."""

    def watch(self) -> None:
        """Look after itself, about once a second."""

    def save_mount(self) -> str:
        """Write the tilt of the camera into a file and return its path; '' = not its business."""
        return ''

    def faults(self) -> dict[str, str]:
        """Return what is wrong now, one sentence with the cure each, by key."""
        return {}

    def facts(self) -> dict[str, str]:
        """Return what the diagnostics should show."""
        return {}


class PartsNode(GuardedLifecycleNode):
    """A lifecycle node whose work is done by parts.

    Parts start in order and stop in order: one that feeds others stands before them, so that
    when a part stops nothing comes in any more.
    """

    def __init__(
        self,
        name: str,
        used_by: Iterable[str],
        build: Callable[['PartsNode'], Sequence[Part]],
        arguments: Sequence[str] | None = None,
    ) -> None:
        """Declare the parameters.

        Args:
            name: Unless the command line has another one.
            used_by: The halves of the way that it does, which tell its parameters.
            build: Makes the parts.
            arguments: A command line of its own, beside that of the process.

        Raises:
            InputError: A parameter has a wrong value.
        """
        super().__init__(name, cli_args=None if arguments is None else list(arguments))
        used_by = tuple(used_by)
        self.reporter = Reporter(self.get_logger())
        self.statistics = StageStatistics()
        self._build = build
        self._parts: Sequence[Part] = ()
        self._is_active = False
        # Why the last transition failed, for those who ask later.
        self._failure = ''
        self._ticks = 0
        self.parameters = declare(self, used_by)
        for unknown in unknown_names(getattr(self, '_parameter_overrides', {})):
            self.reporter.warn(f'unknown {unknown}', f'parameter {unknown} is unknown: ignored')
        on_parameter_changes(self, self._check_changes, self._apply_changes)
        self._diagnostics = DiagnosticsPublisher(self, self.reporter, self.statistics)
        services.offer(self, self.reporter, self._reset, self.explain)
        self._models: ModelService | None = None
        if LIFTER in used_by:
            services.offer_save_mount(self, self.reporter, self._save_mount)
            self._models = ModelService(self, lambda: self.parameters, self.reporter)
        # Not on the node's clock: a paused bag must not silence the diagnostics.
        self.create_timer(1.0, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the parts; a user's error is one sentence and a failed transition."""
        before = {*self.subscriptions, *self.publishers, *self.timers}

        def build() -> None:
            self._parts = self._build(self)

        result = self._guarded(build)
        if result != TransitionCallbackReturn.SUCCESS:
            # What the parts made before one of them failed belongs to nobody.
            self.detach_lifter()
            for subscription in set(self.subscriptions) - before:
                self.destroy_subscription(subscription)
            for publisher in set(self.publishers) - before:
                self.destroy_lifecycle_publisher(publisher)
            for timer in set(self.timers) - before:
                self.destroy_timer(timer)
            return result
        self._warn_of_overrides()
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the parts."""
        super().on_activate(state)

        def start() -> None:
            for part in self._parts:
                part.start()

        if self._guarded(start) != TransitionCallbackReturn.SUCCESS:
            # The parts are gone: back to unconfigured, not to an inactive node without parts.
            return TransitionCallbackReturn.ERROR
        self._is_active = True
        self.reporter.info(f'active: {_listing(self._facts())}')
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the parts while their publishers still work, so that markers can be removed."""
        self._stop_parts()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give models, subscriptions and publishers back."""
        self._close_parts()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End in whatever state the node is."""
        self._stop_parts()
        self._close_parts()
        return super().on_shutdown(state)

    def on_error(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to the start after a bug, so that the node can be configured again."""
        self._stop_parts()
        self._close_parts()
        return TransitionCallbackReturn.SUCCESS

    def attach_lifter(
        self, use: Callable[[Predictor, Parameters], None], device: Callable[[], str]
    ) -> None:
        """Let `~/load_model` change the lifter by calling `use`; `device` tells where it runs."""
        if self._models is not None:
            self._models.attach(use, device)

    def detach_lifter(self) -> None:
        """Let `~/load_model` refuse."""
        if self._models is not None:
            self._models.detach()

    def explain(self) -> list[str]:
        """Return what is wrong and what to do, one sentence each."""
        troubles = self.reporter.recent_troubles() | node_faults(self)
        if self._failure:
            troubles['failure'] = self._failure
        for part in self._parts if self._is_active else ():
            troubles |= part.faults()
        return services.explanation(
            self.get_fully_qualified_name(),
            self._state_machine.current_state[1],
            troubles,
            self.statistics.recent_counts(),
            {name: p.p50_ms for name, p in self.statistics.percentiles().items()},
        )

    def autostart(self) -> bool:
        """Configure and activate; False when one of the two failed."""
        success = TransitionCallbackReturn.SUCCESS
        return all(
            trigger() == success for trigger in (self.trigger_configure, self.trigger_activate)
        )

    def shut_down(self) -> None:
        """Take the lifecycle to its end, from any state, and remove the node."""
        if self._is_active:
            self.trigger_deactivate()
        if self._state_machine.current_state[1] != 'finalized':  # a manager may have been first
            self.trigger_shutdown()
        self.destroy_node()

    def _guarded(self, work: Callable[[], None]) -> TransitionCallbackReturn:
        self._failure = ''
        try:
            work()
        except InputError as error:
            self._failure = str(error)
            self.reporter.error(str(error), str(error))
            self._close_parts()
            return TransitionCallbackReturn.FAILURE
        except Exception:
            # rclpy turns an exception into a state without a word about what it was.
            self._failure = 'a transition failed by a bug, see the log'
            self.get_logger().fatal(f'a bug, please report it:\n{traceback.format_exc()}')
            self._close_parts()
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _warn_of_overrides(self) -> None:
        for name in getattr(self, '_parameter_overrides', {}):
            if name.startswith('qos_overrides.') and not self.has_parameter(name):
                self.reporter.warn(
                    f'unknown {name}',
                    f'parameter {name} fits no topic of this node and is ignored; expected '
                    'qos_overrides.<full topic>.<publisher or subscription>.<history, depth or '
                    'reliability>, where the reliability of inputs is image_reliability and '
                    'keypoints_reliability',
                )

    def _stop_parts(self) -> None:
        self._is_active = False
        for part in self._parts:
            self._alone(part.stop)

    def _close_parts(self) -> None:
        for part in self._parts:
            self._alone(part.close)
        self._parts = ()
        forget_ended(self)

    def _alone(self, work: Callable[[], None]) -> bool:
        return alone(work, getattr(work, '__qualname__', 'a part'), self.reporter)

    def _tick(self) -> None:
        for part in self._parts:
            self._alone(part.watch)
        self._alone(self._tell)

    def _tell(self) -> None:
        forget_ended(self)
        self._ticks += 1
        if self._ticks % _SURVEY_EVERY == 0:
            for key, sentence in node_faults(self).items():
                self.reporter.warn(key, sentence)
        state = {'state': self._state_machine.current_state[1]}
        if self._failure:
            state['failure'] = self._failure
        self._diagnostics.publish(state | self._facts())

    def _reset(self) -> bool:
        forgot = [self._alone(part.reset) for part in self._parts if self._is_active]
        if not all(forgot):
            raise InputError('not everything could be forgotten, see the log')
        return self._is_active

    def _save_mount(self) -> str:
        paths = [part.save_mount() for part in self._parts]
        if not any(paths):
            raise InputError('the node is not configured; expected it to be active')
        return ''.join(paths)

    def _facts(self) -> dict[str, str]:
        return {key: value for part in self._parts for key, value in part.facts().items()}

    def _check_changes(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            with_changes(self.parameters, _values(parameters))
        except Exception as error:
            why = reason(error, 'set_parameters', self.reporter)
            return SetParametersResult(successful=False, reason=why)
        return SetParametersResult(successful=True)

    def _apply_changes(self, parameters: list[Parameter]) -> None:
        self.parameters = with_changes(self.parameters, _values(parameters))


def run(make_node: Callable[[], PartsNode], args: Sequence[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM.

    Args:
        make_node: Makes the node once rclpy is up.
        args: Command line; None = that of the process.

    Returns:
        The exit code: 0 after a clean end, 2 when the node could not start.
    """
    signals = Signals()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:
        return _start_up_error(error)
    try:
        return _run(make_node, signals)
    finally:
        if rclpy.ok():
            rclpy.shutdown()
        # What still refers to the node keeps the middleware from giving its shared memory back.
        gc.unfreeze()
        gc.collect()
        # While the interpreter goes down it puts other handlers back to the default, and an
        # impatient second signal would turn a clean end into a death by signal.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _run(make_node: Callable[[], PartsNode], signals: Signals) -> int:
    try:
        node = make_node()
    except Exception as error:
        return _start_up_error(error)
    try:
        executor = make_executor(node.parameters.executor)
    except InputError as error:
        node.destroy_node()
        return _start_up_error(error)
    if node.parameters.autostart and not node.autostart():
        node.shut_down()
        return EXIT_START_UP_ERROR
    executor.add_node(node)
    # What is there now stays: looking through it for garbage would hold frames up for long.
    gc.collect()
    gc.freeze()
    _spin(executor, signals)
    executor.remove_node(node)
    node.shut_down()
    executor.shutdown()
    return EXIT_OK


def _spin(executor: Executor, signals: Signals) -> None:
    stop: Any = Future()
    # As a task: the future of an events executor may only be set from inside of it.
    signals.then(lambda: executor.create_task(stop.set_result, True))
    while not stop.done():
        # Without a limit the EventsExecutor of Kilted's rclpy 9.1.2 handles nothing at all.
        executor.spin_until_future_complete(stop, timeout_sec=_SPIN_S)


def _start_up_error(error: Exception) -> int:
    """Say in one sentence what the user got wrong; anything else is a bug and goes on."""
    is_rclpys = 'rclpy' in type(error).__module__
    if not isinstance(error, InputError) and not is_rclpys:
        raise error
    sys.stderr.write(f'error: {str(error).splitlines()[0]}\n')
    return EXIT_START_UP_ERROR


def _listing(facts: dict[str, str]) -> str:
    return ', '.join(f'{key} {value}' for key, value in facts.items())


def _values(parameters: list[Parameter]) -> dict[str, Any]:
    return {parameter.name: parameter.value for parameter in parameters}
