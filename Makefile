# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
# Every target sets up what it needs; a second set-up takes seconds. See CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The environment file of ROS reads unset variables.
ENTER = set +u; source .venv/elepose.bash; set -u
PYTHON_FOLDERS = elepose_core elepose_ros tests $(wildcard benchmarks demo docs) tools scripts setup.py launch
# One test: make test T=core/test_images.py, or any argument of pytest.
T ?=
# One process takes all that starts nodes, the other the rest; see tests/conftest.py.
PARALLEL = -n 2 --dist loadgroup --no-loadscope-reorder
TEST_ARGUMENTS = $(if $(T),$(if $(wildcard tests/$(T)),tests/$(T),$(T)),)
BENCHMARKS = $(sort $(wildcard benchmarks/*.py))
# Steps of a row of the ablations.
STEPS ?= discovery=1000 alternation=1000 training=4000
# A finished run of the whole recipe, which the ablations start from.
BASE ?= runs/default
# Where the runs of all methods are kept, <row>_seed_<n> each.
RUNS ?= runs/methods
DEFAULT_DATA ?= $(or $(ELEPOSE_DATA),$(error set ELEPOSE_DATA to the folder that holds mocap/))

.PHONY: help setup format check test test-ros test-ros-adapters test-numpy1 demo bench fuzz train-example train-default ablations benchmark-methods docs clean

help:
	@sed -n 's/^## //p' Makefile

## make setup          make .venv (Python, ROS 2) and .ros (messages and nodes); then: source .venv/elepose.bash
setup:
	@bash tools/ros/setup.sh

## make format         tidy the sources
format: setup
	@$(ENTER)
	ruff check --fix-only --quiet $(PYTHON_FOLDERS)
	ruff format $(PYTHON_FOLDERS)

## make check          lint, format, types, architecture; no tests
check: setup
	@$(ENTER)
	ruff check $(PYTHON_FOLDERS)
	ruff format --diff --quiet $(PYTHON_FOLDERS)
	mypy --strict elepose_core elepose_ros
	python3 -m pytest -q --no-header tests/core/test_architecture.py

## make test           check, then every test with real ROS 2; make test T=core/test_images.py runs one
ifeq ($(T),)
test: check
else
test: setup
endif
	@$(ENTER)
	python3 -m pytest $(TEST_ARGUMENTS) $(if $(T),,$(PARALLEL))

## make test-ros       the tests over real ROS 2 processes
test-ros: setup
	@$(ENTER)
	python3 -m pytest tests/ros tests/test_launch.py

## make test-ros-adapters  input from yolo_ros, ZED and ROS4HRI, output to ROS4HRI, with their real messages
test-ros-adapters: setup
	@$(ENTER)
	bash tools/ros/test_interfaces.sh
	set +u; source .ros/test_interfaces/install/local_setup.bash; set -u
	python3 -m pytest tests/ros/test_adapters.py tests/ros/test_foreign_topics.py tests/ros/test_topics_page.py

## make test-faults    the faults at full length: a minute of overload, a thousand lifecycle requests
test-faults: setup
	@$(ENTER)
	ELEPOSE_FAULTS=full python3 -m pytest tests/ros/faults

## make test-numpy1    the library's tests with NumPy 1.26
test-numpy1: setup
	@bash tools/numpy1.sh .venv .venv-numpy1
	.venv-numpy1/bin/python -m pytest tests/core elepose_core

## make demo           the shipped recording through the real nodes; pictures and a table in demo/out
demo: setup
	@$(ENTER)
	python3 demo/run.py

## make bench          speed and memory, one JSON line per figure
bench: setup
	@$(ENTER)
	for benchmark in $(BENCHMARKS); do
	  echo "== $$benchmark"
	  if grep -q ELEPOSE_DATA "$$benchmark" && [ -z "$${ELEPOSE_DATA:-}" ]; then
	    echo 'skipped: ELEPOSE_DATA is not set'
	  else
	    python3 "$$benchmark"
	  fi
	done

## make fuzz           hostile messages and files by the hundred thousand; half an hour, and goes on where it was cut off
fuzz: setup
	@$(ENTER)
	python3 benchmarks/fuzz.py --messages 100000 --files 100000 --keypoint-files 20000 --json docs/results/fuzz.json

## make train-example  train a small lifter on the data of this repository in a few minutes, and measure it
train-example: setup
	@$(ENTER)
	rm -rf runs/example
	elepose train elepose --config configs/example.toml --data data/example/train_2d.npz \
	  --val tests/data/poses_3d.npz --out runs/example
	elepose evaluate runs/example --data tests/data/poses_3d.npz

## make train-default  train, export and evaluate the shipped lifter again 
train-default: setup
	@$(ENTER)
	bash tools/train_default.sh $(DEFAULT_DATA) runs/default

## make ablations      what each ingredient of the recipe is worth: a table; hours, and goes on where it was cut off
ablations: setup
	@$(ENTER)
	python3 tools/ablations.py $(DEFAULT_DATA) $(BASE) runs/ablations --steps $(STEPS) --seeds 0 1 2

## make benchmark-methods  all methods of training side by side: trains what is not in RUNS (hours), measures, prints the table
benchmark-methods: setup
	@$(ENTER)
	python3 tools/methods.py $(DEFAULT_DATA) $(RUNS) --train --latency

## make docs           write the generated pages of docs/ again
docs: setup
	@$(ENTER)
	python3 tools/write_docs.py

## make clean          remove everything that the other targets made
clean:
	@rm -rf .venv .venv-numpy1 .ros build install log demo/out *.egg-info .mypy_cache .pytest_cache .ruff_cache
