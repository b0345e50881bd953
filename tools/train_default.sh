#!/usr/bin/env bash
# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
#
# Trains the shipped lifter, measures it and writes its bundle: train_default.sh DATA RUN
#   DATA  folder with mocap/{train_2d,val,test_*}.npz      RUN  folder of the run; goes on where it was cut off
set -euo pipefail
data=$1/mocap run=$2
results=docs/results
resume=()
if [ -e "$run/config.toml" ]; then resume=(--resume); fi
elepose train elepose --data "$data/train_2d.npz" --val "$data/val.npz" --config configs/default.toml \
  --out "$run" "${resume[@]}"
figures=()
for name in val test_h36m test_eye test_robot_low test_ceiling; do
  elepose evaluate "$run" --data "$data/$name.npz" --json "$results/$name.json"
  elepose evaluate "$run" --data "$data/$name.npz" --up true --json "$results/${name}_up_known.json"
  figures+=("$results/$name.json" "$results/${name}_up_known.json")
done
elepose export "$run" --out elepose_core/bundles/default.elepose --data "$data/val.npz" --metrics "${figures[@]}" \
  --data-licence 'CMU Graphics Lab Motion Capture Database (free for all uses); ACCAD Open Motion Project (CC BY 3.0)'
