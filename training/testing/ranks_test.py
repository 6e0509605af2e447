"""Runs stage_scheduler with several processes, disturbs them, and compares what they leave.

Independent parts run at the same time, as they mostly wait.

Usage: ranks_test.py STAGE_SCHEDULER EXPERIMENT FAULT_LIBRARY WRITE_DATASET [KILLS] [SEED]

FAULT_LIBRARY is //tools/campaign:libfault_injection.so. With more than one kill each rank is stopped, the disk is full at
several moments, and a rank is killed several times while it reads shards.

At the end no process may be left that was started here, also none whose parent has ended.
"""

import concurrent.futures
import errno
import glob
import json
import math
import os
import random
import re
import shutil
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
# Of those of write_dataset_files; which one it is follows from the seed of the experiment.
_IMAGE_OF_RANK_1 = "02.png"
# The longest that the others may run after a rank was killed or stopped: the limit, the roll call, the
# launcher's grace, and what a busy machine takes for the rest.
_END_SECONDS = 90
# The longest that an error of the input may take to be said, by all processes.
_ERROR_SECONDS = 30


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


def left_processes(directory):
    """The living processes whose command names the directory, also those whose parent has ended."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        pid = int(path.split("/")[2])
        try:
            with open(path, "rb") as file:
                command = file.read()
        except OSError:
            continue
        if directory.encode() in command and pid != os.getpid() and is_alive(pid):
            found.append((pid, command.replace(b"\0", b" ").decode(errors="replace")))
    return found


def expect_gone(pids):
    end = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < end, "processes are left: %s" % [pid for pid in pids if is_alive(pid)]
        time.sleep(0.05)


def expect_none_left(directory):
    end = time.monotonic() + 5
    while left_processes(directory):
        assert time.monotonic() < end, "processes are left: %s" % left_processes(directory)
        time.sleep(0.05)


def finish(process, seconds=_END_SECONDS):
    """Returns the exit code and what was printed, of a process that has to end soon."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError("the processes do not end within %.0f s:\n%s" % (seconds, output))
    return process.returncode, output


def finish_with_errors(processes, seconds=_ERROR_SECONDS):
    """The same of processes that were just started, whose input is an error: all of them within its time."""
    end = time.monotonic() + seconds
    try:
        return [finish(process, max(0.1, end - time.monotonic())) for process in processes]
    finally:
        for process in processes:
            process.kill()


def expect_near(expected, actual, tolerance):
    """Compares the lines of metrics.jsonl of two numbers of processes."""
    assert len(expected) == len(actual), (len(expected), len(actual))
    for line, other in zip(expected, actual):
        assert line.keys() == other.keys(), (line, other)
        for name, value in line.items():
            if isinstance(value, float) and not name.startswith("validation"):
                assert math.isclose(value, other[name], rel_tol=tolerance, abs_tol=1e-6), (name, line, other)


def expect_near_in_first_stage(expected, actual):
    """Rounding grows from stage to stage; the first one has only its own."""
    name = os.path.join("stages", "1_rpn1", "metrics.jsonl")
    expect_near(expected[name], actual[name], 1e-3)


def test_equality(scheduler, directory):
    """Returns the results of one process and of two."""
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
    of_one = scheduler_process.results(alone)
    expect_near_in_first_stage(of_one, found[0])
    with open(os.path.join(directory, "once", "stages", "1_rpn1", "DONE")) as file:
        assert '"processes": 2' in file.read()
    print("two processes: equal from run to run, near to one", flush=True)
    return of_one, found[0]


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


def test_shutdown(scheduler, directory):
    """SIGTERM to the launcher during a training: both ranks stop at one iteration, with one checkpoint."""
    run_dir = os.path.join(directory, "shut_down")
    process = scheduler.start(
        run_dir, *_RANKS, "--set=resources.checkpoint_iterations=1000",
        "--set=stages.fast1.train_fast_rcnn.training.solver.iterations=100000")
    ranks = wait_for_children(process, 2)
    metrics = os.path.join(run_dir, "stages", "3_fast1", "metrics.jsonl")
    while not os.path.exists(metrics) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    code, output = finish(process)
    expect_gone(ranks)
    assert code == 128 + signal.SIGTERM, (code, output)
    written = [os.path.basename(path) for path in checkpoints(run_dir) if os.path.exists(path + "/manifest.json")]
    iterations = set(re.findall(r"stopped at iteration (\d+) of stage fast1", output))
    assert len(iterations) == 1 and written == ["checkpoint-" + iterations.pop()], (written, output)
    print("SIGTERM during a training: one checkpoint", flush=True)


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


def write_dataset_files(folder, count):
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
    write_dataset_files(folder, 12)
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


def shard_flags(write_dataset, folder, shards):
    """The flags of a training on a dataset in shards, which are written."""
    write_dataset_files(folder, 12)
    subprocess.run(
        [os.path.abspath(write_dataset), "--dataset=coco:all.json:images", "--data_root=" + folder, "--split=train",
         "--shards=%d" % shards, "--out=" + os.path.join(folder, "shards")],
        check=True, stdout=subprocess.DEVNULL)
    data = '{ shards {} paths { annotations: "shards/train.shards.jsonl" } }'
    trainings = ("rpn1.train_rpn", "fast1.train_fast_rcnn", "rpn2.train_rpn", "fast2.train_fast_rcnn")
    return ("--data_root=" + folder, "--set=data.train=" + data, "--set=data.test=" + data) + tuple(
        "--set=stages.%s.training.batching.shuffle_blocks=%d" % (training, shards) for training in trainings)


def kill_after_checkpoint(scheduler, run_dir, victim, flags, count=2):
    """Returns whether the rank, of so many, was killed after a new checkpoint and before all was done."""
    before = checkpoints(run_dir)
    process = scheduler.start(run_dir, _LIMIT, *flags)
    ranks = wait_for_children(process, count)
    while checkpoints(run_dir) <= before and process.poll() is None:
        time.sleep(0.002)
    is_killed = process.poll() is None and kill(ranks[victim])
    code, output = finish(process)
    expect_gone(ranks)
    assert code == 0 or (is_killed and "signal 9" in output), output
    return code != 0


def test_four(scheduler, directory, kills, draw):
    """Four processes, which share each batch: near to one, and equal to themselves after kills."""
    flags = ("--local_processes=4",) + _SHORT
    whole, killed = os.path.join(directory, "four"), os.path.join(directory, "four_killed")
    code, output = scheduler.run(whole, *flags)
    assert code == 0, output
    done = sum(kill_after_checkpoint(scheduler, killed, draw.randrange(4), flags, count=4) for _ in range(kills))
    assert done > 0, "no rank was killed"
    code, output = scheduler.run(killed, *flags)
    assert code == 0, output
    found = scheduler_process.results(whole)
    kill_test.compare(found, scheduler_process.results(killed))
    print("four processes: %d kills, equal to an undisturbed run" % done, flush=True)
    return found


def test_shards(scheduler, directory, write_dataset, kills, draw):
    """Each rank reads its own shards: equal to an undisturbed run after kills; a torn shard is named with its rank."""
    folder = os.path.join(directory, "sharded")
    flags = shard_flags(write_dataset, folder, 4) + _RANKS
    whole, killed = os.path.join(directory, "shards"), os.path.join(directory, "shards_killed")
    code, output = scheduler.run(whole, *flags)
    assert code == 0, output
    done = sum(kill_after_checkpoint(scheduler, killed, draw.randrange(2), flags) for _ in range(kills))
    assert done > 0, "no rank was killed"
    code, output = scheduler.run(killed, *flags)
    assert code == 0, output
    kill_test.compare(scheduler_process.results(whole), scheduler_process.results(killed))
    tear_shards(folder)
    process = scheduler.start(os.path.join(directory, "shards_torn"), *flags)
    ranks = wait_for_children(process, 2)
    code, output = finish(process)
    expect_gone(ranks)
    assert code == 1, (code, output)
    assert re.search(r"^\[1\] error: .*rank [01]: .*\.tar", output, re.MULTILINE), output
    print("shards: %d kills, equal to an undisturbed run; torn ones are named" % done, flush=True)


def tear_shards(folder):
    """Overwrites the images in every shard, whose sizes stay."""
    for path in glob.glob(os.path.join(folder, "shards", "*.tar")):
        with open(path, "r+b") as file:
            contents = file.read()
            start = contents.index(b"\x89PNG")
            file.seek(start)
            file.write(b"\0" * (len(contents) - start))


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


_RATE = "--set=stages.rpn1.train_rpn.training.solver.learning_rate="


def test_launchers(scheduler, directory):
    """Ranks of each launcher find each other, which different settings show."""
    launchers = {
        "torchrun": {"RANK": "{}", "LOCAL_RANK": "{}", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
        "Open MPI": {"OMPI_COMM_WORLD_RANK": "{}", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "{}"},
        "MPICH": {"PMI_RANK": "{}", "PMI_SIZE": "2", "MPI_LOCALRANKID": "{}"},
        "Slurm": {"SLURM_PROCID": "{}", "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "{}"},
    }
    for launcher, variables in launchers.items():
        port = str(free_port())
        environments = [
            dict({name: text.format(rank) for name, text in variables.items()}, MASTER_PORT=port) for rank in range(2)]
        processes = start_ranks(
            scheduler, os.path.join(directory, "launcher"), environments, [(_RATE + "0.5",), (_RATE + "0.25",)])
        for code, output in finish_with_errors(processes):
            assert code == 1 and "rank 0 is 0.5, of rank 1 0.25" in output, (launcher, code, output)
    print("launchers: %s" % ", ".join(launchers), flush=True)


def unshared(command, hidden):
    """A command that sees an empty folder in place of `hidden`, or None where the system does not allow that."""
    for namespaces in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        prefix = ["unshare", *namespaces, "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', hidden]
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return [*prefix, *command]
    return None


def test_unshared_folder(scheduler, directory):
    """Rank 1 sees another folder than rank 0, as on a machine without the shared file system."""
    parent = os.path.join(directory, "unshared")
    os.makedirs(parent)
    run_dir = os.path.join(parent, "run")
    command = scheduler.command(run_dir, "--threads=1")
    commands = [command, unshared(command, parent)]
    if commands[1] is None:
        assert not os.environ.get("RCNN_REQUIRE_NAMESPACES"), "the system gives no namespace of mounts here"
        print("a folder that is not shared: not tested, the system gives no namespace of mounts", flush=True)
        return
    port = str(free_port())
    processes = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port))
        for rank, command in enumerate(commands)]
    for code, output in finish_with_errors(processes):
        assert code == 1, (code, output)
        assert "rank 1: on " in output and "shared file system" in output and run_dir in output, output
    print("a folder that is not shared: named", flush=True)


def expect_error(scheduler, run_dir, case, seconds=_ERROR_SECONDS):
    """Each process ends with 1, and each of the words is in what one of them printed."""
    environments, flags, words = case
    of_ranks = finish_with_errors(start_ranks(scheduler, run_dir, environments, flags), seconds)
    for code, output in of_ranks:
        assert code == 1, (code, output)
    for word in words:
        assert any(word in output for _, output in of_ranks), (word, of_ranks)


def environments_of(numbers, size, port=None):
    """Those of ranks, as torchrun sets them."""
    port = str(port or free_port())
    return [{"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_PORT": port} for rank in numbers]


def test_errors(scheduler, directory):
    ranks = environments_of
    seed = "--set=data.train.shapes.seed="
    quick = "--join_timeout=3s"
    cases = [
        (ranks([0], 0), [()], ["WORLD_SIZE"]),
        (ranks([2], 2), [()], ["RANK is 2"]),
        ([{"PMI_RANK": "2", "PMI_SIZE": "2"}], [()], ["PMI_RANK is 2"]),
        ([{"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "0"}], [()], ["SLURM_STEP_NUM_TASKS is 0"]),
        (ranks([0, 1], 2), [(_RATE + "0.5",), (_RATE + "0.25",)], ["learning_rate", "rank 0 is 0.5", "rank 1 0.25"]),
        (ranks([0, 1], 2), [(seed + "1",), (seed + "7",)], ["the ranks do not run the same: ", "of rank 0 is "]),
        (ranks([1, 1, 0], 2), [(), (), ()], ["two processes are rank 1"]),
        (ranks([0], 2), [(quick,)], ["rank 1 of 2 has not come"]),
        (ranks([1], 2), [(quick,)], ["cannot reach rank 0"]),
    ]
    # Two at a time, as the time of each counts.
    with socket.socket() as taken, concurrent.futures.ThreadPoolExecutor(2) as pool:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cases.append((ranks([0], 2, taken.getsockname()[1]), [(quick,)], ["MASTER_PORT"]))
        outcomes = [
            pool.submit(expect_error, scheduler, os.path.join(directory, "error%d" % number), case)
            for number, case in enumerate(cases)]
        for outcome in outcomes:
            outcome.result()
    for flags, words in (
            (["--local_processes=-1"], "--local_processes: -1"),
            (["--local_processes=2", "--collective_timeout=soon"], '--collective_timeout: "soon" is not a time')):
        (code, output), = finish_with_errors([scheduler.start(os.path.join(directory, "none"), *flags)])
        assert code == 1 and words in output, output
    print("errors: named within %d s" % _ERROR_SECONDS, flush=True)


def test_default_times(scheduler, directory):
    """Ranks that do not find each other wait for 25 s without flags, and then end. The start may take long on a busy machine."""
    with socket.socket() as silent, concurrent.futures.ThreadPoolExecutor(3) as pool:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cases = [
            (environments_of([0], 2), [()], ["rank 1 of 2 has not come", "within 25s"]),
            (environments_of([1], 2), [()], ["cannot reach rank 0", "within 25s"]),
            (environments_of([1], 2, silent.getsockname()[1]), [()], ["cannot reach rank 0", "within 25s"]),
        ]
        start = time.monotonic()
        outcomes = [
            pool.submit(expect_error, scheduler, os.path.join(directory, "nobody"), case, _END_SECONDS) for case in cases]
        for outcome in outcomes:
            outcome.result()
    print("ranks that find nobody: named in %.0f s without flags" % (time.monotonic() - start), flush=True)


def main():
    scheduler = scheduler_process.Scheduler(sys.argv[1], sys.argv[2])
    library = os.path.abspath(sys.argv[3])
    write_dataset = sys.argv[4]
    kills = int(sys.argv[5]) if len(sys.argv) > 5 else 20
    seed = int(sys.argv[6]) if len(sys.argv) > 6 else random.SystemRandom().randrange(1 << 31)
    print("seed", seed, flush=True)
    draw = random.Random(seed)
    victims, writes = ([0, 1], [20, 40, 60]) if kills > 1 else ([draw.randrange(2)], [40])
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(5) as pool:
        default_times = pool.submit(test_default_times, scheduler, directory)  # waits most of its time
        undisturbed = pool.submit(test_equality, scheduler, directory)
        disturbed = [
            pool.submit(test_stops, scheduler, directory, victims),
            pool.submit(test_interruptions, scheduler, directory, library, writes),
            pool.submit(test_kills, scheduler, directory, kills, draw)]
        tests = (test_damaged_image, test_errors, test_launchers, test_shutdown, test_unshared_folder)
        others = [pool.submit(test, scheduler, directory) for test in tests]
        few = 1 if kills == 1 else 5
        four = pool.submit(test_four, scheduler, directory, few, random.Random(seed + 1))
        others.append(pool.submit(test_shards, scheduler, directory, write_dataset, few, random.Random(seed + 2)))
        for run_dirs in disturbed:
            for run_dir in run_dirs.result():
                kill_test.compare(undisturbed.result()[1], scheduler_process.results(run_dir))
        expect_near_in_first_stage(undisturbed.result()[0], four.result())
        for other in others:
            other.result()
        default_times.result()
        expect_none_left(directory)
    print("%d kills: every file is that of the undisturbed run" % kills)


if __name__ == "__main__":
    main()
