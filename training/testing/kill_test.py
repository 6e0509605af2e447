"""Kills stage_scheduler with SIGKILL at random moments, starts it again until it is done, and compares its results,
bit for bit, with those of an undisturbed run.

About half of the kills wait until a file is half written, most often a checkpoint.

Usage: kill_test.py STAGE_SCHEDULER EXPERIMENT [KILLS] [SEED]
"""

import collections
import glob
import os
import random
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scheduler_process

# Files that exist while something is being written.
_CHECKPOINT = "inside a checkpoint write"
_HALF_WRITTEN = {
    _CHECKPOINT: "stages/*/checkpoint-*.tmp",
    "inside another write": "stages/*/*.tmp-*",
}


def half_written(run_dir):
    """The kind of file that is half written now, or None."""
    for what, pattern in _HALF_WRITTEN.items():
        if glob.glob(os.path.join(run_dir, pattern)):
            return what
    return None


def stage_at_work(run_dir):
    begun = sorted(glob.glob(os.path.join(run_dir, "stages", "*", "key.txt")))
    unfinished = [path for path in begun if not os.path.exists(os.path.join(os.path.dirname(path), "DONE"))]
    return "in stage " + os.path.basename(os.path.dirname(unfinished[-1])) if unfinished else "between stages"


def wait_for_moment(process, run_dir, draw, duration, wanted):
    """Waits for the moment of a kill; returns what was being written, or None if the process ended first."""
    delay = draw.uniform(0, duration)
    end = time.monotonic() + delay
    aimed = draw.random() < 0.5 or wanted is not None
    while process.poll() is None:
        if time.monotonic() >= end:
            what = half_written(run_dir)
            if (what is not None or not aimed) and wanted in (None, what):
                time.sleep(draw.uniform(0, 0.002) if aimed else 0)
                return what or stage_at_work(run_dir)
        time.sleep(0.0005 if time.monotonic() >= end else min(0.01, end - time.monotonic()))
    return None


def finish_with_kills(scheduler, run_dir, kills, draw, duration, wanted):
    """Runs until done with `kills` kills, which hit `wanted` (None: anything); returns what they hit."""
    hit = collections.Counter()
    while sum(hit.values()) < kills:
        rehearse = "--rehearse=" + draw.choice(["true", "false"])
        process = scheduler.start(run_dir, rehearse)
        # Delays are drawn from most of a run's duration: short ones would never get beyond the start-up.
        what = wait_for_moment(process, run_dir, draw, duration, wanted)
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        if what is None:
            if process.returncode != 0:
                raise AssertionError("exit code %d:\n%s" % (process.returncode, output))
            # Done too early for the remaining kills: start over.
            return hit, False
        hit[what] += 1
    code, output = scheduler.run(run_dir)
    if code != 0:
        raise AssertionError("the run after the kills ended with %d:\n%s" % (code, output))
    return hit, True


def compare(expected, actual):
    if sorted(expected) != sorted(actual):
        raise AssertionError("files differ:\n%s\n%s" % (sorted(expected), sorted(actual)))
    for name in sorted(expected):
        if expected[name] == actual[name]:
            continue
        if name.endswith(".jsonl"):
            pairs = [pair for pair in zip(expected[name], actual[name]) if pair[0] != pair[1]]
            raise AssertionError("%s: %d lines and %d; first difference: %s" % (
                name, len(expected[name]), len(actual[name]), pairs[:1]))
        raise AssertionError("%s is not that of an undisturbed run" % name)


def main():
    scheduler = scheduler_process.Scheduler(sys.argv[1], sys.argv[2])
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 31)
    print("seed", seed, flush=True)
    draw = random.Random(seed)
    hit = collections.Counter()
    with tempfile.TemporaryDirectory() as directory:
        start = time.monotonic()
        undisturbed = os.path.join(directory, "undisturbed")
        code, output = scheduler.run(undisturbed)
        assert code == 0, output
        duration = time.monotonic() - start
        expected = scheduler_process.results(undisturbed)
        assert len(expected) > 10, sorted(expected)
        print("undisturbed: %.1f s, %d files" % (duration, len(expected)), flush=True)
        attempt = 0
        # At least one kill inside a checkpoint write, the last one if need be.
        while sum(hit.values()) < kills or hit[_CHECKPOINT] == 0:
            missing = max(1, kills - sum(hit.values()))
            wanted = _CHECKPOINT if missing == 1 and hit[_CHECKPOINT] == 0 else None
            run_dir = os.path.join(directory, "killed%d" % attempt)
            attempt += 1
            more, complete = finish_with_kills(
                scheduler, run_dir, missing, draw, 0.7 * duration, wanted)
            hit += more
            compare(expected, scheduler_process.results(run_dir))
            left = scheduler_process.leftovers(run_dir)
            assert not left, left
            print("run %d: %s%s" % (attempt, dict(more), "" if complete else ", done before the next"), flush=True)
    print("%d kills: %s; every file is that of the undisturbed run" % (sum(hit.values()), dict(hit)))


if __name__ == "__main__":
    main()
