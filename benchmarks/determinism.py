# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped recordings offline (`elepose lift`) and live (real nodes over DDS): the same bytes?

    python benchmarks/determinism.py --json docs/results/determinism.json

Prints the SHA-256 of all keypoints, skeletons and camera elevations of a recording, once by the
command and once by the nodes, which a replay in step (`replay --in-step`) keeps from dropping
frames. Both lift on the CPU. Exit code 1 when one differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Of its own, so that other nodes on this machine do not mix in; before rclpy is imported.
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 9)
os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(ROOT / 'config' / 'fastdds.xml'))

from support.live_replay import checksums, play_live  # noqa: E402

RECORDINGS = ('walk', 'two_people')
TOPICS = ('/keypoints', '/skeletons', '/camera_elevation')
NODE = (
    *('pipeline', '--ros-args', '-p', 'device:=cpu', '-p', 'image_transport:=compressed'),
    *('-p', 'image_reliability:=reliable', '-p', 'keypoints_reliability:=reliable'),
    *('-r', 'image:=/camera/image', '-r', 'camera_info:=/camera/camera_info'),
)


def lift(recording: Path, out: Path) -> None:
    """Run the command on a bag."""
    command = [sys.executable, '-m', 'elepose_core', 'lift', str(recording), '--out', str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def compared(name: str, folder: Path) -> dict[str, Any]:
    """Return the checksums of a recording by both ways."""
    recording = ROOT / 'demo' / 'recording' / name
    lift(recording, folder / f'{name}_offline')
    play_live(recording, folder / f'{name}_live', NODE, '/camera/image/compressed', TOPICS)
    ways = {way: checksums(folder / f'{name}_{way}', TOPICS) for way in ('offline', 'live')}
    return {**ways, 'identical': ways['offline'] == ways['live']}


def main() -> int:
    """Compare, and say which recording differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--recordings', nargs='+', choices=RECORDINGS, default=RECORDINGS)
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.recordings:
            result[name] = compared(name, Path(folder))
            for way in ('offline', 'live'):
                for topic, found in result[name][way].items():
                    print(f'{name:11} {way:8} {topic:18} {found["messages"]} {found["sha256"]}')
            print(f'{name:11} {"identical" if result[name]["identical"] else "DIFFERENT"}')
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    return 0 if all(found['identical'] for found in result.values()) else 1


if __name__ == '__main__':
    sys.exit(main())
