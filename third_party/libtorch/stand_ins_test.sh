#!/usr/bin/env bash
# Fails if a program does not load the stand-ins (stand_in.cc), lacks a function because of them, or if what they stand for has a
# function that LibTorch calls.
#
#   stand_ins_test.sh PROGRAM LIBRARY...     LIBRARY: such as libopencv_highgui.so.406; or the word none
set -uo pipefail
program=$1
shift
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=1
}

libraries=$(ldd -r "${program}" 2>&1) || fail "ldd: ${libraries}"
if grep -F "no version information" <<< "${libraries}"; then fail "versions of functions are missing"; fi
missing=$(sed -n 's/.*undefined symbol: \([^[:space:],]*\).*/\1/p' <<< "${libraries}" | sort -u)
[[ -z ${missing} ]] || fail "undefined: ${missing}"
[[ $1 != none ]] || exit "${failures}"

torch=$(awk '$1 ~ /^libtorch_cpu\.so/ { print $3; exit }' <<< "${libraries}")
called=$(nm --dynamic --undefined-only --format=posix "${torch}" | awk '{ print $1 }' | sort -u)
[[ -n ${called} ]] || fail "no functions that ${torch:-LibTorch} calls"
compared=0
for name in "$@"; do
  path=$(awk -v name="${name}" '$1 == name { print $3 }' <<< "${libraries}")
  [[ ${path} == */stand_ins/* || $(readlink -f "${path}") == */stand_ins/* ]] || fail "${name} is ${path:-not loaded}, not the stand-in"
  real=$(/sbin/ldconfig -p | awk -v name="${name}" '$1 == name { print $NF; exit }')
  [[ -n ${real} ]] || continue
  compared=$((compared + 1))
  both=$(comm -12 <(nm --dynamic --defined-only --format=posix "${real}" | awk '{ sub(/@.*/, "", $1); print $1 }' | sort -u) \
    <(sed 's/@.*//' <<< "${called}" | sort -u) | grep -vE '^(_fini|_init|__bss_start|_edata|_end)$')
  [[ -z ${both} ]] || fail "LibTorch may call ${name}: ${both}"
done

((compared > 0)) || fail "none of the real libraries was found"
echo "${compared} of $# real libraries have no function that LibTorch calls"
echo "$(wc -l <<< "${libraries}") libraries"
exit "${failures}"
