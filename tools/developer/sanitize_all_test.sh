#!/usr/bin/env bash
# sanitize_all.sh notes each folder in its table, and resumes from it.
#
#   sanitize_all_test.sh SANITIZE_ALL
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}/tools/developer"
cp "$1" "${work}/tools/developer/sanitize_all.sh"
cd "${work}"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 HOME=${work} TMPDIR=${work}
unset XDG_CACHE_HOME

# Instead of Bazel: three tests, of which FAILS fails. //tools:d_test is not for sanitizers.
cat > bazelw <<'EOT'
#!/usr/bin/env bash
if [[ $1 == --output_base=* ]]; then shift; fi
case $1 in
  info) echo /outputs ;;
  query) printf '//base:a_test\n//base:b_test\n//data:c_test\n//tools:d_test\n' ;;
  test)
    echo "$*" >> calls.log
    if [[ $* == *:d_test* ]]; then exit 4; fi
    if [[ -n ${BREAKS:-} ]]; then exit "${BREAKS}"; fi
    status=0
    for word in "$@"; do
      if [[ ${word} != //* ]]; then continue; fi
      if [[ ${word} == "${FAILS:-}" ]]; then
        echo "${word}                  FAILED in 0.3s"
        status=3
      else
        echo "${word}         (cached) PASSED in 0.3s"
      fi
    done
    exit "${status}"
    ;;
esac
EOT
chmod +x bazelw
git init -q .
commit() { git -c user.name=Test -c user.email=test@example.com commit -qm "$1" --allow-empty; }
git add bazelw tools
commit first

fail() {
  echo "FAILED: $1"
  exit 1
}

# expect STATUS TEXT TESTS ARGUMENT...: what the script exits with and prints, and which tests it runs.
expect() {
  local status=0 output ran
  rm -f calls.log
  output=$(tools/developer/sanitize_all.sh "${@:4}" 2>&1) || status=$?
  ran=$(grep -oE '//[^ ]+:[a-z]' calls.log 2> /dev/null | tr '\n' ' ') || true
  [[ ${status} -eq $1 ]] || fail "${*:4}: status ${status}, not $1: ${output}"
  [[ ${output} == *"$2"* ]] || fail "${*:4}: no \"$2\" in: ${output}"
  [[ ${ran% } == "$3" ]] || fail "${*:4}: ran ${ran}, not $3"
}

head=$(git rev-parse --short=12 HEAD)
all="//base:a //base:b //data:c //tools:d"
FAILS=//data:c_test expect 1 "address: 2 folders clean, 1 failed, 0 not run, at ${head}" "${all}"
table=.cache/rcnn/sanitizers/address.md
grep -qx "| //base | ${head} | clean | 2 | [0-9]*\.[0-9] |  |" "${table}" || fail "$(cat "${table}")"
grep -qx "| //data | ${head} | failed | 0 | [0-9]*\.[0-9] | //data:c_test |" "${table}" || fail "$(cat "${table}")"
grep -qx "| //tools | ${head} | clean | 0 | [0-9]*\.[0-9] |  |" "${table}" || fail "$(cat "${table}")"

# What has failed runs again; then nothing is left.
expect 0 "3 folders clean, 0 failed, 0 not run" "//data:c"
[[ $(cat calls.log) == "test --config=asan --config=ubsan "* ]] || fail "$(cat calls.log)"
expect 0 "3 folders clean, 0 failed, 0 not run" ""
[[ $(grep -c '^| //' "${table}") -eq 3 ]] || fail "$(cat "${table}")"

# Other sanitizers and libraries have tables of their own.
BREAKS=1 expect 1 "threads: 1 folders clean, 2 failed" "${all}" --threads
grep -q "| //base | ${head} | failed | 0 | [0-9]*\.[0-9] | the build |" .cache/rcnn/sanitizers/threads.md
grep -q -- "--config=tsan " calls.log || fail "$(cat calls.log)"
expect 0 "table: ${work}/tables/address_libtorch2.md" "${all}" --libtorch2 --results=tables
grep -q -- "--config=libtorch2" calls.log || fail "$(cat calls.log)"

# Another commit, edits, an end of the time, an interruption.
commit second
expect 75 "0 folders clean, 0 failed, 3 not run" "" --seconds=0
BREAKS=8 expect 130 "" "//base:a //base:b"
expect 0 "3 folders clean" "${all}"
echo "# an edit" >> bazelw
expect 0 "-dirty; table" "${all}"
expect 0 "-dirty; table" "${all}"

expect 2 "--fast: not one of" "" --fast
