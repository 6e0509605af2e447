#!/usr/bin/env bash
# The tests of header_examples_test.py.
exec python3 "${BASH_SOURCE[0]%/*}/header_examples_test.py"
