#!/usr/bin/env bash
# Writes what golden_values_test.cc expects, with the default LibTorch. Only after a change that is meant to compute
# something else; git diff then shows that the file has changed, and the message of the commit says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
RCNN_WRITE_GOLDEN_VALUES=${PWD}/detection/testdata/golden_values.safetensors \
  ./bazelw run //detection:golden_values_test
