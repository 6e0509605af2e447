"""Runs stage_scheduler with several processes, disturbs them, and compares what they leave.

Usage: ranks_test.py STAGE_SCHEDULER EXPERIMENT [KILLS] [SEED]
"""

import math
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kill_test
import scheduler_process

_RANKS = ("--local_processes=2", "--threads=1", "--rehearse=false")
# The longest that the others may run after a rank was killed: the roll call and the launcher's grace.
_END_SECONDS = 60


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def wait_for_children(process, count):
    while process.poll() is None:
        found = children(process.pid)
        if len(found) == count:
            return found
        time.sleep(0.005)
    return []


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill(pid):
    """Returns whether the process was there to be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def expect_gone(pids):
    end = time.monotonic() + 5
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < end, "processes are left: %s" % [pid for pid in pids if is_alive(pid)]
        time.sleep(0.05)


def finish(process):
    """Returns the exit code and what was printed, of a process that has to end soon."""
    try:
        output, _ = process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError("the processes do not end:\n" + output)
    return process.returncode, output


def expect_near(expected, actual, tolerance):
    """Compares the lines of metrics.jsonl of two numbers of processes."""
    assert len(expected) == len(actual), (len(expected), len(actual))
    for line, other in zip(expected, actual):
        assert line.keys() == other.keys(), (line, other)
        for name, value in line.items():
            if isinstance(value, float) and not name.startswith("validation"):
                assert math.isclose(value, other[name], rel_tol=tolerance, abs_tol=1e-6), (name, line, other)


def test_equality(scheduler, directory):
    """Returns the results of two processes."""
    alone = os.path.join(directory, "alone")
    code, output = scheduler.run(alone, "--threads=1", "--rehearse=false")
    assert code == 0, output
    found = []
    for name in ("once", "again"):
        run_dir = os.path.join(directory, name)
        code, output = scheduler.run(run_dir, *_RANKS)
        assert code == 0, output
        found.append(scheduler_process.results(run_dir))
        left = scheduler_process.leftovers(run_dir)
        assert not left, left
    kill_test.compare(found[0], found[1])
    # Rounding grows from stage to stage; the first one has only its own.
    name = os.path.join("stages", "1_rpn1", "metrics.jsonl")
    expect_near(scheduler_process.results(alone)[name], found[0][name], 1e-3)
    with open(os.path.join(directory, "once", "stages", "1_rpn1", "DONE")) as file:
        assert '"processes": 2' in file.read()
    print("two processes: equal from run to run, near to one", flush=True)
    return found[0]


def test_kills(scheduler, directory, expected, kills, draw):
    done = 0
    attempt = 0
    while done < kills:
        run_dir = os.path.join(directory, "killed%d" % attempt)
        attempt += 1
        while True:
            process = scheduler.start(run_dir, *_RANKS)
            ranks = wait_for_children(process, 2)
            end = time.monotonic() + draw.uniform(0, 8)
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            victim = draw.randrange(2)
            is_killed = done < kills and process.poll() is None and kill(ranks[victim])
            code, output = finish(process)
            expect_gone(ranks)
            if code == 0:  # a rank that is killed when all is done changes nothing
                break
            assert is_killed and "signal 9" in output, output
            done += 1
            print("rank %d killed: exit code %d" % (victim, code), flush=True)
        kill_test.compare(expected, scheduler_process.results(run_dir))


def test_shutdown(scheduler, directory, expected):
    run_dir = os.path.join(directory, "stopped")
    process = scheduler.start(run_dir, *_RANKS)
    ranks = wait_for_children(process, 2)
    key = os.path.join(run_dir, "stages", "1_rpn1", "key.txt")
    while not os.path.exists(key) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    code, output = finish(process)
    assert code == 128 + signal.SIGTERM, (code, output)
    expect_gone(ranks)
    code, output = scheduler.run(run_dir, *_RANKS)
    assert code == 0, output
    kill_test.compare(expected, scheduler_process.results(run_dir))
    print("SIGTERM: stopped with %d and resumed" % (128 + signal.SIGTERM), flush=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_ranks(scheduler, run_dir, environments, flags):
    """One process for each environment, with its own flags."""
    processes = []
    for environment, own in zip(environments, flags):
        variables = dict(os.environ, MASTER_ADDR="127.0.0.1", **environment)
        processes.append(scheduler.start(run_dir, "--threads=1", *own, env=variables))
    return [finish(process) for process in processes]


def test_errors(scheduler, directory):
    def ranks(numbers, size, port=None):
        port = str(port or free_port())
        return [{"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_PORT": port} for rank in numbers]

    rate = "--set=stages.rpn1.train_rpn.training.solver.learning_rate="
    quick = "--join_timeout=3s"
    cases = [
        (ranks([0], 0), [()], ["WORLD_SIZE"]),
        (ranks([2], 2), [()], ["RANK is 2"]),
        (ranks([0, 1], 2), [(rate + "0.5",), (rate + "0.25",)], ["learning_rate", "rank 0 is 0.5", "rank 1 0.25"]),
        (ranks([1, 1, 0], 2), [(), (), ()], ["two processes are rank 1"]),
        (ranks([0], 2), [(quick,)], ["rank 1 of 2 has not come"]),
        (ranks([1], 2), [(quick,)], ["cannot reach rank 0"]),
    ]
    for number, (environments, flags, words) in enumerate(cases):
        start = time.monotonic()
        outcomes = start_ranks(scheduler, os.path.join(directory, "error%d" % number), environments, flags)
        for code, output in outcomes:
            assert code == 1, (code, output)
        for word in words:
            assert any(word in output for _, output in outcomes), (word, outcomes)
        assert time.monotonic() - start < 30, words
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        [(code, output)] = start_ranks(
            scheduler, os.path.join(directory, "taken"), ranks([0], 2, taken.getsockname()[1]), [(quick,)])
        assert code == 1 and "MASTER_PORT" in output, output
    code, output = scheduler.run(os.path.join(directory, "none"), "--local_processes=-1")
    assert code == 1 and "--local_processes: -1" in output, output
    code, output = scheduler.run(
        os.path.join(directory, "none"), "--local_processes=2", "--collective_timeout=soon")
    assert code == 1 and '--collective_timeout: "soon" is not a time' in output, output
    print("errors: named", flush=True)


def main():
    scheduler = scheduler_process.Scheduler(sys.argv[1], sys.argv[2])
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 31)
    print("seed", seed, flush=True)
    with tempfile.TemporaryDirectory() as directory:
        test_errors(scheduler, directory)
        expected = test_equality(scheduler, directory)
        test_shutdown(scheduler, directory, expected)
        test_kills(scheduler, directory, expected, kills, random.Random(seed))
    print("%d kills: every file is that of the undisturbed run" % kills)


if __name__ == "__main__":
    main()
