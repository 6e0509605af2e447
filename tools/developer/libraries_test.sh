#!/usr/bin/env bash
# Fails if a program loads more than a number of shared libraries, apart from those of sanitizers, or
# any that decodes images for OpenCV or computes with LibTorch.
#
#   libraries_test.sh NUMBER PROGRAM...
set -u
most=$1
shift
failures=0
for program in "$@"; do
  libraries=$(ldd "$program" | awk '/=>/ {print $1}' | grep -Ev '^lib(asan|lsan|tsan|ubsan)')
  count=$(wc -l <<< "$libraries")
  if [ "$count" -gt "$most" ]; then
    echo "FAILED: $program loads $count shared libraries, more than $most: $libraries"
    failures=1
  fi
  if grep -E '^lib(torch|c10|opencv_imgcodecs|gdal)' <<< "$libraries"; then
    echo "FAILED: $program loads the libraries above"
    failures=1
  fi
done
exit "$failures"
