#!/usr/bin/env bash
# Times rcnn's detectors against torchvision's, on the same weights and the same image, and prints tables.
#
#   tools/peers/compare_with_torchvision.sh [-n ROUNDS] [-d] [-o FOLDER] [MODEL:WORK ...]
#
# MODEL: resnet50_fpn, vgg16. WORK: inference, training. Without any, all four.
# -n ROUNDS  alternating processes of each kind, of two runs each; medians are reported (default 3)
# -d         also unmodified torchvision: its default threads, the BLAS kernels that OpenBLAS guesses, and a
#            heap that is returned at every layer. Slow; once, not ROUNDS times
# -o FOLDER  keeps weights and measurements there; a later run adds to them
#
# Both sides run on the cores that the shell may use. The peer is tuned: a thread per core, the fastest BLAS kernels, a
# kept heap, and the fastest of eager, channels-last and optimize_for_inference, which the first round finds out; later
# ones leave out those that were more than a tenth slower. Needs python3-torchvision 0.14.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=3
with_default=
folder=
while getopts n:do: option; do
  case $option in
    n) rounds=$OPTARG ;;
    d) with_default=1 ;;
    o) folder=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
jobs=("$@")
[ ${#jobs[@]} -gt 0 ] || jobs=(resnet50_fpn:inference vgg16:inference resnet50_fpn:training vgg16:training)
for job in "${jobs[@]}"; do
  if ! [[ $job =~ ^(resnet50_fpn|vgg16):(inference|training)$ ]]; then
    echo "'$job' is not resnet50_fpn or vgg16, a colon, and inference or training" >&2
    exit 2
  fi
done

python=/usr/bin/python3
peer=tools/peers/time_torchvision.py
table=tools/peers/comparison_table.py
if ! "$python" -c 'import torchvision' 2>/dev/null; then
  echo "python3-torchvision is not installed; cannot compare" >&2
  exit 77
fi
./bazelw build //tools:time_detector >&2
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

# The heap that rcnn's own start-up sets (base/heap.h), for the peer as well.
heap=glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296
heap+=:glibc.malloc.trim_threshold=8589934592:glibc.malloc.top_pad=67108864

# The kernels of OpenBLAS with the fastest matrix product.
fastest=0
for core in Haswell Zen SkylakeX Cooperlake; do
  [[ $core =~ ^(SkylakeX|Cooperlake)$ ]] && ! grep -q avx512f /proc/cpuinfo && continue
  speed=$(OPENBLAS_CORETYPE=$core GLIBC_TUNABLES=$heap "$python" "$peer" gemm)
  echo "OPENBLAS_CORETYPE=$core: $speed GFLOP/s" >&2
  if awk "BEGIN { exit !($speed > $fastest) }"; then
    fastest=$speed
    tuned=(env "OPENBLAS_CORETYPE=$core" "GLIBC_TUNABLES=$heap")
  fi
done

ours() {  # MODEL WORK REPEATS
  local map=torchvision_fasterrcnn_vgg16 train=
  if [ "$1" = resnet50_fpn ]; then map=torchvision_fasterrcnn_fpn; fi
  if [ "$2" = training ]; then train=--train; fi
  bazel-bin/tools/time_detector --config="$folder/$1/detector.textproto" --weights="$folder/$1/weights.safetensors" \
    --image="$folder/$1/image.safetensors" --name_map=$map --repeats="$3" $train
}

for job in "${jobs[@]}"; do
  model=${job%%:*}
  work=${job##*:}
  if ! grep -qs '"training"' "$folder/$model/gflop.json"; then
    mkdir -p "$folder/$model"
    "${tuned[@]}" "$python" "$peer" export "$model" "$folder/$model"
  fi
  variants=(eager channels_last)
  if [ "$work" = inference ]; then variants+=(optimized); fi
  for ((round = 0; round < rounds; ++round)); do
    if [ -e "$folder/$job.${variants[-1]}" ]; then read -ra variants <<<"$("$python" "$table" fastest "$job" "$folder")"; fi
    echo "$job: round $((round + 1)) of $rounds, against ${variants[*]}" >&2
    ours "$model" "$work" 2 >>"$folder/$job.rcnn"
    for variant in "${variants[@]}"; do
      "${tuned[@]}" "$python" "$peer" "$variant" "$model" "$folder/$model" "$work" 2 >>"$folder/$job.$variant"
    done
  done
  if [ -n "$with_default" ]; then
    "$python" "$peer" default "$model" "$folder/$model" "$work" 1 >"$folder/$job.default"
  fi
  "$python" "$table" table "$job" "$folder"
done
