#!/usr/bin/env bash
# Uses a librcnn_ops.so that was built with --config=libtorch2 from pip's torch 2.11: results, gradients, scripting,
# torch.library.opcheck, torch.compile, torch.export and autocast.
#
#   tools/developer/check_python_library.sh bazel-bin/ops/librcnn_ops.so
#
# pip's torch, with the CUDA libraries that it does not start without (5 GB), is installed into a virtual environment in
# $XDG_CACHE_HOME/rcnn/python (default ~/.cache/rcnn/python), and kept. $RCNN_PYTHON names the Python, 3.10 or newer, that
# makes it (default: python3). Prints a notice and succeeds where that Python has no venv, or pip cannot download.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=2.11.0
if [[ $# -ne 1 ]]; then
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

skip() {
  echo "notice: librcnn_ops.so was not used from torch ${version}: $1. By hand: tools/developer/check_python_library.sh $2"
  exit 0
}

maker=${RCNN_PYTHON:-python3}
environment=${XDG_CACHE_HOME:-${HOME}/.cache}/rcnn/python/torch-${version}
python=${environment}/bin/python
if [[ ! -e ${environment}/COMPLETE ]]; then
  "${maker}" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2> /dev/null ||
    skip "${maker} is not a Python 3.10 with venv (Debian: python3-venv)" "$1"
  rm -rf "${environment}"
  "${maker}" -m venv "${environment}"
  echo "rcnn: installing torch ${version} into ${environment} (5 GB, some minutes)" >&2
  "${python}" -m pip install --quiet --disable-pip-version-check --only-binary=:all: "torch==${version}" numpy ||
    skip "pip cannot install it" "$1"
  touch "${environment}/COMPLETE"
fi

"${python}" ops/librcnn_ops_test.py "$1" ops/README.md
"${python}" ops/rcnn_ops_test.py "$1"
