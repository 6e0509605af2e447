"""rcnn's programs on another machine: where they are, the libraries that they load, and runs with a time limit."""

import glob
import importlib.metadata
import importlib.util
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
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

# What the bundle has, with the programs behind the launchers.
PROGRAMS = (SCHEDULER, SCHEDULER + "_program", TIME_DETECTOR, TIME_DETECTOR + "_program", COMPARE_DEVICES, CUDA_TEST, BATCH_TEST,
            OPERATORS)
# The commit of which the bundle is.
COMMIT = "COMMIT"

# In the message of a failed kernel or call: of LibTorch, of cuDNN, and of rcnn's operators (ops/cuda/registration.h).
CUDA_FAILURE = re.compile("CUDA error|cuDNN error|a launch failed: ")

# Until a killed process has ended. One that hangs in the driver of a GPU may never end.
KILL_SECONDS = 10
# Until the first program has started: the machine may read LibTorch's libraries, some GB, from a slow disk.
START_SECONDS = 150
# Of a program that lists what the machine has.
LISTING_SECONDS = 30
# Of a second run, which shows more about a failure.
SECOND_RUN_SECONDS = 40


class CommandError(Exception):
    """A program failed; the message ends with the last lines of its errors. Holds its exit code, or -1 times the signal that ended
    it, what it printed, and whether it ran a second time."""

    def __init__(self, message, output="", errors="", code=1, ran_again=False):
        super().__init__(message)
        self.output = output
        self.errors = errors
        self.code = code
        self.ran_again = ran_again

    def is_of_cuda(self):
        """Whether a kernel or a call of CUDA failed, otherwise than for lack of memory."""
        text = self.errors + self.output
        return CUDA_FAILURE.search(text) is not None and "out of memory" not in text


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
    """Kills a process and its children, and waits for its end, but not forever."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        process.wait(timeout=KILL_SECONDS)
    except subprocess.TimeoutExpired:
        pass


def find_tool(*names):
    """The path of the first of these programs that is on the PATH or part of the CUDA toolkit; None without one."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/local/cuda/bin"
    return next(filter(None, (shutil.which(name, path=path) for name in names)), None)


def printed(words, seconds, environment=None):
    """What a program prints, errors too, whatever its exit code. Raises OSError or OutOfTime."""
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen(words, env=environment, start_new_session=True, stdin=subprocess.DEVNULL, stdout=file,
                                   stderr=subprocess.STDOUT)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise OutOfTime("%s was killed after %g s" % (words[0], seconds)) from None
        return read_from(file, 0)


def describe_machine():
    """Of the report: GPUs with their driver and memory, as nvidia-smi lists them; packages; cores."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader"]
    try:
        gpus = printed(command, LISTING_SECONDS).strip().split("\n")
    except (OSError, OutOfTime) as error:
        gpus = ["no nvidia-smi (%s)" % error]
    packages = ["%s %s" % (package, package_version(package)) for package in ("torch", "torchvision")]
    return "; ".join([*gpus, *packages, "Python %d.%d.%d" % sys.version_info[:3],
                      "%d cores" % len(os.sched_getaffinity(0))])


class Programs:
    """Programs below `folder`, as in bazel-bin; with `bundled`, the bundle's libraries beside them."""

    def __init__(self, folder, log, bundled):
        self.folder = os.path.abspath(folder)
        self.log = log
        self.last_errors = ""  # what the last program wrote to standard error
        self.environment = dict(os.environ)
        # The interpreter's modules need the machine's own libraries, and librcnn_ops.so none of the bundle's (bundle.py).
        self.python_environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
        if bundled:
            self.choose_libraries()

    def path(self, name):
        return os.path.join(self.folder, name)

    def commit(self):
        """Of the bundle; "not known" of programs that a build has left."""
        try:
            with open(self.path(COMMIT), encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return "not known"

    def choose_libraries(self):
        """The bundle's C++ library is used only where a program does not start with the machine's own."""
        folders = [self.path("lib"), self.path(STAND_INS), *torch_library_folders()]
        deadline, problems = Deadline(START_SECONDS), []
        for extra in ([], [self.path("lib/compiler")]):
            self.environment["LD_LIBRARY_PATH"] = library_path(extra + folders)
            try:
                self.run([self.path(COMPARE_DEVICES), "--help"], deadline)
                return
            except OutOfTime:
                raise CommandError("the bundle's programs do not start here within %d s" % START_SECONDS) from None
            except (CommandError, OSError) as error:
                problems += [str(error), *self.missing_libraries()]
        raise CommandError("the bundle's programs do not start here: %s" % "; ".join(problems))

    def missing_libraries(self):
        """What ldd misses for the programs: the loader names the first missing library alone."""
        try:
            listing = printed(["ldd", *filter(os.path.exists, map(self.path, PROGRAMS))], LISTING_SECONDS, self.environment)
        except (OSError, OutOfTime) as error:
            return [str(error)]
        return sorted({line.strip() for line in listing.split("\n") if "not found" in line})

    def start(self, words, environment=None):
        """Standard output goes to a file and errors to the log, so that both can be read however the process ends. Returns the
        process, the file, and where its errors begin in the log."""
        self.write_log("\n$ %s\n" % " ".join(words))
        output = tempfile.TemporaryFile()
        with open(self.log, "ab") as log:
            begin = log.tell()
            process = subprocess.Popen(words, cwd=ROOT, env={**self.environment, **(environment or {})}, start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=log)
        return process, output, begin

    def run(self, words, deadline, environment=None, waiting=True):
        """Returns the standard output. Raises CommandError or OutOfTime; the process and its children are then gone, unless they
        cannot be killed. `waiting`: after an error of CUDA the program is run again and waits for each launch."""
        try:
            return self.finish(self.start(words, environment), words, deadline)
        except CommandError as error:
            found = self.second_run(error, words, deadline, environment or {}, waiting)
            raise CommandError("%s%s" % (error, found), error.output, error.errors, error.code, ran_again=bool(found)) from None

    def finish(self, started, words, deadline):
        """Waits for the end of a process that `start` started."""
        process, file, begin = started
        name = os.path.basename(words[0])
        try:
            process.wait(timeout=deadline.left())
            killed = False
        except subprocess.TimeoutExpired:
            kill_group(process)
            killed = True
        output, errors = read_from(file, 0), self.log_from(begin)
        file.close()
        self.write_log(output)
        self.last_errors = errors
        if killed:
            raise OutOfTime("%s was killed at its limit" % name, output)
        if process.returncode != 0:
            # LibTorch says what went wrong in the first of several lines.
            last = " / ".join((errors or output).strip().split("\n")[-12:])
            raise CommandError("%s ended with %d: %s" % (name, process.returncode, last[-2500:]), output, errors,
                               process.returncode)
        return output

    def second_run(self, error, words, deadline, environment, waiting):
        """Runs a program again whose first run does not say where it failed, and returns what that shows, "" if nothing.

        CUDA reports an error of a kernel at a later call, unless each launch is waited for; what crashes has a backtrace in a
        debugger. The log has all of it.
        """
        debugger = find_tool("gdb", "cuda-gdb")
        if error.is_of_cuda():
            if not waiting:
                return ""
            what, again, environment = "CUDA_LAUNCH_BLOCKING=1", words, {**environment, "CUDA_LAUNCH_BLOCKING": "1"}
        elif error.code < 0 and debugger is not None:
            what, again = "a debugger", [debugger, "--batch", *self.debugger_settings(environment), "-ex", "run",
                                         "-ex", "backtrace 40", "--args", *words]
            # The debugger itself needs the machine's own libraries.
            environment = {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        else:
            return ""
        try:
            found = self.finish(self.start(again, environment), again, deadline.within(SECOND_RUN_SECONDS))
        except (CommandError, OutOfTime, OSError) as second:
            found = str(second) if again is words else getattr(second, "output", "")
        frames = [] if again is words else re.findall(r"^#\d.*", found, re.MULTILINE)[:12]
        return "; with %s: %s" % (what, " / ".join(frames) or found.strip()[-2500:] or "nothing more")

    def debugger_settings(self, environment):
        """So that the program in the debugger has its own environment."""
        variables = {**self.environment, **environment}
        return [word for name, value in variables.items() if value != os.environ.get(name)
                for word in ("-ex", "set environment %s %s" % (name, value))]

    def run_python(self, script, arguments, deadline):
        """Runs a script beside this file and returns the JSON of its last line."""
        words = [sys.executable, os.path.join(ROOT, "tools/gpu", script), *arguments]
        environment, self.environment = self.environment, self.python_environment
        try:
            started = self.start(words)
        finally:
            self.environment = environment
        return last_json(self.finish(started, words, deadline))

    def write_log(self, text):
        with open(self.log, "a", encoding="utf-8", errors="replace") as file:
            file.write(text)

    def log_from(self, begin):
        with open(self.log, "rb") as file:
            return read_from(file, begin)


def read_from(file, begin):
    file.seek(begin)
    return file.read().decode("utf-8", "replace")


def open_terminal():
    """Two ends of a terminal, or of a pipe where there is none. Into a terminal a program writes each line at once, into a pipe perhaps
    not before thousands."""
    try:
        return pty.openpty()
    except OSError:
        return os.pipe()


class BusySampler:
    """Reads which share of the last instants a kernel ran on the GPU, ten times per second, from a program that prints it."""

    COMMAND = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100"]

    def __init__(self, command=None):
        self.samples = []  # (time since 1970, percent)
        self.other = ""  # the last line without a number
        lines, writer = open_terminal()
        self.lines = open(lines, encoding="utf-8", errors="replace")
        try:
            self.process = subprocess.Popen(command or self.COMMAND, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
                                            start_new_session=True)
        except OSError as error:
            self.process, self.other = None, str(error)  # without samples the mean is None
            self.lines.close()
            return
        finally:
            os.close(writer)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.lines:
                if line.strip().isdigit():
                    self.samples.append((time.time(), int(line)))
                elif line.strip():
                    self.other = line.strip()
        except OSError:
            pass  # a terminal ends with an error

    def stop(self):
        if self.process is not None:
            kill_group(self.process)
            self.thread.join(KILL_SECONDS)
            if not self.thread.is_alive():
                self.lines.close()

    def mean(self, begin, end):
        """The mean percent between two times since 1970; None without samples."""
        inside = [percent for moment, percent in self.samples if begin <= moment <= end]
        return sum(inside) / len(inside) if inside else None
