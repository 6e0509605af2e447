#!/usr/bin/env bash
# Checks that rcnn's detectors compute what torchvision's do, on the same random weights and images.
#
#   tools/peers/check_against_torchvision.sh [MODEL ...]
#
# MODEL: resnet50_fpn, resnet50_fpn_v2, vgg16, resnet50_c4. Without any, all four; some minutes each.
#
# Python makes a model with torchvision, scales its random weights so that it detects something, and writes them with 20
# images of different sizes and all that it computes (detection/testing/export_torchvision.py). A C++ test
# (detection/torchvision_parity_test.cc, which explains its tolerances) loads the weights through convert_weights' name
# maps and compares. For each model this prints, and fails where it does not hold:
#   float64    proposals and detections of the images: boxes to 0.01 px, scores to 1e-4, the same labels and number
#   float32    the same of the network as it is used, unprepared and prepared for inference, where float32 can tell
#   losses     the four losses of a training step to 1e-4 of their value
#   gradients  of every parameter: to 1e-7 in float64, and in float32 to twice torchvision's own error
# Needs python3-torchvision 0.14; exits with 77 without it.
set -euo pipefail
cd "$(dirname "$0")/../.."

filter=
for model in "$@"; do
  if ! [[ $model =~ ^(resnet50_fpn|resnet50_fpn_v2|vgg16|resnet50_c4)$ ]]; then
    echo "'$model' is not resnet50_fpn, resnet50_fpn_v2, vgg16 or resnet50_c4" >&2
    exit 2
  fi
  filter+=":*/$model"
done
if ! /usr/bin/python3 -c 'import torchvision' 2>/dev/null; then
  echo "python3-torchvision is not installed; cannot compare" >&2
  exit 77
fi

options=()
if [ -n "$filter" ]; then  # in one process, so that a model is exported once
  options=(--test_filter="${filter#:}" --test_sharding_strategy=disabled --test_timeout=3600)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
result=0
./bazelw test //detection:torchvision_parity_test --test_env=RCNN_PARITY_IMAGES=20 --test_output=all \
  --nocache_test_results "${options[@]}" \
  >"$log" 2>&1 || result=$?
# What the test prints: its figures, what failed and why, and the end of each part.
grep -E '^(float(32|64):|\[ +(OK|FAILED) |detection/.*Failure|ERROR|  (Actual|Expected))' "$log" || cat "$log"
if [ "$result" -ne 0 ]; then
  echo "rcnn and torchvision differ, or the test could not run (bazel's exit status $result)" >&2
  exit "$result"
fi
echo "rcnn and torchvision agree."
