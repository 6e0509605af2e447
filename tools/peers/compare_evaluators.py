#!/usr/bin/env python3
"""Times //eval:evaluate against the evaluators that Python programs use, alternately, on a case of the size of COCO's validation set.

    ./bazelw build //eval:evaluate && tools/peers/compare_evaluators.py [--rounds 7] [--kind bbox] [--slow]

5,000 images, 36,524 objects, 500,000 detections (eval/testdata/make_coco_scale_case.py; --kind=segm gives each a polygon or a mask).
Each run is a process of its own that reads both files, evaluates and prints; Python's start is measured too and left out of the
peers' times, their imports are not. Peers come from PyPI into a virtual environment at --folder, in the versions below; --slow adds
pycocotools and faster-coco-eval. The numbers of all must be equal: the last column says how.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = {
    "ultrafast": ("ultrafast-pycocotools==0.1.14", "from ultrafast_pycocotools.coco import COCO\n"
                  "from ultrafast_pycocotools.cocoeval import COCOeval"),
    "hotcoco": ("hotcoco==1.3.0", "from hotcoco import COCO, COCOeval"),
    "faster-coco-eval": ("faster-coco-eval==1.8.0", "from faster_coco_eval import COCO, COCOeval_faster as COCOeval"),
    "pycocotools": ("pycocotools==2.0.11", "from pycocotools.coco import COCO\nfrom pycocotools.cocoeval import COCOeval"),
}
SLOW = ("faster-coco-eval", "pycocotools")
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


def timed(command):
    """Wall-clock seconds, processor seconds and peak memory in MB of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with status {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def make_environment(folder):
    python = f"{folder}/environment/bin/python"
    if not os.path.exists(python):
        subprocess.check_call([sys.executable, "-m", "venv", f"{folder}/environment"])
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", "numpy"] + [package for package, _ in PEERS.values()])
    return python


def make_case(python, folder, kind):
    case = f"{folder}/{kind}"
    if not os.path.exists(f"{case}/detections.json"):
        more = ["--segm"] if kind == "segm" else []
        subprocess.check_call([python, f"{ROOT}/eval/testdata/make_coco_scale_case.py", case] + more)
    return case


def describe(stats, expected):
    if stats == expected:
        return "all bits"
    return f"to {max(abs(a - b) for a, b in zip(stats, expected)):.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluate", default=f"{ROOT}/bazel-bin/eval/evaluate")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_evaluators"))
    parser.add_argument("--kind", choices=["bbox", "segm"], default="bbox")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow", action="store_true", help="time pycocotools and faster-coco-eval too, one round of each")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    python = make_environment(args.folder)
    case = make_case(python, args.folder, args.kind)
    truth, detections, out = f"{case}/gt.json", f"{case}/detections.json", f"{case}/metrics.json"

    commands = {"evaluate": [args.evaluate, f"--dataset=coco:{truth}", f"--detections={detections}", "--max_detections=1,10,100",
                             f"--out={out}"] + (["--iou_type=segm"] if args.kind == "segm" else [])}
    for name, (_, imports) in PEERS.items():
        with open(f"{args.folder}/time_{name}.py", "w") as f:
            f.write(PROGRAM.format(imports=imports))
        if args.slow or name not in SLOW:
            commands[name] = [python, f"{args.folder}/time_{name}.py", truth, detections, args.kind, f"{case}/{name}.json"]

    runs = {name: [] for name in commands}
    starts = []
    for round_ in range(args.rounds):
        starts.append(timed([python, "-c", "pass"]))
        for name, command in commands.items():
            if round_ == 0 or name not in SLOW:
                runs[name].append(timed(command))
    start_s = statistics.median(run[0] for run in starts)
    start_cpu = statistics.median(run[1] for run in starts)

    with open(out) as f:
        metrics = json.load(f)["metrics"]
    ours = [metrics[name] if metrics[name] is not None else -1 for name in NAMES]
    with open(f"{ROOT}/eval/testdata/coco_scale_expected.json") as f:
        expected = json.load(f)["stats"] if args.kind == "bbox" else None
    if args.slow or expected is None:
        reference = f"{case}/{'pycocotools' if args.slow else 'ultrafast'}.json"
        with open(reference) as f:
            expected = json.load(f)
    base = statistics.median(run[0] for run in runs["evaluate"])
    base_cpu = statistics.median(run[1] for run in runs["evaluate"])
    print("| | seconds (min-max) | evaluate takes | processor seconds | evaluate takes | memory | numbers equal |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, of_name in runs.items():
        minus, minus_cpu = (0, 0) if name == "evaluate" else (start_s, start_cpu)
        seconds = [run[0] - minus for run in of_name]
        cpu = statistics.median(run[1] for run in of_name) - minus_cpu
        stats = ours
        if name != "evaluate":
            with open(f"{case}/{name}.json") as f:
                stats = json.load(f)
        median = statistics.median(seconds)
        print(f"| {name} | {median:.3f} ({min(seconds):.3f}-{max(seconds):.3f}) | {base / median:.2f} | {cpu:.3f} | {base_cpu / cpu:.2f} "
              f"| {max(run[2] for run in of_name):.0f} MB | {describe(stats, expected)} |")
    return 0 if ours == expected else 1


if __name__ == "__main__":
    sys.exit(main())
