#!/usr/bin/env bash
# Fails when a folder depends, directly or indirectly, on a target that it must not
# use. (tools/build/layers.bzl checks direct dependencies between folders while BUILD
# files are loaded.)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0

# forbid FOLDER FROM TO WHY: no path may lead from FROM to TO.
forbid() {
  local found
  [[ -e $1/BUILD ]] || return 0
  if ! found=$(bazel query --noshow_progress "somepath($2, $3)"); then
    echo "Bazel cannot say whether a path leads from $2 to $3." >&2
    status=1
  elif [[ -n ${found} ]]; then
    printf '%s, but:\n%s\n' "$4" "${found}" >&2
    status=1
  fi
}

forbid eval "//eval/..." "@libtorch//:torch" "eval must not depend on LibTorch"
forbid ops "kind(cc_library, //ops/...) except attr(testonly, 1, //ops/...)" "//base:file_io" \
  "ops must not read or write files"
forbid ops/kernels "kind(cc_library, //ops/kernels/...)" "@libtorch//:torch" "kernels include no ATen: nvcc compiles them"
exit "${status}"
