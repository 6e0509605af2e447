#!/usr/bin/env bash
# What install_libtorch.sh installs, how it ends where the packages cannot be fetched, and that it leaves nothing behind.
#
#   install_libtorch_test.sh INSTALL_LIBTORCH PRESS_CTRL_C
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}"/{bin,tmp,tools/setup}
cp "$1" "${work}/tools/setup/install_libtorch.sh"
cp "$2" "${work}/press_ctrl_c.py"
cd "${work}"
python=$(python3 -c 'import sys; print(sys.executable)')
export PATH="${work}/bin:${PATH}" TMPDIR="${work}/tmp" XDG_CACHE_HOME="${work}/cache" WORK="${work}"
unset RCNN_INSTALL_SECONDS

# Instead of Python: pip, of which FAKE says what becomes.
cat > bin/python3 <<'EOT'
#!/usr/bin/env bash
echo "pip ${*:3}" >> "${WORK}/calls.log"
while [[ $# -gt 0 && $1 != --target ]]; do words+=("$1") && shift; done
case "${words[2]} ${FAKE}" in
  '--version no_pip' | 'download offline') exit 1 ;;
  'install offline' | 'install no_such_version')
    echo "ERROR: No matching distribution found for torch==2.11.0" >&2
    exit 1
    ;;
  'install full')
    echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" >&2
    exit 1
    ;;
  'install broken_off' | 'install broken_off_once')
    if [[ ${FAKE} == broken_off || $(grep -c '^pip install' "${WORK}/calls.log") -eq 1 ]]; then
      mkdir -p "$2/torch/lib"
      touch "$2/torch/lib/part.so"
      echo "ReadTimeoutError: Read timed out." >&2
      exit 1
    fi
    ;;&
  'install slow')
    # As pip does, it does not say that it was interrupted.
    trap 'kill $!; exit 1' INT
    sleep 60 &
    : > "${TMPDIR}/unpacked"
    : > "${WORK}/begun"
    wait
    ;;
  install*)
    echo "pip says something"
    mkdir -p "$2/torch/lib"
    touch "$2/torch/lib/"{libtorch_cpu,libtorch_cuda,libtorch_cuda_linalg,libtorch_nvshmem}.so "${TMPDIR}/unpacked"
    ;;
esac
EOT
chmod +x bin/python3

fail() {
  echo "FAILED: $1"
  exit 1
}

# expect STATUS TEXT FAKE ARGUMENT...: what the script ends with and prints to standard error; printed has its standard output.
expect() {
  local status=0
  rm -f calls.log
  FAKE=$3 tools/setup/install_libtorch.sh "${@:4}" > printed 2> errors || status=$?
  if [[ ${status} -ne $1 || $(cat errors) != *"$2"* ]]; then
    fail "${*:3}: status ${status}, output: $(cat printed errors)"
  fi
}

folder=${XDG_CACHE_HOME}/rcnn/libtorch
# nothing: whether nothing is installed, and nothing left of it but the lock.
nothing() {
  [[ -z $(find "${XDG_CACHE_HOME}" "${TMPDIR}" ! -type d ! -name .lock) &&
    $(ls "${folder}") == '' && ! -e user.bazelrc ]]
}

# A machine that cannot fetch the packages now.
expect 75 'python3 has no pip' no_pip
mkdir -p "${folder}"
expect 75 "pip's package index cannot be reached" offline
nothing || fail "no index: $(ls "${folder}" "${TMPDIR}")"
RCNN_INSTALL_SECONDS=1 expect 75 'was not fetched within 1 s' slow
nothing || fail "too slow: $(ls "${folder}" "${TMPDIR}")"
# An index that answers, and does not have it.
expect 1 "package index can be reached, but LibTorch 2.11.0 cannot be installed" no_such_version
nothing || fail "no such version: $(ls "${folder}" "${TMPDIR}")"
expect 1 "LibTorch 2.11.0 cannot be installed" full
[[ $(grep -c '^pip install' calls.log) -eq 1 ]] || fail "a full disk: $(cat calls.log)"
nothing || fail "a full disk: $(ls "${folder}" "${TMPDIR}")"
# A download that breaks off is begun a second time.
expect 75 'LibTorch 2.11.0 could not be fetched' broken_off
[[ $(grep -c '^pip install' calls.log) -eq 2 ]] || fail "broken off: $(cat calls.log)"
nothing || fail "broken off: $(ls "${folder}" "${TMPDIR}")"
expect 0 'ReadTimeoutError' broken_off_once --print_home
[[ $(ls "${folder}/2.11.0-cpu/torch/lib") == libtorch_cpu.so ]] || fail "libraries: $(ls "${folder}/2.11.0-cpu/torch/lib")"
rm -r "${folder}/2.11.0-cpu"
expect 2 'install_libtorch.sh [cpu|cuda]' good gpu
expect 2 'install_libtorch.sh [cpu|cuda]' good cpu cuda
# Not after a download.
for cache in "${work}/a cache" cache; do
  XDG_CACHE_HOME=${cache} expect 2 "${cache}/rcnn/libtorch/2.11.0-cuda is not an absolute path without spaces" good cuda
  [[ ! -e calls.log ]] || fail "installed into ${cache}: $(cat calls.log)"
done

# Another process installs, and does not end. Where nothing can be locked, it is installed all the same.
(
  flock 8
  RCNN_INSTALL_SECONDS=1 expect 75 'another process has been installing LibTorch for 1 s' good
) 8>> "${folder}/.lock"
nothing || fail "locked: $(ls "${folder}" "${TMPDIR}")"
printf '#!/usr/bin/env bash\necho "flock: Bad file descriptor" >&2\nexit 65\n' > bin/flock
chmod +x bin/flock
RCNN_INSTALL_SECONDS=60 expect 0 "${folder} cannot be locked" good --print_home
rm -r bin/flock "${folder}/2.11.0-cpu"

rm -f begun
status=0
FAKE=slow "${python}" press_ctrl_c.py begun tools/setup/install_libtorch.sh > ctrl_c.log 2>&1 || status=$?
[[ ${status} -eq 130 ]] || fail "Ctrl-C: status ${status}, output: $(cat ctrl_c.log)"
nothing || fail "Ctrl-C: $(ls "${folder}" "${TMPDIR}")"

# Where it is asked for, without a line in user.bazelrc.
expect 0 'installing LibTorch 2.11.0 for the CPU' good --print_home
[[ $(cat printed) == "${folder}/2.11.0-cpu/torch" ]] || fail "printed: $(cat printed)"
[[ ! -e user.bazelrc ]] || fail "user.bazelrc: $(cat user.bazelrc)"
[[ $(ls "${folder}/2.11.0-cpu/torch/lib") == libtorch_cpu.so ]] || fail "libraries: $(ls "${folder}/2.11.0-cpu/torch/lib")"
[[ $(ls "${folder}") == 2.11.0-cpu && -z $(ls "${TMPDIR}") ]] || fail "left: $(ls "${folder}" "${TMPDIR}")"
expect 0 '' good cpu --print_home
[[ ! -e calls.log ]] || fail "installed again: $(cat calls.log)"

# The configs replace older ones, and nothing else.
printf 'build:libtorch2 --repo_env=LIBTORCH_HOME=/old\nbuild --jobs=1' > user.bazelrc
expect 0 './bazelw build --config=libtorch2 //...' good cpu
expect 0 './bazelw build --config=cuda //...' good cuda
diff user.bazelrc - << EOT || fail "user.bazelrc"
build --jobs=1
build:libtorch2 --repo_env=LIBTORCH_HOME=${folder}/2.11.0-cuda/torch
build:libtorch2 --repo_env=RCNN_LIBTORCH_CUDA=0
build:cuda --repo_env=LIBTORCH_HOME=${folder}/2.11.0-cuda/torch
build:cuda --repo_env=RCNN_LIBTORCH_CUDA=1
EOT
grep -q '^pip install .*--no-deps' calls.log && fail "CUDA without its libraries: $(cat calls.log)"
echo "all passed"
