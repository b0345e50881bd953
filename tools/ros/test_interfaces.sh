#!/usr/bin/env bash
# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds tests/interfaces, the messages of other packages that the tests need, into .ros/test_interfaces. To be run
# in the environment of .venv/elepose.bash. What is installed is left out; what is up to date stays.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
built=$root/.ros/test_interfaces

wanted=()
for folder in tests/interfaces/*/; do
  package=$(basename "$folder")
  python3 -c 'import sys, ament_index_python as a; a.get_package_prefix(sys.argv[1])' "$package" 2> /dev/null \
    || wanted+=("$package")
done
digest=$( (find tests/interfaces -type f | sort | xargs cat; echo "${wanted[*]}"; command -v python3) | sha256sum)
if [ "$(cat "$built/done" 2> /dev/null)" = "$digest" ]; then exit; fi
rm -rf "$built"
mkdir -p "$built/install"
if [ ${#wanted[@]} -gt 0 ]; then
  printf 'setup: building %s (about a minute)\n' "${wanted[*]}"
  MAKEFLAGS="-j$(nproc)" colcon --log-base "$built/log" build --merge-install --executor sequential \
    --base-paths tests/interfaces --packages-select "${wanted[@]}" \
    --build-base "$built/build" --install-base "$built/install" \
    --cmake-args "-DPython3_EXECUTABLE=$(command -v python3)" -DBUILD_TESTING=OFF -Wno-dev > "$built/build.txt" 2>&1 \
    || { cat "$built/build.txt" >&2; exit 1; }
else
  : > "$built/install/local_setup.bash"
fi
echo "$digest" > "$built/done"
