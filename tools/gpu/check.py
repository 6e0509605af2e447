#!/usr/bin/env python3
"""Checks rcnn on a GPU, step by step; check.sh says how to call it. Standard library only."""

import argparse
import os
import shutil
import sys
import tempfile
import time

import device_experiments
import device_programs
import device_report
import device_steps

ALL_STEPS = {**device_steps.STEPS, **device_steps.FURTHER_STEPS}


def parse(words):
    parser = argparse.ArgumentParser(prog="check.sh", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu for a rehearsal (default: %(default)s)")
    parser.add_argument("--sizes", choices=("full", "small"), default="full")
    parser.add_argument("--only", action="append", choices=sorted(ALL_STEPS), help="this step alone; may be repeated")
    parser.add_argument("--compile", action="store_true", help="torchvision with torch.compile as well")
    parser.add_argument("--any_torch", action="store_true", help="compare with other versions of torch and torchvision too")
    parser.add_argument("--seconds", type=float, default=280,
                        help="the limit of all steps together, after the bundle is unpacked; five times as long on a CPU "
                        "(default: %(default)g)")
    parser.add_argument("--programs", help="folder of the programs, such as bazel-bin (default: those in %s)" %
                        device_programs.BUNDLE)
    parser.add_argument("--out", default="gpu_check", help="folder of report.json, report.md and check.log (default: %(default)s)")
    return parser.parse_args(words)


class Check:
    """What the steps share."""

    def __init__(self, arguments, work):
        self.device = arguments.device
        self.precision = "BFLOAT16" if self.device != "cpu" else "FLOAT32"
        self.size = device_experiments.Size(arguments.sizes == "full")
        self.any_torch = arguments.any_torch
        self.compile_flag = ["--compile"] if arguments.compile else []
        self.work = work
        self.images_per_second = None  # of the training in `step`
        self.report = device_report.Report(arguments.out, {"device": self.device, "sizes": arguments.sizes,
                                                           "machine": device_programs.describe_machine()})
        self.programs = find_programs(arguments, work)
        self.report.state("commit", self.programs.commit())

    def path(self, name):
        return os.path.join(self.work, name)


def find_programs(arguments, work):
    log = os.path.join(os.path.abspath(arguments.out), "check.log")
    open(log, "w").close()
    if arguments.programs:
        return device_programs.Programs(arguments.programs, log, bundled=False)
    archive = os.path.join(device_programs.ROOT, device_programs.BUNDLE, device_programs.ARCHIVE)
    if not os.path.exists(archive):
        sys.exit("%s is missing: make it with tools/gpu/make_bundle.sh, or name a folder with --programs" % archive)
    return device_programs.Programs(device_programs.unpack(archive, os.path.join(work, "programs")), log, bundled=True)


def run_step(check, name, limit):
    """Runs a step; whatever happens in it is recorded, and the next one runs."""
    function = ALL_STEPS[name][0]
    check.report.begin(name)
    start = time.monotonic()
    try:
        function(check, name, device_programs.Deadline(limit))
        status = device_report.OK
    except device_steps.Skip as reason:
        check.report.note(name, "notice: %s" % reason)
        status = device_report.SKIPPED
    except device_programs.OutOfTime as error:
        check.report.note(name, str(error))
        status = device_report.CUT
    except Exception as error:  # pylint: disable=broad-except
        check.report.note(name, "%s: %s" % (type(error).__name__, error))
        status = device_report.FAILED
    check.report.end(name, status, time.monotonic() - start)
    print("%-10s %s, %.0f s" % (name, status, time.monotonic() - start), flush=True)


def run_steps(check, names, seconds, patience):
    """Runs the steps within so many seconds. A step has its own limit, `patience` times, and what those before it have left of theirs."""
    end = time.monotonic() + seconds * patience
    for i, name in enumerate(names):
        left = end - time.monotonic()
        if left <= 0:
            check.report.begin(name)  # its status is then: out of time
            continue
        own, *later = [ALL_STEPS[step][1] * patience for step in names[i:]]
        run_step(check, name, min(left, max(own, left - sum(later))))


def main(words):
    arguments = parse(words)
    work = tempfile.mkdtemp(prefix="rcnn_gpu_check")
    try:
        try:
            check = Check(arguments, work)
        except device_programs.CommandError as error:
            sys.exit(str(error))
        # A rehearsal shows that the steps work, on machines that may be busy; its times say nothing.
        run_steps(check, arguments.only or list(device_steps.STEPS), arguments.seconds, 5 if arguments.device == "cpu" else 1)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("\n" + check.report.table())
    defects = check.report.defects()
    for defect in defects:
        print("not as it should be: " + defect)
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
