#!/usr/bin/env python3
"""Measures what the hardening flags of .bazelrc cost: builds programs with them and with --config=unhardened, runs the two
alternately, and prints the ratio of their processor times, as median and range of the rounds. Needs an otherwise idle machine.

  tools/developer/measure_hardening.py             # training a small detector, and reading a COCO file, nine rounds
  tools/developer/measure_hardening.py --rounds=15

Training spends most of its time in LibTorch, which is built elsewhere; reading annotations runs this repository's own code.
Exits with 1 if one of them costs more than a default may.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import process_cost

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("training/stage_scheduler", "data/coco/coco_load")
EXPERIMENT = os.path.join(ROOT, "training/testing/tiny_alternating.textproto")
COCO_SIZE = ("100000", "1000000")  # images, annotations
MOST_PERCENT = 2.0


def build(folder, *flags):
    """Copies the programs, and those behind launchers, to where another build does not replace them."""
    labels = ["//" + ":".join(program.rsplit("/", 1)) for program in PROGRAMS]
    subprocess.run(["./bazelw", "build", *flags, *labels], cwd=ROOT, check=True)
    os.mkdir(folder)
    for program in PROGRAMS:
        for suffix in ("", "_program"):
            path = os.path.join(ROOT, "bazel-bin", program + suffix)
            if os.path.exists(path):
                shutil.copy(path, folder)


def train(folder, directory):
    """Seconds of the processor for a whole experiment."""
    run_dir = os.path.join(directory, "run")
    shutil.rmtree(run_dir, ignore_errors=True)
    return process_cost.require(
        [os.path.join(folder, "stage_scheduler"), "--config=" + EXPERIMENT, "--run_dir=" + run_dir, "--rehearse=false",
         "--threads=1", "--quiet"], stdout=subprocess.DEVNULL).cpu_seconds


def read_annotations(folder, directory):
    path = os.path.join(directory, "instances.json")
    if not os.path.exists(path):
        subprocess.run([sys.executable, os.path.join(ROOT, "data/coco/make_large_coco.py"), path, *COCO_SIZE], check=True)
    return process_cost.require([os.path.join(folder, "coco_load"), path], stdout=subprocess.DEVNULL).cpu_seconds


def percents(work, plain, hardened, directory, rounds):
    """What hardening adds in each round; the two take turns in being first."""
    work(plain, directory)  # files come from memory afterwards
    added = []
    for number in range(rounds):
        seconds = {}
        for folder in (plain, hardened) if number % 2 == 0 else (hardened, plain):
            seconds[folder] = work(folder, directory)
        added.append(100 * (seconds[hardened] / seconds[plain] - 1))
    return added


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    most = 0.0
    with tempfile.TemporaryDirectory() as directory:
        plain, hardened = os.path.join(directory, "plain"), os.path.join(directory, "hardened")
        build(plain, "--config=unhardened")
        build(hardened)
        for name, work in (("training", train), ("reading annotations", read_annotations)):
            added = percents(work, plain, hardened, directory, rounds)
            most = max(most, statistics.median(added))
            print("%-20s %+.2f %%, median of %d rounds (%+.2f to %+.2f)" % (
                name, statistics.median(added), rounds, min(added), max(added)), flush=True)
    print("below %.1f %%, as the default has to be: %s" % (MOST_PERCENT, "yes" if most < MOST_PERCENT else "no"))
    return 0 if most < MOST_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
