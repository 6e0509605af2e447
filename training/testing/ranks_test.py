"""Runs stage_scheduler with several processes, disturbs them, and compares what they leave.

Independent parts run at the same time, as they mostly wait.

Usage: ranks_test.py STAGE_SCHEDULER EXPERIMENT FAULT_LIBRARY [KILLS] [SEED]

FAULT_LIBRARY is //tools/campaign:libfault_injection.so. With more than one kill each rank is stopped, and the disk is
full at several moments.
"""

import concurrent.futures
import errno
import glob
import json
import math
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kill_test
import scheduler_process

# With few iterations: most of the time of a run is that of its start.
_SHORT = (
    "--rehearse=false",
    "--threads=1",
    "--set=stages.rpn1.train_rpn.training.solver.iterations=4",
    "--set=stages.fast1.train_fast_rcnn.training.solver.iterations=3",
    "--set=stages.rpn2.train_rpn.training.solver.iterations=3",
    "--set=stages.fast2.train_fast_rcnn.training.solver.iterations=3",
)
_RANKS = ("--local_processes=2",) + _SHORT
# Of runs in which a rank will not answer. Far longer than an update takes, also on a busy machine.
_LIMIT = "--collective_timeout=15s"
# Of those of write_dataset; which one it is follows from the seed of the experiment.
_IMAGE_OF_RANK_1 = "02.png"
# The longest that the others may run after a rank was killed or stopped: the limit, the roll call, the
# launcher's grace, and what a busy machine takes for the rest.
_END_SECONDS = 90


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
    end = time.monotonic() + 20
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
    code, output = scheduler.run(alone, *_SHORT)
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


def test_kills(scheduler, directory, kills, draw):
    """Returns the run directories, all finished in the end."""
    done = 0
    run_dirs = []
    while done < kills:
        run_dirs.append(os.path.join(directory, "killed%d" % len(run_dirs)))
        while True:
            process = scheduler.start(run_dirs[-1], _LIMIT, *_RANKS)
            ranks = wait_for_children(process, 2)
            end = time.monotonic() + draw.uniform(0, 5)
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
    return run_dirs


def shut_down(scheduler, run_dir):
    process = scheduler.start(run_dir, *_RANKS)
    ranks = wait_for_children(process, 2)
    key = os.path.join(run_dir, "stages", "1_rpn1", "key.txt")
    while not os.path.exists(key) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    code, output = finish(process)
    assert code == 128 + signal.SIGTERM, (code, output)
    expect_gone(ranks)
    print("SIGTERM: stopped with %d" % (128 + signal.SIGTERM), flush=True)


def checkpoints(run_dir):
    return set(glob.glob(os.path.join(run_dir, "stages", "*", "checkpoint-*")))


def stop_rank(scheduler, run_dir, victim):
    """Stops a rank after a new checkpoint, until the other one has ended because of that."""
    before = checkpoints(run_dir)
    process = scheduler.start(run_dir, _LIMIT, *_RANKS)
    ranks = wait_for_children(process, 2)
    while checkpoints(run_dir) <= before and process.poll() is None:
        time.sleep(0.002)
    os.kill(ranks[victim], signal.SIGSTOP)
    start = time.monotonic()
    while is_alive(ranks[1 - victim]):
        assert time.monotonic() - start < _END_SECONDS, "the other rank has not ended"
        time.sleep(0.02)
    os.kill(ranks[victim], signal.SIGCONT)
    code, output = finish(process)
    expect_gone(ranks)
    assert code == 1, (code, output)
    assert re.search("rank %d .*does not answer" % victim, output), output
    print("rank %d stopped: the other has ended" % victim, flush=True)


def fill_disk(scheduler, run_dir, library, number):
    """The write of this number, of rank 0, finds the disk full."""
    fault = {
        "LD_PRELOAD": library, "RCNN_FAULT_UNDER": run_dir, "RCNN_FAULT_CALL": "write",
        "RCNN_FAULT_NTH": str(number), "RCNN_FAULT_ERROR": str(errno.ENOSPC)}
    process = scheduler.start(run_dir, *_RANKS, env=dict(os.environ, **fault))
    ranks = wait_for_children(process, 2)
    code, output = finish(process)
    expect_gone(ranks)
    assert code == 1, (code, output)
    assert re.search(r"^\[1\] .*rank 0: .*No space left on device", output, re.MULTILINE), output
    print("disk full at write %d: both have ended" % number, flush=True)


def test_interruptions(scheduler, directory, library, writes):
    """Returns the run directory, finished in the end."""
    run_dir = os.path.join(directory, "interrupted")
    shut_down(scheduler, run_dir)
    for number in writes:
        fill_disk(scheduler, run_dir, library, number)
    code, output = scheduler.run(run_dir, *_RANKS)
    assert code == 0, output
    return [run_dir]


def test_stops(scheduler, directory, victims):
    """Returns the run directory, finished in the end."""
    run_dir = os.path.join(directory, "stopped")
    for victim in victims:
        stop_rank(scheduler, run_dir, victim)
    code, output = scheduler.run(run_dir, *_RANKS)
    assert code == 0, output
    return [run_dir]


def write_png(path, rows):
    """Writes an image of grey rows, lists of bytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def write_dataset(folder, count):
    """Writes COCO files of images with one bright square each."""
    draw = random.Random(1)
    os.makedirs(os.path.join(folder, "images"))
    images, annotations = [], []
    for i in range(count):
        x, y, size = draw.randrange(36), draw.randrange(20), draw.randrange(16, 28)
        rows = [[draw.randrange(100) for _ in range(64)] for _ in range(48)]
        for row in rows[y:y + size]:
            row[x:x + size] = [200] * size
        write_png(os.path.join(folder, "images", "%02d.png" % i), rows)
        images.append({"id": i + 1, "file_name": "%02d.png" % i, "width": 64, "height": 48})
        annotations.append({
            "id": i + 1, "image_id": i + 1, "category_id": 1 + i % 2, "bbox": [x, y, size, size],
            "area": size * size, "iscrowd": 0})
    categories = [{"id": 1, "name": "even"}, {"id": 2, "name": "odd"}]
    with open(os.path.join(folder, "all.json"), "w") as file:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, file)


def test_damaged_image(scheduler, directory):
    """An image that rank 1 reads first is damaged, and mended."""
    folder = os.path.join(directory, "images")
    write_dataset(folder, 12)
    data = '{ coco {} paths { annotations: "all.json" images: "images" } }'
    flags = ("--data_root=" + folder, "--set=data.train=" + data, "--set=data.test=" + data)
    path = os.path.join(folder, "images", _IMAGE_OF_RANK_1)
    with open(path, "rb") as file:
        intact = file.read()
    with open(path, "wb") as file:
        file.write(intact[:len(intact) // 2])
    run_dir = os.path.join(directory, "damaged")
    process = scheduler.start(run_dir, *flags, *_RANKS)
    ranks = wait_for_children(process, 2)
    code, output = finish(process)
    expect_gone(ranks)
    assert code == 1, (code, output)
    for mark in ("", r"\[1\] "):
        assert re.search("^%serror: .*rank 1: .*%s" % (mark, _IMAGE_OF_RANK_1), output, re.MULTILINE), output
    with open(path, "wb") as file:
        file.write(intact)
    code, output = scheduler.run(run_dir, *flags, *_RANKS)
    assert code == 0, output
    print("damaged image on rank 1: both have ended, and resumed", flush=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_ranks(scheduler, run_dir, environments, flags):
    """Starts a process for each environment, with its own flags."""
    processes = []
    for environment, own in zip(environments, flags):
        variables = dict(os.environ, MASTER_ADDR="127.0.0.1", **environment)
        processes.append(scheduler.start(run_dir, "--threads=1", *own, env=variables))
    return processes


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
    start = time.monotonic()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cases.append((ranks([0], 2, taken.getsockname()[1]), [(quick,)], ["MASTER_PORT"]))
        started = [
            start_ranks(scheduler, os.path.join(directory, "error%d" % number), environments, flags)
            for number, (environments, flags, _) in enumerate(cases)]
        outcomes = [[finish(process) for process in processes] for processes in started]
    for (_, _, words), of_ranks in zip(cases, outcomes):
        for code, output in of_ranks:
            assert code == 1, (code, output)
        for word in words:
            assert any(word in output for _, output in of_ranks), (word, of_ranks)
    assert time.monotonic() - start < _END_SECONDS, outcomes
    code, output = scheduler.run(os.path.join(directory, "none"), "--local_processes=-1")
    assert code == 1 and "--local_processes: -1" in output, output
    code, output = scheduler.run(
        os.path.join(directory, "none"), "--local_processes=2", "--collective_timeout=soon")
    assert code == 1 and '--collective_timeout: "soon" is not a time' in output, output
    print("errors: named", flush=True)


def main():
    scheduler = scheduler_process.Scheduler(sys.argv[1], sys.argv[2])
    library = os.path.abspath(sys.argv[3])
    kills = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.SystemRandom().randrange(1 << 31)
    print("seed", seed, flush=True)
    draw = random.Random(seed)
    victims, writes = ([0, 1], [20, 40, 60]) if kills > 1 else ([draw.randrange(2)], [40])
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(4) as pool:
        undisturbed = pool.submit(test_equality, scheduler, directory)
        disturbed = [
            pool.submit(test_stops, scheduler, directory, victims),
            pool.submit(test_interruptions, scheduler, directory, library, writes),
            pool.submit(test_kills, scheduler, directory, kills, draw)]
        others = [pool.submit(test, scheduler, directory) for test in (test_damaged_image, test_errors)]
        for run_dirs in disturbed:
            for run_dir in run_dirs.result():
                kill_test.compare(undisturbed.result(), scheduler_process.results(run_dir))
        for other in others:
            other.result()
    print("%d kills: every file is that of the undisturbed run" % kills)


if __name__ == "__main__":
    main()
