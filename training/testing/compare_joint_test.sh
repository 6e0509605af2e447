#!/usr/bin/env bash
# Alternating against joint training, on an experiment that takes seconds.
#
# Usage: compare_joint_test.sh COMPARE_JOINT STAGE_SCHEDULER EXPERIMENT
set -euo pipefail

compare=$(readlink -f "$1") scheduler=$(readlink -f "$2") experiment=$(readlink -f "$3")
cd "$TEST_TMPDIR"

sed '/^stages {/,$d' "$experiment" > joint.textproto
cat >> joint.textproto <<'END'
stages { name: "joint" train_joint { training { solver { sgd {} learning_rate: 0.01 iterations: 8 } batching { images_per_batch: 2 } } } }
stages { name: "final" evaluate { rpn: "joint" detector: "joint" } }
END
/usr/bin/python3 "$compare" --config="$experiment" --joint=joint.textproto --scheduler="$scheduler" \
  --iterations=3 --rounds=2 > ratios.txt
cat ratios.txt

seconds='[0-9]+\.[0-9]'
four="rpn1 $seconds, proposals1 $seconds, fast1 $seconds, rpn2 $seconds, proposals2 $seconds, fast2 $seconds"
for round in 1 2; do
  grep -qE "^round $round: alternating $seconds s \($four\); joint $seconds s \(joint $seconds\); ratio $seconds" ratios.txt ||
    { echo "no round $round"; exit 1; }
done
grep -qE "^median ratio of 2: $seconds" ratios.txt
