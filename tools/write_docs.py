# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Write the pages of docs/ that repeat what the code says: write_docs.py [FOLDER]."""

import importlib.util
import sys
from pathlib import Path

from methods_page import methods_page
from node_topics import initialised, topics_page
from tuning_page import tuning_page

from elepose_ros.parameters import markdown_table

PARAMETERS = """\
# Parameters of the nodes

Written by `make docs` from `elepose_ros/parameter_table.py`. `config/lift.yaml` holds the same
values; give your own file with `params_file:=`. Those that change "at start" are refused while a
node runs.

"""


def write(folder: Path) -> None:
    """Write the generated pages into a folder."""
    text = f'{PARAMETERS}{markdown_table()}\n'
    (folder / 'parameters.md').write_text(text, encoding='utf-8')
    (folder / 'tuning.md').write_text(tuning_page(), encoding='utf-8')
    (folder / 'methods.md').write_text(methods_page(), encoding='utf-8')
    if importlib.util.find_spec('rclpy') is None:
        print('ROS 2 is not sourced: topics.md, which the nodes tell, stays as it is')
        return
    with initialised():
        (folder / 'topics.md').write_text(topics_page(), encoding='utf-8')


if __name__ == '__main__':
    write(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / 'docs'))
