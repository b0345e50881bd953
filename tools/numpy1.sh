#!/usr/bin/env bash
# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
# numpy1.sh VENV NEW: an environment NEW that is VENV with NumPy 1.26.4 in front of its newer NumPy.
set -euo pipefail
venv=$(cd "$1" && pwd)
new=$2
wanted="1.26.4 $(cat "$venv/.elepose-packages")"
[ "$(cat "$new/.made" 2> /dev/null)" = "$wanted" ] && exit 0
rm -rf "$new"
"$venv/bin/python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' \
  || { echo 'numpy1: NumPy 1.26 exists up to Python 3.12' >&2; exit 1; }
"$venv/bin/python" -m venv "$new"
"$new/bin/python" -m pip install -q --disable-pip-version-check --no-deps 'numpy==1.26.4'
# A path entry comes after the environment's own folder, so everything but NumPy is VENV's.
"$new/bin/python" - "$venv" << 'END'
import sys
import sysconfig
from pathlib import Path

venv, root = Path(sys.argv[1]), Path(sys.argv[1]).parent
own = Path(sysconfig.get_path('purelib'))
(own / 'elepose.pth').write_text(f'{root}\n{venv / own.relative_to(sys.prefix)}\n')
END
"$new/bin/python" -c 'import numpy, scipy, onnxruntime; assert numpy.__version__ == "1.26.4", numpy.__version__'
echo "$wanted" > "$new/.made"
