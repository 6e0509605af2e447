#!/usr/bin/env bash
# Checks the repository with LibTorch 2.11, which it installs: runs the tests of base, ops and detection, trains in four steps
# with both LibTorchs and compares what they trained, builds everything, and uses librcnn_ops.so from pip's torch.
#
#   tools/developer/check_libtorch2.sh
#   tools/developer/check_libtorch2.sh --seconds=1700   ends after so long, and at most 100 s more; without pip's torch (5 GB),
#                                                       which check_python_library.sh --seconds=500 uses
#
# Ends at the first failure. Exits with 75, after a notice, if LibTorch cannot be fetched (install_libtorch.sh says when that
# is), if the time is up and no test has failed, or if everything passed but pip's torch cannot be installed; what was compiled by
# then is in Bazel's cache for the next run.
#
# torchvision_parity_test, whose models take minutes each, is left out: ./bazelw test --config=libtorch2
# //detection:torchvision_parity_test.
#
# The build has an output base of its own. In one output base each LibTorch would evict what was built with the other, and the
# next build with the default one would analyse everything and link all programs again. The disk cache is common to both, so
# that what includes no LibTorch is compiled once. With --seconds the output base, which is gigabytes, is deleted at the end.
# Links such as bazel-bin are left alone, and so is user.bazelrc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
trap 'exit 130' INT
source tools/developer/output_base.sh

seconds=0
if [[ $# -eq 1 && $1 =~ ^--seconds=([1-9][0-9]*)$ ]]; then
  seconds=${BASH_REMATCH[1]}
elif [[ $# -gt 0 ]]; then
  echo "$0: $*: not --seconds=N" >&2
  exit 2
fi

# Of the time a third: without the rest nothing could be compiled.
home=$(RCNN_INSTALL_SECONDS=$(((seconds + 2) / 3)) tools/setup/install_libtorch.sh cpu --print_home) || exit

base=$(./bazelw info output_base)_libtorch2
flags=("--repo_env=LIBTORCH_HOME=${home}" --repo_env=RCNN_LIBTORCH_CUDA=0 --experimental_convenience_symlinks=ignore)
if ((seconds > 0)); then
  base+=_limited
else
  flags+=(--keep_going)
fi
libtorch2=(./bazelw "--output_base=${base}")

clean_up() {
  set +e  # what cannot be deleted does not change the result
  if ((seconds > 0)); then
    delete_output_base "${base}"
  else
    bazel "--output_base=${base}" shutdown
  fi
  rm -rf "${work}"
}
work=$(mktemp -d)
trap clean_up EXIT

# time_is_up STEP
time_is_up() {
  echo "notice: LibTorch 2.11: the ${seconds} s were over before the end of: $1"
  exit 75
}

# fail STEP
fail() {
  echo "FAILED: LibTorch 2.11: $1"
  exit 1
}

# step NAME COMMAND...: within the time that is left. The command is in the foreground, so that Ctrl-C reaches it.
step() {
  local name=$1 status=0 left=$((seconds - SECONDS))
  shift
  echo "== LibTorch 2.11: ${name} ($((SECONDS / 60)) min)"
  if ((seconds == 0)); then
    "$@" || status=$?
    if ((status == 75)); then exit 75; fi
    ((status == 0)) || fail "${name}"
    return
  fi
  if ((left <= 0)); then time_is_up "${name}"; fi
  timeout --foreground --signal=INT --kill-after=30 "${left}" "$@" 2>&1 | tee -i "${work}/log" || status=$?
  if ((status == 0)); then return; fi
  if ((status == 124 || (status == 137 && SECONDS >= seconds))) &&
    ! grep -qE '^((FAIL|TIMEOUT): //|//[^ ]+ +(FAILED|TIMEOUT))' "${work}/log"; then
    time_is_up "${name}"
  fi
  fail "${name}"
}

# train NAME PROGRAMS
train() {
  step "training in four steps: $1" "$2/training/stage_scheduler" --config=training/testing/tiny_alternating.textproto \
    --run_dir="${work}/$1" --norehearse
}

step "tests of base, ops and detection" "${libtorch2[@]}" test "${flags[@]}" --build_tests_only -- \
  //base/... //ops/... //detection/... -//detection:torchvision_parity_test

# That the old protobuf and the C++ library of pip's LibTorch are kept apart.
step "test of the linking" "${libtorch2[@]}" test "${flags[@]}" //tools/developer:linking_test

step "build of the scheduler" "${libtorch2[@]}" build "${flags[@]}" //training:stage_scheduler
step "build of the scheduler with the default LibTorch" ./bazelw build //training:stage_scheduler
programs=$("${libtorch2[@]}" info "${flags[@]}" bazel-bin)
train libtorch2 "${programs}"
train default "$(./bazelw info bazel-bin)"
step "comparison of the trainings" tools/developer/compare_trainings.py "${work}/default" "${work}/libtorch2"

mapfile -t everything < <(all_targets)
step "build of everything" "${libtorch2[@]}" build "${flags[@]}" "${everything[@]}"

if ((seconds == 0)); then
  step "librcnn_ops.so in Python" tools/developer/check_python_library.sh "${programs}/ops/librcnn_ops.so"
fi
echo "== LibTorch 2.11: done ($((SECONDS / 60)) min)"
