#!/usr/bin/env bash
# What bazelw says before it starts Bazel.
#
#   bazelw_test.sh BAZELW
set -euo pipefail
work=${TEST_TMPDIR:-$(mktemp -d)}/workspace
mkdir -p "${work}/bin"
cp "$1" "${work}/bazelw"
printf '#!/bin/sh\necho "bazel got: $*"\n' > "${work}/bin/bazel"
chmod +x "${work}/bin/bazel"
cd "${work}"
export RCNN_PACKAGES_ENSURED=1 PATH="${work}/bin:${PATH}"
unset LIBTORCH_HOME

# expect STATUS TEXT COMMAND...
expect() {
  local status=0 output
  output=$("${@:3}" 2>&1) || status=$?
  if [[ ${status} -ne $1 || ${output} != *"$2"* ]]; then
    printf 'FAILED: %s: status %s, output:\n%s\n' "${*:3}" "${status}" "${output}"
    exit 1
  fi
}

expect 0 'bazel got: build //...' ./bazelw build //...
for variant in libtorch2:cpu cuda:cuda; do
  config=${variant%:*}
  expect 1 "--config=${config} needs a LibTorch 2.11. Install it first: tools/setup/install_libtorch.sh ${variant#*:}" \
    ./bazelw build "--config=${config}" //...
  expect 1 "--config=${config} needs a LibTorch 2.11." ./bazelw build --config "${config}" //...
done
# A program's own flag.
expect 0 'bazel got: run //training:stage_scheduler -- --config=cuda' ./bazelw run //training:stage_scheduler -- --config=cuda
echo 'build:libtorch2 --repo_env=LIBTORCH_HOME=/libtorch' > user.bazelrc
expect 0 'bazel got: test --config=libtorch2 //ops:nms_test' ./bazelw test --config=libtorch2 //ops:nms_test
expect 0 'bazel got: test --config libtorch2 //ops:nms_test' ./bazelw test --config libtorch2 //ops:nms_test
expect 1 '--config=cuda needs a LibTorch 2.11' ./bazelw build --config=cuda //...
expect 1 'write --repo_env=LIBTORCH_HOME=/libtorch' env LIBTORCH_HOME=/libtorch ./bazelw build //...
echo "all passed"
