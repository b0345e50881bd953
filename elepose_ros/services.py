# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Services of a node: forget the people, say what is wrong, write the camera's tilt to a file.

All are std_srvs/Trigger, which every `ros2 service call` and every GUI can send.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from elepose_core.errors import InputError
from elepose_ros.guard import reason
from elepose_ros.reports import Reporter
from elepose_ros.stages import MUCH_DROPPED, WAITED

__all__ = ['explanation', 'offer', 'offer_save_mount']

_HOW_TO_GO_ON = {
    'unconfigured': 'the node is not configured: ros2 lifecycle set {name} configure',
    'inactive': 'the node is not active: ros2 lifecycle set {name} activate',
    'finalized': 'the node has ended: start it again',
}


def offer(
    node: Node,
    reporter: Reporter,
    reset: Callable[[], bool],
    explain: Callable[[], Sequence[str]],
) -> None:
    """Offer the services.

    Args:
        node: Who offers them.
        reporter: Tells of what fails.
        reset: Forgets the people; False when the node is not active.
        explain: Returns what is wrong, see `explanation`.
    """

    def on_reset() -> str:
        if not reset():
            raise InputError('nothing to forget: the node is not active')
        return 'people, smoothing and camera elevation start anew with the next frame'

    def on_explain() -> str:
        if sentences := explain():
            raise InputError('\n'.join(sentences))
        return 'nothing is wrong'

    _offer(node, reporter, 'reset', on_reset)
    _offer(node, reporter, 'explain', on_explain)


def offer_save_mount(node: Node, reporter: Reporter, save: Callable[[], str]) -> None:
    """Offer `~/save_static_transform`.

    Args:
        node: Who offers it.
        reporter: Tells of what fails.
        save: Writes the file and returns its path, or raises InputError.
    """

    def on_save() -> str:
        return f'wrote {save()}: ros2 launch it, with publish_tf false here'

    _offer(node, reporter, 'save_static_transform', on_save, 'nothing was written: ')


def _offer(
    node: Node, reporter: Reporter, name: str, answer: Callable[[], str], refusal: str = ''
) -> None:
    """Offer a service that answers no, with the reason, when `answer` raises whatever it may."""

    def on_request(_: Any, response: Any) -> Any:
        try:
            response.message = answer()
            response.success = True
        except Exception as error:
            response.message = f'{refusal}{reason(error, f"~/{name}", reporter)}'
            response.success = False
        return response

    node.create_service(Trigger, f'~/{name}', on_request)


def explanation(
    name: str,
    state: str,
    troubles: Mapping[str, str],
    counts: Mapping[str, int],
    stages_p50_ms: Mapping[str, float],
) -> list[str]:
    """Return what is wrong with a node and what to do, one sentence each.

    Args:
        name: Full name of the node.
        state: Of its lifecycle.
        troubles: What it reported lately and what is wrong now, by key.
        counts: Frames in, out, dropped, refused, failed and lost lately.
        stages_p50_ms: Median of each stage.
    """
    sentences = []
    if state in _HOW_TO_GO_ON:
        sentences.append(_HOW_TO_GO_ON[state].format(name=name))
    sentences += dict.fromkeys(troubles.values())
    # That frames got lost while there was no camera has a sentence of its own among the troubles.
    frames, waited = counts.get('in', 0), counts.get(f'dropped {WAITED}', 0)
    dropped = counts.get('dropped', 0) - waited
    if dropped > MUCH_DROPPED * frames:
        stages = {n: ms for n, ms in stages_p50_ms.items() if n in ('detect', 'lift', 'publish')}
        slowest = max(stages, key=stages.__getitem__, default='')
        cause = f': {slowest} takes {stages[slowest]:.0f} ms (median)' if slowest else ''
        cure = (
            'lower detector_input_long_side, set detector_roi or give it more num_threads'
            if slowest == 'detect'
            else 'lower max_people, or give it another device'
        )
        sentences.append(
            f'{dropped} of {frames} frames were dropped since newer ones came{cause}; {cure}, or '
            'send fewer'
        )
    lost = counts.get('lost in the middleware', 0)
    if lost > MUCH_DROPPED * frames:
        sentences.append(
            f'{lost} messages were lost in the middleware while {frames} came in: set '
            'image_reliability or keypoints_reliability to reliable, or give the middleware '
            'larger buffers (config/fastdds.xml)'
        )
    return sentences
