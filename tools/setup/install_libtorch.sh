#!/usr/bin/env bash
# Makes LibTorch 2.11 ready from pip's packages, and writes the Bazel configs that use it into user.bazelrc.
#
#   tools/setup/install_libtorch.sh [cpu|cuda]                default: cpu
#   tools/setup/install_libtorch.sh [cpu|cuda] --print_home   writes no configs; prints the value for --repo_env=LIBTORCH_HOME
#
#   cpu    libtorch_cpu.so and the two small CUDA libraries that it needs (0.7 GB); then ./bazelw build --config=libtorch2
#   cuda   CUDA 13, cuDNN and NCCL as well (5 GB); then ./bazelw build --config=cuda, and --config=libtorch2 too
#
# It is installed into $XDG_CACHE_HOME/rcnn/libtorch (default ~/.cache/rcnn/libtorch); delete that folder to remove it.
# What is already there is kept. Needs python3 with pip (Debian: python3-pip).
#
# Exits with 75 if this machine cannot fetch the packages now: it has no pip; or RCNN_INSTALL_SECONDS (0: no limit) are over;
# or a small package cannot be fetched from the same index; or pip has failed twice, as it does where a download breaks off,
# which it does not resume. Two failures are errors, with another status: an index that answers does not have this version,
# and a disk is full.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
trap 'exit 130' INT

version=2.11.0
# What libtorch_cpu.so loads: libcudart and libcupti.
cuda_runtime=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)

# usage: prints how to call the script, and ends it.
usage() {
  sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

variant=
print_home=0
for argument in "$@"; do
  case ${argument} in
    cpu | cuda)
      if [[ -n ${variant} ]]; then usage; fi
      variant=${argument}
      ;;
    --print_home) print_home=1 ;;
    *) usage ;;
  esac
done
variant=${variant:-cpu}
limit=${RCNN_INSTALL_SECONDS:-0}

# cannot_fetch REASON
cannot_fetch() {
  echo "rcnn: $1" >&2
  exit 75
}

# within SECONDS COMMAND...: 124 if the time is up; with 0 s it never is.
within() { timeout --foreground --signal=INT --kill-after=10 "$@"; }

# fetch SECONDS COMMAND ARGUMENT...: pip. Nothing is kept twice, and what is unpacked lies where there is space for it.
fetch() {
  TMPDIR=${part}/tmp within "$1" python3 -m pip "$2" --quiet --disable-pip-version-check --no-cache-dir "${@:3}" >&2
}

# install PACKAGE...: into ${part}/files. The C++ libraries are the same for every Python; 3.11 is Debian 12's.
install() {
  local status left
  for _ in 1 2; do
    # Any index has pip itself. Without an index pip would say below that the version is not there.
    fetch 60 download --no-deps --dest "${part}/probe" pip || cannot_fetch "pip's package index cannot be reached."
    left=$((limit - SECONDS))
    status=124
    if ((limit == 0 || left > 0)); then
      status=0
      fetch "$((limit == 0 ? 0 : left))" install --root-user-action=ignore --retries 10 --timeout 60 \
        --target "${part}/files" --only-binary=:all: --python-version 3.11 --implementation cp "$@" 2>&1 |
        tee -i "${part}/log" >&2 || status=$?
    fi
    if [[ ${status} -eq 0 ]]; then return; fi
    if [[ ${status} -eq 124 || ${status} -eq 137 ]]; then
      cannot_fetch "LibTorch ${version} was not fetched within ${limit} s."
    fi
    if grep -q 'No space left' "${part}/log"; then break; fi
    rm -rf "${part}/files"
  done
  if grep -qE 'No matching distribution|No space left' "${part}/log"; then
    echo "rcnn: pip's package index can be reached, but LibTorch ${version} cannot be installed; see above." >&2
    exit 1
  fi
  cannot_fetch "LibTorch ${version} could not be fetched; see above."
}

folder=${XDG_CACHE_HOME:-${HOME}/.cache}/rcnn/libtorch/${version}-${variant}
home=${folder}/torch
part=${folder}.part
# The configs hold it, word by word, and so do linker flags.
if [[ ${folder} != /* || ${folder} == *[[:space:]]* ]]; then
  echo "rcnn: ${folder} is not an absolute path without spaces; set XDG_CACHE_HOME to one" >&2
  exit 2
fi
if [[ ! -e ${folder}/COMPLETE ]]; then
  python3 -m pip --version > /dev/null 2>&1 ||
    cannot_fetch "python3 has no pip. Install it first (Debian: apt-get install python3-pip)."
  mkdir -p "${folder%/*}"
  # A second process waits for the first one, and finds what it has installed. NFS locks only files that are open for writing.
  exec 9>> "${folder%/*}/.lock"
  status=0
  within "${limit}" flock 9 || status=$?
  if [[ ${status} -eq 124 ]]; then cannot_fetch "another process has been installing LibTorch for ${limit} s."; fi
  if [[ ${status} -ne 0 ]]; then
    echo "rcnn: ${folder%/*} cannot be locked; install LibTorch from one process at a time" >&2
  fi
fi
if [[ ! -e ${folder}/COMPLETE ]]; then
  trap 'rm -rf "${part}"' EXIT
  rm -rf "${part}" "${folder}"
  mkdir -p "${part}/tmp"
  if [[ ${variant} == cpu ]]; then
    echo "rcnn: installing LibTorch ${version} for the CPU into ${folder} (about a minute)" >&2
    install --no-deps "torch==${version}" "${cuda_runtime[@]}"
    rm -f "${part}"/files/torch/lib/libtorch_cuda*.so "${part}"/files/torch/lib/libtorch_nvshmem.so
  else
    echo "rcnn: installing LibTorch ${version} with CUDA into ${folder} (5 GB, some minutes)" >&2
    install "torch==${version}"
  fi
  touch "${part}/files/COMPLETE"
  mv "${part}/files" "${folder}"
fi

if [[ ${print_home} -eq 1 ]]; then
  echo "${home}"
  exit
fi

# config NAME CUDA: replaces the lines of one config.
config() {
  touch user.bazelrc
  sed -i "/^build:$1 /d" user.bazelrc
  {
    # A last line without a line break.
    if [[ -n $(tail -c 1 user.bazelrc) ]]; then echo; fi
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
