#!/usr/bin/env bash
# Runs the C++ tests of one folder with address and undefined-behaviour errors.
#
#   tools/developer/sanitize_one_folder.sh              the folder of this commit
#   tools/developer/sanitize_one_folder.sh data/coco    that folder
#
# The number of commits up to this one chooses the folder, so that successive commits go through all
# of them. Tests that have not run after RCNN_SANITIZE_SECONDS (600) are named and left for the next
# time, which finds what has been compiled. Fails if a test fails, or if none has passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Whose tests are compiled, with all that they depend on, and run within ten minutes of two cores.
folders=(
  base
  base/testing
  configs
  data/coco
  data/core
  data/csv
  data/cvat
  data/image
  data/inspection
  data/labelme
  data/loader
  data/proposals
  data/selective_search
  data/shapes
  data/sources
  data/split
  data/voc
  data/yolo
  detection/weights
  eval
  eval/compare
  eval/curves
  eval/errors
  eval/html
  eval/testing
  ops
)
# Whose tests train, or compile most of the tree: by hand before a release, with
#   ./bazelw test --config=asan --config=ubsan //detection/... //ops/... //tools/... //training/...
by_hand=(
  detection
  detection/convolution
  ops/cpu
  ops/cuda
  ops/kernels
  ops/testing
  tools
  tools/developer
  training/config
  training/distributed
  training/plan
  training/scheduler
  training/stages
  training/trainer
)

with_tests=$(git grep -lE '^ *rcnn_cc_(fuzz_)?test\(' -- '*/BUILD' ':!examples' | sed 's|/BUILD$||' | sort)
listed=$(printf '%s\n' "${folders[@]}" "${by_hand[@]}" | sort)
if [[ ${listed} != "${with_tests}" ]]; then
  echo "The lists of $0 are not the folders with tests:" >&2
  diff <(echo "${listed}") <(echo "${with_tests}") >&2
  exit 1
fi

number=$(git rev-list --count HEAD)
folder=${1:-${folders[number % ${#folders[@]}]}}
seconds=${RCNN_SANITIZE_SECONDS:-600}
echo "commit number ${number}: tests of ${folder} with address and undefined-behaviour errors"

log=$(mktemp)
trap 'rm -f "${log}"' EXIT
timeout --signal=INT --kill-after=60 "${seconds}" ./bazelw test --config=asan --config=ubsan \
  --experimental_convenience_symlinks=ignore --build_tests_only --keep_going \
  --test_lang_filters=cc "//${folder}:all" 2>&1 | tee "${log}"
status=${PIPESTATUS[0]}
passed=$(grep -cE '^//[^ ]+ +(\(cached\) )?PASSED' "${log}")
bad=$(grep -cE '^//[^ ]+ +(\(cached\) )?(FAILED|FLAKY|TIMEOUT)' "${log}")

if [[ ${status} -eq 124 && ${bad} -eq 0 && ${passed} -gt 0 ]]; then
  echo "${passed} tests of ${folder} are clean; the others did not run within ${seconds} s:"
  grep -E '^//[^ ]+ +NO STATUS' "${log}"
  exit 0
fi
echo "${passed} tests of ${folder} are clean, ${bad} failed"
[[ ${status} -eq 0 && ${passed} -gt 0 ]]
