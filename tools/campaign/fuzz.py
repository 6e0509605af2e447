#!/usr/bin/env python3
"""Searches every fuzz target of the tree for inputs that crash it, hang it, or take memory out of proportion.

Builds all targets with --config=fuzz (clang, libFuzzer, address errors), gives each the same time, and prints how many
inputs were tried. With --seed it makes the same choices again on the same build; without it every run takes other ones.
A failing input is kept as a file in --found, and ends the run with 1.

  tools/campaign/fuzz.py --seconds=600                      # of each target
  tools/campaign/fuzz.py --seconds=60 --corpus=/tmp/corpus  # begins with, and adds to, what earlier runs found
  tools/campaign/fuzz.py --seconds=60 --only=voc_annotation
"""

import argparse
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("base", "configs", "data", "detection", "eval", "tools", "training")
CONFIG = ("--config=fuzz", "--experimental_convenience_symlinks=ignore")  # bazel-bin stays that of the programs
MOST_MEGABYTES = 2048
MOST_SECONDS = 25  # for one input


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, help="of all choices; without it another one each time, which is printed")
    parser.add_argument("--only", default="", help="targets with this in their names")
    parser.add_argument("--corpus", help="a folder that keeps interesting inputs from run to run")
    parser.add_argument("--found", default=os.path.join(tempfile.gettempdir(), "rcnn_fuzz"), help="a folder for inputs that fail")
    parser.add_argument("--bazel", default="./bazelw", help="command of Bazel, with its startup options")
    return parser.parse_args()


class Fuzzing:
    def __init__(self, arguments):
        self.arguments = arguments
        self.bazel = shlex.split(arguments.bazel)
        self.seed = arguments.seed or random.SystemRandom().randrange(1, 1 << 31)
        self.failed = []
        os.makedirs(arguments.found, exist_ok=True)

    def list_targets(self):
        query = "attr(name, '_fuzz_test$', kind(cc_test, %s))" % " + ".join(
            "//%s/..." % folder for folder in FOLDERS)
        output = subprocess.run(
            [*self.bazel, "query", query], cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True).stdout
        return [target for target in sorted(output.split()) if self.arguments.only in target]

    def build(self, targets):
        subprocess.run([*self.bazel, "build", *CONFIG, *targets], cwd=ROOT, check=True)

    def command(self, target):
        name = target.replace("/", "_").replace(":", "_").strip("_")
        options = [
            "-seed=%d" % self.seed, "-max_total_time=%d" % self.arguments.seconds, "-print_final_stats=1",
            "-rss_limit_mb=%d" % MOST_MEGABYTES, "-timeout=%d" % MOST_SECONDS, "-verbosity=0",
            "-artifact_prefix=%s/%s-" % (os.path.abspath(self.arguments.found), name)]
        if self.arguments.corpus:
            folder = os.path.join(os.path.abspath(self.arguments.corpus), name)
            os.makedirs(folder, exist_ok=True)
            options.append(folder)
        return [*self.bazel, "run", *CONFIG, "--ui_event_filters=-info,-stdout,-stderr", "--noshow_progress",
                target, "--", *options]

    def run_target(self, target):
        start = time.monotonic()
        process = subprocess.run(
            self.command(target), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", process.stdout)
        print("%-45s %9s inputs %6.0f s%s" % (
            target, tried.group(1) if tried else "?", time.monotonic() - start,
            "" if process.returncode == 0 else "  FAILED"), flush=True)
        if process.returncode != 0:
            self.failed.append(target)
            print(process.stdout[-8000:], flush=True)
        return int(tried.group(1)) if tried else 0

    def run(self):
        targets = self.list_targets()
        self.build(targets)
        print("seed", self.seed, flush=True)
        total = sum(self.run_target(target) for target in targets)
        print("%d targets, %d inputs, %.2f CPU hours, seed %d, %d failures" % (
            len(targets), total, len(targets) * self.arguments.seconds / 3600, self.seed, len(self.failed)))
        return 1 if self.failed or not targets else 0


if __name__ == "__main__":
    sys.exit(Fuzzing(parse_arguments()).run())
