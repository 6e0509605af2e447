#!/usr/bin/env bash
# Builds and runs the workspace that uses rcnn from outside.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/external_workspace"
trap 'bazel shutdown' EXIT
bazel run //:hello_ops
