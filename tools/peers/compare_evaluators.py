#!/usr/bin/env python3
"""Times //eval:evaluate against the evaluators that Python programs use, alternately, on a case of the size of COCO's validation set.

    ./bazelw build //eval:evaluate && tools/peers/compare_evaluators.py [--rounds 7] [--kind bbox] [--slow]

5,000 images, 36,524 objects, 500,000 detections (eval/testdata/make_coco_scale_case.py; --kind=segm gives each a polygon or a mask).
Each run is a process of its own that reads both files, evaluates and prints; Python's start is measured too and left out of the
peers' times, their imports are not. Peers come from PyPI into a virtual environment at --folder, in the versions below; --slow adds
pycocotools and faster-coco-eval. Environment and case are made again where other versions made them. The numbers of all must be
equal: the last column says how.
"""
import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import compare_peers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{ROOT}/tools/developer")
import process_cost

PEERS = {
    "ultrafast": ("ultrafast-pycocotools==0.1.14", "from ultrafast_pycocotools.coco import COCO\n"
                  "from ultrafast_pycocotools.cocoeval import COCOeval"),
    "hotcoco": ("hotcoco==1.3.0", "from hotcoco import COCO, COCOeval"),
    "faster-coco-eval": ("faster-coco-eval==1.8.0", "from faster_coco_eval import COCO, COCOeval_faster as COCOeval"),
    "pycocotools": ("pycocotools==2.0.11", "from pycocotools.coco import COCO\nfrom pycocotools.cocoeval import COCOeval"),
}
SLOW = ("faster-coco-eval", "pycocotools")
PACKAGES = ("numpy==2.3.5", *(package for package, _ in PEERS.values()))
MAKE_CASE = f"{ROOT}/eval/testdata/make_coco_scale_case.py"
PROGRAM = """{imports}
import json, sys
truth = COCO(sys.argv[1])
evaluation = COCOeval(truth, truth.loadRes(sys.argv[2]), sys.argv[3])
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()
json.dump([float(stat) for stat in evaluation.stats], open(sys.argv[4], "w"))
"""
NAMES = "ap ap50 ap75 ap_small ap_medium ap_large ar1 ar10 ar100 ar_small ar_medium ar_large".split()


def make_environment(folder):
    """A virtual environment with PACKAGES; made again if it has others."""
    return compare_peers.make_environment(folder, PACKAGES)


def make_case(python, folder, kind, images=5000):
    """Writes the case, unless the same script and packages have written it, and returns its folder."""
    case = f"{folder}/{kind}_{images}"
    more = ["--segm"] if kind == "segm" else []
    with open(MAKE_CASE, "rb") as f:
        made_from = f"{' '.join(PACKAGES)} {hashlib.sha256(f.read()).hexdigest()}"

    def make():
        # With what was made from another case: images, results of a second detector.
        shutil.rmtree(case, ignore_errors=True)
        subprocess.check_call([python, MAKE_CASE, case, f"--images={images}"] + more)

    compare_peers.make_unless_current(f"{case}.made_from", made_from, make)
    return case


def evaluate_command(evaluate, case, kind):
    return [evaluate, f"--dataset=coco:{case}/gt.json", f"--detections={case}/detections.json", "--max_detections=1,10,100",
            f"--out={case}/metrics.json", f"--iou_type={kind}"]


def peer_commands(python, folder, case, kind, slow):
    """By name; each writes its numbers to <case>/<name>.json."""
    commands = {}
    for name, (_, imports) in PEERS.items():
        with open(f"{folder}/time_{name}.py", "w") as f:
            f.write(PROGRAM.format(imports=imports))
        if slow or name not in SLOW:
            commands[name] = [python, f"{folder}/time_{name}.py", f"{case}/gt.json", f"{case}/detections.json", kind,
                              f"{case}/{name}.json"]
    return commands


class Timing:
    """Medians over the runs of a command; `start`: of Python's start, which is left out of the peers' times."""

    def __init__(self, runs, start=(0, 0)):
        self.all_seconds = [cost.seconds - start[0] for cost in runs]
        self.seconds = statistics.median(self.all_seconds)
        self.cpu = statistics.median(cost.cpu_seconds for cost in runs) - start[1]
        self.megabytes = max(cost.megabytes for cost in runs)

    def __str__(self):
        return f"{self.seconds:.3f} ({min(self.all_seconds):.3f}-{max(self.all_seconds):.3f})"


def measure(python, commands, rounds):
    """Runs the commands in turn, `rounds` times each, slow peers once. Returns the Timing of each by name."""
    runs = {name: [] for name in commands}
    starts = []
    for round_ in range(rounds):
        starts.append(process_cost.require([python, "-c", "pass"]))
        for name, command in commands.items():
            if round_ == 0 or name not in SLOW:
                runs[name].append(process_cost.require(command, stdout=subprocess.DEVNULL))
    start = statistics.median(cost.seconds for cost in starts), statistics.median(cost.cpu_seconds for cost in starts)
    return {name: Timing(of_name, start if name in PEERS else (0, 0)) for name, of_name in runs.items()}


def evaluate_stats(case):
    with open(f"{case}/metrics.json") as f:
        metrics = json.load(f)["metrics"]
    return [metrics[name] if metrics[name] is not None else -1 for name in NAMES]


def peer_stats(case, name):
    with open(f"{case}/{name}.json") as f:
        return json.load(f)


def expected_stats(case, kind, images, slow):
    """pycocotools' twelve numbers; those of ultrafast-pycocotools where pycocotools has not run."""
    if kind == "bbox" and images == 5000:
        with open(f"{ROOT}/eval/testdata/coco_scale_expected.json") as f:
            return json.load(f)["stats"]
    return peer_stats(case, "pycocotools" if slow else "ultrafast")


def describe(stats, expected):
    if stats == expected:
        return "all bits"
    return f"to {max(abs(a - b) for a, b in zip(stats, expected)):.1e}"


def print_table(timings, stats, expected):
    """A row for each of `timings`; `stats`: the twelve numbers by name."""
    ours = timings["evaluate"]
    print("| | seconds (min-max) | evaluate takes | processor seconds | evaluate takes | memory | numbers equal |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, timing in timings.items():
        ratios = ("", "") if name == "evaluate" else (f"{ours.seconds / timing.seconds:.2f}", f"{ours.cpu / timing.cpu:.2f}")
        label = "`evaluate`" if name == "evaluate" else PEERS[name][0].replace("==", " ")
        print(f"| {label} | {timing} | {ratios[0]} | {timing.cpu:.3f} | {ratios[1]} | {timing.megabytes:.0f} MB "
              f"| {describe(stats[name], expected)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluate", default=f"{ROOT}/bazel-bin/eval/evaluate")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_evaluators"))
    parser.add_argument("--kind", choices=["bbox", "segm"], default="bbox")
    parser.add_argument("--images", type=int, default=5000, help="fewer, to try the command")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow", action="store_true", help="time pycocotools and faster-coco-eval too, one round of each")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    python = make_environment(args.folder)
    case = make_case(python, args.folder, args.kind, args.images)
    commands = {"evaluate": evaluate_command(args.evaluate, case, args.kind)}
    commands.update(peer_commands(python, args.folder, case, args.kind, args.slow))
    timings = measure(python, commands, args.rounds)
    stats = {name: evaluate_stats(case) if name == "evaluate" else peer_stats(case, name) for name in commands}
    expected = expected_stats(case, args.kind, args.images, args.slow)
    print_table(timings, stats, expected)
    return 0 if stats["evaluate"] == expected else 1


if __name__ == "__main__":
    sys.exit(main())
