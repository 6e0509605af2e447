#!/usr/bin/env bash
# Runs ten minutes of the campaign with a fixed seed.
#
#   tools/campaign/run_ten_minutes.sh            seed 28
#   tools/campaign/run_ten_minutes.sh 29
#
# What the programs need is built before the time counts, within RCNN_CAMPAIGN_BUILD_SECONDS (400);
# if it is not, nothing was tested, and the script exits with 75. Each program begins no try after its
# seconds, and is stopped at its limit, as a failure; the limits add up to 600 s. One target is fuzzed,
# which the number of commits chooses from those that do without LibTorch; if Clang has not built it in
# the rest of the time for building, it is left out, with a notice. Fails if a program does. All this
# takes at most 1100 s, with the time that stopping takes.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
trap 'exit 130' INT

seed=${1:-28}
libraries=bazel-bin/tools/campaign
scheduler=bazel-bin/training/stage_scheduler
alternating=training/testing/tiny_alternating.textproto
others=tools/campaign/other_stages.textproto
fuzz=(tools/campaign/fuzz.py --turn "--folders=base,data,eval" "--seed=${seed}" "--found=${TMPDIR:-/tmp}/rcnn_fuzz")
failed=()
# What a program that had to be killed leaves behind is deleted at the end.
work=$(mktemp -d) || exit
trap 'rm -rf "${work}"' EXIT

# within LIMIT COMMAND...: a command that has to end in time. In the foreground, so that Ctrl-C
# reaches it; interrupted, the programs of the campaign end what they have started.
within() {
  local limit=$1 status
  shift
  echo "== ${*//bazel-bin\//} (${SECONDS} s)"
  TMPDIR=${work} timeout --foreground --signal=INT --kill-after=10 "${limit}" "$@"
  status=$?
  [[ ${status} -eq 0 ]] && return
  [[ ${status} -eq 124 ]] && echo "$1 has not ended after ${limit} s"
  failed+=("$1")
}

# build COMMAND...: 124 or 137 if the time for building is up.
build_seconds=${RCNN_CAMPAIGN_BUILD_SECONDS:-400}
build() {
  local left=$((build_seconds - SECONDS))
  ((left > 0)) || return 124
  timeout --foreground --signal=INT --kill-after=60 "${left}" "$@"
}

build ./bazelw build //training:stage_scheduler //tools/campaign:libfault_injection.so //tools/campaign:libpower_cut.so
built=$?
if [[ ${built} -eq 124 || ${built} -eq 137 ]]; then
  echo "notice: the programs were not built within ${build_seconds} s; what was compiled is in Bazel's cache"
  exit 75
fi
[[ ${built} -eq 0 ]] || exit "${built}"
build "${fuzz[@]}" --build_only
fuzz_built=$?

SECONDS=0
within 100 tools/campaign/flip.py "${scheduler}" "${alternating}" "--seed=${seed}" --seconds=65
within 130 tools/campaign/faults.py "${scheduler}" "${alternating}" "--seed=${seed}" --seconds=95 \
  "--library=${libraries}/libfault_injection.so"
within 100 tools/campaign/faults.py "${scheduler}" "${others}" "--seed=${seed}" --seconds=65 \
  "--library=${libraries}/libfault_injection.so"
within 170 tools/campaign/kill.py "${scheduler}" "${alternating}" "--seed=${seed}" --seconds=120 \
  "--also=${others}" "--library=${libraries}/libpower_cut.so"
if [[ ${fuzz_built} -eq 0 ]]; then
  within 100 "${fuzz[@]}" --seconds=60
elif [[ ${fuzz_built} -eq 124 || ${fuzz_built} -eq 137 ]]; then
  echo "notice: no target is fuzzed: it was not built in time; what was compiled is in Bazel's cache"
else
  failed+=("the build of ${fuzz[0]}")
fi
echo "the campaign took ${SECONDS} s with seed ${seed}; failed: ${failed[*]:-nothing}"
[[ ${#failed[@]} -eq 0 ]]
