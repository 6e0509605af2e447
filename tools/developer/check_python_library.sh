#!/usr/bin/env bash
# Uses librcnn_ops.so from pip's torch 2.11: results, gradients, scripting, torch.library.opcheck, torch.compile, torch.export,
# autocast, and which kernel a CUDA tensor gets.
#
#   tools/developer/check_python_library.sh [LIBRARY]
#   tools/developer/check_python_library.sh --seconds=500   ends after so long, and at most 70 s more
#
# LIBRARY was built with --config=libtorch2 or --config=cuda. Without it the script installs LibTorch 2.11 for the CPU and builds
# it, in the output base of check_libtorch2.sh, which with --seconds is deleted at the end.
#
# pip's torch, with the CUDA libraries that it does not start without (5 GB), is installed into a virtual environment in
# $XDG_CACHE_HOME/rcnn/python (default ~/.cache/rcnn/python), and kept. $RCNN_PYTHON names the Python, 3.10 or newer, that
# makes it (default: python3).
#
# Exits with 75, after a notice, if that Python has no venv (Debian: python3-venv), if the packages cannot be fetched, or if the
# time is up. An index that answers and does not have the version, and a full disk, are errors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
trap 'exit 130' INT
source tools/developer/output_base.sh

version=2.11.0
usage() {
  sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}
seconds=0
library=
for argument in "$@"; do
  if [[ ${argument} =~ ^--seconds=([1-9][0-9]*)$ ]]; then
    seconds=${BASH_REMATCH[1]}
  elif [[ ${argument} == -* || -n ${library} ]]; then
    usage
  else
    library=${argument}
  fi
done

maker=${RCNN_PYTHON:-python3}
environment=${XDG_CACHE_HOME:-${HOME}/.cache}/rcnn/python/torch-${version}
python=${environment}/bin/python
base=
work=$(mktemp -d)
clean_up() {
  set +e
  if [[ -n ${base} ]]; then
    if ((seconds > 0)); then delete_output_base "${base}"; else bazel "--output_base=${base}" shutdown; fi
  fi
  if [[ ! -e ${environment}/COMPLETE ]]; then rm -rf "${environment}"; fi
  rm -rf "${work}"
}
trap clean_up EXIT

# no_result REASON
no_result() {
  echo "notice: librcnn_ops.so was not used from torch ${version}: $1"
  exit 75
}

# step NAME COMMAND...: within the time that is left, in the foreground, so that Ctrl-C reaches it. Returns its status.
step() {
  local name=$1 status=0 left=$((seconds - SECONDS))
  shift
  if ((seconds == 0)); then
    "$@"
    return
  fi
  if ((left > 0)); then
    timeout --foreground --signal=INT --kill-after=10 "${left}" "$@" || status=$?
    if ((status != 124 && (status != 137 || SECONDS < seconds))); then return "${status}"; fi
  fi
  no_result "the ${seconds} s were over before the end of: ${name}"
}

# pip COMMAND ARGUMENT...: writes what it prints to ${work}/log.
pip() {
  step "the installation of torch" bash -c 'exec "${@:2}" > "$1" 2>&1' bash "${work}/log" \
    "${python}" -m pip "$1" --quiet --disable-pip-version-check --no-cache-dir "${@:2}"
}

# install_torch: into ${environment}.
install_torch() {
  local status=0
  "${maker}" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2> /dev/null ||
    no_result "${maker} is not a Python 3.10 with venv (Debian: python3-venv)."
  rm -rf "${environment}"
  "${maker}" -m venv "${environment}"
  # Any index has pip itself. Without an index pip would say below that the version is not there.
  pip download --no-deps --dest "${work}/probe" pip || no_result "pip's package index cannot be reached."
  echo "rcnn: installing torch ${version} into ${environment} (5 GB, some minutes)" >&2
  pip install --only-binary=:all: "torch==${version}" numpy || status=$?
  cat "${work}/log" >&2
  if ((status == 0)); then
    touch "${environment}/COMPLETE"
    return
  fi
  if grep -qE 'No matching distribution|No space left' "${work}/log"; then exit 1; fi
  no_result "pip could not fetch it; see above."
}

# build_library: sets ${library}.
build_library() {
  local libtorch flags left=$((seconds - SECONDS))
  if ((seconds > 0 && left <= 0)); then no_result "the ${seconds} s were over before the build."; fi
  libtorch=$(RCNN_INSTALL_SECONDS=$((seconds == 0 ? 0 : left)) tools/setup/install_libtorch.sh cpu --print_home) || exit
  base=$(./bazelw info output_base)_libtorch2
  if ((seconds > 0)); then base+=_limited; fi
  flags=("--repo_env=LIBTORCH_HOME=${libtorch}" --repo_env=RCNN_LIBTORCH_CUDA=0 --experimental_convenience_symlinks=ignore)
  step "the build" ./bazelw "--output_base=${base}" build "${flags[@]}" //ops:librcnn_ops.so || exit 1
  library=$(./bazelw "--output_base=${base}" info "${flags[@]}" bazel-bin)/ops/librcnn_ops.so
}

if [[ ! -e ${environment}/COMPLETE ]]; then install_torch; fi
if [[ -z ${library} ]]; then build_library; fi
step "librcnn_ops_test.py" "${python}" ops/librcnn_ops_test.py "${library}" ops/README.md || exit 1
step "rcnn_ops_test.py" "${python}" ops/rcnn_ops_test.py "${library}" || exit 1
