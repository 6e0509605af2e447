# Functions of the tests of scripts that call programs: what stands in their place logs each call in ${WORK}/calls.log, and the
# variable FAKE says what becomes of one of them. To be sourced; `tested` is the script, and WORK the folder in which it runs.

fail() {
  echo "FAILED: $1"
  exit 1
}

# script FILE: a program that logs how it was called, and then does what standard input says.
script() {
  { printf '#!/usr/bin/env bash\necho "%s $*" >> "${WORK}/calls.log"\n' "${1##*/}" && cat; } > "$1"
  chmod +x "$1"
}

# expect STATUS TEXT FAKE ARGUMENT...: what the script ends with and prints; calls.log has what it has called.
expect() {
  local status=0 output
  rm -f "${WORK}/calls.log"
  output=$(FAKE=$3 "${tested}" "${@:4}" 2>&1) || status=$?
  if [[ ${status} -ne $1 || ${output} != *"$2"* ]]; then fail "${*:3}: status ${status}, output: ${output}"; fi
}

# called TEXT, not_called TEXT: whether a call in the log has it.
called() { grep -qF -- "$1" "${WORK}/calls.log" || fail "not called: $1, but: $(cat "${WORK}/calls.log")"; }
not_called() { if grep -qsF -- "$1" "${WORK}/calls.log"; then fail "called: $1"; fi; }
