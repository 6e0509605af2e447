#!/usr/bin/env bash
# //eval:report and evaluate --report, --export_suspects; with Chromium, the pages in a browser.
set -uo pipefail
evaluate=$1
report=$2
check_page=$3
shapes=eval/testdata/shapes
out=${TEST_TMPDIR:?}
failures=0

# expect CODE TEXT COMMAND...: wants this exit code and text.
expect() {
  local code=$1 text=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  if [[ ${status} -ne ${code} || ${output} != *"${text}"* ]]; then
    echo "FAILED: $*"
    echo "wanted exit code ${code} and \"${text}\"; got ${status} and:"
    echo "${output}"
    failures=$((failures + 1))
  fi
}

dataset=--dataset=${shapes}/instances.json
detections=${shapes}/detections.json
images=--images=${shapes}/images
expect 0 "The report: " "${evaluate}" "${dataset}" "--detections=${detections}" "${images}" "--report=${out}/report.html"
expect 0 "href=\"data:image/jpeg" cat "${out}/report.html"
expect 0 "suspected labels: " "${evaluate}" "${dataset}" "--detections=${detections}" "--export_suspects=${out}/suspects.json"
expect 0 "\"suspicion\"" cat "${out}/suspects.json"
expect 1 "--report: cannot write absent/report.html" "${evaluate}" --dataset=absent --detections=absent --report=absent/report.html
expect 1 "--report analyses boxes, --iou_type is segm" "${evaluate}" --dataset=absent --detections=absent --report=${out}/x.html \
  --iou_type=segm
expect 0 "report.html" "${report}" "${detections}" "${dataset}" "--out=${out}/plain_report.html"
expect 0 "95% interval of B - A" "${report}" --compare "${detections}" eval/testdata/detections/empty.json "${dataset}" \
  "${images}" "--out=${out}/comparison.html"
expect 1 "1 results are given, 2 needed" "${report}" --compare "${detections}" "${dataset}"
expect 1 "--dataset is needed: ${detections} is not a run" "${report}" "${detections}"
expect 1 "absent.json" "${report}" absent.json "${dataset}"
expect 1 "resamples is 3" "${report}" --compare "${detections}" "${detections}" "${dataset}" --resamples=3

# The same names with markup in them.
sed 's/"triangle"/"<script>alert(1)<\/script>"/g' "${shapes}/instances.json" > "${out}/markup.json"
expect 0 "The report: " "${evaluate}" "--dataset=${out}/markup.json" "--detections=${detections}" "--report=${out}/markup.html"

if command -v "${CHROMIUM:-chromium}" > /dev/null; then
  for page in report plain_report comparison markup; do
    expect 0 "390 px, dark" env HOME="${out}" python3 "${check_page}" "${out}/${page}.html"
  done
else
  echo "Chromium is not installed: the pages were not opened."
fi
exit $((failures > 0))
