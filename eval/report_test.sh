#!/usr/bin/env bash
# //eval:report and evaluate --report, --export_suspects; with Chromium, the pages in a browser.
set -uo pipefail
evaluate=$1
report=$2
check_page=$3
write_texts=$4
shapes=eval/testdata/shapes
out=${TEST_TMPDIR:?}
source eval/testing/expect_command.sh
expect() { expect_command "$@"; }

dataset=--dataset=${shapes}/instances.json
detections=${shapes}/detections.json
images=--images=${shapes}/images
expect 0 "The report: " "${evaluate}" "${dataset}" "--detections=${detections}" "${images}" "--report=${out}/report.html"
expect 0 "href=\"data:image/jpeg" cat "${out}/report.html"
# Started by `bazel run`, where Bazel has built it, and as a file.
built=${out}/bazel-out/k8-opt/bin/eval
mkdir -p "${built}"
ln -s "${PWD}/${evaluate}" "${built}/evaluate"
expect 0 "The report: " env "BUILD_WORKING_DIRECTORY=${PWD}" "${built}/evaluate" "${dataset}" "--detections=${detections}" \
  "--report=${out}/started.html"
expect 0 "<span>./bazelw</span> <span>run</span> <span>//eval:evaluate</span> <span>--</span> <span>${dataset}</span>" \
  cat "${out}/started.html"
expect 0 "<span>${evaluate}</span> <span>${dataset}</span>" cat "${out}/report.html"
expect 0 "suspected label" "${evaluate}" "${dataset}" "--detections=${detections}" "--export_suspects=${out}/suspects.json"
expect 0 "\"suspicion\"" cat "${out}/suspects.json"
expect 0 "The errors: " "${evaluate}" "${dataset}" "--detections=${detections}" "--export_errors=${out}/errors.json"
expect 0 "\"Miss\": {" cat "${out}/errors.json"
expect 1 "--report: cannot write absent/report.html" "${evaluate}" --dataset=absent --detections=absent --report=absent/report.html
# Masks and keypoints are compared and drawn as such.
for kind in masks keypoints; do
  type=${kind/masks/segm}
  shape_flags=(--dataset=coco:eval/testdata/${kind}/instances.json --iou_type=${type})
  found=eval/testdata/${kind}/detections.json
  expect 0 "suspected label" "${evaluate}" "${shape_flags[@]}" --detections=${found} "--report=${out}/${kind}.html" \
    "--export_suspects=${out}/${kind}.json"
  expect 0 "box shape" cat "${out}/${kind}.html"
  expect 0 "plain_${kind}.html" "${report}" ${found} "${shape_flags[@]}" "--out=${out}/plain_${kind}.html"
  expect 1 "--compare compares boxes, --iou_type is ${type}" "${report}" --compare ${found} ${found} "${shape_flags[@]}"
done
expect 0 "compared by IoU of masks" cat "${out}/masks.html"
expect 0 "compared by OKS" cat "${out}/keypoints.html"
expect 1 "--iou_type=segm needs --dataset" "${report}" absent --iou_type=segm
expect 1 "'masks' is not one of bbox, segm, keypoints" "${report}" absent --iou_type=masks
# Names that no file can have.
shown="$(printf '%60s' '' | tr ' ' x)... (300 bytes)"
long=$(printf '%300s' '' | tr ' ' x)
expect 1 "error: ${shown}: no file can have so long a name" "${report}" "${long}"
expect 1 "error: --dataset=${shown}: no such file or folder; expected" "${report}" absent "--dataset=${long}" "--out=${out}/none.html"
expect 1 "error: --data_root=${shown}: no file can" "${report}" absent "--data_root=${long}"
expect 1 "error: --out: cannot create a file for ${shown}: no file can" "${report}" absent "${dataset}" "--out=${long}"
expect 0 "report.html" "${report}" "${detections}" "${dataset}" "--out=${out}/plain_report.html"
expect 0 "95 % interval of B - A" "${report}" --compare "${detections}" eval/testdata/detections/empty.json "${dataset}" \
  "${images}" "--out=${out}/comparison.html"
expect 1 "1 results given, expected 2" "${report}" --compare "${detections}" "${dataset}"
expect 1 "--dataset is needed: ${detections} is not a run" "${report}" "${detections}"
expect 1 "absent.json" "${report}" absent.json "${dataset}"
expect 0 "--confidence  (double, default: 0.95)" "${report}" --help
expect 1 "resamples is 3" "${report}" --compare "${detections}" "${detections}" "${dataset}" --resamples=3

# One that cannot be examined now may be a run.
ln -s loop "${out}/loop"
expect 1 "error: cannot access ${out}/loop/experiment.textproto: Too many levels" "${report}" "${out}/loop" "--out=${out}/none.html"

# A run's directory: its experiment says what it was measured on, its stages how the losses fell.
run=${out}/runs/shapes
mkdir -p "${run}/stages/1_joint"
folder=$(realpath ${shapes})
cat > "${run}/experiment.textproto" << END
name: "shapes"
data { test { coco {} paths { annotations: "${folder}/instances.json" images: "${folder}/images" } } }
stages { name: "joint" train_joint {} }
stages { name: "final" evaluate { rpn: "joint" detector: "joint" } }
END
cp ${shapes}/detections.json "${run}/detections.json"
printf '{"iteration":10,"loss":2.5}\n{"iteration":20,"loss":1.25}\n' > "${run}/stages/1_joint/metrics.jsonl"
expect 0 "run_report.html" "${report}" "${run}" "--out=${out}/run_report.html"
for text in "Losses of stage joint by iteration" "evaluate { rpn" "href=\"data:image/jpeg"; do
  expect 0 "${text}" cat "${out}/run_report.html"
done
expect 0 "95 % interval of B - A" "${report}" --compare "${run}" "${run}" "--out=${out}/same_runs.html"
# A run names the dataset for a file beside it; two runs must name the same one.
expect 0 "95 % interval of B - A" "${report}" --compare "${detections}" "${run}" "--out=${out}/x.html"
expect 1 "--images is the folder of the images of --dataset" "${report}" "${run}" "${images}"
expect 1 "--out=${run}/detections.json is also the file of a result" "${report}" "${run}" "--out=${run}/detections.json"
other=${out}/runs/other
cp -r "${run}" "${other}"
sed '0,/^48,$/s//47,/' ${shapes}/instances.json > "${out}/moved.json"
sed -i "s|${folder}/instances.json|${out}/moved.json|" "${other}/experiment.textproto"
expect 1 "were evaluated on different datasets; give the dataset" "${report}" --compare "${run}" "${other}" "--out=${out}/x.html"
expect 0 "95 % interval of B - A" "${report}" --compare "${run}" "${other}" "${dataset}" "--out=${out}/x.html"
expect 1 "not from 20 to 100000" "${report}" --compare "${detections}" "${detections}" "${dataset}" --resamples=100000000000
# The command that repeats a report is quoted for a shell.
expect 0 "a b;c.html" "${report}" "${detections}" "${dataset}" "--out=${out}/a b;c.html"
expect 0 "&#39;--out=${out}/a b;c.html&#39;" cat "${out}/a b;c.html"

# The same detections as VOC's, YOLO's and CSV text; and bad and extreme input.
python3 "${write_texts}" ${shapes} "${out}"
python3 - ${shapes} "${out}" <<'END'
import json, sys
source, out = sys.argv[1:]
truth, found = (json.load(open(f"{source}/{name}.json")) for name in ("instances", "detections"))
def write(name, value):
    json.dump(value, open(f"{out}/{name}.json", "w"))

first = truth["categories"][0]["id"]
write("unknown_image", found + [dict(found[0], image_id=999)])
write("unknown_class", found + [dict(found[0], category_id=999)])
write("empty_truth", dict(truth, annotations=[]))
write("one_class_truth", dict(truth, categories=truth["categories"][:1],
                              annotations=[dict(a, category_id=first) for a in truth["annotations"]]))
write("one_class", [dict(d, category_id=first) for d in found])
many = [dict(id=i, name=f"class {i}") for i in range(1, 5001)]
write("many_truth", dict(truth, categories=many,
                         annotations=[dict(a, category_id=1 + 811 * i % 5000) for i, a in enumerate(truth["annotations"])]))
write("many", [dict(d, category_id=1 + 811 * i % 5000) for i, d in enumerate(found)])
END
for text in voc yolo found.csv; do
  expect 0 "${text%.csv}_report.html" "${report}" "${out}/${text}" "${dataset}" "--out=${out}/${text%.csv}_report.html"
  expect 0 "AP           " "${report}" --compare "${detections}" "${out}/${text}" "${dataset}" "--out=${out}/x.html"
done
expect 1 "image_id 999" "${report}" "${out}/unknown_image.json" "${dataset}"
expect 1 "category_id 999" "${report}" "${out}/unknown_class.json" "${dataset}"
expect 0 "The report: " "${evaluate}" "${dataset}" "--detections=${out}/unknown_class.json" --skip_unknown_categories \
  "--report=${out}/unknown_class.html"
expect 0 "empty.html" "${report}" "${detections}" "--dataset=${out}/empty_truth.json" "--out=${out}/empty.html"
expect 0 "Nothing to measure: the dataset has no objects." cat "${out}/empty.html"
expect 0 "one_class.html" "${report}" "${out}/one_class.json" "--dataset=${out}/one_class_truth.json" "--out=${out}/one_class.html"
expect 0 "many.html" "${report}" "${out}/many.json" "--dataset=${out}/many_truth.json" "--out=${out}/many.html"
(( $(stat -c %s "${out}/many.html") < 20000000 )) || { echo "FAILED: 5,000 classes: more than 20 MB"; failures=$((failures + 1)); }

# The same names with markup in them.
sed 's/"triangle"/"<script>alert(1)<\/script>"/g' "${shapes}/instances.json" > "${out}/markup.json"
expect 0 "The report: " "${evaluate}" "--dataset=${out}/markup.json" "--detections=${detections}" "--report=${out}/markup.html"

if command -v "${CHROMIUM:-chromium}" > /dev/null; then
  pages=()
  for page in report run_report plain_report comparison markup masks keypoints yolo_report empty one_class many; do
    pages+=("${out}/${page}.html")
  done
  expect 0 "many.html: 390 px, dark" env HOME="${out}" python3 "${check_page}" "${pages[@]}"
else
  echo "Chromium is not installed: the pages were not opened."
fi
exit $((failures > 0))
