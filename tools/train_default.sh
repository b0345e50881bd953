#!/usr/bin/env bash
# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
#
# Trains the shipped lifter, measures it and writes its bundle: train_default.sh DATA RUN
#   DATA  folder with mocap/{train_2d,val,test_*}.npz      RUN  folder of the run; goes on where it was cut off
set -euo pipefail
data=$1/mocap run=$2
results=docs/results/default
bundle=elepose_core/bundles/default.elepose
licence='CMU Graphics Lab Motion Capture Database (free for all uses); ACCAD Open Motion Project (CC BY 3.0)'
resume=()
if [ -e "$run/config.toml" ]; then resume=(--resume); fi
elepose train elepose --data "$data/train_2d.npz" --val "$data/val.npz" --config configs/default.toml \
  --out "$run" "${resume[@]}"
# Twice: what is measured is the calibrated bundle, and the bundle holds what was measured.
elepose export "$run" --out "$bundle" --data "$data/val.npz" --data-licence "$licence"
rm -rf "$results"
bash tools/measure.sh "$bundle" "$results" "$1"
elepose export "$run" --out "$bundle" --data "$data/val.npz" --data-licence "$licence" \
  --metrics "$results"/{val,test_*}{,_up_known}.json
python tools/model_card.py
