#!/usr/bin/env bash
# check_includes.sh finds expensive headers, and intrinsics outside of kernels.
#
#   check_includes_test.sh CHECK_INCLUDES
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/includes
mkdir -p "${work}/tools/developer" "${work}/base" "${work}/ops/cpu" "${work}/ops/kernels"
cp "$1" "${work}/tools/developer/check_includes.sh"
cd "${work}"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 HOME=${work}
git init -q .

fail() {
  echo "FAILED: $1"
  exit 1
}

# expect STATUS TEXT FILE LINE: what the check exits with and prints if FILE has that line.
expect() {
  local status=0 output
  printf '%s\n' "$4" > "$3"
  git add "$3"
  output=$(tools/developer/check_includes.sh 2>&1) || status=$?
  [[ ${status} -eq $1 ]] || fail "$3: $4: status ${status}, not $1: ${output}"
  [[ ${output} == *"$2"* ]] || fail "$3: $4: no \"$2\" in: ${output}"
  git rm -qf "$3"
  mkdir -p "$(dirname "$3")"
}

expect 1 'instead of <torch/torch.h>' base/a.cc '#include <torch/torch.h>'
expect 1 'move the include to the source' base/a.h '#include <ATen/ATen.h>'
expect 0 '' base/a.cc '#include <ATen/ATen.h>'
expect 1 'Files that nvcc compiles' ops/kernels/a.h '#include <ATen/core/Tensor.h>'

intrinsics='Intrinsics are in files called "kernels"'
for line in '#include <immintrin.h>' '#include <nmmintrin.h>' '#include "rcnn/base/target_instructions.h"' \
    '#include "rcnn/base/float_lanes_kernels.h"' 'state = _mm_crc32_u64(state, word);' '  __m256 sum = {};' \
    'return __builtin_ia32_crc32di(a, b);' 'x = -_mm512_reduce_add_ps (y);'; do
  expect 1 "${intrinsics}" base/a.cc "${line}"
  expect 1 "${intrinsics}" base/a.h "${line}"
  # A folder called kernels does not count, a file does.
  expect 1 "${intrinsics}" ops/kernels/a.h "${line}"
  expect 0 '' base/a_kernels.cc "${line}"
  expect 0 '' ops/cpu/a_lanes_kernels.inc "${line}"
  expect 0 '' base/target_instructions.h "${line}"
done
expect 0 '' base/a.cc 'const int comm_mm_size = Sum(_mm_size, __malloc__);'
expect 0 '' base/a.cc '#include "rcnn/base/target_clones.h"'
echo "ok"
