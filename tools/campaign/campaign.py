"""Shared by the programs of the campaign: limits of time and tries, finished and unfinished runs to begin from, and
the comparison of what a run leaves with what an undisturbed one leaves."""

import argparse
import collections
import ctypes
import glob
import os
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../training/testing"))
import scheduler_process
import tensorboard_events

REPORT_EVERY = 10

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # linux/prctl.h

TOP = (
    "detections.json", "metrics.json", "report.html", "contact_sheet.jpg", "model.safetensors", "detector.textproto",
    "experiment.textproto", "copies/experiment.textproto")

# Of stages, beside scheduler_process.results. DONE has the checksum of metrics.jsonl, which has times in it.
OF_STAGES = ("key.txt", "report.html", "contact_sheet.jpg", "detector.textproto")

EVENT_FILE = "events.out.tfevents."


def parse_arguments(description, own=None):
    """`own`: a parser, made with add_help=False, with the flags of one program."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[own] if own else [])
    parser.add_argument("scheduler", help="the program //training:stage_scheduler")
    parser.add_argument("experiment", help="a textproto, such as training/testing/tiny_alternating.textproto")
    parser.add_argument("--seed", type=int, help="of all choices; by default a new one each time, which is printed")
    parser.add_argument("--seconds", type=float, default=600, help="stop after this time, and after one try")
    parser.add_argument("--tries", type=int, default=10**9, help="stop after so many")
    return parser.parse_args()


def other_results(run_dir):
    found = {}
    for pattern in TOP + tuple(os.path.join("stages", "*", name) for name in OF_STAGES):
        for path in glob.glob(os.path.join(run_dir, pattern)):
            name = os.path.relpath(path, run_dir)
            if ".unfinished" not in name:  # as scheduler_process.results
                with open(path, "rb") as file:
                    found[name] = file.read()
    return found


def shown_events(run_dir):
    """What TensorBoard shows of each stage, without times: the values by their tag and step. Which files hold them depends on when
    processes began and ended."""
    found = {}
    for path in glob.glob(os.path.join(run_dir, EVENT_FILE + "*")):
        try:
            for step, tag, message in tensorboard_events.messages(path):
                stage, _, name = tag.partition("/")
                if name not in scheduler_process.TIMES:
                    values = found.setdefault("TensorBoard's values of " + stage, {})
                    values.setdefault((step, name), set()).add(message)
        except ValueError as error:
            found["%s (%s)" % (os.path.basename(path), error)] = None
    return found


def everything(run_dir, with_events=True):
    """All that must not depend on interruptions, by its name."""
    return {**scheduler_process.results(run_dir), **other_results(run_dir), **(shown_events(run_dir) if with_events else {})}


def done_files(run_dir):
    """Returns, for each finished stage, what would change if it were redone."""
    times = {}
    for path in glob.glob(os.path.join(run_dir, "stages", "*", "DONE")):
        status = os.stat(path)
        times[os.path.relpath(path, run_dir)] = (status.st_ino, status.st_mtime_ns)
    return times


def difference(expected, actual):
    """The first difference, in words; None if there is none."""
    for name in sorted(set(expected) | set(actual)):
        if name not in actual:
            return "%s is missing" % name
        if name not in expected:
            return "%s is new" % name
        if expected[name] != actual[name]:
            return "%s differs" % name
    return None


def stop_at(process, pattern):
    """Stops a run once a path matches the pattern. The run does not outlive an interruption of this program."""
    try:
        while not glob.glob(pattern) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        process.kill()
        raise
    finally:
        scheduler_process.wait(process)


def stop_once(*_):
    """Handles SIGINT and SIGTERM. Later ones, such as timeout(1)'s copy of Ctrl-C, do not disturb the cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def end_with_parent():
    """For a new process: the kernel kills it when the thread that started it ends, even if that was killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Scheduler(scheduler_process.Scheduler):
    """Its programs do not outlive this one."""

    def start(self, run_dir, *flags, **options):
        return super().start(run_dir, *flags, preexec_fn=end_with_parent, **options)


class Campaign:
    """Runs tries until time or number is used up, and counts what became of them."""

    def __init__(self, arguments):
        self.seed = arguments.seed
        if self.seed is None:
            self.seed = random.SystemRandom().randrange(1 << 31)
        self.draw = random.Random(self.seed)
        self.end = time.monotonic() + arguments.seconds
        self.tries = arguments.tries
        self.scheduler = Scheduler(arguments.scheduler, arguments.experiment)
        self.outcomes = collections.Counter()
        self.failures = []
        self.directory = tempfile.mkdtemp()
        signal.signal(signal.SIGINT, stop_once)
        signal.signal(signal.SIGTERM, stop_once)
        print("seed", self.seed, flush=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def prepare(self):
        """Makes a finished run, and one that was stopped in the middle of its third stage."""
        start = time.monotonic()
        code, output = self.scheduler.run(self.path("finished"), "--rehearse=false")
        assert code == 0, output
        self.expected = everything(self.path("finished"))
        assert len(self.expected) > 10, sorted(self.expected)
        process = self.scheduler.start(self.path("unfinished"), "--rehearse=false")
        pattern = os.path.join(self.path("unfinished"), "stages/3_*/checkpoint-*/manifest.json")
        stop_at(process, pattern)
        print("undisturbed runs: %.1f s, %d files" % (time.monotonic() - start, len(self.expected)), flush=True)

    def close(self):
        """Called after the last try."""

    def is_done(self, done):
        """Whether nothing is left to do after so many tries."""
        return done >= self.tries or (done > 0 and time.monotonic() >= self.end)

    def copy(self, state):
        """Returns a new run directory: a copy of "finished" or "unfinished", or a missing one for "nothing"."""
        run_dir = self.path("run")
        shutil.rmtree(run_dir, ignore_errors=True)
        if state != "nothing":
            shutil.copytree(self.path(state), run_dir)
        return run_dir

    def run(self, one_try):
        """Calls `one_try`, which returns what happened in words and, if it is a failure, why. Ctrl-C and SIGTERM end it, with 130."""
        done, status = 0, 0
        try:
            self.prepare()
            while not self.is_done(done):
                outcome, failure = one_try()
                done += 1
                self.outcomes[outcome] += 1
                if done % REPORT_EVERY == 0:
                    print("%d tries, %d failures" % (done, len(self.failures)), flush=True)
                if failure:
                    self.failures.append(failure)
                    print("FAILED: try %d: %s" % (done, failure), flush=True)
            self.close()
        except KeyboardInterrupt:
            print("stopped by hand", flush=True)
            status = 128 + signal.SIGINT
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
        for outcome, count in sorted(self.outcomes.items()):
            print("%6d  %s" % (count, outcome))
        print("%d tries with seed %d, %d failures" % (done, self.seed, len(self.failures)))
        return 1 if self.failures or done == 0 else status
