#!/usr/bin/env bash
# Runs all tests with sanitizers, folder by folder, and notes the result of each folder in a table.
#
#   tools/developer/sanitize_all.sh                   address and undefined-behaviour errors, leaks
#   tools/developer/sanitize_all.sh --libtorch2       the same with LibTorch 2.11
#   tools/developer/sanitize_all.sh --threads         data races, in the tests of //tools/developer:thread_tests
#   tools/developer/sanitize_all.sh --seconds=3600    begins no folder after an hour
#   tools/developer/sanitize_all.sh --results=FOLDER  where the tables are; ~/.cache/rcnn/sanitizers by default
#
# Takes hours. May be stopped at any time: the same command resumes, and leaves out the folders that were clean at this
# commit. With edits that are not committed all folders run. Fails if a test does; exits with 75 if folders are left.
#
# The builds have an output base of their own, so that the next build without sanitizers links nothing again.
set -uo pipefail
caller=${PWD}
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

kind=address
flags=(--config=asan --config=ubsan)
suite=//...
seconds=1000000000
results=${XDG_CACHE_HOME:-${HOME}/.cache}/rcnn/sanitizers
for argument in "$@"; do
  case ${argument} in
    --libtorch2) kind=address_libtorch2 flags+=(--config=libtorch2) ;;
    --threads) kind=threads flags=(--config=tsan) suite=//tools/developer:thread_tests ;;
    --seconds=*) seconds=${argument#*=} ;;
    --results=*) results=$(cd "${caller}" && realpath --canonicalize-missing "${argument#*=}") ;;
    *)
      echo "$0: ${argument}: not one of --libtorch2, --threads, --seconds=N, --results=FOLDER" >&2
      exit 2
      ;;
  esac
done

table=${results}/${kind}.md
commit=$(git describe --always --dirty --abbrev=12 --exclude='*')
base=$(./bazelw info output_base)_${kind} || exit
log=$(mktemp)
trap './bazelw --output_base="${base}" shutdown; rm -f "${log}"' EXIT
mkdir -p "${results}" || exit

# Tests that run only where they are named are left out, as in `bazel test //...`.
tests=$(./bazelw query --noshow_progress \
  "tests(${suite}) except attr(tags, '\\bmanual\\b', tests(${suite}))" 2> "${log}" | LC_ALL=C sort)
if [[ -z ${tests} ]]; then
  cat "${log}" >&2
  echo "$0: no tests: ${suite}" >&2
  exit 1
fi

is_clean() { [[ ${commit} != *-dirty ]] && grep -qsF "| $1 | ${commit} | clean |" "${table}"; }

# note FOLDER RESULT TESTS MINUTES FAILED: replaces the row of the folder.
note() {
  {
    printf '| folder | commit | result | tests | minutes | failed |\n| --- | --- | --- | --- | --- | --- |\n'
    {
      grep -s '^| //' "${table}" | grep -vF "| $1 |"
      printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "${commit}" "${@:2}"
    } | LC_ALL=C sort
  } > "${table}.tmp"
  mv "${table}.tmp" "${table}"
}

# run_folder FOLDER TEST...: fails if one of the tests does.
run_folder() {
  local folder=$1 start=${SECONDS} status passed bad tenths
  shift
  ./bazelw --output_base="${base}" test "${flags[@]}" --experimental_convenience_symlinks=ignore --build_tests_only --keep_going "$@" 2>&1 |
    tee "${log}"
  status=${PIPESTATUS[0]}
  # Bazel's code for an interruption.
  if [[ ${status} -eq 8 ]]; then exit 130; fi
  passed=$(grep -cE '^//[^ ]+ +(\(cached\) )?PASSED' "${log}")
  bad=$(sed -nE 's/^(\/\/[^ ]+) +(\(cached\) )?(FAILED|FLAKY|TIMEOUT|NO STATUS).*/\1/p' "${log}" | sort -u | tr '\n' ' ')
  # 4: none of the tests is for sanitizers.
  if [[ -z ${bad} && ${status} -ne 0 && ${status} -ne 4 ]]; then bad="the build"; fi
  tenths=$(((SECONDS - start + 3) / 6))
  note "${folder}" "$([[ -z ${bad} ]] && echo clean || echo failed)" "${passed}" "$((tenths / 10)).$((tenths % 10))" "${bad% }"
  [[ -z ${bad} ]]
}

clean=0 failed=0 left=0
while read -r folder; do
  if is_clean "${folder}"; then
    clean=$((clean + 1))
  elif ((SECONDS >= seconds)); then
    left=$((left + 1))
  else
    echo "== ${folder}, ${kind} ($((SECONDS / 60)) min)"
    mapfile -t of_folder < <(grep "^${folder}:" <<< "${tests}")
    if run_folder "${folder}" "${of_folder[@]}" < /dev/null; then clean=$((clean + 1)); else failed=$((failed + 1)); fi
  fi
done < <(cut -d: -f1 <<< "${tests}" | uniq)

cat "${table}" 2> /dev/null
echo "${kind}: ${clean} folders clean, ${failed} failed, ${left} not run, at ${commit}; table: ${table}"
if [[ ${failed} -gt 0 ]]; then exit 1; fi
if [[ ${left} -gt 0 ]]; then exit 75; fi
