#!/usr/bin/env bash
# Tests compare_proposals.py on an experiment that takes seconds.
#
# Usage: compare_proposals_test.sh COMPARE_PROPOSALS STAGE_SCHEDULER EVALUATE_PROPOSALS EXPERIMENT
set -euo pipefail

compare=$(readlink -f "$1") scheduler=$(readlink -f "$2") recall=$(readlink -f "$3") experiment=$(readlink -f "$4")
cd "$TEST_TMPDIR"

flags=(--config="$experiment" --run_dir=run --scheduler="$scheduler" --evaluate_proposals="$recall")
"$scheduler" --config="$experiment" --run_dir=run --quiet --rehearse=false
before=$(md5sum run/metrics.json run/model.safetensors)
/usr/bin/python3 "$compare" "${flags[@]}" > table.txt
cat table.txt

for row in 'selective search, 2000' 'RPN of step 1, not shared, 300' 'RPN of step 3, 2000' 'RPN of step 3, 100'; do
  grep -qE "^\| $row \| [01]\.[0-9]{3} \| [01]\.[0-9]{3} \| [0-9]+\.[0-9]{3} \|$" table.txt || { echo "no row: $row"; exit 1; }
done
grep -q 'Recall of selective search' table.txt && grep -q 'Recall of the RPN' table.txt

# The experiment's own results are still those at the top of the run directory.
[ "$before" = "$(md5sum run/metrics.json run/model.safetensors)" ] || { echo "the results were replaced"; exit 1; }
