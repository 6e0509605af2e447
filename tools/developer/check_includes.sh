#!/usr/bin/env bash
# Fails when a file includes a header that is too expensive to compile: <torch/torch.h>
# (17 s and 1 GB a file) anywhere, <ATen/ATen.h> and its like in a header, and any header of
# LibTorch in a file that nvcc compiles. Fails also when a file that is not called "kernels" has
# vector intrinsics: their headers, types or functions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0

# forbid_lines PATTERN ADVICE FILES...: no file may have a matching line.
forbid_lines() {
  local found=0
  git grep -nE "$1" -- "${@:3}" || found=$?
  # git exits with 1 if it finds nothing, and with more on errors.
  [[ ${found} -eq 1 ]] && return
  [[ ${found} -eq 0 ]] && echo "$2" >&2
  status=1
}

# forbid HEADERS ADVICE FILES...: no file may include a matching header.
forbid() {
  forbid_lines "^ *# *include *[<\"]$1\.h[>\"]" "${@:2}"
}

forbid 'torch/torch' "Include the single torch/nn/... headers instead of <torch/torch.h>." '*.h' '*.cc'
forbid '(ATen/ATen|torch/types|torch/all|torch/extension|torch/script)' \
  "Headers include at most <ATen/core/Tensor.h>; move the include to the source." '*.h' ':!tools/build/prelude/*'
forbid '(ATen|c10|torch)/.*' "Files that nvcc compiles include no LibTorch: a .cc file beside them does." '*.cu' 'ops/kernels/*.h'

# The one header that includes them for all. Its example shows one.
intrinsics=('*.h' '*.cc' '*.inc' ':(exclude,glob)**/*kernels*' ':!base/target_instructions.h')
advice='Intrinsics are in files called "kernels", which choose by the level of instructions (base/instruction_level.h).'
forbid '([a-z]+mmintrin|immintrin|x86intrin|arm_neon|rcnn/base/(target_instructions|float_lanes_kernels))' "${advice}" "${intrinsics[@]}"
forbid_lines '(^|[^A-Za-z0-9_])(_mm[0-9]*_[a-z0-9_]+ *\(|__m(64|128|256|512)[a-z]*[^A-Za-z0-9_]|__builtin_ia32_)' \
  "${advice}" "${intrinsics[@]}"
exit "${status}"
