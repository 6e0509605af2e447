#!/usr/bin/env python3
"""Measures the plan for a folder of labelled images: accuracy on the split `test`, and time against the budget.

    ./bazelw build //training:stage_scheduler
    training/measure_plan.py --voc=PATH/TO/VOC --work=runs/measured_plan --budget=20m --seeds=3,4,5
    training/measure_plan.py --voc=PATH/TO/VOC --train=160 --test=40 --work=runs/small --budget=37m --threads=1
    training/measure_plan.py --folder=FOLDER --work=runs/measured_plan --budget=37m --threads=1

--voc is first copied into a flat folder: images and annotations side by side, without lists. With --train and --test that many
images are drawn instead, the same ones each time, into folders train and test. Each seed has a run directory of its own, and a new
plan; the split is the same. Prints a table and the means, and what each stage was planned to take beside what it took. Give it a
quiet machine.
"""
import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(budget):
    """Parses "20m"."""
    if budget[-1:] not in SECONDS or not budget[:-1].isdigit():
        sys.exit("--budget: give whole seconds, minutes or hours, for example 20m")
    return int(budget[:-1]) * SECONDS[budget[-1]]


def files_by_stem(voc):
    """Of a VOC layout: from the name of an image without extension to its image and its annotation."""
    files = {}
    for part in ("JPEGImages", "Annotations"):
        for name in sorted(os.listdir(os.path.join(voc, part))):
            files.setdefault(os.path.splitext(name)[0], []).append(os.path.join(voc, part, name))
    return {stem: paths for stem, paths in files.items() if len(paths) == 2}


def copy_images(voc, folder, train, test):
    """Copies images and annotations of a VOC layout into one folder; with `train`, draws that many and copies them into two."""
    if os.path.exists(folder):
        return
    files = files_by_stem(voc)
    # In an order that depends on nothing but their names.
    stems = sorted(files, key=lambda stem: hashlib.sha256(stem.encode()).hexdigest())
    if train + test > len(stems):
        sys.exit("%s has %d annotated images, not %d" % (voc, len(stems), train + test))
    parts = {"": stems} if not train else {"train": stems[:train], "test": stems[train:train + test]}
    unfinished = folder + ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for part, chosen in parts.items():
        os.makedirs(os.path.join(unfinished, part), exist_ok=True)
        for stem in chosen:
            for path in files[stem]:
                shutil.copy(path, os.path.join(unfinished, part))
    os.rename(unfinished, folder)


def field(text, name):
    """The number that a textproto has after "name:"; 0 if it has none."""
    found = re.search(r"\b%s: (\S+)" % name, text)
    return float(found.group(1)) if found else 0.0


def print_times(run_dir, taken):
    """What the plan of a run said of its time, and what its stages took."""
    with open(os.path.join(run_dir, "plan_basis.textproto")) as file:
        text = file.read()
    parts = [field(text, name) for name in ("planning_seconds", "training_seconds", "validation_seconds", "other_seconds")]
    print("\n%s: planned %.0f s: planning %.0f, training %.0f, validation %.0f, the rest %.0f; took %.0f s"
          % (run_dir, sum(parts), *parts, taken))
    planned = {name: float(value)
               for name, value in re.findall(r'stages \{\s*name: "(\w+)"\s*seconds_per_unit: (\S+)', text)}
    for path in sorted(glob.glob(os.path.join(run_dir, "stages", "*", "speed.json"))):
        stage = os.path.basename(os.path.dirname(path)).split("_", 1)[1]
        with open(path) as file:
            speed = json.load(file)["seconds_per_unit"]
        print("  %-22s %.4f s planned for an iteration or image, %.4f s with its validations" %
              (stage, planned.get(stage, 0), speed))


def run(args, folder, seed):
    """Trains with one seed; returns the metrics and the time in seconds."""
    run_dir = os.path.join(args.work, "seed_%d" % seed)
    if os.path.exists(run_dir):
        sys.exit(run_dir + " exists; its time would not be that of a whole run. Delete it, or give another --work")
    command = [args.scheduler, "--data_root=" + folder, "--run_dir=" + run_dir, "--budget=" + args.budget,
               "--set=seed=%d" % seed]
    if args.threads:
        command.append("--threads=%d" % args.threads)
    command += args.flag
    print(" ".join(command), flush=True)
    start = time.monotonic()
    subprocess.run(command, check=True)
    taken = time.monotonic() - start
    print_times(run_dir, taken)
    with open(os.path.join(run_dir, "metrics.json")) as file:
        return json.load(file)["metrics"], taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--voc", help="a dataset in the VOC layout, which becomes a flat folder")
    data.add_argument("--folder", help="a folder of labelled images, used unchanged")
    parser.add_argument("--work", required=True, help="folder of the runs")
    parser.add_argument("--train", type=int, default=0, help="with --voc: number of images drawn for the part train")
    parser.add_argument("--test", type=int, default=0, help="number of other images drawn for the part test")
    parser.add_argument("--budget", default="20m")
    parser.add_argument("--seeds", default="3,4,5")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--flag", action="append", default=[], help="a further flag of stage_scheduler; may be repeated")
    parser.add_argument("--scheduler", default=os.path.join(HERE, "bazel-bin", "training", "stage_scheduler"))
    args = parser.parse_args()

    budget = seconds(args.budget)
    folder = args.folder
    if (args.train > 0) != (args.test > 0) or (args.train and not args.voc):
        parser.error("--train and --test belong together, and to --voc")
    if args.voc:
        folder = os.path.join(args.work, "%d_and_%d" % (args.train, args.test) if args.train else "flat")
        copy_images(args.voc, folder, args.train, args.test)
    rows = []
    for seed in [int(text) for text in args.seeds.split(",")]:
        metrics, taken = run(args, folder, seed)
        rows.append((seed, metrics["ap"], metrics["ap50"], metrics["ap75"], taken))
    print("\n| seed | AP | AP50 | AP75 | time | share of budget |")
    print("| --- | --- | --- | --- | --- | --- |")
    means = [sum(column) / len(rows) for column in list(zip(*rows))[1:]]
    for row in rows + [("mean", *means)]:
        print("| %s | %.3f | %.3f | %.3f | %d:%02d | %.0f %% |"
              % (*row[:4], row[4] // 60, row[4] % 60, 100 * row[4] / budget))


if __name__ == "__main__":
    main()
