#!/usr/bin/env bash
# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
#
# Measures a bundle or a run on val and the four test sets: measure.sh MODEL OUT DATA [CONDITION...]
#   OUT   folder for <set>.json and <set>_<condition>.json; what is there already is kept
#   DATA  folder with mocap/{val,test_*}.npz
#   CONDITION  of those below; all when none is named
set -euo pipefail
model=$1 out=$2 data=$3/mocap
shift 3
declare -A options=(
  [plain]=''
  [up_known]='--up true'
  [roll_15]='--roll-deg 15'
  [missing_3]='--missing 3'
  [noise_5]='--noise-px-at-300 5'
  [window_1s]='--window-s 1'
  [window_1s_missing_3]='--window-s 1 --missing 3'
  [window_1s_noise_5]='--window-s 1 --noise-px-at-300 5'
)
conditions=("$@")
if [ $# -eq 0 ]; then
  conditions=(
    plain up_known roll_15 missing_3 noise_5 window_1s window_1s_missing_3 window_1s_noise_5
  )
fi
mkdir -p "$out"
for condition in "${conditions[@]}"; do
  if [ -z "${options[$condition]+known}" ]; then
    echo "measure.sh: condition is $condition; expected one of ${!options[*]}" >&2
    exit 2
  fi
  for name in val test_h36m test_eye test_robot_low test_ceiling; do
    suffix="_$condition"
    if [ "$condition" = plain ]; then suffix=''; fi
    json=$out/$name$suffix.json
    if [ -e "$json" ]; then continue; fi
    # shellcheck disable=SC2086 # an option and its value are two words
    elepose evaluate "$model" --data "$data/$name.npz" --json "$json" ${options[$condition]}
  done
done
