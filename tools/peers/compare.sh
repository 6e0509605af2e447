#!/usr/bin/env bash
# Times rcnn's detectors against the newest peers from PyPI, on the same weights and image, and prints tables.
#
#   tools/peers/compare.sh [--rounds 5] [--folder FOLDER] [MODEL:WORK ...]
#
# MODEL: resnet50_fpn, vgg16. WORK: inference, training. Without any, all four; about an hour on two cores.
# --rounds N       alternating processes of each kind; medians are printed
# --folder FOLDER  keeps environment, weights and measurements there; a later run adds to them
#
# Peers, in a virtual environment of their own (6 GB, some minutes): torchvision 0.26 on torch 2.11 (eager, channels-last,
# compiled), ONNX Runtime, OpenVINO in float32 and bfloat16; and Debian's torchvision 0.14 where it is installed. All have a
# thread per core that the shell may use, and a heap that keeps freed memory. bfloat16 is timed where the processor has it.
set -euo pipefail
cd "$(dirname "$0")/../.."
./bazelw build //tools:time_detector >&2
exec python3 tools/peers/compare_peers.py "$@"
