#!/usr/bin/env bash
# Fails when a C++ file is not as clang-format writes it. --fix rewrites them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mapfile -t files < <(git ls-files '*.h' '*.cc')
if [[ ${1:-} == --fix ]]; then
  exec clang-format -i "${files[@]}"
fi
if ! clang-format --dry-run --Werror "${files[@]}"; then
  echo "Run tools/developer/check_format.sh --fix" >&2
  exit 1
fi
