#!/usr/bin/env bash
# Runs flip.py, faults.py and kill.py with a fixed seed, one after another.
#
#   tools/campaign/run_all.sh [SECONDS]
#
# SECONDS: for each; by default 170, ten minutes in all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

./bazelw build //training:stage_scheduler //tools/campaign:libfault_injection.so //tools/campaign:libpower_cut.so
scheduler=bazel-bin/training/stage_scheduler
experiment=training/testing/tiny_alternating.textproto
limits=(--seed=28 --seconds="${1:-170}")

tools/campaign/flip.py "${scheduler}" "${experiment}" "${limits[@]}"
tools/campaign/faults.py "${scheduler}" "${experiment}" "${limits[@]}" \
  --library=bazel-bin/tools/campaign/libfault_injection.so
tools/campaign/kill.py "${scheduler}" "${experiment}" "${limits[@]}" \
  --also=tools/campaign/other_stages.textproto --library=bazel-bin/tools/campaign/libpower_cut.so
