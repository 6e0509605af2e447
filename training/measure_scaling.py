#!/usr/bin/env python3
"""Measures what several processes gain: time and accuracy of one experiment with several numbers of processes and threads.

    ./bazelw build //training:stage_scheduler
    training/measure_scaling.py --work=runs/scaling
    training/measure_scaling.py --work=runs/scaling --config=shapes_tiny_alternating --ways=1x1,2x1,1x2 --rounds=3
    training/measure_scaling.py --work=runs/seeds --config=shapes_tiny_joint --ways=1x1,2x1 --seeds=1,2,3

A way is processes x threads of each. The ways alternate, each with a run directory of its own, without a rehearsal. Prints the median
time of each stage and of all, the ratio to the first way, and AP50 of the last evaluation. Give it a quiet machine.

With --seeds each round has a seed. A second table has the AP and AP50 of each, their mean, and their spread, which is the largest
less the smallest. The exit code is 1 if the mean of a way differs from that of the first way by more than the first way's spread.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCHEDULER = os.path.join(HERE, "bazel-bin/training/stage_scheduler")
METRICS = {"ap": "AP", "ap50": "AP50"}


def stage_names(run):
    folders = os.listdir(os.path.join(run, "stages"))
    finished = [folder for folder in folders if os.path.exists(os.path.join(run, "stages", folder, "DONE"))]
    return sorted(finished, key=lambda folder: int(folder.split("_")[0]))


def stage_seconds(run):
    """Time of each stage from its key to its DONE, by the name of its folder."""
    seconds = {}
    for folder in stage_names(run):
        path = os.path.join(run, "stages", folder)
        seconds[folder] = os.path.getmtime(os.path.join(path, "DONE")) - os.path.getmtime(os.path.join(path, "key.txt"))
    return seconds


def run_once(arguments, way, run, seed=None):
    """Returns the seconds of all and of each stage, and the metrics AP and AP50 (NaN without an evaluation)."""
    processes, threads = way
    shutil.rmtree(run, ignore_errors=True)
    command = [arguments.scheduler, "--config=" + arguments.config, "--run_dir=" + run, "--rehearse=false", "--quiet",
               "--threads=%d" % threads, *arguments.flags]
    if seed is not None:
        command.append("--set=seed=%d" % seed)
    if processes > 1:
        command.append("--local_processes=%d" % processes)
    start = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - start
    if result.returncode != 0:
        sys.exit("%s: exit code %d\n%s" % (" ".join(command), result.returncode, result.stderr))
    accuracy = dict.fromkeys(METRICS, float("nan"))
    metrics = os.path.join(run, "metrics.json")
    if os.path.exists(metrics):
        with open(metrics) as file:
            accuracy = json.load(file)["metrics"]
    return seconds, stage_seconds(run), accuracy


def parse_ways(text):
    ways = []
    for word in text.split(","):
        match = re.fullmatch(r"(\d+)x(\d+)", word)
        if not match:
            sys.exit("--ways: '%s' is not processes x threads, for example 2x1" % word)
        ways.append((int(match.group(1)), int(match.group(2))))
    return ways


def parse_seeds(text):
    if not re.fullmatch(r"\d+(,\d+)+", text):
        sys.exit("--seeds: '%s' is not two seeds or more, for example 1,2,3" % text)
    return [int(word) for word in text.split(",")]


def print_accuracy(found, seeds):
    """Prints the accuracy of each seed of each way; returns whether the ways differ by no more than the seeds of the first."""
    print("\n| metric, processes x threads | " + " | ".join("seed %d" % seed for seed in seeds) + " | mean | spread |")
    print("| --- |" + " --- |" * (len(seeds) + 2))
    is_within = True
    for metric, title in METRICS.items():
        first = None
        for way, runs in found.items():
            values = [accuracy[metric] for _, _, accuracy in runs]
            mean, spread = statistics.mean(values), max(values) - min(values)
            first = first or (mean, spread)
            is_within = is_within and abs(mean - first[0]) <= first[1]
            print("| %s, %d x %d | " % (title, *way) + " | ".join("%.4f" % value for value in (*values, mean, spread)) + " |")
    print("the means differ by %s the spread of the first way's seeds" % ("no more than" if is_within else "MORE than"))
    return is_within


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True, help="folder of the run directories")
    parser.add_argument("--config", default="shapes_tiny_alternating")
    parser.add_argument("--ways", default="1x1,2x1,1x2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seeds", help="seeds of the experiment, 1,2,3: one round with each")
    parser.add_argument("--scheduler", default=SCHEDULER)
    parser.add_argument("flags", nargs="*", help="further flags of stage_scheduler, after --")
    arguments = parser.parse_args()
    ways = parse_ways(arguments.ways)
    found = {way: [] for way in ways}
    seeds = parse_seeds(arguments.seeds) if arguments.seeds else [None] * arguments.rounds
    for turn, seed in enumerate(seeds):
        for way in ways:
            run = os.path.join(arguments.work, "%dx%d_%d" % (*way, turn))
            seconds, by_stage, accuracy = run_once(arguments, way, run, seed)
            found[way].append((seconds, by_stage, accuracy))
            print("%d processes, %d threads each: %.1f s, AP50 %.3f" % (*way, seconds, accuracy["ap50"]), flush=True)
    median = {way: statistics.median(seconds for seconds, _, _ in found[way]) for way in ways}
    stages = list(found[ways[0]][0][1])
    print("\n| stage | " + " | ".join("%d x %d" % way for way in ways) + " |")
    print("| --- |" + " --- |" * len(ways))
    for stage in stages:
        times = [statistics.median(by_stage[stage] for _, by_stage, _ in found[way]) for way in ways]
        print("| %s | " % stage + " | ".join("%.1f s (%.2f)" % (t, t / max(times[0], 1e-9)) for t in times) + " |")
    print("| all | " + " | ".join("%.1f s (%.2f)" % (median[way], median[way] / median[ways[0]]) for way in ways) + " |")
    print("| AP50 | " + " | ".join("%.3f" % statistics.median(run[2]["ap50"] for run in found[way]) for way in ways) + " |")
    if arguments.seeds and not print_accuracy(found, seeds):
        sys.exit(1)


if __name__ == "__main__":
    main()
