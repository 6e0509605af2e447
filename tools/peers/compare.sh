#!/usr/bin/env bash
# Times rcnn's detectors against the newest peers from PyPI, on the same weights and image, and prints tables.
#
#   tools/peers/compare.sh [--rounds 5] [--only VARIANT,...] [--folder FOLDER] [MODEL:WORK ...]
#
# MODEL: resnet50_fpn, vgg16. WORK: inference, training. Without any, all four; more than an hour on two cores.
# --rounds N       alternating processes of each kind, each round from another kind on; medians are printed
# --only VARIANT   some of the programs, such as rcnn,openvino; --help lists them
# --folder FOLDER  keeps environment and weights there for later runs, and the measurements of each run in a folder of its own
#
# Peers, in a virtual environment of their own (6 GB, some minutes): torchvision 0.26 on torch 2.11 (eager, channels-last,
# compiled, and under bfloat16 autocast), ONNX Runtime, OpenVINO in float32 and bfloat16; and Debian's torchvision 0.14 where it
# is installed, with OpenBLAS's fastest kernels. All have a thread per core that the shell may use, and a heap that keeps freed
# memory, as rcnn does; OpenVINO runs with the system's heap as well, and the better of both counts. bfloat16 is timed where the
# processor has it and RCNN_INSTRUCTIONS does not lower rcnn's level. Exits with 1 if one failed, or if those in float32 do not detect
# the same.
set -euo pipefail
cd "$(dirname "$0")/../.."
./bazelw build //tools:time_detector >&2
exec python3 tools/peers/compare_peers.py "$@"
