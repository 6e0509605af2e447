#!/usr/bin/env python3
"""Kills runs at random moments, or cuts their power, and runs them again until they are done.

About half of the tries are a SIGKILL: the disk then holds all that was written. The others are power cuts: of what no
sync had made durable, a random part is undone (files created, renamed or deleted; what was appended to files, which is
missing, or zeros), also of what processes that were killed before have written. Most moments are drawn from the operations
of a run on files, the others from the time that it takes.
After a few tries in a row the run is left to end; it must leave, bit for bit, what an undisturbed one leaves, including
the weights.

  bazel build //training:stage_scheduler //tools/campaign:libpower_cut.so
  tools/campaign/kill.py bazel-bin/training/stage_scheduler training/testing/tiny_alternating.textproto \\
    --also=tools/campaign/other_stages.textproto --library=bazel-bin/tools/campaign/libpower_cut.so --tries=1000 --seconds=36000
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import campaign
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
        schedulers = [self.scheduler] + [
            scheduler_process.Scheduler(arguments.scheduler, experiment) for experiment in also]
        self.runs = [self.measure(number, scheduler) for number, scheduler in enumerate(schedulers)]
        self.run_left = None
        self.undone = 0

    def prepare(self):
        pass

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
            self.share_left = 1.0  # of the run, about
        scheduler, _, seconds, operations = self.run_left
        power_cut = self.draw.random() < 0.5
        by_operation = self.draw.random() < BY_OPERATION
        # Within what is left of the run: a later moment would find it done.
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
            undone = self.disk.cut_power(self.run_dir, self.draw)
            self.undone += undone
            what += ", something lost" if undone else ", nothing lost"
        self.history.append("%s at %s" % (what, "operation %d" % cut_at if by_operation else "%.2f s" % delay))
        self.tries_left -= 1
        if code == 0:
            return self.finish("the run was done before", output)
        return self.finish(what) if self.tries_left <= 0 else (what, None)

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
        self.run_left = None
        return what, None

    def fail(self, why):
        kept = os.path.join(tempfile.gettempdir(), "rcnn_kill_%d_%d" % (self.seed, len(self.failures)))
        shutil.copytree(self.run_dir, kept, symlinks=True, dirs_exist_ok=True)
        history = "\n  ".join(self.history)
        self.run_left = None
        return "failure", "%s\nthe run is kept in %s; before:\n  %s" % (why, kept, history)

    def close(self):
        """Finishes the last run, if it has not ended."""
        if self.run_left is not None:
            _, failure = self.finish("")
            if failure:
                self.failures.append(failure)
                print("FAILED at the end: %s" % failure, flush=True)
        print("%d operations and appended parts undone by power cuts" % self.undone)


class Execution:
    """A program that runs."""

    def __init__(self, process):
        self.process = process

    def communicate_all(self):
        output, _ = self.process.communicate()
        return self.process.returncode, output

    def kill_after(self, seconds):
        """Returns its exit code and output; kills it after `seconds`, unless that is None."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is not None and time.monotonic() < end and self.process.poll() is None:
            time.sleep(min(0.005, max(0.0, end - time.monotonic())))
        if end is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        return self.communicate_all()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--library", required=True, help="//tools/campaign:libpower_cut.so")
    parser.add_argument("--also", action="append", default=[], help="a further experiment; may be repeated")
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    kill = Kill(campaign.parse_arguments(__doc__), own.library, own.also)
    sys.exit(kill.run(kill.one_try))
