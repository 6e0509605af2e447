#!/usr/bin/env python3
"""Fails one system call of a run, once, and then runs the experiment again without.

The call is any open, read, write, fsync, rename, mkdir, mmap, stat, unlink, link, truncation, lock or listing of a
directory below the run directory, the error one of EIO, ENOSPC, EACCES, EINTR, ESTALE, ENOMEM and ENOLCK, or half of a
read or write. Runs start from scratch, in the middle, and finished. The run with the fault must end well with the right
results, or with an error that names a path; no stage that was finished before may be redone or deleted; no file may be
taken for a damaged one, since none is; and the run after it must leave, bit for bit, what an undisturbed one leaves.

  ./bazelw build //training:stage_scheduler //tools/campaign:libfault_injection.so
  tools/campaign/faults.py bazel-bin/training/stage_scheduler training/testing/tiny_alternating.textproto \\
    --library=bazel-bin/tools/campaign/libfault_injection.so --seconds=3600

A place is the chain of functions that leads to a call, from main() or the start of a thread on. With --every=0 the faults are not
drawn but listed: first each place of all three runs with each error of its kind of call, at one of its calls, then each other call of
the run from scratch with one error. The seed gives the order, these calls and these errors. That takes hours: the last line says how
a later run of the same build continues.
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
    "unlink": ["EIO", "EACCES"],
    "link": ["EIO", "EACCES", "ENOSPC"],
    "truncate": ["EIO"],
    "lock": ["EIO", "ENOLCK"],
}

# What a run says of a file that is damaged, or of the copy that it uses instead. A file that cannot be read now is neither, and only
# this tells them apart where a copy or an older checkpoint leads to the same results.
DAMAGE = ("is damaged", "cannot be used", "an intact copy", "is not as it was written", "is unreadable and is removed",
          "did not match this stage's result")

# What is to be repeated or continued at once, unnoticed.
HARMLESS = ("EINTR", "short")

# What a run finds in its directory, and the name of such a run.
STATES = {"nothing": "a run from scratch", "unfinished": "a run that resumes", "finished": "a finished run"}

# A call of a run that began with `state`, and fails with `error`: the nth of its kind, or, if `place` is not None, the nth of its kind
# from there. The first is 1.
Fault = collections.namedtuple("Fault", "state call place nth error")

# A run makes `count` calls of the kind `call` from `place`.
Place = collections.namedtuple("Place", "call place count")


def counted(number, what):
    return "%d %s%s" % (number, what, "" if number == 1 else "s")


def read_lines(path):
    """Returns the words of each line of the file; no lines if it is missing, because the program has been killed."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.split() for line in file]


def index(text):
    """The type of a flag."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("%r is not a number from 0 on" % text)
    return int(text)


class Faults(campaign.Campaign):
    def __init__(self, arguments, library):
        super().__init__(arguments)
        self.library = os.path.abspath(library)
        self.counts = {}
        self.begin_every = None  # the index in the list of faults to begin with; None: faults are drawn
        self.at_places = 0  # how many faults of the list are of places; they are the first
        self.all_faults = 0  # the length of the list
        self.left = []  # the rest of the list

    def run_with(self, run_dir, fault, **more):
        """Returns the exit code, what was printed, and the numbers of calls; none of these if the program has been killed."""
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
        """Returns how many calls of each kind a run makes that begins with `state`."""
        code, output, counts = self.run_with(self.copy(state), Fault(state, "none", None, 0, "EIO"), **more)
        assert code == 0, output
        print("%s: %s" % (state, counts), flush=True)
        return counts

    def count_calls(self, state):
        if state not in self.counts:
            self.counts[state] = self.run_without_fault(state)
        return self.counts[state]

    def list_places(self, state):
        """Returns all places of a run that begins with `state`."""
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
            print("%s in the three runs, %s there, %s" % (
                counted(sum(map(len, places.values())), "place"), counted(self.at_places, "fault"),
                counted(self.all_faults - self.at_places, "other call")), flush=True)
            if not self.left:
                raise SystemExit("error: --every=%d: the list has %s, and begins with 0" % (
                    self.begin_every, counted(self.all_faults, "fault")))

    def faults_at_places(self, places):
        """Returns a fault for each place and error, at one of its calls: first each place with one error, then with another."""
        faults = []
        for state, of_state in places.items():
            for call, place, count in of_state:
                draw = random.Random("%d %s %s %s" % (self.seed, state, call, place))
                errors = draw.sample(ERRORS[call], len(ERRORS[call]))
                for turn, error in enumerate(errors):
                    faults.append((turn, draw.random(), Fault(state, call, place, draw.randint(1, count), error)))
        return [fault for _, _, fault in sorted(faults)]

    def other_calls(self, places, done):
        """Returns a fault for each call of a run from scratch, which has these places, that is not among `done`."""
        done = {fault[:4] for fault in done}  # without the errors
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
        if self.all_faults > 0 and next_one >= self.all_faults:
            return "every call has failed once, and every place with every error"
        if self.all_faults == 0:  # interrupted before they were counted
            what = "nothing has failed yet"
        elif next_one >= self.at_places:
            what = "every place has failed with every error; left: %s" % counted(self.all_faults - next_one, "other call")
        else:
            what = "left: %s at places, %s" % (
                counted(self.at_places - next_one, "fault"), counted(self.all_faults - self.at_places, "other call"))
        return "%s; to continue: --seed=%d --every=%d" % (what, self.seed, next_one)

    def is_done(self, done):
        return (self.begin_every is not None and not self.left) or super().is_done(done)

    def next_fault(self):
        if self.begin_every is not None:
            return self.left.pop(0)
        state = self.draw.choice(list(STATES))
        counts = self.count_calls(state)
        call = self.draw.choice([name for name in ERRORS if counts[name] > 0])
        return Fault(state, call, None, self.draw.randint(1, counts[call]), self.draw.choice(ERRORS[call]))

    def names_a_path(self, output):
        """Whether the error does. Lines before it, such as the first one, name the run directory in any case."""
        lines = output.splitlines()
        begins = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        return bool(begins) and any(self.directory in line for line in lines[begins[0]:])

    def one_try(self):
        fault = self.next_fault()
        where = "%s number %d%s failed with %s in %s" % (
            fault.call, fault.nth, " from place " + fault.place if fault.place else "", fault.error, STATES[fault.state])
        run_dir = self.copy(fault.state)
        before = campaign.done_files(run_dir)
        code, output, counts = self.run_with(run_dir, fault)
        if code not in (0, 1):
            return "crashed", "%s: ended with %d:\n%s" % (where, code, output)
        if code == 1 and fault.error in HARMLESS:
            return "stopped for no reason", "%s:\n%s" % (where, output)
        if code == 1 and not self.names_a_path(output):
            return "an error without a path", "%s:\n%s" % (where, output)
        if any(text in output for text in DAMAGE):
            return "taken for damage", "%s:\n%s" % (where, output)
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
        if counts and not counts["failed"]:
            return "the call was not made", None
        return "%-6s %-6s: %s" % (fault.call, fault.error, "no harm" if code == 0 else "stopped, resumed"), None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--library", required=True, help="//tools/campaign:libfault_injection.so")
    parser.add_argument("--every", type=index, help="list every place and call, and begin with this fault of the list, from 0")
    own = campaign.parse_arguments(__doc__, parser)
    faults = Faults(own, own.library)
    faults.begin_every = own.every
    status = faults.run(faults.one_try)
    if own.every is not None:
        print(faults.how_to_continue())
    sys.exit(status)
