#!/usr/bin/env bash
# Fails if a program lacks a function because tests load stand-ins (stand_in.cc), or loads a library that has one.
#
#   stand_ins_test.sh PROGRAM
set -uo pipefail
program=$1
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=1
}

missing_functions() { sed -n 's/.*undefined symbol: \([^[:space:],]*\).*/\1/p' <<< "$1" | sort -u; }

others=${LD_LIBRARY_PATH:-}
folder=${others%%:*}
others=${others#"${folder}"}
[[ -e ${folder}/libopencv_imgcodecs.so.406 ]] || fail "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-} does not begin with stand-ins"

libraries=$(ldd -r "${program}" 2>&1) || fail "ldd: ${libraries}"
usual=$(LD_LIBRARY_PATH=${others#:} ldd -r "${program}" 2>&1) || fail "ldd: ${usual}"
missing=$(comm -23 <(missing_functions "${libraries}") <(missing_functions "${usual}"))
[[ -z ${missing} ]] || fail "stand-ins lack ${missing}"
for path in "${folder}"/*; do
  name=${path##*/}
  if grep -qF "${name} =>" <<< "${usual}" && ! grep -qF "${name} => ${path} " <<< "${libraries}"; then
    fail "${name} is not the stand-in: ${libraries}"
  fi
done

echo "$(wc -l <<< "${usual}") libraries, with stand-ins $(wc -l <<< "${libraries}")"
exit "${failures}"
