#!/usr/bin/env python3
"""Measures how fast programs answer --help, --version and a wrong flag, and how many shared libraries they load.

    ./bazelw build //training:stage_scheduler //examples/extending:stage_scheduler //tools:all //eval:all //data:all
    ./bazelw build //data/coco:coco_load //base:runtime_info
    tools/developer/check_start.py

Prints a table of the programs that have been built: seconds, the median of --runs, and the number of libraries that ldd lists
for each program behind its launcher. Exit status 1 if an answer takes longer than --most_seconds, or if evaluate or inspect
load more than --most_libraries. Needs an otherwise idle machine.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("training/stage_scheduler", "tools/detect", "tools/detect_dataset", "tools/convert_weights", "tools/time_detector",
            "eval/evaluate", "eval/evaluate_proposals", "eval/report", "data/inspect", "data/write_dataset",
            "data/write_selective_search", "data/coco/coco_load", "base/runtime_info", "examples/extending/stage_scheduler")
FEW_LIBRARIES = ("eval/evaluate", "data/inspect")
# Arguments, and the exit status that answers them.
QUESTIONS = (("--help", 0), ("--version", 0), ("--no_such_flag=1", 2))


def seconds(path, argument, status, runs):
    times = []
    for _ in range(runs):
        start = time.monotonic()
        code = subprocess.run([path, argument], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        times.append(time.monotonic() - start)
        if code != status:
            sys.exit("%s %s: exit status %d, not %d" % (path, argument, code, status))
    return statistics.median(times)


def libraries(path):
    """Counts the libraries of the program, or of the one behind the launcher if it is one."""
    program = path + "_program"
    listed = subprocess.run(["ldd", program if os.path.exists(program) else path], capture_output=True, text=True, check=True)
    return sum("=>" in line for line in listed.stdout.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most_seconds", type=float, default=0.3)
    parser.add_argument("--most_libraries", type=int, default=45)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bin", default=os.path.join(HERE, "bazel-bin"))
    args = parser.parse_args()
    good = True
    missing = [name for name in PROGRAMS if not os.path.exists(os.path.join(args.bin, name))]
    print("| program | --help | --version | wrong flag | libraries |\n| --- | --- | --- | --- | --- |")
    for name in PROGRAMS:
        if name in missing:
            continue
        path = os.path.join(args.bin, name)
        times = [seconds(path, argument, status, args.runs) for argument, status in QUESTIONS]
        count = libraries(path)
        slow = max(times) > args.most_seconds
        many = name in FEW_LIBRARIES and count > args.most_libraries
        good = good and not slow and not many
        print("| `%s` | %.3f | %.3f | %.3f | %d |%s" % (name, *times, count, " TOO SLOW" * slow + " TOO MANY" * many), flush=True)
    if missing:
        print("not built: " + ", ".join(missing))
    if len(missing) == len(PROGRAMS):
        sys.exit("nothing has been built below " + args.bin)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
