#!/usr/bin/env bash
# Runs the C++ tests of one folder with address and undefined-behaviour errors.
#
#   tools/developer/sanitize_one_folder.sh              the folder, or part of it, of this commit
#   tools/developer/sanitize_one_folder.sh data/coco    all tests of that folder
#   tools/developer/sanitize_one_folder.sh --turns      what the turns are
#
# The number of commits up to this one chooses among turns of at most eight tests of one folder, so
# that successive commits go through all of them; two commits share a turn, because a slow machine has
# time for these tests at every second one. Tests that have not run after RCNN_SANITIZE_SECONDS (600)
# are named and left out; what was compiled is in Bazel's cache for the next run. Fails if a test or the build
# fails. Exits with 75 if no test has run by then.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
trap 'exit 130' INT

most_tests=8

# Whose tests are compiled, with all that they depend on, and run within ten minutes of two cores.
folders=(
  base
  base/testing
  configs
  configs/testing
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
  data/shards
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
  ops
  ops/kernels
)
# Whose tests train, or compile most of the tree: by hand before a release, with sanitize_all.sh.
by_hand=(
  detection
  detection/convolution
  ops/cpu
  ops/cuda
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

# cc_tests FOLDER...: their labels, one a line, folder by folder.
cc_tests() {
  ./bazelw query --noshow_progress "kind(cc_test, set($(printf '//%s:all ' "$@")))" 2> /dev/null | LC_ALL=C sort
}

# Of labels: "//data/coco 0" for the first eight tests of the folder, then "//data/coco 1".
turns_of() {
  awk -F: -v most="${most_tests}" '{ n = seen[$1]++; print $1, int(n / most) }' | uniq
}

# tests_of_turn TURN: the labels of that turn, of the labels on standard input.
tests_of_turn() {
  awk -F: -v most="${most_tests}" -v turn="$1" '{ n = seen[$1]++; if ($1 " " int(n / most) == turn) print }'
}

if [[ $# -gt 0 && $1 != --turns ]]; then
  what="the tests of $1"
  tests=$(cc_tests "$1")
else
  all=$(cc_tests "${folders[@]}")
  mapfile -t turns < <(turns_of <<< "${all}")
  if [[ ${1:-} == --turns ]]; then
    printf '%s\n' "${turns[@]}"
    exit 0
  fi
  number=$(git rev-list --count HEAD)
  # A shallow clone has one commit: then the day takes turns.
  [[ $(git rev-parse --is-shallow-repository) == true ]] && number=$(($(date +%s) / 86400))
  turn=$((number / 2 % ${#turns[@]}))
  what="turn $((turn + 1)) of ${#turns[@]}, ${turns[turn]}"
  tests=$(tests_of_turn "${turns[turn]}" <<< "${all}")
fi
if [[ -z ${tests} ]]; then
  echo "$0: no tests: ${what}" >&2
  exit 1
fi
seconds=${RCNN_SANITIZE_SECONDS:-600}
echo "${what}: $(wc -l <<< "${tests}") tests with address and undefined-behaviour errors"

log=$(mktemp)
trap 'rm -f "${log}"' EXIT
# In the foreground, so that Ctrl-C reaches Bazel. tee ends with it, and not before.
# shellcheck disable=SC2086  # labels have no spaces
timeout --foreground --signal=INT --kill-after=60 "${seconds}" ./bazelw test --config=asan --config=ubsan \
  --experimental_convenience_symlinks=ignore --build_tests_only --keep_going ${tests} 2>&1 | tee -i "${log}"
status=${PIPESTATUS[0]}
# Bazel did not end within 60 s of being interrupted.
if ((status == 137 && SECONDS >= seconds)); then status=124; fi
passed=$(grep -cE '^//[^ ]+ +(\(cached\) )?PASSED' "${log}")
bad=$(grep -cE '^//[^ ]+ +(\(cached\) )?(FAILED|FLAKY|TIMEOUT)' "${log}")
# The line that Bazel prints at once, if it was stopped before its summary.
if ((bad == 0)); then bad=$(grep -cE '^(FAIL|TIMEOUT): //' "${log}"); fi

if [[ ${status} -eq 124 && ${bad} -eq 0 && ${passed} -eq 0 ]]; then
  echo "notice: none of these tests has run within ${seconds} s, which only compiled; they may pass or fail: ${what}"
  exit 75
fi
if [[ ${status} -eq 124 && ${bad} -eq 0 ]]; then
  echo "notice: ${passed} tests are clean; the others did not run within ${seconds} s:"
  grep -E '^//[^ ]+ +NO STATUS' "${log}" || echo "${tests}"
  exit 0
fi
echo "${passed} tests are clean, ${bad} failed"
[[ ${status} -eq 0 && ${passed} -gt 0 ]]
