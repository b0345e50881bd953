# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints through `lifter_node` for half an hour: what grows, what gets lost, what goes wrong.

    python benchmarks/soak.py --minutes 30 --people 10 --hz 30 --json docs/results/soak.json

Sends people who move to the real executable over DDS and takes skeletons and markers back. Looks
at the node's memory, files and threads every ten seconds. Exit code 1, and one sentence each, when
a limit is broken: memory may grow by 2 MB after a warm-up of two minutes, files and threads not at
all; each frame that no skeletons or markers came for must be one that the node counted as
dropped; the log holds no error; the node ends with 0.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rclpy
from support.keypoint_traffic import Traffic
from support.processes import open_files, percentiles, process, resident_mib, threads

ROOT = Path(__file__).resolve().parents[1]
NODE = ROOT / 'scripts' / 'lifter_node'
START_S = 60.0
# The diagnostics, which count the drops, come once a second.
COUNTED_S = 2.5
MOST_GROWTH_MB = 2.0
QUANTILES = (50, 95, 99)
COUNTS = ('dropped', 'lost in the middleware', 'refused', 'failed')
TROUBLE = re.compile(r'Traceback|\[ERROR\]|\[FATAL\]')


def sample(pid: int, since_s: float) -> dict[str, float]:
    """Return what the process holds now."""
    return {
        's': round(time.monotonic() - since_s, 1),
        'resident_mb': resident_mib(pid) * 2**20 / 1e6,
        'open_files': open_files(pid),
        'threads': threads(pid),
    }


def grown(samples: list[dict[str, float]], warm_up_s: float) -> dict[str, float]:
    """Return by how much each figure of the samples rose after the warm-up, at most."""
    warm = [s for s in samples if s['s'] >= warm_up_s]
    return {key: max(s[key] for s in warm) - warm[0][key] for key in warm[0] if key != 's'}


def broken_limits(result: dict[str, Any]) -> list[str]:
    """Return a sentence about each limit that a result breaks."""
    growth, frames = result['growth_after_warm_up'], result['frames']
    sentences = []
    if growth['resident_mb'] >= MOST_GROWTH_MB:
        sentences.append(
            f'resident memory grew by {growth["resident_mb"]:.1f} MB after the warm-up; '
            f'expected less than {MOST_GROWTH_MB:g} MB'
        )
    for key in ('open_files', 'threads'):
        if growth[key] > 0:
            sentences.append(f'{key} grew by {growth[key]:.0f} after the warm-up; expected none')
    for kind in ('skeletons', 'markers'):
        counted = frames['dropped'] + frames['lost in the middleware']
        missing = frames['sent'] - frames[kind] - counted
        if missing:
            sentences.append(
                f'{frames["sent"]} frames were sent, {counted} counted as dropped or lost and '
                f'{kind} came for {frames[kind]}; expected these two to make up the first, '
                f'{missing} are missing'
            )
    for kind in ('refused', 'failed'):
        if frames[kind]:
            sentences.append(f'{frames[kind]} frames {kind}; expected none')
    if result['troubles_in_log']:
        sentences.append(
            f'the log holds {len(result["troubles_in_log"])} errors; expected none; the first is: '
            f'{result["troubles_in_log"][0]}'
        )
    if result['exit_code'] != 0:
        sentences.append(f'the node ended with code {result["exit_code"]}; expected 0')
    return sentences


def soak(options: argparse.Namespace, log: Path) -> dict[str, Any]:
    """Run the node under load and return what was seen."""
    traffic = Traffic(options.people, options.hz, with_skeletons=True)
    samples: list[dict[str, float]] = []
    try:
        with process([sys.executable, str(NODE)], log) as node:
            traffic.run(START_S, lambda: bool(traffic.first_s) or node.poll() is not None)
            if traffic.first_s is None:
                raise SystemExit(f'soak: the node sent no markers:\n{log.read_text()}')
            traffic.run(COUNTED_S)
            traffic.drain(COUNTED_S)
            traffic.forget()
            before, begin_s = dict(traffic.counts), time.monotonic()
            end_s = begin_s + options.minutes * 60
            while time.monotonic() < end_s and node.poll() is None:
                samples.append(sample(node.pid, begin_s))
                left_s = end_s - time.monotonic()
                traffic.run(min(left_s, options.every_s), lambda: node.poll() is not None)
                _show(samples[-1], traffic)
            traffic.drain(COUNTED_S)
            if node.poll() is None:
                samples.append(sample(node.pid, begin_s))
        troubles = [line for line in log.read_text().splitlines() if TROUBLE.search(line)]
        counted = {k: traffic.counts.get(k, 0) - before.get(k, 0) for k in COUNTS}
        return {
            'people': options.people,
            'hz': options.hz,
            'minutes': options.minutes,
            'warm_up_s': options.warm_up_s,
            'frames': {
                'sent': len(traffic.sent_ns),
                'skeletons': _answered(traffic, traffic.skeletons),
                'markers': _answered(traffic, traffic.arrived),
                **counted,
            },
            'latency': percentiles(
                [
                    traffic.arrived[ns] - ns / 1e6
                    for ns in traffic.sent_ns
                    if ns in traffic.arrived
                ],
                QUANTILES,
            ),
            'growth_after_warm_up': grown(samples, options.warm_up_s),
            'troubles_in_log': troubles,
            'exit_code': node.returncode,
            'samples': samples,
        }
    finally:
        traffic.close()


def _answered(traffic: Traffic, answers: dict[int, float]) -> int:
    return sum(stamp in answers for stamp in traffic.sent_ns)


def _show(now: dict[str, float], traffic: Traffic) -> None:
    print(
        f'{now["s"]:7.0f} s  {now["resident_mb"]:7.2f} MB  {now["open_files"]:.0f} files  '
        f'{now["threads"]:.0f} threads  {len(traffic.sent_ns)} sent  '
        f'{len(traffic.skeletons)} skeletons  {len(traffic.arrived)} markers  '
        f'{traffic.dropped} dropped',
        flush=True,
    )


def main() -> int:
    """Soak, write the figures, and say which limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--people', type=int, default=10)
    parser.add_argument('--hz', type=float, default=30.0)
    parser.add_argument('--warm-up-s', type=float, default=120.0)
    parser.add_argument('--every-s', type=float, default=10.0, help='between two samples')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    if options.minutes * 60 <= options.warm_up_s + options.every_s:
        parser.error(
            f'--minutes is {options.minutes:g}; expected more than the warm-up of '
            f'{options.warm_up_s:g} s and one sample'
        )
    # Of its own, so that other nodes on this machine do not mix in.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 9)
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(options, Path(folder) / 'lifter_node.log')
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    growth, frames = result['growth_after_warm_up'], result['frames']
    print(
        f'{options.minutes:g} min, {options.people} people at {options.hz:g} Hz: {frames}; grown '
        f'after {options.warm_up_s:g} s by {growth["resident_mb"]:.2f} MB, '
        f'{growth["open_files"]:.0f} files, {growth["threads"]:.0f} threads; latency p50 '
        f'{result["latency"]["p50_ms"]:.1f}, p99 {result["latency"]["p99_ms"]:.1f} ms'
    )
    sentences = broken_limits(result)
    for sentence in sentences:
        print(f'soak: {sentence}', file=sys.stderr)
    return 1 if sentences else 0


if __name__ == '__main__':
    sys.exit(main())
