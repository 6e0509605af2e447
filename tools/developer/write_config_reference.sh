#!/usr/bin/env bash
# Regenerates docs/configs.md from the comments of configs/*.proto.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
./bazelw build //tools/developer:config_reference_page
cp --no-preserve=mode bazel-bin/tools/developer/configs.md docs/configs.md
