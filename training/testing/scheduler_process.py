"""Starts stage_scheduler and inspects its files, for tests."""

import glob
import json
import os
import subprocess

# The clock-dependent fields of a line of metrics.jsonl.
TIMES = ("time", "images_per_second", "data_wait")


class Scheduler:
    """A stage_scheduler program and an experiment."""

    def __init__(self, program, config):
        self.program = os.path.abspath(program)
        self.config = os.path.abspath(config)

    def command(self, run_dir, *flags):
        return [self.program, "--config=" + self.config, "--run_dir=" + run_dir, *flags]

    def start(self, run_dir, *flags, **options):
        return subprocess.Popen(
            self.command(run_dir, *flags), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )

    def run(self, run_dir, *flags, **options):
        """Returns exit code and output; negative codes are signals that killed it."""
        process = self.start(run_dir, *flags, **options)
        output = wait(process)
        return process.returncode, output


def wait(process):
    """Returns the output of a process when it has ended. It does not outlive an interruption of this one."""
    try:
        return process.communicate()[0]
    except BaseException:
        process.kill()
        process.wait()
        raise


def metrics_lines(path):
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def results(run_dir):
    """The files that must not depend on interruptions: path to contents, under stages/."""
    found = {}
    for path in glob.glob(os.path.join(run_dir, "stages", "*", "*")):
        name = os.path.relpath(path, run_dir)
        if ".unfinished" in name:  # left by an edit that was undone
            continue
        if name.endswith("metrics.jsonl"):
            found[name] = metrics_lines(path)
        elif name.endswith((".safetensors", ".json")) and not name.endswith(("best.safetensors", "speed.json")):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def leftovers(run_dir):
    """Leftover temporary files and directories in the directory of a finished run."""
    paths = glob.glob(os.path.join(run_dir, "*")) + glob.glob(os.path.join(run_dir, "stages", "**"), recursive=True)
    names = [os.path.relpath(path, run_dir) for path in paths]
    marks = (".tmp", ".partial", ".removed", ".old", ".previous", ".back", "checkpoint-")
    return [name for name in names if any(mark in name for mark in marks)]
