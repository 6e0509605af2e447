#!/usr/bin/env bash
# What becomes of a check in .ci/run that has too little time: it is not counted as passed.
#
#   limited_checks_test.sh SANITIZE_ONE_FOLDER CI_RUN
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}/tools/developer" "${work}/.ci"
cp "$1" "${work}/tools/developer/sanitize_one_folder.sh"
# Its functions alone.
sed '/^test_command=/,$d' "$2" > "${work}/.ci/functions.sh"
cd "${work}"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

# A repository with a test in each folder that the script lists.
sed -n '/^folders=(/,/^)/p;/^by_hand=(/,/^)/p' tools/developer/sanitize_one_folder.sh | grep '^  ' |
  while read -r folder; do
    mkdir -p "${folder}"
    echo 'rcnn_cc_test(' > "${folder}/BUILD"
  done
# Instead of Bazel: two tests, of which FAKE says what becomes.
cat > bazelw <<'EOF'
#!/usr/bin/env bash
if [[ $1 == query ]]; then
  printf '//base:a_test\n//base:b_test\n'
  exit
fi
case ${FAKE} in
  compiles) exec sleep 60 ;;
  one)
    echo '//base:a_test                  PASSED in 0.3s'
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
EOF
chmod +x bazelw
git init -q .
git add .

# expect STATUS TEXT COMMAND...
expect() {
  local status=0 output
  output=$("${@:3}" 2>&1) || status=$?
  if [[ ${status} -ne $1 || ${output} != *"$2"* ]]; then
    printf 'FAILED: %s: status %s, output:\n%s\n' "${*:3}" "${status}" "${output}"
    exit 1
  fi
}

# sanitize FAKE: the script with one second.
sanitize() {
  FAKE=$1 RCNN_SANITIZE_SECONDS=1 tools/developer/sanitize_one_folder.sh base
}

expect 75 'notice: none of these tests has run within 1 s' sanitize compiles
expect 75 'notice: none of these tests has run within 1 s' sanitize hangs
expect 0 'notice: 1 tests are clean; the others did not run within 1 s' sanitize one
expect 0 '2 tests are clean, 0 failed' sanitize both
expect 1 '0 tests are clean, 1 failed' sanitize fails

# in_ci SECONDS_LEFT STATUS: .ci/run with one limited check that ends so, and its last line.
in_ci() {
  RCNN_CI_SECONDS=$1 bash -c "source .ci/functions.sh; check_within 100 limited bash -c 'exit $2'; finish"
}

expect 0 '1 passed, 0 failed' in_ci 200 0
expect 1 '0 passed, 1 failed' in_ci 200 1
expect 0 '0 passed, 0 failed' in_ci 200 75
expect 0 'notice: no result: limited: nothing of it ran in its time; by hand: bash' in_ci 200 75
expect 0 'notice: left out: limited: it takes up to 100 s' in_ci 50 0
expect 0 '0 passed, 0 failed' in_ci 50 0
expect 0 'notice: left out: limited' in_ci 0 0

# Without a time, no limited check begins.
by_default() {
  env -u RCNN_CI_SECONDS bash -c "source .ci/functions.sh; check_within 1 limited false; finish"
}

expect 0 'notice: left out: limited: it takes up to 1 s' by_default
