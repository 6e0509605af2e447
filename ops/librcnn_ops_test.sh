#!/usr/bin/env bash
# Runs a Python test against librcnn_ops.so where Debian's python3-torch is installed and the library was built for it.
#
#   librcnn_ops_test.sh TEST.py LIBRARY README
set -euo pipefail
python=/usr/bin/python3
if ! version=$("${python}" -c 'import importlib.metadata as m; print(m.version("torch"))' 2> /dev/null); then
  echo "SKIPPED: ${python} has no torch (Debian: python3-torch)"
  exit 0
fi
# With pip's torch, tools/developer/check_python_library.sh runs it.
built=$(grep -aoE 'rcnn_ops was built for torch [0-9.]+' "$2" | grep -oE '[0-9]+\.[0-9]+' | head -1)
if [[ ${version} != "${built}".* ]]; then
  echo "SKIPPED: the library was built for torch ${built}, ${python} has ${version}"
  exit 0
fi
# A library with address errors on (--config=asan) needs their runtime before all else, and beside it
# the C++ runtime, which the interpreter lacks and whose exceptions it watches. The interpreter itself
# never frees everything.
runtime="$(ldd "$2" | awk '/libasan|libstdc/ {print $3}' | sort | paste -sd: )"
if [[ "${runtime}" == *libasan* ]]; then
  export LD_PRELOAD="${runtime}" ASAN_OPTIONS="detect_leaks=0"
fi
exec "${python}" "$@"
