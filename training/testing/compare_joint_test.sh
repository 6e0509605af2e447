#!/usr/bin/env bash
# Tests compare_joint.py on an experiment that takes seconds.
#
# Usage: compare_joint_test.sh COMPARE_JOINT STAGE_SCHEDULER EXPERIMENT
set -euo pipefail

compare=$(readlink -f "$1") scheduler=$(readlink -f "$2") experiment=$(readlink -f "$3")
cd "$TEST_TMPDIR"

sed '/^stages {/,$d' "$experiment" > joint.textproto
cat >> joint.textproto <<'END'
stages { name: "joint" train_joint { training { solver { sgd {} learning_rate: 0.01 iterations: 9 } batching { images_per_batch: 2 } } } }
stages { name: "final" evaluate { rpn: "joint" detector: "joint" } }
END
compare=(/usr/bin/python3 "$compare" --config="$experiment" --joint=joint.textproto --scheduler="$scheduler")

# ratios ROUNDS NAME=ITERATIONS...: what the last run printed in so many rounds, with stages of so many iterations.
ratios() {
  local rounds=$1 round stage count
  local seconds='[0-9]+\.[0-9]'
  local four="rpn1 $seconds, proposals1 $seconds, fast1 $seconds, rpn2 $seconds, proposals2 $seconds, fast2 $seconds"
  shift
  for round in $(seq "$rounds"); do
    grep -qE "^round $round: alternating $seconds s \($four\); joint $seconds s \(joint $seconds\); ratio $seconds" ratios.txt ||
      { echo "no round $round"; exit 1; }
  done
  grep -qE "^median ratio of $rounds: $seconds" ratios.txt
  for stage in "$@"; do
    # The stages' table names the iterations after the time.
    count=$(grep -cE "^  ${stage%=*} +[0-9.hms]+ +${stage#*=} " tables.txt || true)
    [[ $count -eq $rounds ]] || { echo "$count of $rounds runs had $stage"; exit 1; }
  done
}

# The first step averages two batches of two in each iteration.
"${compare[@]}" --passes=12 --rounds=2 > ratios.txt 2> tables.txt || { cat tables.txt; exit 1; }
cat tables.txt ratios.txt
ratios 2 rpn1=3 fast1=6 rpn2=6 fast2=6 joint=12

"${compare[@]}" --passes=4 --images_per_batch=1 > ratios.txt 2> tables.txt || { cat tables.txt; exit 1; }
ratios 1 rpn1=2 fast1=4 rpn2=4 fast2=4 joint=8

# refused MESSAGE FLAG...: ends with this message, before anything is trained, and with no traceback.
refused() {
  local message=$1
  shift
  if "${compare[@]}" "$@" > refused.txt 2>&1; then
    echo "not refused: $*"
    exit 1
  fi
  if ! grep -qF -e "$message" refused.txt || grep -q Traceback refused.txt; then
    echo "refused otherwise: $*"
    cat refused.txt
    exit 1
  fi
}
refused "10 passes are not a whole number of iterations of the stage rpn1, which takes 4 images in each" --passes=10
refused "0 is not at least 1" --passes=0
refused "0 is not at least 1" --passes=12 --rounds=0
refused "0 is not at least 1" --passes=12 --images_per_batch=0
refused "is it built?" --passes=12 --scheduler=./none
refused 'stages has no "joint"' --passes=12 --joint="$experiment"
