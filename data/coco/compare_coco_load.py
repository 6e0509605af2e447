#!/usr/bin/env python3
"""Times loading a COCO instances file with rcnn and with Python, alternately.

    compare_coco_load.py COCO_LOAD_BINARY INSTANCES.json [ROUNDS]

Python does what the constructor of pycocotools' COCO class does: json.load, then dictionaries of the records by id and by image.
Every load is a process of its own on one core; times are of the work without the process's start, and peak memory is that of the
whole process. Prints medians and the ratio.
"""

import os
import re
import statistics
import subprocess
import sys

PYTHON_LOAD = """
import collections, json, resource, sys, time
start = time.perf_counter()
data = json.load(open(sys.argv[1]))
annotations, images, categories = {}, {}, {}
by_image, by_category = collections.defaultdict(list), collections.defaultdict(list)
for record in data["annotations"]:
    by_image[record["image_id"]].append(record)
    annotations[record["id"]] = record
for record in data["images"]:
    images[record["id"]] = record
for record in data["categories"]:
    categories[record["id"]] = record
for record in data["annotations"]:
    by_category[record["category_id"]].append(record["image_id"])
seconds = time.perf_counter() - start
print(f"{len(images)} images, {len(annotations)} objects, {seconds:.3f} s, "
      f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
"""


def measure(command):
    text = subprocess.run(["taskset", "-c", "0"] + command, check=True, capture_output=True, text=True).stdout
    seconds, megabytes = re.search(r"([0-9.]+) s, ([0-9]+) MB", text).groups()
    return float(seconds), int(megabytes)


def report(name, runs):
    seconds = [run[0] for run in runs]
    print(f"{name:8} {statistics.median(seconds):8.3f} s ({min(seconds):.3f} to {max(seconds):.3f}) "
          f"{max(run[1] for run in runs):6d} MB peak")
    return statistics.median(seconds)


def main():
    binary, path = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    print(f"{os.path.getsize(path) / 1e6:.0f} MB file, {rounds} rounds")
    ours, python = [], []
    for _ in range(rounds):
        ours.append(measure([binary, path]))
        python.append(measure([sys.executable, "-c", PYTHON_LOAD, path]))
    ratio = report("python", python) / report("rcnn", ours)
    print(f"ratio    {ratio:8.1f}")


if __name__ == "__main__":
    main()
