#!/usr/bin/env bash
# Evaluates detections of a dataset and fails, with the table, when a metric is below its floor. Run by detection_eval_test.bzl.
#
#   detection_eval_test.sh EVALUATE DATASET METRICS IOU_TYPE FLOORS IMAGE DETECTIONS
#   detection_eval_test.sh EVALUATE DATASET METRICS IOU_TYPE FLOORS IMAGE "" DETECTOR MODEL [ARGUMENT...]
#
# IMAGE is one of the images, or empty: its folder is that of all. A detector is called as
#   DETECTOR --model=MODEL --dataset=DATASET --images=FOLDER --out=DETECTIONS [ARGUMENT...]
set -euo pipefail
evaluate=$1 dataset=$2 metrics=$3 iou_type=$4 floors=$5 image=$6 detections=$7
shift 7
folder=""
[[ -n ${image} ]] && folder=$(dirname "${image}")
outputs=${TEST_UNDECLARED_OUTPUTS_DIR:-${TEST_TMPDIR}}
if [[ -z ${detections} ]]; then
  detector=$1 model=$2
  shift 2
  detections=${outputs}/detections.json
  # One of the root package has a path without a slash, which would be looked for among the commands.
  [[ ${detector} == */* ]] || detector=./${detector}
  "${detector}" --model="${model}" --dataset="${dataset}" --images="${folder}" --out="${detections}" "$@"
fi
worst_images=()
[[ -n ${image} && ${iou_type} == bbox ]] && worst_images=(--worst_images="${outputs}/images" --images="${folder}")
exec "${evaluate}" --dataset="${dataset}" --detections="${detections}" --metrics="${metrics}" --iou_type="${iou_type}" --min_metrics="${floors}" \
  --out="${outputs}/metrics.json" "${worst_images[@]}"
