#!/usr/bin/env bash
# The tests of process_cost_test.py.
exec python3 "${BASH_SOURCE[0]%/*}/process_cost_test.py"
