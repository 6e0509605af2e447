#!/usr/bin/env bash
# Builds what tools/gpu/check.sh runs with --config=cuda, and packs it with the libraries that a machine with pip's torch 2.11
# lacks.
#
#   tools/gpu/make_bundle.sh
#
# Writes gpu_bundle/programs.tar.xz, which git ignores. Fails if that and the tree together are larger than 60 MiB, and lists the
# largest files. Needs tools/setup/install_libtorch.sh cuda and a CUDA toolkit (docs/gpu.md). The build has an output base of its
# own, as in tools/developer/check_libtorch2.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base=$(./bazelw info output_base)_cuda
with_cuda() {
  local verb=$1
  shift
  ./bazelw --output_base="${base}" "${verb}" --config=cuda --experimental_convenience_symlinks=ignore "$@"
}
trap 'bazel --output_base="${base}" shutdown' EXIT

with_cuda build //training:stage_scheduler //tools:time_detector //ops/cuda:compare_devices //ops/cuda:cuda_test \
  //detection:batch_padding_test //ops:librcnn_ops.so
python3 tools/gpu/bundle.py "$(with_cuda info bazel-bin)" "$(sed -n 's/^build:cuda --repo_env=LIBTORCH_HOME=//p' user.bazelrc)"
