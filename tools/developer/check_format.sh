#!/usr/bin/env bash
# Fails when a C++ file is not formatted by clang-format. --fix formats them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v clang-format > /dev/null; then
  echo "clang-format is missing; tools/setup/ensure_packages.sh check installs it." >&2
  exit 1
fi
mapfile -t files < <(git ls-files '*.h' '*.cc' '*.cu')
# Without files clang-format would read its standard input and succeed.
if [[ ${#files[@]} -eq 0 ]]; then
  echo "git names no C++ file here: nothing was checked." >&2
  exit 1
fi
if [[ ${1:-} == --fix ]]; then
  exec clang-format -i "${files[@]}"
fi
if ! clang-format --dry-run --Werror "${files[@]}"; then
  echo "Run tools/developer/check_format.sh --fix" >&2
  exit 1
fi
