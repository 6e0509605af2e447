# A function of the tests of programs. To be sourced; `failures` counts what was not as expected.
failures=0

# expect_command CODE TEXT COMMAND...: runs the command and expects this exit code, and the text in what it prints.
expect_command() {
  local code=$1 text=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  if [[ ${status} -ne ${code} || ${output} != *"${text}"* ]]; then
    echo "FAILED: $*"
    echo "wanted exit code ${code} and \"${text}\"; got ${status} and:"
    echo "${output}"
    failures=$((failures + 1))
  fi
}
