#!/usr/bin/env python3
"""Kills runs at random moments, or cuts their power, and runs them again until they are done.

About half of the tries are a SIGKILL: the disk then holds all that was written. The others are power cuts: of what no
sync had made durable, a random part is undone (files created, renamed or deleted; what was appended to files, which is
missing, or zeros), also of what processes that were killed before have written. Most moments are drawn from the operations
of a run on files, the others from the time that it takes.
After a few tries in a row the run is left to end; it must leave, bit for bit, what an undisturbed one leaves, including
the weights, and --verify must find each checksum and second copy right.

  ./bazelw build //training:stage_scheduler //tools/campaign:libpower_cut.so
  tools/campaign/kill.py bazel-bin/training/stage_scheduler training/testing/tiny_alternating.textproto \\
    --also=tools/campaign/other_stages.textproto --library=bazel-bin/tools/campaign/libpower_cut.so \\
    --interruptions=1000 --seconds=36000 --record

With --interruptions it stops when so many kills and power cuts have been checked: tries at whose moment a run has ended do not
count, nor do power cuts that left no run directory, after which the run only begins from the start. --record adds the kills and power
cuts to kill_totals.json and docs/reliability.md, also when it is stopped by Ctrl-C; commit both files.
"""

import argparse
import collections
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import campaign
import kill_totals
import power_cut
import scheduler_process

MOST_IN_A_ROW = 12
BY_OPERATION = 0.75  # the part of the moments; the others are drawn from the time that a run takes
FLAGS = ("--rehearse=false", "--threads=1")  # several threads wait for each other on a machine with other work


class Kill(campaign.Campaign):
    def __init__(self, arguments, library, also):
        super().__init__(arguments)
        self.disk = power_cut.Disk(library, self.directory)
        self.run_dir = self.path("killed")
        self.schedulers = [self.scheduler] + [
            campaign.Scheduler(arguments.scheduler, experiment) for experiment in also]
        self.interruptions = 10**9
        self.run_left = None
        self.begun = collections.Counter()  # what has happened to the run that is left
        self.counts = dict.fromkeys(kill_totals.COUNTS, 0)  # what was checked

    def prepare(self):
        self.runs = [self.measure(number, scheduler) for number, scheduler in enumerate(self.schedulers)]

    def is_done(self, done):
        return self.is_enough(self.interruptions) or super().is_done(done)

    def is_enough(self, interruptions):
        return self.counts["kills"] + self.counts["power_cuts"] >= interruptions

    def measure(self, number, scheduler):
        """Does an undisturbed run. Returns its results, its time, and its number of operations on files."""
        folder = self.path("undisturbed%d" % number)
        start = time.monotonic()
        self.disk.begin(folder)
        code, output = self.execute(scheduler, folder).communicate_all()
        assert code == 0, output
        expected = campaign.everything(folder)
        operations = len(self.disk.operations())
        seconds = time.monotonic() - start
        print("%s: %.1f s, %d files, %d operations" % (
            os.path.basename(scheduler.config), seconds, len(expected), operations), flush=True)
        return scheduler, expected, seconds, operations

    def execute(self, scheduler, run_dir, cut_at=0, before=False):
        """Starts a program whose operations are recorded."""
        return Execution(scheduler.start(run_dir, *FLAGS, env=self.disk.environment(run_dir, cut_at, before)))

    def one_try(self):
        if self.run_left is None:
            shutil.rmtree(self.run_dir, ignore_errors=True)
            self.disk.begin(self.run_dir)
            self.run_left, self.tries_left = self.draw.choice(self.runs), self.draw.randint(1, MOST_IN_A_ROW)
            self.history = []
            self.begun.clear()
            self.share_left = 1.0  # of the run, about
        scheduler, _, seconds, operations = self.run_left
        power_cut = self.draw.random() < 0.5
        by_operation = self.draw.random() < BY_OPERATION
        # Within the rest of the run, which would be done at a later moment.
        share = self.draw.uniform(0, self.share_left)
        cut_at = 1 + int(share * operations) if by_operation else 0
        delay = share * seconds
        execution = self.execute(scheduler, self.run_dir, cut_at, self.draw.random() < 0.5)
        code, output = execution.kill_after(None if by_operation else delay)
        what = "%s, %s" % ("power cut" if power_cut else "kill", self.stage_at_work())
        if code not in (0, -signal.SIGKILL):
            return self.fail("%s: ended with %d:\n%s" % (what, code, output))
        self.share_left = max(0.05, self.share_left - share)
        if power_cut and code != 0:
            what += self.cut_power()
        elif code != 0:
            self.begun["kills"] += 1
        self.history.append("%s at %s" % (what, "operation %d" % cut_at if by_operation else "%.2f s" % delay))
        self.tries_left -= 1
        if code == 0:
            return self.finish("the run was done before", output)
        return self.finish(what) if self.tries_left <= 0 else (what, None)

    def cut_power(self):
        """Returns what is lost, in words."""
        undone = self.disk.cut_power(self.run_dir, self.draw)
        if not os.path.isdir(self.run_dir):
            self.begun["wiped"] += 1
            return ", no run directory left"
        self.begun["power_cuts"] += 1
        self.begun["undone"] += undone
        return ", something lost" if undone else ", nothing lost"

    def stage_at_work(self):
        folder = os.path.join(self.run_dir, "stages")
        begun = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for name in begun:
            if not os.path.exists(os.path.join(folder, name, "DONE")):
                return name.split("-")[0]
        return "between stages"

    def finish(self, what, output=None):
        """Lets the run end, unless it has, and compares."""
        scheduler, expected, _, _ = self.run_left
        if output is None:
            code, output = scheduler.run(self.run_dir, *FLAGS)
            if code != 0:
                return self.fail("then ended with %d:\n%s" % (code, output))
        different = campaign.difference(expected, campaign.everything(self.run_dir))
        if different:
            return self.fail("%s\n%s" % (different, output))
        left = scheduler_process.leftovers(self.run_dir)
        if left:
            return self.fail("leftovers: %s" % left)
        code, output = scheduler.run(self.run_dir, "--verify")
        if code != 0:
            return self.fail("--verify ended with %d:\n%s" % (code, output))
        self.run_left = None
        self.count()
        return what, None

    def count(self):
        for name, number in self.begun.items():
            self.counts[name] += number

    def fail(self, why):
        kept = os.path.join(tempfile.gettempdir(), "rcnn_kill_%d_%d" % (self.seed, len(self.failures)))
        shutil.copytree(self.run_dir, kept, symlinks=True, dirs_exist_ok=True)
        history = "\n  ".join(self.history)
        self.run_left = None
        self.begun["failures"] += 1
        self.count()
        return "failure", "%s\nthe run is kept in %s; before:\n  %s" % (why, kept, history)

    def close(self):
        """Finishes the last run, if it has not ended."""
        if self.run_left is not None:
            _, failure = self.finish("")
            if failure:
                self.failures.append(failure)
                print("FAILED at the end: %s" % failure, flush=True)


class Execution:
    """A program that runs."""

    def __init__(self, process):
        self.process = process

    def communicate_all(self):
        output = scheduler_process.wait(self.process)
        return self.process.returncode, output

    def kill_after(self, seconds):
        """Returns its exit code and output; kills it after `seconds`, unless that is None."""
        if seconds is not None:
            end = time.monotonic() + seconds
            try:
                while time.monotonic() < end and self.process.poll() is None:
                    time.sleep(min(0.005, max(0.0, end - time.monotonic())))
            finally:
                self.process.kill()  # nothing, if it has ended
        return self.communicate_all()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--library", required=True, help="//tools/campaign:libpower_cut.so")
    parser.add_argument("--also", action="append", default=[], help="a further experiment; may be repeated")
    parser.add_argument("--interruptions", type=int, help="stop after so many checked kills and power cuts")
    parser.add_argument("--record", action="store_true", help="add what is done to kill_totals.json and docs/reliability.md")
    own = campaign.parse_arguments(__doc__, parser)
    kill = Kill(own, own.library, own.also)
    if own.interruptions is not None:
        kill.interruptions = own.interruptions
    status = kill.run(kill.one_try)
    print("checked: %s; not counted: %s that left no run directory" % (
        kill_totals.describe(kill.counts), kill_totals.counted(kill.counts["wiped"], "power cut")))
    if own.record and kill.counts["kills"] + kill.counts["power_cuts"] > 0:
        kill_totals.add(kill.seed, kill.counts)
    sys.exit(status)
