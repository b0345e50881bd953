# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped recordings through the real nodes over DDS; pictures, bags and a table in demo/out.

Ends with code 0 when skeletons came for at least 95 % of the frames of the walking person.
"""

import argparse
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Alone on this machine, and images through shared memory: must stand before rclpy is imported.
os.environ['ROS_DOMAIN_ID'] = str(60 + os.getpid() % 40)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(ROOT / 'config' / 'fastdds.xml'))

import numpy as np  # noqa: E402

try:
    import rclpy
    from live import DemoError, Process, Watcher, executable, running, start
except ImportError as error:
    sys.exit(f'demo: {error}; run it through: make demo')

from elepose_core.bags import BagReader, TopicQos, writing_bag  # noqa: E402
from elepose_core.errors import InputError  # noqa: E402
from elepose_core.offline import bag_messages as messages  # noqa: E402
from elepose_core.offline.results import LiftedFrames, frames_from_bag  # noqa: E402
from elepose_core.runtime.messages import people_from_message  # noqa: E402
from elepose_core.skeleton import LAYOUTS  # noqa: E402
from elepose_core.visualize import Motion, Still, write_page, write_picture  # noqa: E402

IMAGE_TOPIC = '/camera/image/compressed'
RESULTS = ('/keypoints', '/skeletons', '/markers', '/camera_elevation', '/tf')
READY_S, SETTLE_S = 90.0, 30.0
ENOUGH = 0.95
PACES = 3
STILLS = 4
# The bystander stands 7 m away, everybody else is within 5 m.
NEAR_M = 5.0


@dataclass(frozen=True)
class Recording:
    """A shipped bag and the nodes that lift it.

    Attributes:
        name: Of the bag.
        nodes: Executables; two of them talk over the topic keypoints.
        true_elevation_deg: From the calibration that the makers of the videos publish.
    """

    name: str
    nodes: tuple[str, ...]
    true_elevation_deg: float


RECORDINGS = (
    Recording('walk', ('pipeline',), 22.5),
    Recording('two_people', ('detector_node', 'lifter_node'), 18.2),
)


@dataclass(frozen=True)
class Outcome:
    """What the nodes made of a recording."""

    recording: Recording
    hz: float
    sent: int
    watcher: Watcher
    frames: LiftedFrames
    motion: Motion

    @property
    def dropped(self) -> int:
        """Frames sent that no skeletons message came for."""
        return self.sent - len(self.frames.stamps_ns)

    @property
    def coverage(self) -> float:
        """Share of the frames sent in which a person nearby has a skeleton."""
        # The nearest joint: NaN, where nobody is, counts as far away.
        away_m = np.nan_to_num(self.frames.joints_cam_m[..., 2], nan=np.inf).min(axis=2)
        return float((away_m < NEAR_M).any(axis=1).sum() / self.sent)


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(options)
    except (DemoError, InputError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('demo: stopped', file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    chosen = [r for r in RECORDINGS if options.only in (None, r.name)]
    out: Path = options.out
    for name in ('pipeline', 'replay', 'record'):
        executable(name)
    _clear(out)
    rclpy.init()
    try:
        outcomes = [_lift_patiently(recording, out, options) for recording in chosen]
    finally:
        rclpy.try_shutdown()
    motions = [outcome.motion for outcome in outcomes]
    write_picture(motions, out / 'skeletons.png')
    write_page(motions, out / 'skeletons.html')
    print(_table(outcomes))
    bags = ', '.join(str(out / f'{outcome.recording.name}.mcap') for outcome in outcomes)
    print(f'\n{out / "skeletons.png"}, {out / "skeletons.html"}, {bags}')
    for outcome in outcomes:
        if outcome.recording.name == 'walk' and outcome.coverage < ENOUGH:
            raise DemoError(
                f'skeletons of the walking person came for {outcome.coverage:.0%} of the frames; '
                f'expected at least {ENOUGH:.0%}'
            )
    return 0


def _lift_patiently(recording: Recording, out: Path, options: argparse.Namespace) -> Outcome:
    """Play a recording; when the machine cannot keep up, again at half the pace.

    The nodes take the newest image and let older ones go, as a robot wants it. The demo wants to
    show every frame.
    """
    hz = options.hz
    for _ in range(PACES - 1):
        outcome = _lift(recording, out, options, hz)
        if outcome.dropped <= (1 - ENOUGH) * outcome.sent:
            return outcome
        print(
            f'demo: {outcome.dropped} of {outcome.sent} frames were dropped at {hz:g} Hz because '
            f'this machine is busy; once more at {hz / 2:g} Hz',
            flush=True,
        )
        hz /= 2
    return _lift(recording, out, options, hz)


def _lift(recording: Recording, out: Path, options: argparse.Namespace, hz: float) -> Outcome:
    """Play one recording through its nodes and read back what they published."""
    print(f'demo: {recording.name} through {" + ".join(recording.nodes)} ...', flush=True)
    source = ROOT / 'demo' / 'recording' / recording.name
    if options.frames is not None:
        source = _shortened(source, out / 'logs' / f'{recording.name}_short', options.frames)
    bag = out / 'logs' / recording.name
    watcher = Watcher(IMAGE_TOPIC)
    logs = out / 'logs'
    with running([]) as processes:
        for name in recording.nodes:
            log = logs / f'{recording.name}-{name}.log'
            start(processes, name, log, *_arguments(name, options))
        # The nodes are named as their executables, without the ending.
        for name in recording.nodes:
            node = name.removesuffix('_node')
            watcher.until(lambda n=node: watcher.is_active(n), f'{name}', processes, READY_S)
        log = logs / f'{recording.name}-record.log'
        record = start(processes, 'record', log, '--out', bag, *RESULTS)
        watcher.until(
            lambda: 'recording 5 topics' in record.text(), 'the recorder', processes, READY_S
        )
        sent = _replay(source, watcher, processes, hz)
        for process in reversed(processes):
            code = process.end()
            if code:
                raise DemoError(f'{process.name} ended with code {code}; see {process.log}')
    watcher.close()
    frames = frames_from_bag(bag)
    motion = _motion(recording, source, bag, frames)
    shutil.move(bag / f'{bag.name}.mcap', out / f'{recording.name}.mcap')
    shutil.rmtree(bag)
    return Outcome(recording, hz, sent, watcher, frames, motion)


def _replay(source: Path, watcher: Watcher, processes: list[Process], hz: float) -> int:
    """Play a bag at the chosen pace, wait for the last results and return the frames sent."""
    with BagReader(source) as bag:
        count = bag.topics[IMAGE_TOPIC].count
        stamps = [message.log_time_ns for message in bag.messages([IMAGE_TOPIC])]
    recorded_hz = (count - 1) * 1e9 / max(1, stamps[-1] - stamps[0])
    log = processes[0].log.with_name(f'{source.name}-replay.log')
    rate = hz / recorded_hz
    waiting = ('--wait-for-subscribers', READY_S)
    replay = start(processes, 'replay', log, source, '--rate', rate, *waiting)
    limit_s = READY_S + count / hz * 2
    watcher.until(lambda: not replay.is_running(), 'the end of the replay', processes, limit_s)
    seen = -1
    waited_s = 0.0
    # The last frames are still on their way: go on until nothing has come for a second.
    while len(watcher.markers_s) > seen and waited_s < SETTLE_S:
        seen = len(watcher.markers_s)
        watcher.spin(1.0)
        waited_s += 1.0
    return count


def _arguments(name: str, options: argparse.Namespace) -> list[str]:
    values = ['--ros-args', '-r', 'image:=/camera/image', '-r', 'camera_info:=/camera/camera_info']
    if name != 'lifter_node':
        values += ['-p', 'image_transport:=compressed', '-p', 'image_reliability:=reliable']
    if name != 'detector_node':
        values += ['-p', 'keypoints_reliability:=reliable', '-p', f'model:={options.model}']
    return values


def _motion(recording: Recording, source: Path, bag: Path, frames: LiftedFrames) -> Motion:
    stamps = frames.stamps_ns.tolist()
    people = np.isfinite(frames.joints_cam_m).any(axis=(1, 2, 3))
    rows = np.flatnonzero(people)
    if not len(rows):
        raise DemoError(f'no skeleton came for {recording.name}')
    picked = [int(rows[int((i + 0.5) * len(rows) / STILLS)]) for i in range(STILLS)]
    wanted = {stamps[row]: row for row in picked}
    keypoints: dict[int, Any] = {}
    with BagReader(bag) as lifted:
        for message in lifted.messages(['/keypoints']):
            people_2d = people_from_message(lifted.decode(message))
            keypoints[people_2d.stamp_ns] = people_2d
    stills = []
    with BagReader(source) as pictures:
        for message in pictures.messages([IMAGE_TOPIC]):
            image = pictures.decode(message)
            stamp = messages.stamp_ns_of(image)
            if stamp in wanted and stamp in keypoints:
                rgb = messages.image_from_message(image, message.topic.type)
                found = keypoints[stamp]
                points = np.array([_seen(person) for person in found.people])
                stills.append(Still(wanted[stamp], rgb, points, LAYOUTS[found.layout]))
    return Motion(
        f'{recording.name}: {" + ".join(recording.nodes)}',
        frames.time_s,
        frames.joints_cam_m,
        frames.up_cam,
        frames.elevation_rad,
        tuple(stills),
    )


def _seen(person: Any, least_score: float = 0.2) -> Any:
    """Return the keypoints that the lifter used; the others become NaN."""
    return np.where(person.scores[:, None] >= least_score, person.keypoints_px, np.nan)


def _table(outcomes: list[Outcome]) -> str:
    head = (
        'recording', 'nodes', 'frames in', 'at, Hz', 'skeletons', 'frames lifted', 'dropped',
        'p50, ms', 'p95, ms', 'elevation, deg', 'calibrated, deg',
    )  # fmt: skip
    rows = [head]
    for outcome in outcomes:
        frames, watcher = outcome.frames, outcome.watcher
        delays = [
            (then - watcher.image_s[stamp]) * 1000
            for stamp, then in watcher.markers_s.items()
            if stamp in watcher.image_s
        ]
        p50, p95 = np.percentile(delays, [50, 95]) if delays else (np.nan, np.nan)
        elevation = np.degrees(frames.elevation_rad[np.isfinite(frames.elevation_rad)])
        skeletons = np.isfinite(frames.joints_cam_m).any(axis=(2, 3)).sum()
        rows.append(
            (
                outcome.recording.name,
                '+'.join(outcome.recording.nodes),
                str(outcome.sent),
                f'{outcome.hz:g}',
                str(skeletons),
                f'{outcome.coverage:.0%}',
                str(outcome.dropped),
                f'{p50:.0f}',
                f'{p95:.0f}',
                f'{elevation.mean():.1f}' if len(elevation) else '-',
                f'{outcome.recording.true_elevation_deg:.1f}',
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ['  '.join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    note = (
        'latency: image received to markers received, in a third process; elevation: mean over '
        'the frames;\ncalibrated: by the makers of the videos, which the nodes are not told'
    )
    return '\n'.join(['', *lines, note])


def _shortened(source: Path, out: Path, frames: int) -> Path:
    if out.exists():
        return out
    with BagReader(source) as bag, writing_bag(out) as copy:
        for topic in bag.topics.values():
            qos = topic.qos or TopicQos(is_reliable=True, is_latched=False, depth=10)
            copy.add_topic(topic.name, topic.type, qos)
        left = dict.fromkeys(bag.topics, frames)
        for message in bag.messages():
            if left[message.topic.name] > 0:
                copy.write(message.topic.name, message.log_time_ns, message.data)
                left[message.topic.name] -= 1
    return out


def _clear(out: Path) -> None:
    """Remove what an earlier run left, and nothing else."""
    (out / 'logs').mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / 'logs')
    (out / 'logs').mkdir()
    for name in ('skeletons.png', 'skeletons.html', *(f'{r.name}.mcap' for r in RECORDINGS)):
        (out / name).unlink(missing_ok=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser('demo/run.py', description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'demo' / 'out', help='where to write')
    parser.add_argument(
        '--hz',
        type=float,
        default=5.0,
        help='pace of the replay; a busy two-core machine keeps up',
    )
    parser.add_argument('--model', default='default', help='bundle of the lifter')
    parser.add_argument('--frames', type=int, help='play only so many frames of each recording')
    parser.add_argument('--only', choices=[r.name for r in RECORDINGS], help='one recording alone')
    return parser


if __name__ == '__main__':
    sys.exit(main())
