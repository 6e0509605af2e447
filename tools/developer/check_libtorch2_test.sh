#!/usr/bin/env bash
# What check_libtorch2.sh runs, what it ends with, and that it leaves nothing behind.
#
#   check_libtorch2_test.sh CHECK_LIBTORCH2 OUTPUT_BASE PRESS_CTRL_C FAKE_PROGRAMS
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}"/{bin,tmp,programs/training,docs,ops} "${work}"/tools/{developer,setup}
touch "${work}"/{.,ops,tools}/BUILD
ln -s "${work}/ops" "${work}/bazel-ops"
cp "$1" "${work}/tools/developer/check_libtorch2.sh"
cp "$2" "${work}/tools/developer/output_base.sh"
cp "$3" "${work}/press_ctrl_c.py"
source "$4"
cd "${work}"
tested=tools/developer/check_libtorch2.sh
export PATH="${work}/bin:${PATH}" TMPDIR="${work}/tmp" WORK="${work}"

# Instead of Bazel; FAKE says what becomes of one command.
script bazelw <<'EOT'
base=${WORK}/outputs/base
if [[ $1 == --output_base=* ]]; then
  base=${1#*=}
  mkdir -p "${base}"
  shift
fi
case "$1 ${FAKE}" in
  'test server_goes_on')
    mkdir "${base}/server"
    bash -c 'exec -a "bazel --output_base=$0" sleep 60' "${base}" > /dev/null 2>&1 &
    echo $! > "${base}/server/server.pid.txt"
    echo $! > "${WORK}/server"
    ;;
  'info '*) if [[ ${!#} == output_base ]]; then echo "${base}"; else echo "${WORK}/programs"; fi ;;
  'test fails')
    echo '//ops:nms_test                 FAILED in 0.3s'
    exit 3
    ;;
  # With what timeout ends them with, so that nothing here depends on the speed of the machine.
  'test fails_slowly')
    echo 'FAIL: //ops:nms_test (see test.log)'
    exit 124
    ;;
  'build slow') exit 124 ;;
  'test compiles')
    : > "${WORK}/begun"
    exec sleep 60
    ;;
  'build broken') [[ ${!#} != //tools/... ]] ;;
esac
EOT
script bin/bazel < /dev/null
# Instead of rm, which fails in a folder that another process writes into.
cat > bin/rm <<EOT
#!/usr/bin/env bash
if [[ \${FAKE:-} == server_goes_on && \$* == *outputs* ]]; then exit 1; fi
exec $(type -P rm) "\$@"
EOT
chmod +x bin/rm
script tools/setup/install_libtorch.sh <<'EOT'
echo "${RCNN_INSTALL_SECONDS} s to install" >> "${WORK}/calls.log"
if [[ ${FAKE} == offline ]]; then exit 75; fi
if [[ ${FAKE} == no_such_version ]]; then exit 1; fi
echo /libtorch
EOT
script tools/developer/check_python_library.sh <<'EOT'
case ${FAKE} in
  no_python) exit 75 ;;
  python_fails) exit 1 ;;
esac
EOT
script programs/training/stage_scheduler < /dev/null
script tools/developer/compare_trainings.py <<'EOT'
if [[ ${FAKE} == different ]]; then exit 1; fi
EOT

limited=${work}/outputs/base_libtorch2_limited
expect 0 'LibTorch 2.11: done' good --seconds=60
called '20 s to install'
called 'install_libtorch.sh cpu --print_home'
called "bazelw --output_base=${limited} test --repo_env=LIBTORCH_HOME=/libtorch --repo_env=RCNN_LIBTORCH_CUDA=0"
called '-- //base/... //ops/... //detection/...'
called '--experimental_convenience_symlinks=ignore //tools/developer:linking_test'
called 'stage_scheduler --config=training/testing/tiny_alternating.textproto'
called 'compare_trainings.py'
called "--experimental_convenience_symlinks=ignore //:all //ops/... //tools/..."
called "bazel --output_base=${limited} clean --expunge"
not_called check_python_library
not_called --config=libtorch2
not_called --keep_going
[[ ! -e ${limited} ]] || fail "the output base is left"

expect 0 'LibTorch 2.11: done' good
called '0 s to install'
called "bazelw --output_base=${work}/outputs/base_libtorch2 build"
called --keep_going
called "check_python_library.sh ${work}/programs/ops/librcnn_ops.so"
called "bazel --output_base=${work}/outputs/base_libtorch2 shutdown"
[[ -e ${work}/outputs/base_libtorch2 ]] || fail "the output base for the next time is gone"

# An output base that cannot be deleted changes no result, and the server that writes into it is killed.
expect 0 'LibTorch 2.11: done' server_goes_on --seconds=60
runs() { [[ -n $(tr -d '\0' 2> /dev/null < "/proc/$1/cmdline") ]]; }
for _ in {1..100}; do runs "$(cat server)" && sleep 0.05; done
if runs "$(cat server)"; then fail "the server is left"; fi
rm -rf "${limited}"

# What cannot be fetched, and what does not end in its time, is neither success nor failure.
expect 75 '' offline --seconds=60
not_called bazelw
expect 1 '' no_such_version --seconds=60
expect 1 'FAILED: LibTorch 2.11: tests of base, ops and detection' fails --seconds=60
expect 1 'FAILED: LibTorch 2.11: comparison of the trainings' different --seconds=60
expect 1 'FAILED: LibTorch 2.11: build of everything' broken --seconds=60
expect 1 'FAILED: LibTorch 2.11: build of everything' broken
expect 1 'FAILED: LibTorch 2.11: librcnn_ops.so in Python' python_fails
expect 75 '' no_python
expect 1 'FAILED: LibTorch 2.11: tests of base, ops and detection' fails_slowly --seconds=60
expect 75 'notice: LibTorch 2.11: the 60 s were over before the end of: build of the scheduler' slow --seconds=60
# Stopped by timeout, or too late to begin: the same result.
expect 75 'notice: LibTorch 2.11: the 2 s were over before the end of: tests of base, ops and detection' compiles --seconds=2
expect 2 'not --seconds=N' good --seconds=soon
expect 2 'not --seconds=N' good --seconds=1 --seconds=2

rm -f begun
status=0
FAKE=compiles python3 press_ctrl_c.py begun tools/developer/check_libtorch2.sh --seconds=60 > ctrl_c.log 2>&1 || status=$?
[[ ${status} -eq 130 ]] || fail "Ctrl-C: status ${status}, output: $(cat ctrl_c.log)"
[[ ! -e ${limited} ]] || fail "Ctrl-C leaves the output base"

[[ -z $(ls "${TMPDIR}") ]] || fail "temporary files are left: $(ls "${TMPDIR}")"
[[ ! -e user.bazelrc ]] || fail "user.bazelrc was written"
echo "all passed"
