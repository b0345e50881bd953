# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile messages and files by the hundred thousand: accepted, or refused in one sentence.

    python benchmarks/fuzz.py --messages 100000 --files 100000 --json docs/results/fuzz.json

Messages count when the middleware makes an object of them, so that they reach our code. The
inputs are those of `tests/fuzz/`; input number N of a kind is the same whenever the seed is. They
run in processes of their own with an upper limit on memory, so that a crash, a hang or a bomb is
found out and costs one input: it is reported and the run goes on behind it. A run that was cut off
goes on where it was when it is started again. Exit code 1 = something was found.
"""

import argparse
import collections
import faulthandler
import importlib
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = {'messages': 'messages', 'files': 'files', 'keypoint_files': 'files'}
CHUNK = 5000
# Wall time, on a machine that does other things; the slowest input is told in time on the core.
HANG_S = 60.0
ADDRESS_SPACE = 6 << 30
# The largest input that is made here has 32 MB.
MOST_GROWTH_MB = 256
REACHED = ('accepted', 'refused')


def targets(family: str) -> Any:
    """Return the kinds of inputs of a family by name."""
    sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]
    return getattr(importlib.import_module(f'fuzz.{FAMILIES[family]}'), family.upper())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(family: str, seed: int, numbers: tuple[int, int], progress: Path) -> int:
    """Try the inputs of one chunk and print what came of them; the parent reads it."""
    answer = os.fdopen(os.dup(1), 'w')
    # Image libraries and the middleware talk on both about each damaged input.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    from_family = targets(family)
    trial = importlib.import_module('fuzz.trial').trial
    # An overflow or an invalid operation is a bug as well.
    warnings.simplefilter('error', RuntimeWarning)
    kinds = list(from_family)
    counts: dict[str, collections.Counter[str]] = {k: collections.Counter() for k in kinds}
    slowest: dict[str, list[float]] = {kind: [0.0, 0] for kind in kinds}
    bugs, hungriest = [], [0.0, '', 0]
    warm_up(from_family, trial)
    log = os.open(progress, os.O_WRONLY | os.O_CREAT)
    for number in range(*numbers):
        kind = kinds[number % len(kinds)]
        os.pwrite(log, number.to_bytes(8, 'little'), 0)
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        before_mb, begin_s = peak_mb(), time.process_time()
        try:
            counts[kind][trial(from_family[kind], random.Random(f'{seed} {kind} {number}'))] += 1
        except Exception as error:
            counts[kind]['bug'] += 1
            frames = traceback.extract_tb(error.__traceback__)[-4:]
            where = [f'{Path(frame.filename).name}:{frame.lineno}' for frame in frames]
            bugs.append([kind, number, f'{type(error).__name__}: {error}'[:300], where])
        cost_s = time.process_time() - begin_s
        slowest[kind] = max(slowest[kind], [cost_s, number])
        hungriest = max(hungriest, [peak_mb() - before_mb, kind, number])
    faulthandler.cancel_dump_traceback_later()
    found = {
        'start': numbers[0],
        'counts': counts,
        'slowest': slowest,
        'hungriest': hungriest,
        'bugs': bugs,
        'peak_mb': peak_mb(),
    }
    answer.write(json.dumps(found))
    answer.close()
    return 0


def warm_up(from_family: Any, trial: Any) -> None:
    """Load what loads lazily, whose time and memory are no input's."""
    for target in from_family.values():
        for seed in range(12):
            try:
                trial(target, random.Random(seed))
            except Exception:  # found again, and told, when its turn comes
                continue


def chunk(family: str, seed: int, numbers: tuple[int, int], folder: Path) -> dict[str, Any]:
    """Run one chunk in a process; where it dies the rest of the chunk is left to the next."""
    start, end = numbers
    progress = folder / f'{family}-{seed}-{start}.progress'
    command = [sys.executable, __file__, '--worker', family, '--seed', str(seed)]
    command += ['--from-to', str(start), str(end), str(progress)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    number = int.from_bytes(progress.read_bytes(), 'little') if progress.exists() else start
    progress.unlink(missing_ok=True)
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)
        found['next'] = end
        return found
    kind = list(targets(family))[number % len(targets(family))]
    crash = [kind, number, f'the process ended with {done.returncode}', []]
    return {'start': start, 'next': number + 1, 'crashes': [crash]}


def run(family: str, wanted: int, options: argparse.Namespace) -> dict[str, Any]:
    """Try inputs of a family until so many have reached our code."""
    kept = options.folder / f'{family}-{options.seed}.jsonl'
    chunks = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    before = max((found['next'] for found in chunks), default=0)
    size = min(CHUNK, wanted)
    starts = itertools.count(before, size)
    lock = threading.Lock()

    def try_chunks() -> None:
        while True:
            with lock:
                if reached(chunks) >= wanted:
                    return
                start = next(starts)
            end = start + size
            while start < end:
                found = chunk(family, options.seed, (start, end), options.folder)
                start = found['next']
                with lock, kept.open('a') as file:
                    chunks.append(found)
                    file.write(json.dumps(found) + '\n')
                sys.stderr.write(f'{family}: {reached(chunks)} of {wanted}\n')

    with ThreadPoolExecutor(options.workers) as pool:
        for future in [pool.submit(try_chunks) for _ in range(options.workers)]:
            future.result()
    return summary(chunks)


def reached(chunks: list[dict[str, Any]]) -> int:
    return sum(
        counts.get(outcome, 0)
        for found in chunks
        for counts in found.get('counts', {}).values()
        for outcome in REACHED
    )


def summary(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the chunks together."""
    whole = [found for found in chunks if 'counts' in found]
    kinds = {}
    for kind in whole[0]['counts'] if whole else ():
        counts: collections.Counter[str] = collections.Counter()
        for found in whole:
            counts.update(found['counts'][kind])
        cost_s, number = max(found['slowest'][kind] for found in whole)
        kinds[kind] = {
            **dict(sorted(counts.items())),
            'slowest_ms': round(cost_s * 1e3, 1),
            'slowest_input': number,
        }
    growth_mb, kind, number = max((found['hungriest'] for found in whole), default=[0, '', 0])
    return {
        'reached_our_code': reached(chunks),
        'kinds': kinds,
        'bugs': [bug for found in whole for bug in found['bugs']],
        'crashes': [crash for found in chunks for crash in found.get('crashes', [])],
        'largest_growth_mb': {'mb': round(growth_mb, 1), 'kind': kind, 'input': number},
        'peak_memory_mb': round(max((found['peak_mb'] for found in whole), default=0.0), 1),
    }


def report(family: str, found: dict[str, Any]) -> None:
    print(f'{family}: {found["reached_our_code"]} reached our code')
    for kind, figures in found['kinds'].items():
        told = ', '.join(f'{name} {value}' for name, value in figures.items())
        print(f'  {kind}: {told}')
    growth = found['largest_growth_mb']
    print(f'  memory: at most {growth["mb"]} MB for one input ({growth["kind"]})')
    print(f'  bugs {len(found["bugs"])}, crashes and hangs {len(found["crashes"])}')
    for kind, number, what, where in [*found['bugs'], *found['crashes']][:20]:
        print(f'  FOUND {kind} {number}: {what} at {" < ".join(reversed(where))}')


def again(found: dict[str, Any]) -> int:
    """Try once more what a run has found; returns how many of them are found again."""
    warnings.simplefilter('error', RuntimeWarning)
    left = 0
    for family in FAMILIES:
        part = found.get(family, {'bugs': [], 'crashes': []})
        for kind, number, what, _ in [*part['bugs'], *part['crashes']]:
            of_family, trial = targets(family), importlib.import_module('fuzz.trial').trial
            try:
                outcome = trial(of_family[kind], random.Random(f'{found["seed"]} {kind} {number}'))
            except Exception as error:
                outcome, left = f'found again: {error}', left + 1
            print(f'{kind} {number} ({what}): {outcome}')
    return left


def table(found: dict[str, Any]) -> str:
    """Return the figures of a run for docs/security.md."""
    lines = [
        f'`{found["command"]}`:',
        '',
        '| Input | taken | refused by us | refused by the middleware | slowest, on the core |',
        '|---|---|---|---|---|',
    ]
    for family in FAMILIES:
        for kind, figures in found.get(family, {}).get('kinds', {}).items():
            numbers = [f'{figures.get(key, 0):,}' for key in (*REACHED, 'refused_by_middleware')]
            lines.append(f'| {kind} | {" | ".join(numbers)} | {figures["slowest_ms"]:.0f} ms |')
    parts = [found[family] for family in FAMILIES if family in found]
    bugs = sum(len(part['bugs']) for part in parts)
    crashes = sum(len(part['crashes']) for part in parts)
    growth_mb = max(part['largest_growth_mb']['mb'] for part in parts)
    rest = f'Exceptions and warnings of numpy: {bugs}. Crashes and hangs: {crashes}. '
    rest += f'Memory for one input and its making: at most {growth_mb:.0f} MB.'
    return '\n'.join([*lines, '', rest])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--messages', type=int, default=2000, help='that reach our code')
    parser.add_argument('--files', type=int, default=2000, help='pose sets, bundles and bags')
    parser.add_argument('--keypoint-files', type=int, default=2000, help='of other tools')
    parser.add_argument('--workers', type=int, default=1, help='processes for each of the three')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', type=Path, help='write the figures there')
    parser.add_argument(
        '--folder', type=Path, default=ROOT / 'runs' / 'fuzz', help='what an interrupted run found'
    )
    parser.add_argument('--show', type=Path, metavar='JSON', help='print what a run has found')
    parser.add_argument('--again', type=Path, metavar='JSON', help='try what it has found again')
    parser.add_argument('--worker', choices=tuple(FAMILIES), help=argparse.SUPPRESS)
    parser.add_argument('--from-to', nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.show:
        print(table(json.loads(options.show.read_text())))
        return 0
    if options.again:
        return min(again(json.loads(options.again.read_text())), 1)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.worker:
        first, end, progress = options.from_to
        return work(options.worker, options.seed, (int(first), int(end)), Path(progress))
    wanted = {family: getattr(options, family) for family in FAMILIES if getattr(options, family)}
    with ThreadPoolExecutor(len(wanted) or 1) as pool:
        runs = {
            family: pool.submit(run, family, count, options) for family, count in wanted.items()
        }
    found = {family: future.result() for family, future in runs.items()}
    for family in found:
        report(family, found[family])
    if options.json:
        counts = ' '.join(f'--{f.replace("_", "-")} {getattr(options, f)}' for f in FAMILIES)
        command = f'python benchmarks/fuzz.py {counts} --seed {options.seed}'
        tree = {'command': command, 'seed': options.seed, **found}
        options.json.write_text(json.dumps(tree, indent=1) + '\n')
    is_bad = any(
        part['bugs'] or part['crashes'] or part['largest_growth_mb']['mb'] > MOST_GROWTH_MB
        for part in found.values()
    )
    return 1 if is_bad else 0


if __name__ == '__main__':
    sys.exit(main())
