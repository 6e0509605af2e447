#!/usr/bin/env bash
# Checks the CUDA sources without a GPU, by compiling and linking them.
#
#   tools/developer/check_cuda_build.sh
#   tools/developer/check_cuda_build.sh --libtorch [TARGET...]
#
# The first form needs no LibTorch with CUDA. It checks rcnn_cuda_library (tools/build/cuda.bzl) in a workspace made for it: that
# editing a header compiles the sources that include it again, that a header which no target lists cannot be included, that a C++
# source can include those that nccl.h includes, that without nvcc the targets are skipped with a notice, and that nvcc of another
# CUDA than LibTorch's is refused. Then it compiles every kernel for sm_90 and links all of them with the CUDA runtime, so that no
# symbol is missing; what it has compiled is in Bazel's disk cache for the next time. All but the notice and the refusal need nvcc:
# without it the script prints what it has not checked, and succeeds.
#
# --libtorch installs LibTorch 2.11 with CUDA (5 GB), builds the targets with it (default: everything), in the output base of
# tools/gpu/make_bundle.sh, and checks that LibTorch has a CUDA kernel for each operator that has one, also from Python, and that
# the test which tools/gpu/check.sh runs on a GPU passes on the CPU. Exits with 75, after a notice, where there is no nvcc or
# LibTorch cannot be fetched.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=${CUDA_HOME:-/usr/local/cuda}

# with_libtorch TARGET...
with_libtorch() {
  local libtorch
  if [[ ! -x ${home}/bin/nvcc ]]; then
    echo "notice: ${home}/bin/nvcc is missing, so nothing was built with LibTorch and CUDA."
    return 75
  fi
  cd "${root}"
  source tools/developer/output_base.sh
  libtorch=$(tools/setup/install_libtorch.sh cuda --print_home) || return
  base=$(./bazelw info output_base)_cuda || return
  flags=("--repo_env=LIBTORCH_HOME=${libtorch}" --repo_env=RCNN_LIBTORCH_CUDA=1 --experimental_convenience_symlinks=ignore)
  with_cuda() { ./bazelw "--output_base=${base}" "$1" "${flags[@]}" "${@:2}"; }
  trap 'bazel "--output_base=${base}" shutdown' EXIT
  local targets=("$@")
  if (($# == 0)); then mapfile -t targets < <(all_targets); fi
  with_cuda build "${targets[@]}" || return
  with_cuda test //ops/cuda:cuda_test //detection:batch_padding_test || return
  # On a fake device no gradients flow beside CUDA.
  with_cuda test //ops/testing:queue_device_test --test_filter='*GradientsOfTheCpuStillFlow' || return
  with_cuda build //ops:librcnn_ops.so || return
  tools/developer/check_python_library.sh "$(with_cuda info bazel-bin)/ops/librcnn_ops.so"
}

if [[ ${1:-} == --libtorch ]]; then
  status=0
  with_libtorch "${@:2}" || status=$?
  exit "${status}"
fi
if [[ $# -gt 0 ]]; then
  sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

work=$(mktemp -d)
# Its output base, of which each run has another, is deleted too. What cannot be deleted does not change the result.
trap 'set +e; cd "${work}" && bazel clean --expunge > /dev/null 2>&1; rm -rf "${work}"' EXIT
cd "${work}"

cat > WORKSPACE << EOF
workspace(name = "cuda_build")
local_repository(name = "rcnn", path = "${root}")
load("@rcnn//third_party:repositories.bzl", "rcnn_repositories")
rcnn_repositories()
EOF
cat > BUILD << 'EOF'
load("@rcnn//tools/build:cc.bzl", "rcnn_cc_library")
load("@rcnn//tools/build:cuda.bzl", "rcnn_cuda_kernels", "rcnn_cuda_library")
rcnn_cc_library(name = "factor", hdrs = ["factor.h"])
rcnn_cuda_library(name = "scale", srcs = ["scale.cu"], deps = [":factor"])
rcnn_cuda_library(name = "unlisted", srcs = ["unlisted.cu"])
rcnn_cuda_library(name = "half", srcs = ["half.cc"])
EOF
mkdir missing
cat > missing/BUILD << 'EOF'
load("@rcnn//tools/build:cuda.bzl", "rcnn_cuda_kernels", "rcnn_cuda_library")
rcnn_cuda_library(name = "calls", srcs = ["calls.cu"])
rcnn_cuda_kernels(name = "libmissing.so")
EOF
echo 'void Missing(); void Calls() { Missing(); }' > missing/calls.cu
echo 'constexpr float kFactor = 2;' > factor.h
cat > scale.cu << 'EOF'
#include "rcnn/factor.h"
__global__ void Scale(float* x) { x[threadIdx.x] *= kFactor; }
void ScaleOnGpu(float* x) { Scale<<<1, 32>>>(x); }
EOF
cp scale.cu unlisted.cu
cat > half.cc << 'EOF'
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
float Widen(__half x) { return __half2float(x); }
EOF

# build CUDA_HOME FLAG_OR_TARGET...: messages go to log.
build() {
  bazel build --noshow_progress --experimental_repository_disable_download \
    --repo_env=RCNN_LIBTORCH_CUDA=1 --repo_env=CUDA_HOME="$1" --define=rcnn_cuda_architectures=sm_90 "${@:2}" > log 2>&1
}
fail() {
  cat log >&2
  echo "$1" >&2
  exit 1
}
digest() { sha256sum bazel-bin/scale_cuda.pic.o | cut -d' ' -f1; }

build /nonexistent //... || fail "Without nvcc the CUDA targets do not build."
grep -q 'nvcc is missing, so the CUDA targets are skipped' log || fail "Without nvcc there is no notice."
[[ ! -e bazel-bin/scale_cuda.pic.o ]] || fail "Without nvcc an object was made."

mkdir -p old/bin torch
printf '#!/bin/sh\necho "Cuda compilation tools, release 12.4, V12.4.131"\n' > old/bin/nvcc
chmod +x old/bin/nvcc
echo "cuda: Optional[str] = '13.0'" > torch/version.py
if build "${work}/old" --repo_env=LIBTORCH_HOME="${work}/torch" @cuda//:headers; then fail "nvcc of another CUDA was taken."; fi
grep -q "LibTorch was built for CUDA 13.0, but ${work}/old/bin/nvcc is of CUDA 12.4.131" log ||
  fail "nvcc of another CUDA was refused for another reason."

if [[ ! -x ${home}/bin/nvcc ]]; then
  echo "notice: ${home}/bin/nvcc is missing, so the tracking of headers was not checked, and no kernel was compiled."
  exit 0
fi
build "${home}" //:scale || fail "A CUDA source does not compile."
first=$(digest)
build "${home}" //:scale || fail "A CUDA source does not compile a second time."
[[ $(digest) == "${first}" ]] || fail "The object differs although nothing was edited."
echo 'constexpr float kFactor = 3;' > factor.h
build "${home}" //:scale || fail "A CUDA source does not compile after the edit of a header."
[[ $(digest) != "${first}" ]] || fail "Editing a header did not compile the CUDA source again."
build "${home}" //:half || fail "A C++ source cannot include the headers of short types."
if build "${home}" //:unlisted; then fail "A header that no target lists was included."; fi
grep -q 'factor.h: No such file' log || fail "The build of //:unlisted failed for another reason."
if build "${home}" //missing:libmissing.so; then fail "A library with a missing symbol was linked."; fi
grep -q 'undefined reference to .*Missing' log || fail "The link of //missing:libmissing.so failed for another reason."

start=${SECONDS}
# As in .bazelrc, which this workspace does not read.
build "${home}" -c opt --force_pic --disk_cache="${HOME}/.cache/rcnn/bazel" @rcnn//ops/cuda:libcuda_kernels.so ||
  fail "The kernels do not compile, or do not link."
objects=$(find bazel-bin/external/rcnn/ops/cuda -name '*_cuda.pic.o' | wc -l)
sources=$(find "${root}" -name '*.cu' -not -path '*/.git/*' | wc -l)
[[ ${objects} -eq ${sources} ]] || fail "${objects} of ${sources} CUDA sources are in ops/cuda:libcuda_kernels.so."
echo "${objects} CUDA sources were compiled and linked for sm_90 in $((SECONDS - start)) s."
