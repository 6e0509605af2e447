#!/usr/bin/env bash
# Fails when a file includes what costs too much to compile: <torch/torch.h>
# (17 s and 1 GB a file) anywhere, <ATen/ATen.h> and its like in a header.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0
if git grep -n '#include <torch/torch\.h>' -- '*.h' '*.cc'; then
  echo "Include the single torch/nn/... headers instead of <torch/torch.h>." >&2
  status=1
fi
if git grep -nE '#include <(ATen/ATen|torch/types|torch/all|torch/extension|torch/script)\.h>' -- '*.h'; then
  echo "Headers include at most <ATen/core/Tensor.h>; move the include to the source." >&2
  status=1
fi
exit "${status}"
