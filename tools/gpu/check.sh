#!/usr/bin/env bash
# Checks rcnn on a machine with a GPU, from a bundle that make_bundle.sh has packed: a folder that is copied there with this tree.
#
#   tools/gpu/check.sh [--only=STEP] [--compile] [--seconds=280] [--out=gpu_check]
#   tools/gpu/check.sh --device=cpu --sizes=small --programs=bazel-bin     a rehearsal, without a bundle and a GPU
#
# docs/gpu.md says what the steps show. Needs python3 with torch 2.11 and torchvision 0.26, which the bundle's programs use too.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/check.py" "$@"
