#!/usr/bin/env python3
"""Times a detector with one thread and with all, and prints the efficiency of each part.

    ./bazelw build //tools:time_detector
    tools/peers/thread_scaling.py [--rounds 5] [--threads N] [--precision bfloat16] [--train] [--config FILE]

Processes with 1 and N threads (default: the cores that the process may use) alternate; each times one run after a warm-up. The
efficiency is the median time with one thread, divided by N times the median time with N: 1 is perfect. Without --config, a
detector.textproto, the detector is R50-FPN with random weights on an image of 600 x 800, scaled to 800 x 1088.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import compare_peers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = f"{ROOT}/bazel-bin/tools/time_detector"
PARTS = ("transform", "backbone", "rpn", "head", "forward", "backward", "step", "total")

R50_FPN = """
model {
  backbone { resnet { depth: RESNET_50 } }
  fpn {}
  rpn { test_proposals { before_nms: 1000 after_nms: 1000 } }
  head { fc {} pool { roi_align { sampling_ratio: 2 } } }
  normalization { scale: 0.00392156862745098 mean: [0.485, 0.456, 0.406] std: [0.229, 0.224, 0.225] }
}
input { shortest_side_px: 800 longest_side_px: 1333 pad_to_multiple_px: 32 }
""" + "".join(f'class_name: "{i}"\n' for i in range(1, 91))


def run(args, config, threads):
    """Milliseconds of one run, by part."""
    words = [PROGRAM, f"--config={config}", f"--threads={threads}", "--repeats=1", f"--precision={args.precision}"]
    process = subprocess.run(words + (["--train"] if args.train else []), stdout=subprocess.PIPE, text=True)
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)} failed with exit code {process.returncode}")
    times = json.loads(process.stdout.strip().splitlines()[-1])
    return {part: times[part][0] for part in PARTS if part in times}


def measure(args, config):
    """Times by number of threads and part."""
    times = {1: {}, args.threads: {}}
    for round_ in range(args.rounds):
        print(f"round {round_ + 1} of {args.rounds}", file=sys.stderr)
        for threads, by_part in times.items():
            for part, ms in run(args, config, threads).items():
                by_part.setdefault(part, []).append(ms)
    return times


def cell(times):
    return f"{statistics.median(times):.1f} ({min(times):.1f}…{max(times):.1f})"


def print_table(times, threads):
    print(f"{compare_peers.describe_machine()}; rcnn {compare_peers.revision()}")
    print(f"\n| ms | 1 thread | {threads} threads | speedup | efficiency |\n| --- | --- | --- | --- | --- |")
    for part, one in times[1].items():
        several = times[threads][part]
        speedup = statistics.median(one) / statistics.median(several)
        print(f"| {part} | {cell(one)} | {cell(several)} | {speedup:.2f} | {100 * speedup / threads:.0f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--train", action="store_true", help="a training step instead of inference")
    parser.add_argument("--config")
    args = parser.parse_args()
    if args.threads < 2:
        parser.error("--threads must be at least 2")
    with tempfile.TemporaryDirectory() as folder:
        config = args.config or f"{folder}/detector.textproto"
        if not args.config:
            with open(config, "w") as f:
                f.write(R50_FPN)
        print_table(measure(args, config), args.threads)


if __name__ == "__main__":
    main()
