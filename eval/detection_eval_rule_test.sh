#!/usr/bin/env bash
# How detection_eval_test.sh calls a detector, and when the test fails.
set -uo pipefail
rule=$1 evaluate=$2
shapes=eval/testdata/shapes
export TEST_UNDECLARED_OUTPUTS_DIR=${TEST_TMPDIR}/outputs
mkdir -p "${TEST_UNDECLARED_OUTPUTS_DIR}"
failures=0

# A detector that keeps its arguments and gives the stored detections, or fails.
cat > "${TEST_TMPDIR}/detector" <<'END'
#!/usr/bin/env bash
printf '%s\n' "$@" > "${TEST_TMPDIR}/arguments"
[[ $* == *--broken* ]] && exit 7
for argument; do
  if [[ ${argument} == --out=* ]]; then cp eval/testdata/shapes/detections.json "${argument#--out=}"; fi
done
END
chmod +x "${TEST_TMPDIR}/detector"

# expect CODE TEXT FLOORS ARGUMENT...: runs the test with these floors and arguments of the detector.
expect() {
  local code=$1 text=$2 floors=$3 output status
  shift 3
  output=$("${rule}" "${evaluate}" ${shapes}/instances.json coco bbox "${floors}" ${shapes}/images/shapes_1.png "" \
    "${TEST_TMPDIR}/detector" some.model "$@" 2>&1)
  status=$?
  if [[ ${status} -ne ${code} || ${output} != *"${text}"* ]]; then
    echo "FAILED: wanted exit code ${code} and \"${text}\" for ${floors} $*; got ${status} and:"
    echo "${output}"
    failures=$((failures + 1))
  fi
}

expect 0 "triangle" "ap50=0.8"
expect 3 "below the minimum: ap50 is 0.82" "ap50=0.9"
expect 3 "triangle" "ap50=0.9"
expect 1 "unknown metric 'map'" "map=0.9"
expect 7 "" "ap50=0.8" --broken
expect 0 "" "ap50=0.8" --min_score=0.05

cat > "${TEST_TMPDIR}/wanted" <<END
--model=some.model
--dataset=${shapes}/instances.json
--images=${shapes}/images
--out=${TEST_UNDECLARED_OUTPUTS_DIR}/detections.json
--min_score=0.05
END
diff "${TEST_TMPDIR}/wanted" "${TEST_TMPDIR}/arguments" || failures=$((failures + 1))
for output in metrics.json images/contact_sheet.jpg; do
  [[ -s ${TEST_UNDECLARED_OUTPUTS_DIR}/${output} ]] || { echo "FAILED: no ${output}"; failures=$((failures + 1)); }
done
exit $((failures > 0))
