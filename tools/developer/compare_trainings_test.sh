#!/usr/bin/env bash
# The tests of compare_trainings_test.py.
exec python3 "${BASH_SOURCE[0]%/*}/compare_trainings_test.py"
