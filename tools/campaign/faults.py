#!/usr/bin/env python3
"""Fails one system call of a run, once, and then runs the experiment again without.

The call is any open, read, write, fsync, rename, mkdir, mmap, stat or listing of a directory below the run directory,
the error one of EIO, ENOSPC, EACCES, EINTR, ESTALE and ENOMEM, or half of a read or write. Runs start from scratch, in
the middle, and finished. The run with the fault must end well with the right results, or with an error that names a
path; no stage that was finished before may be redone or deleted; and the run after it must leave, bit for bit, what an
undisturbed one leaves.

  ./bazelw build //training:stage_scheduler //tools/campaign:libfault_injection.so
  tools/campaign/faults.py bazel-bin/training/stage_scheduler training/testing/tiny_alternating.textproto \\
    --library=bazel-bin/tools/campaign/libfault_injection.so --seconds=3600

With --every=0, each of these calls of a run from scratch fails once, in an order and with errors that follow from --seed. That
takes hours: the last line says how a later run continues.
"""

import argparse
import errno
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import campaign
import scheduler_process

ERRORS = {
    "open": ["EIO", "ENOSPC", "EACCES", "EINTR", "ESTALE", "ENOMEM"],
    "read": ["EIO", "EINTR", "ESTALE", "ENOMEM", "short"],
    "write": ["EIO", "ENOSPC", "EINTR", "short"],
    "fsync": ["EIO", "ENOSPC", "EINTR"],
    "rename": ["EIO", "ENOSPC", "EACCES"],
    "mkdir": ["EIO", "ENOSPC", "EACCES"],
    "mmap": ["EACCES", "ENOMEM"],
    "stat": ["EIO", "EACCES", "ESTALE", "ENOMEM"],
    "list": ["EIO", "EACCES", "ENOMEM"],
}


class Faults(campaign.Campaign):
    def __init__(self, arguments, library):
        super().__init__(arguments)
        self.library = os.path.abspath(library)
        self.counts = {}
        self.begin_every = None  # where the list of every call is begun; None: calls are drawn
        self.all_calls = 0  # of that list
        self.left = []

    def run_with(self, run_dir, call, nth, error):
        counts = self.path("counts")
        if os.path.exists(counts):
            os.remove(counts)
        number = -1 if error == "short" else getattr(errno, error)
        environment = {
            **os.environ, "LD_PRELOAD": self.library, "RCNN_FAULT_UNDER": run_dir, "RCNN_FAULT_CALL": call,
            "RCNN_FAULT_NTH": str(nth), "RCNN_FAULT_ERROR": str(number), "RCNN_FAULT_COUNTS": counts}
        code, output = self.scheduler.run(run_dir, "--rehearse=false", env=environment)
        with open(counts) as file:
            return code, output, {name: int(count) for name, count in (line.split() for line in file)}

    def count_calls(self, state):
        """How many calls of each kind a run makes from there."""
        if state not in self.counts:
            code, output, counts = self.run_with(self.copy(state), "none", 0, "EIO")
            assert code == 0, output
            self.counts[state] = counts
            print("%s: %s" % (state, counts), flush=True)
        return self.counts[state]

    def prepare(self):
        super().prepare()
        if self.begin_every is not None:
            every = self.list_every(self.count_calls("nothing"))
            self.all_calls = len(every)
            self.left = every[self.begin_every:]

    def list_every(self, counts):
        """Each call once, with an error, in random order. One call more in a later run moves no other one but by one place."""
        every = []
        for call, errors in ERRORS.items():
            for nth in range(1, counts[call] + 1):
                draw = random.Random("%d %s %d" % (self.seed, call, nth))
                every.append((draw.random(), call, nth, draw.choice(errors)))
        return [one[1:] for one in sorted(every)]

    def how_to_continue(self):
        next_one = self.begin_every + sum(self.outcomes.values())
        if self.all_calls == 0:  # interrupted before they were counted
            return "no call was failed: --seed=%d --every=%d" % (self.seed, next_one)
        if next_one >= self.all_calls:
            return "every call has failed once"
        return "%d calls are left: --seed=%d --every=%d" % (self.all_calls - next_one, self.seed, next_one)

    def is_done(self, done):
        return (self.begin_every is not None and not self.left) or super().is_done(done)

    def next_call(self):
        """Returns a state, a call, its number and an error."""
        if self.begin_every is not None:
            return ("nothing", *self.left.pop(0))
        state = self.draw.choice(["nothing", "unfinished", "finished"])
        counts = self.count_calls(state)
        call = self.draw.choice([name for name in ERRORS if counts[name] > 0])
        return state, call, self.draw.randint(1, counts[call]), self.draw.choice(ERRORS[call])

    def one_try(self):
        state, call, nth, error = self.next_call()
        where = "%s number %d failed with %s, from %s" % (call, nth, error, state)
        run_dir = self.copy(state)
        before = campaign.done_files(run_dir)
        code, output, _ = self.run_with(run_dir, call, nth, error)
        if code not in (0, 1):
            return "crashed", "%s: ended with %d:\n%s" % (where, code, output)
        if code == 1 and self.directory not in output:
            return "an error without a path", "%s:\n%s" % (where, output)
        if code == 0:
            different = campaign.difference(self.expected, campaign.everything(run_dir))
            if different:
                return "different results", "%s: %s\n%s" % (where, different, output)
        after = campaign.done_files(run_dir)
        for name in before:
            if after.get(name) != before[name]:
                return "a good stage was redone", "%s: %s\n%s" % (where, name, output)
        final, rest = self.scheduler.run(run_dir, "--rehearse=false")
        if final != 0:
            return "could not resume", "%s: then ended with %d:\n%s\n%s" % (where, final, output, rest)
        different = campaign.difference(self.expected, campaign.everything(run_dir))
        if different:
            return "different results afterwards", "%s: %s\n%s\n%s" % (where, different, output, rest)
        left = scheduler_process.leftovers(run_dir)
        if left:
            return "leftovers", "%s: %s" % (where, left)
        return "%-6s %-6s: %s" % (call, error, "no harm" if code == 0 else "stopped, resumed"), None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--library", required=True, help="//tools/campaign:libfault_injection.so")
    parser.add_argument("--every", type=int, help="fail every call once, and begin with this one of them")
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    faults = Faults(campaign.parse_arguments(__doc__), own.library)
    faults.begin_every = own.every
    status = faults.run(faults.one_try)
    if own.every is not None:
        print(faults.how_to_continue())
    sys.exit(status)
