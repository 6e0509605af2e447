#!/usr/bin/env python3
"""Kills runs at random moments, or cuts their power, and runs them again until they are done.

About half of the tries are a SIGKILL: the disk then holds all that was written. The others are power cuts: of what no
sync had made durable, a random part is undone (files created, renamed or deleted; what was appended to files, which is
missing, or zeros). Most moments are drawn from the operations of a run on files, the others from the time that it takes.
After a few tries in a row the run is left to end; it must leave, bit for bit, what an undisturbed one leaves, including
the weights.

  bazel build //training:stage_scheduler //tools/campaign:libpower_cut.so
  tools/campaign/kill.py bazel-bin/training/stage_scheduler training/testing/tiny_alternating.textproto \\
    --also=tools/campaign/other_stages.textproto --library=bazel-bin/tools/campaign/libpower_cut.so --tries=1000 --seconds=36000
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
import scheduler_process

MOST_IN_A_ROW = 12
BY_OPERATION = 0.75  # the part of the moments; the others are drawn from the time that a run takes
FLAGS = ("--rehearse=false", "--threads=1")  # several threads wait for each other on a machine with other work


def files_below(folder):
    """Path of one name of each regular file, by its inode."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found[os.stat(path).st_ino] = path
    return found


def sizes_below(folder):
    return {inode: os.path.getsize(path) for inode, path in files_below(folder).items()}


class PowerCut:
    """Undoes a random part of what a program had not made durable."""

    def __init__(self, draw, journal, sizes_before):
        self.draw = draw
        with open(journal) as file:
            self.operations = [line.rstrip("\n").split("\t") for line in file]
        self.sizes = dict(sizes_before)
        self.undone = 0

    def apply(self, run_dir):
        lost = self.choose_lost()
        for index in reversed(sorted(lost)):
            self.undo(self.operations[index])
        for kind, inode, *rest in self.operations:
            if kind == "sync":
                self.sizes[int(inode)] = int(rest[0])
            if kind == "truncate":
                self.sizes[int(inode)] = min(self.sizes.get(int(inode), 0), int(rest[0]))
        for inode, path in sorted(files_below(run_dir).items()):
            self.lose_appended(path, self.sizes.get(inode, 0))

    def choose_lost(self):
        """Of each directory, the last ones of the operations since it was synced."""
        pending = collections.OrderedDict()
        for index, (kind, inode, *_) in enumerate(self.operations):
            if kind == "syncdir":
                pending.pop(inode, None)
            elif kind not in ("sync", "truncate"):
                pending.setdefault(inode, []).append(index)
        lost = []
        for indices in pending.values():
            kept = self.draw.choice([0, len(indices), self.draw.randint(0, len(indices))])
            lost += indices[kept:]
        return lost

    def undo(self, operation):
        kind, _, *paths = operation
        try:
            if kind in ("create", "link"):
                os.remove(paths[0])
            elif kind == "mkdir":
                shutil.rmtree(paths[0])
            elif kind == "rmdir":
                os.mkdir(paths[0])
            elif kind == "unlink" and paths[1]:
                os.rename(paths[1], paths[0])
            elif kind == "rename":
                os.rename(paths[1], paths[0])
                if paths[2]:
                    os.rename(paths[2], paths[1])
            self.undone += 1
        except FileNotFoundError:
            pass  # of a directory that is lost itself

    def lose_appended(self, path, synced):
        size = os.path.getsize(path)
        if size <= synced:
            return
        start = self.draw.choice([size, synced, self.draw.randint(synced, size)])
        self.undone += start < size
        with open(path, "r+b") as file:
            file.truncate(start)
            if self.draw.random() < 0.3:
                file.truncate(size)  # zeros, which a file system may leave too


class Kill(campaign.Campaign):
    def __init__(self, arguments, library, also):
        super().__init__(arguments)
        self.library = os.path.abspath(library)
        self.journal = self.path("journal")
        self.graves = self.path("graves")
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
        code, output = self.execute(scheduler, folder).communicate_all()
        assert code == 0, output
        expected = campaign.everything(folder)
        with open(self.journal) as file:
            operations = sum(1 for _ in file)
        seconds = time.monotonic() - start
        print("%s: %.1f s, %d files, %d operations" % (
            os.path.basename(scheduler.config), seconds, len(expected), operations), flush=True)
        return scheduler, expected, seconds, operations

    def execute(self, scheduler, run_dir, cut_at=0, before=False):
        """Starts a program whose operations are recorded."""
        shutil.rmtree(self.graves, ignore_errors=True)
        os.mkdir(self.graves)
        open(self.journal, "w").close()
        environment = {
            **os.environ, "LD_PRELOAD": self.library, "RCNN_CUT_UNDER": run_dir, "RCNN_CUT_JOURNAL": self.journal,
            "RCNN_CUT_GRAVES": self.graves, "RCNN_CUT_AT": str(cut_at), "RCNN_CUT_BEFORE": str(int(before))}
        return Execution(scheduler.start(run_dir, *FLAGS, env=environment))

    def one_try(self):
        if self.run_left is None:
            shutil.rmtree(self.run_dir, ignore_errors=True)
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
        sizes = sizes_below(self.run_dir)
        execution = self.execute(scheduler, self.run_dir, cut_at, self.draw.random() < 0.5)
        code, output = execution.kill_after(None if by_operation else delay)
        what = "%s, %s" % ("power cut" if power_cut else "kill", self.stage_at_work())
        if code not in (0, -signal.SIGKILL):
            return self.fail("%s: ended with %d:\n%s" % (what, code, output))
        self.share_left = max(0.05, self.share_left - share)
        if power_cut and code != 0:
            cut = PowerCut(self.draw, self.journal, sizes)
            cut.apply(self.run_dir)
            self.undone += cut.undone
            what += ", something lost" if cut.undone else ", nothing lost"
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
