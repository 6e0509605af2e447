#!/usr/bin/env bash
# Executes a test of --config=tsan: one thread of OpenMP, whose library is not compiled for the
# sanitizer, and the suppressions of tsan_suppressions.txt.
export OMP_NUM_THREADS=1
export OPENBLAS_NUM_THREADS=1
export TSAN_OPTIONS="suppressions=tools/developer/tsan_suppressions.txt:halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:${TSAN_OPTIONS}}"
exec base/with_start_environment "$@"
