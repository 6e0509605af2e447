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

With --every=0 nothing is left to chance but the order. A place is all functions that a call is made through, from main() or the
start of a thread on. First each place of all three runs fails once with each of its errors, then each other call of the run from
scratch fails once. That takes hours: the last line says how a later run of the same build continues.
"""

import argparse
import collections
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


# Where a run begins: in an empty directory, in the middle of a stage, and when all is done.
STATES = ("nothing", "unfinished", "finished")

# A call of a run from `state` that fails with `error`: the nth of its kind, or, with a place, the nth of its kind from there.
Fault = collections.namedtuple("Fault", "state call place nth error")

# How many calls of a kind a run makes from a place.
Place = collections.namedtuple("Place", "call place count")


def read_lines(path):
    """The words of each line; none if the program did not come to write them."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.split() for line in file]


class Faults(campaign.Campaign):
    def __init__(self, arguments, library):
        super().__init__(arguments)
        self.library = os.path.abspath(library)
        self.counts = {}
        self.begin_every = None  # where the list of every fault is begun; None: faults are drawn
        self.at_places = 0  # so many faults, the first of that list, are those of all places with all errors
        self.all_faults = 0  # of that list
        self.left = []

    def run_with(self, run_dir, fault, **more):
        """Returns the exit code, what was printed, and the numbers of calls."""
        counts = self.path("counts")
        if os.path.exists(counts):
            os.remove(counts)
        number = -1 if fault.error == "short" else getattr(errno, fault.error)
        environment = {
            **os.environ, "LD_PRELOAD": self.library, "RCNN_FAULT_UNDER": run_dir, "RCNN_FAULT_CALL": fault.call,
            "RCNN_FAULT_NTH": str(fault.nth), "RCNN_FAULT_ERROR": str(number), "RCNN_FAULT_COUNTS": counts, **more}
        if fault.place:
            environment["RCNN_FAULT_PLACE"] = fault.place
        code, output = self.scheduler.run(run_dir, "--rehearse=false", env=environment)
        return code, output, {name: int(count) for name, count in read_lines(counts)}

    def run_without_fault(self, state, **more):
        """Returns how many calls of each kind a run makes from there."""
        code, output, counts = self.run_with(self.copy(state), Fault(state, "none", None, 0, "EIO"), **more)
        assert code == 0, output
        print("%s: %s" % (state, counts), flush=True)
        return counts

    def count_calls(self, state):
        if state not in self.counts:
            self.counts[state] = self.run_without_fault(state)
        return self.counts[state]

    def list_places(self, state):
        """All places of a run from there."""
        path = self.path("places")
        self.run_without_fault(state, RCNN_FAULT_PLACES=path)
        return [Place(call, place, int(count)) for call, place, count in read_lines(path)]

    def prepare(self):
        super().prepare()
        if self.begin_every is not None:
            places = {state: self.list_places(state) for state in STATES}
            every = self.faults_at_places(places)
            self.at_places = len(every)
            every += self.other_calls(places["nothing"], every)
            self.all_faults = len(every)
            self.left = every[self.begin_every:]
            print("%d places, %d faults of them, %d other calls" % (
                sum(map(len, places.values())), self.at_places, self.all_faults - self.at_places), flush=True)

    def faults_at_places(self, places):
        """Each place with each of its errors, at one of its calls: first each place with one error, then with another."""
        faults = []
        for state, of_state in places.items():
            for call, place, count in of_state:
                draw = random.Random("%d %s %s %s" % (self.seed, state, call, place))
                errors = draw.sample(ERRORS[call], len(ERRORS[call]))
                for turn, error in enumerate(errors):
                    faults.append((turn, draw.random(), Fault(state, call, place, draw.randint(1, count), error)))
        return [fault for _, _, fault in sorted(faults)]

    def other_calls(self, places, done):
        """Each call from these places that is not among `done`, once."""
        done = {fault[:4] for fault in done}
        faults = []
        for call, place, count in places:
            for nth in range(1, count + 1):
                draw = random.Random("%d %s %s %d" % (self.seed, call, place, nth))
                fault = Fault("nothing", call, place, nth, draw.choice(ERRORS[call]))
                if fault[:4] not in done:
                    faults.append((draw.random(), fault))
        return [fault for _, fault in sorted(faults)]

    def how_to_continue(self):
        next_one = self.begin_every + sum(self.outcomes.values())
        if self.all_faults == 0:  # interrupted before they were counted
            return "no call was failed: --seed=%d --every=%d" % (self.seed, next_one)
        if next_one >= self.all_faults:
            return "every call has failed once, and every place with every error"
        if next_one >= self.at_places:
            left = "every place has failed with every error; %d other calls" % (self.all_faults - next_one)
        else:
            left = "%d faults of places and %d other calls" % (self.at_places - next_one, self.all_faults - self.at_places)
        return "%s are left: --seed=%d --every=%d" % (left, self.seed, next_one)

    def is_done(self, done):
        return (self.begin_every is not None and not self.left) or super().is_done(done)

    def next_fault(self):
        if self.begin_every is not None:
            return self.left.pop(0)
        state = self.draw.choice(STATES)
        counts = self.count_calls(state)
        call = self.draw.choice([name for name in ERRORS if counts[name] > 0])
        return Fault(state, call, None, self.draw.randint(1, counts[call]), self.draw.choice(ERRORS[call]))

    def one_try(self):
        fault = self.next_fault()
        where = "%s number %d%s failed with %s, from %s" % (
            fault.call, fault.nth, " from place " + fault.place if fault.place else "", fault.error, fault.state)
        run_dir = self.copy(fault.state)
        before = campaign.done_files(run_dir)
        code, output, counts = self.run_with(run_dir, fault)
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
        if not counts["failed"]:
            return "the call was not made", None
        return "%-6s %-6s: %s" % (fault.call, fault.error, "no harm" if code == 0 else "stopped, resumed"), None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--library", required=True, help="//tools/campaign:libfault_injection.so")
    parser.add_argument("--every", type=int, help="fail every place and call, and begin with this one of the list")
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    faults = Faults(campaign.parse_arguments(__doc__), own.library)
    faults.begin_every = own.every
    status = faults.run(faults.one_try)
    if own.every is not None:
        print(faults.how_to_continue())
    sys.exit(status)
