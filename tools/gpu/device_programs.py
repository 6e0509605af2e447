"""rcnn's programs on another machine: where they are, the libraries that they load, and runs with a time limit."""

import glob
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What make_bundle.sh packs, below the root of the repository; git ignores it.
BUNDLE = "gpu_bundle"
ARCHIVE = "programs.tar.xz"
# Its folder of libraries that hold a place (bundle.py).
STAND_INS = "lib/stand_ins"

SCHEDULER = "training/stage_scheduler"
TIME_DETECTOR = "tools/time_detector"
COMPARE_DEVICES = "ops/cuda/compare_devices"
CUDA_TEST = "ops/cuda/cuda_test"
BATCH_TEST = "detection/batch_padding_test"
OPERATORS = "ops/librcnn_ops.so"


class CommandError(Exception):
    """A program failed; the message ends with the last lines of its errors. Holds its standard output."""

    def __init__(self, message, output=""):
        super().__init__(message)
        self.output = output


class OutOfTime(Exception):
    """A program was killed at its limit. Holds its standard output so far."""

    def __init__(self, message, output=""):
        super().__init__(message)
        self.output = output


class Deadline:
    """The end of a step, which all of its programs share."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def within(self, seconds):
        """An earlier end for a part of the step."""
        return Deadline(min(seconds, self.left()))


def package_folder(package):
    """The folder of a Python package, without importing it; None if it is not installed."""
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations)[0] if spec else None


def package_version(package):
    """As "2.11.0"; None if it is not installed."""
    try:
        return importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_library_folders():
    """The folders of the wheel's libraries: LibTorch's, and those of the CUDA packages beside it."""
    torch = package_folder("torch")
    if torch is None:
        return []
    site = os.path.dirname(torch)
    return [os.path.join(torch, "lib")] + sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))


def library_path(folders):
    """For LD_LIBRARY_PATH: `folders` before the machine's own, through which alone it may find its driver."""
    own = os.environ.get("LD_LIBRARY_PATH", "")
    return os.pathsep.join([*folders, *([own] if own else [])])


def last_json(output):
    """The object of the last line that is one; {} without any. Tools that run a program add lines of their own, and one that was
    killed may have written a part of its last line."""
    for line in reversed(output.split("\n")):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                pass
    return {}


def unpack(archive, folder):
    """Unpacks a bundle once, and returns `folder`."""
    if not os.path.exists(os.path.join(folder, "UNPACKED")):
        with tarfile.open(archive) as packed:
            packed.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        open(os.path.join(folder, "UNPACKED"), "w").close()
    return folder


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Programs:
    """Programs below `folder`, as in bazel-bin; with `bundled`, the bundle's libraries beside them."""

    def __init__(self, folder, log, bundled):
        self.folder = os.path.abspath(folder)
        self.log = log
        self.last_errors = ""  # what the last program wrote to standard error
        self.environment = dict(os.environ)
        # The interpreter's modules need the machine's own libraries, and librcnn_ops.so none of the bundle's (bundle.py).
        self.python_environment = dict(os.environ)
        if bundled:
            self.choose_libraries()

    def path(self, name):
        return os.path.join(self.folder, name)

    def choose_libraries(self):
        """The bundle's C++ library is used only where a program does not start with the machine's own."""
        folders = [self.path("lib"), self.path(STAND_INS), *torch_library_folders()]
        problem = ""
        for extra in ([], [self.path("lib/compiler")]):
            self.environment["LD_LIBRARY_PATH"] = library_path(extra + folders)
            try:
                self.run([self.path(COMPARE_DEVICES), "--help"], Deadline(60))
                return
            except (CommandError, OutOfTime, OSError) as error:
                problem = str(error)
        raise CommandError("the bundle's programs do not start here: %s" % problem)

    def start(self, words, environment=None):
        self.write_log("\n$ %s\n" % " ".join(words))
        return subprocess.Popen(words, cwd=ROOT, env={**self.environment, **(environment or {})}, text=True, errors="replace",
                                start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, words, deadline, environment=None):
        """Returns the standard output. Raises CommandError or OutOfTime; the process and its children are then gone."""
        return self.finish(self.start(words, environment), words, deadline)

    def finish(self, process, words, deadline):
        """Waits for the end of a process that `start` started."""
        try:
            output, errors = process.communicate(timeout=deadline.left())
        except subprocess.TimeoutExpired:
            kill_group(process)
            output, errors = process.communicate()
            self.write_log(output + errors)
            raise OutOfTime("%s was killed at its limit" % os.path.basename(words[0]), output) from None
        self.write_log(output + errors)
        self.last_errors = errors
        if process.returncode != 0:
            last = " / ".join((errors or output).strip().split("\n")[-4:])
            raise CommandError("%s ended with %d: %s" % (os.path.basename(words[0]), process.returncode, last[-1500:]), output)
        return output

    def run_python(self, script, arguments, deadline):
        """Runs a script beside this file and returns the JSON of its last line."""
        words = [sys.executable, os.path.join(ROOT, "tools/gpu", script), *arguments]
        environment, self.environment = self.environment, self.python_environment
        try:
            process = self.start(words)
        finally:
            self.environment = environment
        return last_json(self.finish(process, words, deadline))

    def write_log(self, text):
        with open(self.log, "a", encoding="utf-8", errors="replace") as file:
            file.write(text)


class BusySampler:
    """Reads which share of the last instants a kernel ran on the GPU, ten times per second, from a program that prints it."""

    COMMAND = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100"]

    def __init__(self, command=None):
        self.samples = []  # (time since 1970, percent)
        try:
            self.process = subprocess.Popen(command or self.COMMAND, stdout=subprocess.PIPE, text=True,
                                            start_new_session=True)
        except FileNotFoundError:
            self.process = None  # without samples the mean is None
            return
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.samples.append((time.time(), int(line)))

    def stop(self):
        if self.process is not None:
            kill_group(self.process)
            self.thread.join()
            self.process.stdout.close()

    def mean(self, begin, end):
        """The mean percent between two times since 1970; None without samples."""
        inside = [percent for moment, percent in self.samples if begin <= moment <= end]
        return sum(inside) / len(inside) if inside else None
