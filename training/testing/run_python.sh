#!/usr/bin/env bash
# Runs a Python test with the system's Python.
#
#   run_python.sh TEST.py ARGUMENT...
set -euo pipefail
exec /usr/bin/python3 "$@"
