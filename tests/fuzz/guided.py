# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Let the coverage of our own code guide the damage, with Google's Atheris and libFuzzer.

    pip install 'elepose[fuzz]'
    python tests/fuzz/guided.py KIND [arguments of libFuzzer, such as -max_total_time=60]

KIND is a message (People2D, Image, CompressedImage, CameraInfo: its CDR bytes) or a file (PoseSet,
bag_mcap, bag_sqlite3, coco_json, openpose_json: its bytes). Anything but InputError is a find.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / 'tests' / 'fuzz' / 'corpus'
GOOD = {
    'PoseSet': 'pose_set.npz',
    'bag_mcap': 'bag_mcap.mcap',
    'bag_sqlite3': 'bag_sqlite3.db3',
    'coco_json': 'coco.json',
    'openpose_json': 'openpose.json',
}
ENDINGS = {'bag_mcap': 'bag.mcap', 'bag_sqlite3': 'bag.db3'}


def good_inputs(kind: str, messages: Any) -> list[bytes]:
    """Return what the damage starts from."""
    if kind in GOOD:
        return [(CORPUS / GOOD[kind]).read_bytes()]
    from random import Random

    from rclpy.serialization import serialize_message

    made = [messages[kind].make(Random(seed)) for seed in range(40)]
    return [serialize_message(one) for one in made if not isinstance(one, tuple)]


def main() -> None:
    """Fuzz one kind until libFuzzer ends."""
    sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]
    import atheris

    kind, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=['elepose_core', 'elepose_ros']):
        from fuzz.files import FILES, KEYPOINT_FILES

        if kind in GOOD:
            messages, target = {}, {**FILES, **KEYPOINT_FILES}[kind]
        else:
            from fuzz.messages import MESSAGES

            messages, target = MESSAGES, MESSAGES[kind]
    from elepose_core.errors import InputError
    from fuzz.trial import UnreadableError

    def one_input(data: bytes) -> None:
        try:
            target.take({ENDINGS[kind]: data} if kind in ENDINGS else data)
        except (InputError, UnreadableError):
            return

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(good_inputs(kind, messages)):
            Path(folder, str(number)).write_bytes(data)
        atheris.Setup([sys.argv[0], *arguments, folder], one_input)
        atheris.Fuzz()


if __name__ == '__main__':
    main()
