# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a virtual environment that holds ROS 2 wheels into an underlay that colcon can build on.

Usage: finish_wheels.py VENV DISTRO
"""

import re
import sys
from pathlib import Path

# The folder of the machine that built the wheels; it exists nowhere else.
FOREIGN = '/opt/python/'
SETUP = """\
# ROS 2 {distro} from wheels, as /opt/ros/{distro}/setup.bash; made by tools/ros/finish_wheels.py.
_elepose_prepend() {{  # NAME ENTRY
  eval "_elepose_old=\\${{$1:-}}"
  case ":$_elepose_old:" in
    *":$2:"*) ;;
    *) export "$1=$2${{_elepose_old:+:$_elepose_old}}" ;;
  esac
}}
_elepose_prepend PATH '{venv}/bin'
_elepose_prepend AMENT_PREFIX_PATH '{venv}'
_elepose_prepend CMAKE_PREFIX_PATH '{venv}'
{libraries}
export VIRTUAL_ENV='{venv}'
# The wheels' start-up hook would run every python twice to set the library path that is set here.
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
export ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO={distro} RMW_IMPLEMENTATION=rmw_fastrtps_cpp
unset -f _elepose_prepend
unset _elepose_old
"""


def drop_foreign_paths(venv: Path) -> None:
    """Remove the build machine's folders, which CMake and ament would otherwise look for."""

    def without_foreign(match: re.Match[str]) -> str:
        folders = [f for f in match[2].split(';') if not f.startswith(FOREIGN)]
        return f'{match[1]}"{";".join(folders)}"'

    for file in venv.glob('share/*/cmake/*Export.cmake'):
        old = file.read_text(encoding='utf-8')
        new = re.sub(r'(INTERFACE_INCLUDE_DIRECTORIES )"([^"]*)"', without_foreign, old)
        if new != old:
            file.write_text(new, encoding='utf-8')
    for file in venv.glob('share/ament_index/resource_index/parent_prefix_path/*'):
        if FOREIGN in file.read_text(encoding='utf-8'):
            file.write_text('', encoding='utf-8')


def write_setup_files(venv: Path, distro: str) -> None:
    """Write setup.* and local_setup.*; colcon's install/setup.* looks for the latter."""
    libraries = [venv / 'lib', *sorted(venv.glob('lib/python3.*/site-packages/ros_*.libs'))]
    lines = [f"_elepose_prepend LD_LIBRARY_PATH '{folder}'" for folder in reversed(libraries)]
    text = SETUP.format(venv=venv, distro=distro, libraries='\n'.join(lines))
    for shell in ('sh', 'bash', 'zsh'):
        for name in ('setup', 'local_setup'):
            (venv / f'{name}.{shell}').write_text(text, encoding='utf-8')


if __name__ == '__main__':
    prefix = Path(sys.argv[1]).resolve()
    drop_foreign_paths(prefix)
    write_setup_files(prefix, sys.argv[2])
