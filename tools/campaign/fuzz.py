#!/usr/bin/env python3
"""Searches every fuzz target of the tree for inputs that crash it, hang it, or make it take too much memory.

Builds all targets with --config=fuzz (clang, libFuzzer, address errors), gives each the same time, and prints how many
inputs were tried. With --seed it makes the same choices again on the same build; without it every run makes others.
A failing input is kept as a file in --found, and ends the run with 1.

  tools/campaign/fuzz.py --seconds=600                      # of each target
  tools/campaign/fuzz.py --seconds=60 --corpus=/tmp/corpus  # begins with, and adds to, what earlier runs found
  tools/campaign/fuzz.py --seconds=60 --only=voc_annotation
  tools/campaign/fuzz.py --seconds=60 --turn                # one target, which the number of commits chooses
  tools/campaign/fuzz.py --folders=base,data --build_only   # builds only
  tools/campaign/fuzz.py --seconds=600 --record             # adds to the totals of all runs
  tools/campaign/fuzz.py --seconds=600 --until_goal         # goes on until the totals have 24 hours of the processor
  tools/campaign/fuzz.py --totals                           # prints them as a table

The totals are in fuzz_totals.json, by target, and their sum is in docs/reliability.md. Commit both files after a run with
--record. What an interrupted run has done counts. With --until_goal the targets that have had the least time come first; Ctrl-C
ends it, and the same command continues. Several may run at once.
"""

import argparse
import json
import os
import random
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import recorded_totals

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("base", "configs", "data", "detection", "eval", "tools", "training")
CONFIG = ("--config=fuzz", "--experimental_convenience_symlinks=ignore")  # bazel-bin stays that of the programs
MOST_MEGABYTES = 2048
MOST_SECONDS = 25  # for one input
TOTALS = os.path.join(ROOT, "tools/campaign/fuzz_totals.json")
PAGE = os.path.join(ROOT, "docs/reliability.md")
SUM = re.compile(r"^All recorded fuzzing together: .*$", re.MULTILINE)
GOAL_HOURS = 24  # of the processor, all targets together
FEWEST = 4  # of how many targets with the least time the next one is drawn


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, help="of all choices; by default a new one each time, which is printed")
    parser.add_argument("--only", default="", help="targets with this in their names")
    parser.add_argument(
        "--folders", default=",".join(FOLDERS),
        help="folders to fuzz, with their subfolders; the targets of base, data and eval need no LibTorch")
    parser.add_argument("--build_only", action="store_true", help="build the targets, and run none")
    parser.add_argument("--turn", action="store_true", help="fuzz one target, chosen by the number of commits")
    parser.add_argument("--corpus", help="a folder that keeps interesting inputs from run to run")
    parser.add_argument("--found", default=os.path.join(tempfile.gettempdir(), "rcnn_fuzz"), help="a folder for inputs that fail")
    parser.add_argument("--record", action="store_true", help="add the run to fuzz_totals.json and docs/reliability.md")
    parser.add_argument("--until_goal", action="store_true", help="repeat with --record until the goal is reached")
    parser.add_argument("--totals", action="store_true", help="only print the totals of all recorded runs")
    parser.add_argument("--bazel", default="./bazelw", help="command of Bazel, with its startup options")
    return parser.parse_args()


def read_totals():
    return recorded_totals.read(TOTALS)


def is_target(name):
    """False for the total of runs that did not record their targets one by one."""
    return name.startswith("//")


def cpu_hours(totals):
    return sum(total["cpu_seconds"] for total in totals.values()) / 3600


def sum_line(totals):
    """The line of the page."""
    inputs = sum(total["inputs"] for total in totals.values())
    hours = cpu_hours(totals)
    return "All recorded fuzzing together: %s inputs in %.2f of %d CPU hours." % (format(inputs, ","), hours, GOAL_HOURS)


def as_text(totals):
    return json.dumps(totals, indent=1, sort_keys=True) + "\n"


def add_to_totals(target, cpu_seconds, inputs):
    """Several runs may do so at once."""

    def add(totals):
        total = totals.setdefault(target, {"cpu_seconds": 0.0, "inputs": 0})
        total["cpu_seconds"] = round(total["cpu_seconds"] + cpu_seconds, 1)
        total["inputs"] += inputs
        return totals

    recorded_totals.update(TOTALS, add, as_text, PAGE, SUM, sum_line)


def print_totals():
    totals = read_totals()
    print("| target | processor seconds | inputs |\n| --- | --- | --- |")
    for target, total in sorted(totals.items()):
        print("| `%s` | %s | %s |" % (target, format(round(total["cpu_seconds"]), ","), format(total["inputs"], ",")))
    print("\n%d targets. %s" % (sum(is_target(name) for name in totals), sum_line(totals)))


def query(folders):
    """Bazel's for the targets of some folders."""
    return "attr(name, '_fuzz_test$', kind(cc_test, %s))" % " + ".join("//%s/..." % folder for folder in folders)


def of_turn(targets):
    """One of them; two commits share it, as a slow machine fuzzes at every second one. In a shallow clone the day takes turns."""
    shallow = git("rev-parse", "--is-shallow-repository") == "true"
    number = int(time.time() // 86400) if shallow else int(git("rev-list", "--count", "HEAD"))
    return [targets[number // 2 % len(targets)]] if targets else []


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def child_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Fuzzing:
    def __init__(self, arguments):
        self.arguments = arguments
        self.bazel = shlex.split(arguments.bazel)
        self.seed = arguments.seed or random.SystemRandom().randrange(1, 1 << 31)
        self.failed = []
        self.inputs = 0
        self.cpu_seconds = 0.0
        os.makedirs(arguments.found, exist_ok=True)

    def list_targets(self):
        output = subprocess.run(
            [*self.bazel, "query", query(self.arguments.folders.split(","))], cwd=ROOT, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        targets = [target for target in sorted(output.split()) if self.arguments.only in target]
        return of_turn(targets) if self.arguments.turn else targets

    def build(self, targets):
        process = subprocess.Popen([*self.bazel, "build", *CONFIG, *targets], cwd=ROOT)
        try:
            code = process.wait()
        except KeyboardInterrupt:  # of a time limit, which interrupts this program alone
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C comes a second time, from timeout(1)
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        if code != 0:
            raise subprocess.CalledProcessError(code, process.args)

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
        cpu_before = child_cpu_seconds()
        process = subprocess.run(
            self.command(target), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", process.stdout)
        cpu_seconds = child_cpu_seconds() - cpu_before
        inputs = int(tried.group(1)) if tried else 0
        print("%-50s %9s inputs %6.0f s, %6.0f of the processor%s" % (
            target, inputs if tried else "?", time.monotonic() - start, cpu_seconds,
            "" if process.returncode == 0 else "  FAILED"), flush=True)
        self.inputs += inputs
        self.cpu_seconds += cpu_seconds
        if (self.arguments.record or self.arguments.until_goal) and tried:
            add_to_totals(target, cpu_seconds, inputs)
        if process.returncode != 0:
            self.failed.append(target)
            print(process.stdout[-8000:], flush=True)

    def run_each(self, targets):
        for target in targets:
            self.run_target(target)

    def run_to_the_goal(self, targets):
        """The target is drawn from those with the least time, so that two of these programs rarely run the same one."""
        while cpu_hours(read_totals()) < GOAL_HOURS and len(self.failed) < len(targets):
            totals = read_totals()
            sound = [target for target in targets if target not in self.failed]
            sound.sort(key=lambda target: totals.get(target, {"cpu_seconds": 0})["cpu_seconds"])
            self.run_target(random.SystemRandom().choice(sound[:FEWEST]))
            self.seed += 1

    def run(self):
        targets = self.list_targets()
        self.build(targets)
        if self.arguments.build_only:
            return 0 if targets else 1
        print("seed", self.seed, flush=True)
        status = 0
        try:
            if self.arguments.until_goal:
                self.run_to_the_goal(targets)
            else:
                self.run_each(targets)
        except KeyboardInterrupt:
            print("stopped by hand", flush=True)
            status = 128 + signal.SIGINT
        print("%d targets, %d inputs, %.2f hours of the processor, seed %d, %d failures" % (
            len(targets), self.inputs, self.cpu_seconds / 3600, self.seed, len(self.failed)))
        return 1 if self.failed or not targets else status


if __name__ == "__main__":
    main_arguments = parse_arguments()
    sys.exit(print_totals() if main_arguments.totals else Fuzzing(main_arguments).run())
