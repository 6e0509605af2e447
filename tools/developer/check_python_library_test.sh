#!/usr/bin/env bash
# What check_python_library.sh runs, what it ends with, and that it leaves nothing behind.
#
#   check_python_library_test.sh CHECK_PYTHON_LIBRARY OUTPUT_BASE FAKE_PROGRAMS
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}"/{bin,tmp} "${work}"/tools/{developer,setup}
cp "$1" "${work}/tools/developer/check_python_library.sh"
cp "$2" "${work}/tools/developer/output_base.sh"
source "$3"
cd "${work}"
tested=tools/developer/check_python_library.sh
export PATH="${work}/bin:${PATH}" TMPDIR="${work}/tmp" XDG_CACHE_HOME="${work}/cache" WORK="${work}" RCNN_PYTHON="${work}/bin/maker"

# Instead of Python: it makes virtual environments with the next one.
script bin/maker <<'EOT'
if [[ $1 == -c ]]; then [[ ${FAKE} != no_venv ]] && exit || exit 1; fi
mkdir -p "$3/bin"
cp "${WORK}/bin/python" "$3/bin/python"
EOT
# Instead of an environment's Python, with pip; FAKE says what becomes of one command.
script bin/python <<'EOT'
case "$1 ${3:-} ${FAKE}" in
  '-m download offline') exit 1 ;;
  '-m install no_such_version')
    echo "ERROR: No matching distribution found for torch==2.11.0" >&2
    exit 1
    ;;
  '-m install full')
    echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" >&2
    exit 1
    ;;
  '-m install broken_off')
    echo "ReadTimeoutError: Read timed out." >&2
    exit 1
    ;;
  '-m install slow') exec sleep 60 ;;
  'ops/rcnn_ops_test.py '*' fails') exit 1 ;;
esac
EOT
script bazelw <<'EOT'
base=${WORK}/outputs/base
if [[ $1 == --output_base=* ]]; then
  base=${1#*=}
  mkdir -p "${base}"
  shift
fi
case "$1 ${FAKE}" in
  'info '*) if [[ ${!#} == output_base ]]; then echo "${base}"; else echo "${WORK}/programs"; fi ;;
  'build broken') exit 1 ;;
esac
EOT
script bin/bazel < /dev/null
script tools/setup/install_libtorch.sh <<'EOT'
if [[ ${FAKE} == no_libtorch ]]; then exit 75; fi
echo /libtorch
EOT

environment=${XDG_CACHE_HOME}/rcnn/python/torch-2.11.0
# nothing: whether nothing is installed.
nothing() { [[ ! -e ${environment} ]] || fail "an environment that is not complete is left"; }

# What cannot be installed is neither success nor failure.
expect 75 'notice: librcnn_ops.so was not used from torch 2.11.0: '"${RCNN_PYTHON} is not a Python 3.10 with venv" no_venv a.so
nothing
expect 75 "pip's package index cannot be reached" offline a.so
nothing
expect 75 'ReadTimeoutError: Read timed out.' broken_off a.so
nothing
expect 75 'notice: librcnn_ops.so was not used from torch 2.11.0: the 1 s were over before the end of: the installation' slow --seconds=1
nothing
not_called rcnn_ops_test.py
# An index that has no such version, and a full disk, are errors.
expect 1 'No matching distribution' no_such_version a.so
nothing
expect 1 'No space left' full a.so
nothing

expect 0 '' good a.so
called 'python -m pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary=:all: torch==2.11.0 numpy'
called 'python ops/librcnn_ops_test.py a.so ops/README.md'
called 'python ops/rcnn_ops_test.py a.so'
not_called bazelw
# It is installed once.
expect 1 '' fails a.so
not_called 'pip install'

# Without a library one is built, for the CPU.
limited=${work}/outputs/base_libtorch2_limited
expect 0 '' good --seconds=60
called 'install_libtorch.sh cpu --print_home'
called "bazelw --output_base=${limited} build --repo_env=LIBTORCH_HOME=/libtorch --repo_env=RCNN_LIBTORCH_CUDA=0"
called "python ops/rcnn_ops_test.py ${work}/programs/ops/librcnn_ops.so"
[[ ! -e ${limited} ]] || fail "the output base is left"
expect 0 '' good
called "bazel --output_base=${work}/outputs/base_libtorch2 shutdown"
[[ -e ${work}/outputs/base_libtorch2 ]] || fail "the output base for the next time is gone"
expect 1 '' broken --seconds=60
not_called rcnn_ops_test.py
expect 75 '' no_libtorch --seconds=60
not_called bazelw
expect 2 'check_python_library.sh [LIBRARY]' good --seconds=soon
expect 2 'check_python_library.sh [LIBRARY]' good a.so b.so

[[ -z $(ls "${TMPDIR}") ]] || fail "temporary files are left: $(ls "${TMPDIR}")"
echo "all passed"
