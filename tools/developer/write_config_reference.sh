#!/usr/bin/env bash
# Regenerates docs/configs.md from the comments of configs/*.proto.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
./bazelw build //tools/developer:config_reference_main //tools/developer:config_descriptors
page=$(bazel-bin/tools/developer/config_reference_main --descriptors=bazel-bin/tools/developer/configs.binpb)
printf '%s\n' "${page}" > docs/configs.md
