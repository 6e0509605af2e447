#!/usr/bin/env bash
# Fails when docs/configs.md is not what the schema's comments say.
#   config_reference_is_current_test.sh WRITTEN GENERATED
if ! diff -u "$1" "$2"; then
  echo "docs/configs.md is stale. Run tools/developer/write_config_reference.sh" >&2
  exit 1
fi
