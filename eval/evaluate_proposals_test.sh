#!/usr/bin/env bash
# Exit codes, messages and outputs of //eval:evaluate_proposals, on selective search of generated shapes.
set -uo pipefail
evaluate=$1 search=$2
dataset=shapes:num_images=2,seed=7
proposals=${TEST_TMPDIR}/search.safetensors
source eval/testing/expect_command.sh

# expect CODE TEXT ARGUMENT...: of evaluate_proposals.
expect() { expect_command "$1" "$2" "${evaluate}" "${@:3}"; }

# OpenCV's selective search keeps 5 MB forever, however many images it sees.
ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 "${search}" --dataset=${dataset} --out="${proposals}" > /dev/null || exit 1
good=(--dataset=${dataset} --proposals="one=${proposals},two=${proposals}")
expect 0 "two         2000" "${good[@]}" --svg="${TEST_TMPDIR}/recall.svg"
expect 0 "one          300" "${good[@]}"
expect 0 "search.safetensors" --dataset=${dataset} --proposals="${proposals}" --counts=5
expect 1 "--dataset and --proposals are needed" --dataset=${dataset}
expect 1 "absent.safetensors" --dataset=${dataset} --proposals=absent.safetensors
expect 1 "--dataset=absent: no such file or folder; expected a folder of labelled images" --dataset=absent --proposals=x
expect 1 "--proposals=RPN=absent: cannot open absent" --dataset=${dataset} --proposals=RPN=absent
long=$(printf '%300s' '' | tr ' ' x)
expect 1 "x... (300 bytes): cannot open $(printf '%60s' '' | tr ' ' x)... (300 bytes): no file can" --dataset=${dataset} \
  "--proposals=${long}"
expect 1 "'RPN=' is not NAME=FILE or FILE" --dataset=${dataset} --proposals=RPN=
expect 1 "'' is not NAME=FILE or FILE" --dataset=${dataset} --proposals=,
expect 1 "not a safetensors file" --dataset=${dataset} --proposals="$0"
expect 1 "--svg: cannot write absent/x.svg" --dataset=absent --proposals=absent --svg=absent/x.svg
expect 1 "other" --dataset=shapes:num_images=2,seed=8 --proposals="${proposals}"
expect 1 "'many' is not a number" "${good[@]}" --counts=many
expect 1 "ascending" "${good[@]}" --counts=100,10
expect 1 "absent/recall.svg" "${good[@]}" --svg=absent/recall.svg
expect 2 "--counts" "${good[@]}" --count=5
grep -q "300 proposals" "${TEST_TMPDIR}/recall.svg" || { echo "FAILED: --svg"; failures=$((failures + 1)); }
exit $((failures > 0))
