#!/usr/bin/env bash
# The tests of hostile_names_test.py.
exec python3 "${BASH_SOURCE[0]%/*}/hostile_names_test.py" "$@"
