#!/usr/bin/env bash
# What becomes of a check in .ci/run that has too little time: it is not counted as passed. And how Ctrl-C ends the checks.
#
#   limited_checks_test.sh SANITIZE_ONE_FOLDER CI_RUN PRESS_CTRL_C
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}/tools/developer" "${work}/.ci" "${work}/tmp"
cp "$1" "${work}/tools/developer/sanitize_one_folder.sh"
# Its functions alone.
sed '/^test_command=/,$d' "$2" > "${work}/.ci/functions.sh"
cp "$3" "${work}/press_ctrl_c.py"
cd "${work}"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 TMPDIR=${work}/tmp

# A repository with a test in each folder that the script lists.
sed -n '/^folders=(/,/^)/p;/^by_hand=(/,/^)/p' tools/developer/sanitize_one_folder.sh | grep '^  ' |
  while read -r folder; do
    mkdir -p "${folder}"
    echo 'rcnn_cc_test(' > "${folder}/BUILD"
  done
# Instead of Bazel: tests of three folders, and two tests that run, of which FAKE says what becomes.
cat > bazelw <<'EOT'
#!/usr/bin/env bash
if [[ $1 == query ]]; then
  printf '//base:a_test\n//base:b_test\n//data/coco:c_test\n//eval:d_test\n'
  exit
fi
: > begun  # by the shell itself, which would not notice Ctrl-C while it waits for a program
case ${FAKE} in
  compiles) exec sleep 60 ;;
  one)
    echo '//base:a_test                  PASSED in 0.3s'
    exec sleep 60
    ;;
  one_fails)
    echo 'FAIL: //base:a_test (see test.log)'
    exec sleep 60
    ;;
  both)
    echo '//base:a_test                  PASSED in 0.3s'
    echo '//base:b_test         (cached) PASSED in 0.1s'
    ;;
  hangs)
    trap '' INT
    sleep 2
    kill -KILL $$
    ;;
  fails)
    echo '//base:a_test                  FAILED in 0.3s'
    exit 3
    ;;
esac
EOT
chmod +x bazelw
git init -q .
git add .

fail() {
  echo "FAILED: $1"
  exit 1
}

# expect STATUS TEXT COMMAND...
expect() {
  local status=0 output
  output=$("${@:3}" 2>&1) || status=$?
  if [[ ${status} -ne $1 || ${output} != *"$2"* ]]; then fail "${*:3}: status ${status}, output: ${output}"; fi
}

# sanitize FAKE: the script with one second.
sanitize() {
  FAKE=$1 RCNN_SANITIZE_SECONDS=1 tools/developer/sanitize_one_folder.sh base
}

# At once, because they wait.
waiting=()
expect 75 'notice: none of these tests has run within 1 s' sanitize compiles &
waiting+=($!)
expect 75 'notice: none of these tests has run within 1 s' sanitize hangs &
waiting+=($!)
expect 0 'notice: 1 tests are clean; the others did not run within 1 s' sanitize one &
waiting+=($!)
expect 1 '0 tests are clean, 1 failed' sanitize one_fails &
waiting+=($!)
for process in "${waiting[@]}"; do wait "${process}"; done
expect 0 '2 tests are clean, 0 failed' sanitize both
expect 1 '0 tests are clean, 1 failed' sanitize fails

# Two successive commits share a turn, and the next two have the next one.
turns=
for _ in 1 2 3 4 5 6; do
  git -c user.name=Test -c user.email=test@example.com commit -qm commit --allow-empty
  turns+=$(FAKE=both tools/developer/sanitize_one_folder.sh | sed -n 's/^turn \([0-9]\) of 3, .*/\1/p')
done
[[ ${turns} == 122331 ]] || fail "turns: ${turns}"

# ends STATUS LINE COMMAND...: the functions of .ci/run with the command print the line once, as their last one.
ends() {
  local status=0 output
  output=$(bash -c "source .ci/functions.sh; $3" 2>&1) || status=$?
  if [[ ${status} -ne $1 || ${output##*$'\n'} != "$2" || $(grep -c ' passed, ' <<< "${output}") -ne 1 ]]; then
    fail "$3: status ${status}, output: ${output}"
  fi
}

# ci COMMANDS: the functions of .ci/run with them.
ci() { bash -c "source .ci/functions.sh; $1; finish"; }

limited="check_within 100 limited bash -c"
export RCNN_CI_SECONDS=200
ends 0 '1 passed, 0 failed' "${limited} 'exit 0'; finish"
ends 1 '0 passed, 1 failed' "${limited} 'exit 1'; finish"
ends 1 '0 passed, 1 failed' "${limited} 'exit 124'; finish"
ends 0 '0 passed, 0 failed' "${limited} 'exit 75'; finish"
expect 0 'notice: no result: limited, for the reason above; by hand: bash' ci "${limited} 'exit 75'"
expect 0 '| limited | 0.0, no result |' ci "${limited} 'exit 75'"
expect 0 '| limited | 0.0 |' ci "${limited} 'exit 0'"
export RCNN_CI_SECONDS=50
ends 0 '0 passed, 0 failed' "${limited} 'touch ran'; finish"
expect 0 'notice: left out: limited: it takes up to 100 s, and ' ci "${limited} 'touch ran'"
expect 0 '| limited | left out |' ci "${limited} 'touch ran'"
export RCNN_CI_SECONDS=0
expect 0 'notice: left out: limited: it takes up to 1 s, and 0 s are left' ci "check_within 1 limited touch ran"
[[ ! -e ran ]] || fail "a check without time has run"
export RCNN_CI_SECONDS=75m
expect 2 'RCNN_CI_SECONDS=75m is not a number of seconds' ci true
export RCNN_CI_SECONDS=4500
ends 0 '1 passed, 0 failed' "check_within 4490 limited true; finish"
ends 0 '0 passed, 0 failed' "check_within 4501 limited true; finish"
# The same by default.
unset RCNN_CI_SECONDS
ends 0 '1 passed, 0 failed' "check_within 4490 limited true; finish"
ends 0 '0 passed, 0 failed' "check_within 4501 limited true; finish"

# order COMMITS DAY: the limited checks of a commit.
order() {
  bash -c "source .ci/functions.sh
    git() { echo $1; }
    date() { echo $(($2 * 86400 + 86399)); }
    check_within() { echo \"\$2,\"; }
    limited_checks" | xargs
}
expect 0 'LibTorch 2.11, campaign of faults, sanitizers, librcnn_ops.so in Python,' order 100 20000
expect 0 'LibTorch 2.11, sanitizers, campaign of faults, librcnn_ops.so in Python,' order 101 20000
# A shallow clone has one commit on every day.
expect 0 'LibTorch 2.11, campaign of faults, sanitizers, librcnn_ops.so in Python,' order 1 20001
expect 0 'LibTorch 2.11, sanitizers, campaign of faults, librcnn_ops.so in Python,' order 1 20002

# limits COMMITS: how long the first three of a commit take at most.
limits() {
  bash -c "source .ci/functions.sh
    git() { echo $1; }
    check_within() { echo \"\$1\"; }
    limited_checks" | head -3 | paste -sd+
}
for commits in 100 101; do
  # The other checks take 19 minutes on CI's machine.
  (((19 * 60 + $(limits "${commits}")) <= 75 * 60)) || fail "limits: $(limits "${commits}") s after 19 minutes"
done

# press_ctrl_c COMMAND...: once Bazel has begun.
press_ctrl_c() {
  rm -f begun
  python3 press_ctrl_c.py begun "$@"
}

expect 130 '' press_ctrl_c env FAKE=compiles tools/developer/sanitize_one_folder.sh base
# Also where a check says that it has failed, and not that it was interrupted.
expect 130 '' press_ctrl_c bash -c "source .ci/functions.sh
  check first bash -c 'trap \"exit 1\" INT; : > begun; sleep 60'
  check second touch ran
  finish"
expect 130 '' press_ctrl_c bash -c "source .ci/functions.sh; run_tests ': > begun; sleep 60'; touch ran"
[[ ! -e ran ]] || fail "CI has gone on after Ctrl-C"
[[ -z $(ls "${TMPDIR}") ]] || fail "temporary files are left: $(ls "${TMPDIR}")"
echo "all passed"
