#!/usr/bin/env python3
"""Measures what several processes gain: time and accuracy of one experiment with several numbers of processes and threads.

    bazel build //training:stage_scheduler
    training/measure_scaling.py --work=runs/scaling
    training/measure_scaling.py --work=runs/scaling --config=shapes_tiny_alternating --ways=1x1,2x1,1x2 --rounds=3

A way is processes x threads of each. The ways alternate, each with a run directory of its own, without a rehearsal. Prints the median
time of each stage and of all, the ratio to the first way, and AP50 of the last evaluation. Give it a quiet machine.
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


def run_once(arguments, way, run):
    """Returns the seconds of all and of each stage, and AP50 (NaN without an evaluation)."""
    processes, threads = way
    shutil.rmtree(run, ignore_errors=True)
    command = [SCHEDULER, "--config=" + arguments.config, "--run_dir=" + run, "--rehearse=false", "--quiet",
               "--threads=%d" % threads, *arguments.flags]
    if processes > 1:
        command.append("--local_processes=%d" % processes)
    start = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - start
    if result.returncode != 0:
        sys.exit("%s: exit code %d\n%s" % (" ".join(command), result.returncode, result.stderr))
    accuracy = float("nan")
    metrics = os.path.join(run, "metrics.json")
    if os.path.exists(metrics):
        with open(metrics) as file:
            accuracy = json.load(file)["metrics"]["ap50"]
    return seconds, stage_seconds(run), accuracy


def parse_ways(text):
    ways = []
    for word in text.split(","):
        match = re.fullmatch(r"(\d+)x(\d+)", word)
        if not match:
            sys.exit("--ways: '%s' is not processes x threads, for example 2x1" % word)
        ways.append((int(match.group(1)), int(match.group(2))))
    return ways


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True, help="folder of the run directories")
    parser.add_argument("--config", default="shapes_tiny_alternating")
    parser.add_argument("--ways", default="1x1,2x1,1x2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("flags", nargs="*", help="further flags of stage_scheduler, after --")
    arguments = parser.parse_args()
    ways = parse_ways(arguments.ways)
    found = {way: [] for way in ways}
    for turn in range(arguments.rounds):
        for way in ways:
            run = os.path.join(arguments.work, "%dx%d_%d" % (*way, turn))
            found[way].append(run_once(arguments, way, run))
            print("%d processes, %d threads each: %.1f s, AP50 %.3f" % (*way, found[way][-1][0], found[way][-1][2]), flush=True)
    median = {way: statistics.median(seconds for seconds, _, _ in found[way]) for way in ways}
    stages = list(found[ways[0]][0][1])
    print("\n| stage | " + " | ".join("%d x %d" % way for way in ways) + " |")
    print("| --- |" + " --- |" * len(ways))
    for stage in stages:
        times = [statistics.median(by_stage[stage] for _, by_stage, _ in found[way]) for way in ways]
        print("| %s | " % stage + " | ".join("%.1f s (%.2f)" % (t, t / max(times[0], 1e-9)) for t in times) + " |")
    print("| all | " + " | ".join("%.1f s (%.2f)" % (median[way], median[way] / median[ways[0]]) for way in ways) + " |")
    print("| AP50 | " + " | ".join("%.3f" % statistics.median(ap for _, _, ap in found[way]) for way in ways) + " |")


if __name__ == "__main__":
    main()
