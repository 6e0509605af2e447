#!/usr/bin/env bash
# What run_ten_minutes.sh runs, and when it fails.
#
#   run_ten_minutes_test.sh RUN_TEN_MINUTES PRESS_CTRL_C
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}"/{tools/campaign,tmp}
cp "$1" "${work}/tools/campaign/run_ten_minutes.sh"
cp "$2" "${work}/press_ctrl_c.py"
cd "${work}"
export TMPDIR=${work}/tmp

# Instead of Bazel and of the programs: they log how they were called. FAKE says what becomes of one of them.
for program in bazelw tools/campaign/{flip,faults,kill,fuzz}.py; do
  cat > "${program}" <<'EOT'
#!/usr/bin/env bash
echo "${0##*/} $*" >> calls.log
case "${FAKE} ${0##*/} $*" in
  'broken bazelw '* | 'fails kill.py '* | 'fuzz_broken fuzz.py '*--build_only) exit 1 ;;
  'leaves kill.py '*) mktemp -d > /dev/null ;;
  # With what timeout ends them with, so that nothing here depends on the speed of the machine.
  'fuzz_slow fuzz.py '*--build_only | 'build_slow bazelw '*) exit 124 ;;
  'slow flip.py '*)
    # Like the program itself, it does not say that it was interrupted.
    trap 'kill $!; exit 1' INT
    sleep 60 &
    : > begun
    wait
    ;;
esac
EOT
  chmod +x "${program}"
done

fail() {
  echo "FAILED: $1"
  exit 1
}

# expect STATUS TEXT CALLS FAKE [ARGUMENT]...: what the script ends with and prints, and which programs it has called.
expect() {
  local status=0 output called
  : > calls.log
  output=$(FAKE=$4 tools/campaign/run_ten_minutes.sh "${@:5}" 2>&1) || status=$?
  called=$(cut -d' ' -f1 calls.log | xargs)
  if [[ ${status} -ne $1 || ${output} != *"$2"* || ${called} != "$3" ]]; then
    fail "$4: status ${status}, called ${called}, output: ${output}"
  fi
}

attacks='flip.py faults.py faults.py kill.py'
expect 0 'with seed 28; failed: nothing' "bazelw fuzz.py ${attacks} fuzz.py" good
expect 0 'with seed 29; failed: nothing' "bazelw fuzz.py ${attacks} fuzz.py" good 29
[[ $(grep -c -- '--seed=29' calls.log) -eq 6 ]] || fail "calls with another seed: $(cat calls.log)"
expect 1 'failed: tools/campaign/kill.py' "bazelw fuzz.py ${attacks} fuzz.py" fails
expect 1 '' bazelw broken
expect 75 'notice: the programs were not built within 400 s' bazelw build_slow
RCNN_CAMPAIGN_BUILD_SECONDS=0 expect 75 'notice: the programs were not built within 0 s' '' good
# As a program that was killed does.
expect 0 'failed: nothing' "bazelw fuzz.py ${attacks} fuzz.py" leaves
# A fuzz target that was not built in time is left out; one that cannot be built is a failure.
expect 0 'notice: no target is fuzzed: it was not built in time' "bazelw fuzz.py ${attacks}" fuzz_slow
expect 1 'failed: the build of tools/campaign/fuzz.py' "bazelw fuzz.py ${attacks}" fuzz_broken

limits=$(sed -n 's/^ *within \([0-9]*\) .*/\1/p' tools/campaign/run_ten_minutes.sh | paste -sd+)
[[ $((limits)) -eq 600 ]] || fail "the limits are ${limits}, not 600 s together"

rm -f calls.log begun
status=0
FAKE=slow python3 press_ctrl_c.py begun tools/campaign/run_ten_minutes.sh > ctrl_c.log 2>&1 || status=$?
[[ ${status} -eq 130 ]] || fail "Ctrl-C: status ${status}, output: $(cat ctrl_c.log)"
if grep -q 'faults.py' calls.log; then fail "it has gone on after Ctrl-C"; fi
[[ -z $(ls "${TMPDIR}") ]] || fail "temporary files are left: $(ls "${TMPDIR}")"
echo "all passed"
