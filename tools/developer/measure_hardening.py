#!/usr/bin/env python3
"""Measures what --config=hardened costs: builds a program with and without it, runs the two alternately, and prints the
ratio of their processor times, as median and range of the rounds. Needs an otherwise idle machine.

  tools/developer/measure_hardening.py             # training and evaluating a small detector, nine rounds
  tools/developer/measure_hardening.py --rounds=15
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE, PROGRAM = "training", "stage_scheduler"
EXPERIMENT = "training/testing/tiny_alternating.textproto"
MOST_PERCENT = 2.0


def build(folder, *flags):
    """Copies the program and its launched binary to where another build does not replace them."""
    subprocess.run(["./bazelw", "build", *flags, "//%s:%s" % (PACKAGE, PROGRAM)], cwd=ROOT, check=True)
    os.mkdir(folder)
    for name in (PROGRAM, PROGRAM + "_program"):
        shutil.copy(os.path.join(ROOT, "bazel-bin", PACKAGE, name), folder)


def processor_seconds(folder, run_dir):
    shutil.rmtree(run_dir, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [os.path.join(folder, PROGRAM), "--config=" + os.path.join(ROOT, EXPERIMENT), "--run_dir=" + run_dir,
         "--rehearse=false", "--threads=1", "--quiet"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        plain, hardened = os.path.join(directory, "plain"), os.path.join(directory, "hardened")
        build(plain)
        build(hardened, "--config=hardened")
        ratios = []
        for _ in range(rounds):
            run_dir = os.path.join(directory, "run")
            ratios.append(processor_seconds(hardened, run_dir) / processor_seconds(plain, run_dir))
    cost = 100 * (statistics.median(ratios) - 1)
    print("hardened takes %.2f %% more, median of %d rounds (%.2f to %.2f %%); below %.1f %% it should be the default" % (
        cost, rounds, 100 * (min(ratios) - 1), 100 * (max(ratios) - 1), MOST_PERCENT))


if __name__ == "__main__":
    sys.exit(main())
