#!/usr/bin/env bash
# Fails when docs/configs.md is not what the schema's comments say.
#   config_reference_is_current_test.sh PAGE CONFIG_REFERENCE_MAIN DESCRIPTORS
set -o pipefail
if ! "$2" --descriptors="$3" | diff -u "$1" -; then
  echo "docs/configs.md is stale. Run tools/developer/write_config_reference.sh" >&2
  exit 1
fi
