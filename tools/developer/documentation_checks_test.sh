#!/usr/bin/env bash
# The tests of documentation_checks_test.py.
exec python3 "${BASH_SOURCE[0]%/*}/documentation_checks_test.py"
