#!/usr/bin/env bash
# Checks the repository with LibTorch 2.11, which it installs: builds everything, runs the tests of base, ops and detection,
# trains in four steps with both LibTorchs and compares what they trained, and uses librcnn_ops.so from pip's torch.
#
#   tools/developer/check_libtorch2.sh
#
# torchvision_parity_test, whose models take minutes each, is left out: ./bazelw test --config=libtorch2
# //detection:torchvision_parity_test.
#
# The build has an output base of its own. In one output base each LibTorch would evict what was built with the other, and the
# next build without --config=libtorch2 would analyse everything and link all programs again. The disk cache is common to
# both, so that what includes no LibTorch is compiled once. Links such as bazel-bin are left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tools/setup/install_libtorch.sh cpu

base=$(./bazelw info output_base)_libtorch2
work=$(mktemp -d)
trap 'bazel --output_base="${base}" shutdown; rm -rf "${work}"' EXIT

# with_libtorch2 VERB ARGUMENT...
with_libtorch2() {
  local verb=$1
  shift
  ./bazelw --output_base="${base}" "${verb}" --config=libtorch2 --symlink_prefix=/ "$@"
}

# A step's name and the minutes since the start.
step() { echo "== LibTorch 2.11: $1 ($((SECONDS / 60)) min)"; }

step "build of everything"
with_libtorch2 build --keep_going //...

step "tests of base, ops and detection"
with_libtorch2 test --keep_going -- //base/... //ops/... //detection/... -//detection:torchvision_parity_test

step "training in four steps, and the same with the default LibTorch"
./bazelw build //training:stage_scheduler
train() { "$1/training/stage_scheduler" --config=training/testing/tiny_alternating.textproto --run_dir="$2" --norehearse; }
train "$(with_libtorch2 info bazel-bin)" "${work}/libtorch2"
train "$(./bazelw info bazel-bin)" "${work}/default"
tools/developer/compare_trainings.py "${work}/default" "${work}/libtorch2"

step "librcnn_ops.so in Python"
tools/developer/check_python_library.sh "$(with_libtorch2 info bazel-bin)/ops/librcnn_ops.so"
step "done"
