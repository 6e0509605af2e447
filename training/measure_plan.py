#!/usr/bin/env python3
"""Measures the plan for a folder of labelled images: accuracy on the split `test`, and time against the budget.

    bazel build //training:stage_scheduler
    training/measure_plan.py --voc=PATH/TO/VOC --work=runs/measured_plan --budget=20m --seeds=3,4,5
    training/measure_plan.py --folder=FOLDER --work=runs/measured_plan --budget=37m --threads=1

--voc is first copied into a flat folder: images and annotations side by side, without lists. Each seed has a run directory of its
own, and a new plan; the split is the same. Prints a table and the means. Give it a quiet machine.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(budget):
    """Parses "20m"."""
    if budget[-1:] not in SECONDS or not budget[:-1].isdigit():
        sys.exit("--budget: give whole seconds, minutes or hours, for example 20m")
    return int(budget[:-1]) * SECONDS[budget[-1]]


def flatten(voc, folder):
    """Copies images and annotations of a VOC layout into one folder."""
    if os.path.exists(folder):
        return
    os.makedirs(folder + ".unfinished", exist_ok=True)
    for part in ("JPEGImages", "Annotations"):
        for name in sorted(os.listdir(os.path.join(voc, part))):
            shutil.copy(os.path.join(voc, part, name), os.path.join(folder + ".unfinished", name))
    os.rename(folder + ".unfinished", folder)


def run(args, folder, seed):
    """Trains with one seed; returns the metrics and the time in seconds."""
    run_dir = os.path.join(args.work, "seed_%d" % seed)
    if os.path.exists(run_dir):
        sys.exit(run_dir + " exists; its time would not be that of a whole run. Delete it, or give another --work")
    command = [args.scheduler, "--data_root=" + folder, "--run_dir=" + run_dir, "--budget=" + args.budget,
               "--set=seed=%d" % seed]
    if args.threads:
        command.append("--threads=%d" % args.threads)
    command += args.flag
    print(" ".join(command), flush=True)
    start = time.monotonic()
    subprocess.run(command, check=True)
    taken = time.monotonic() - start
    with open(os.path.join(run_dir, "metrics.json")) as file:
        return json.load(file)["metrics"], taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--voc", help="a dataset in the VOC layout, which becomes a flat folder")
    data.add_argument("--folder", help="a folder of labelled images, used unchanged")
    parser.add_argument("--work", required=True, help="folder of the runs")
    parser.add_argument("--budget", default="20m")
    parser.add_argument("--seeds", default="3,4,5")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--flag", action="append", default=[], help="a further flag of stage_scheduler; may be repeated")
    parser.add_argument("--scheduler", default=os.path.join(HERE, "bazel-bin", "training", "stage_scheduler"))
    args = parser.parse_args()

    budget = seconds(args.budget)
    folder = args.folder
    if args.voc:
        folder = os.path.join(args.work, "flat")
        flatten(args.voc, folder)
    rows = []
    for seed in [int(text) for text in args.seeds.split(",")]:
        metrics, taken = run(args, folder, seed)
        rows.append((seed, metrics["ap"], metrics["ap50"], metrics["ap75"], taken))
    print("\n| seed | AP | AP50 | AP75 | time | share of budget |")
    print("| --- | --- | --- | --- | --- | --- |")
    means = [sum(column) / len(rows) for column in list(zip(*rows))[1:]]
    for row in rows + [("mean", *means)]:
        print("| %s | %.3f | %.3f | %.3f | %d:%02d | %.0f %% |"
              % (*row[:4], row[4] // 60, row[4] % 60, 100 * row[4] / budget))


if __name__ == "__main__":
    main()
