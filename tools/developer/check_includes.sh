#!/usr/bin/env bash
# Fails when a file includes a header that is too expensive to compile: <torch/torch.h>
# (17 s and 1 GB a file) anywhere, <ATen/ATen.h> and its like in a header, and any header of
# LibTorch in a file that nvcc compiles.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0

# forbid HEADERS ADVICE FILES...: no file may include a matching header.
forbid() {
  local found=0
  git grep -nE "^ *# *include *[<\"]$1\.h[>\"]" -- "${@:3}" || found=$?
  # git exits with 1 if it finds nothing, and with more on errors.
  [[ ${found} -eq 1 ]] && return
  [[ ${found} -eq 0 ]] && echo "$2" >&2
  status=1
}

forbid 'torch/torch' "Include the single torch/nn/... headers instead of <torch/torch.h>." '*.h' '*.cc'
forbid '(ATen/ATen|torch/types|torch/all|torch/extension|torch/script)' \
  "Headers include at most <ATen/core/Tensor.h>; move the include to the source." '*.h' ':!tools/build/prelude/*'
forbid '(ATen|c10|torch)/.*' "Files that nvcc compiles include no LibTorch: a .cc file beside them does." '*.cu' 'ops/kernels/*.h'
exit "${status}"
