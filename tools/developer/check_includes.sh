#!/usr/bin/env bash
# Fails when a file includes what costs too much to compile: <torch/torch.h>
# (17 s and 1 GB a file) anywhere, <ATen/ATen.h> and its like in a header.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0

# forbid HEADERS ADVICE FILES...: no file of ours includes a header that matches.
forbid() {
  local found=0
  git grep -nE "^ *# *include *[<\"]$1\.h[>\"]" -- "${@:3}" || found=$?
  # git says 1 when it finds nothing, and more when it could not look.
  [[ ${found} -eq 1 ]] && return
  [[ ${found} -eq 0 ]] && echo "$2" >&2
  status=1
}

forbid 'torch/torch' "Include the single torch/nn/... headers instead of <torch/torch.h>." '*.h' '*.cc'
forbid '(ATen/ATen|torch/types|torch/all|torch/extension|torch/script)' \
  "Headers include at most <ATen/core/Tensor.h>; move the include to the source." '*.h'
exit "${status}"
