#!/usr/bin/env bash
# Makes LibTorch 2.11 ready from pip's packages, and writes the Bazel configs that use it into user.bazelrc.
#
#   tools/setup/install_libtorch.sh [cpu|cuda]     default: cpu
#
#   cpu    libtorch_cpu.so and the two small CUDA libraries that it needs (600 MB); then ./bazelw build --config=libtorch2
#   cuda   CUDA 13, cuDNN and NCCL as well (5 GB); then ./bazelw build --config=cuda, and --config=libtorch2 too
#
# It is installed into $XDG_CACHE_HOME/rcnn/libtorch (default ~/.cache/rcnn/libtorch); delete that folder to remove it.
# What is already there is kept. Needs python3 with pip (Debian: python3-pip).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=2.11.0
# What libtorch_cpu.so loads: libcudart and libcupti.
cuda_runtime=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)

variant=${1:-cpu}
if [[ $# -gt 1 || (${variant} != cpu && ${variant} != cuda) ]]; then
  sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
if ! python3 -m pip --version > /dev/null 2>&1; then
  echo "rcnn: python3 has no pip. Install it first (Debian: apt-get install python3-pip)." >&2
  exit 1
fi

folder=${XDG_CACHE_HOME:-${HOME}/.cache}/rcnn/libtorch/${version}-${variant}
home=${folder}/torch
if [[ ! -e ${folder}/COMPLETE ]]; then
  part=${folder}.part
  rm -rf "${part}" "${folder}"
  mkdir -p "${part}"
  # The C++ libraries are the same for every Python; 3.11 is Debian 12's.
  pip=(python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "${part}"
    --only-binary=:all: --python-version 3.11 --implementation cp)
  if [[ ${variant} == cpu ]]; then
    echo "rcnn: installing LibTorch ${version} for the CPU into ${folder} (about a minute)" >&2
    "${pip[@]}" --no-deps "torch==${version}" "${cuda_runtime[@]}"
    rm -f "${part}"/torch/lib/libtorch_cuda*.so "${part}"/torch/lib/libtorch_nvshmem.so
  else
    echo "rcnn: installing LibTorch ${version} with CUDA into ${folder} (5 GB, some minutes)" >&2
    "${pip[@]}" "torch==${version}"
  fi
  touch "${part}/COMPLETE"
  mv "${part}" "${folder}"
fi

# config NAME CUDA: replaces the lines of one config.
config() {
  touch user.bazelrc
  sed -i "/^build:$1 /d" user.bazelrc
  {
    echo "build:$1 --repo_env=LIBTORCH_HOME=${home}"
    echo "build:$1 --repo_env=RCNN_LIBTORCH_CUDA=$2"
  } >> user.bazelrc
}

config libtorch2 0
echo "rcnn: LibTorch ${version} is ready: ./bazelw build --config=libtorch2 //..." >&2
if [[ ${variant} == cuda ]]; then
  config cuda 1
  echo "rcnn: with CUDA: ./bazelw build --config=cuda //..." >&2
fi
