#!/usr/bin/env bash
# Checks rcnn_cuda_library (tools/build/cuda.bzl) in a workspace made for it: that editing a header compiles the sources
# that include it again, that a header which no target lists cannot be included, that a C++ source can include those that
# nccl.h includes, and that without nvcc the targets are skipped with a notice. All but the last need nvcc.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
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
load("@rcnn//tools/build:cuda.bzl", "rcnn_cuda_library")
rcnn_cc_library(name = "factor", hdrs = ["factor.h"])
rcnn_cuda_library(name = "scale", srcs = ["scale.cu"], deps = [":factor"])
rcnn_cuda_library(name = "unlisted", srcs = ["unlisted.cu"])
rcnn_cuda_library(name = "half", srcs = ["half.cc"])
EOF
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

# build CUDA_HOME TARGET: messages go to log.
build() {
  bazel build --noshow_progress --experimental_repository_disable_download \
    --repo_env=RCNN_LIBTORCH_CUDA=1 --repo_env=CUDA_HOME="$1" "$2" > log 2>&1
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

home=${CUDA_HOME:-/usr/local/cuda}
if [[ ! -x ${home}/bin/nvcc ]]; then
  echo "${home}/bin/nvcc is missing, so the tracking of headers was not checked."
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
