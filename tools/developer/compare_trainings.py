#!/usr/bin/env python3
"""Compares two runs of one experiment that two builds have trained, such as those of two LibTorchs.

usage: compare_trainings.py RUN_DIR RUN_DIR

Prints the largest differences and exits with 1 if one exceeds its tolerance, which third_party/README.md states:

  losses      of every line of metrics.jsonl, relative
  weights     of every tensor of every stage, |difference| / |tensor|, Euclidean norms
"""

import glob
import json
import math
import os
import struct
import sys

TOLERANCES = {"losses": 1e-3, "weights": 1e-3}

FORMATS = {"F32": ("f", 4), "F64": ("d", 8), "I64": ("q", 8), "I32": ("i", 4), "U8": ("B", 1), "BOOL": ("?", 1)}


def tensors(path):
    """Returns name -> values of a safetensors file."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        letter, width = FORMATS[entry["dtype"]]
        begin, end = entry["data_offsets"]
        found[name] = struct.unpack(f"<{(end - begin) // width}{letter}", data[begin:end])
    return found


def losses(path):
    """Returns name -> value of the losses of each line of metrics.jsonl."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            for key, value in json.loads(line).items():
                if "loss" in key and isinstance(value, (int, float)):
                    found[f"line {number} {key}"] = (value,)
    return found


def norm(values):
    return math.sqrt(sum(value * value for value in values))


def distance(a, b):
    """Returns |a - b| / max(|a|, |b|), 0 for equal values, infinity for different lengths and for values that are not finite."""
    if len(a) != len(b) or not all(math.isfinite(value) for value in (*a, *b)):
        return math.inf
    difference = norm([x - y for x, y in zip(a, b)])
    return difference / max(norm(a), norm(b)) if difference else 0.0


def largest(a, b, what):
    """Returns the largest distance of values of the same name, and the name."""
    if set(a) != set(b):
        sys.exit(f"{what}: the runs have different names: {sorted(set(a) ^ set(b))[:5]}")
    return max((distance(a[name], b[name]), name) for name in a)


def files(run_dir, name):
    paths = glob.glob(os.path.join(run_dir, "stages", "*", name))
    return {os.path.relpath(path, run_dir): path for path in paths}


def compare(kind, name, read, first, second):
    """Prints the largest difference of all files of this name; returns whether it is within the tolerance."""
    ours, theirs = files(first, name), files(second, name)
    if set(ours) != set(theirs) or not ours:
        sys.exit(f"{name}: the runs have different files: {sorted(ours)} and {sorted(theirs)}")
    # The metrics of stages that do not train have no losses.
    values = {path: (read(ours[path]), read(theirs[path])) for path in ours}
    worst = max(((*largest(*pair, path), path) for path, pair in values.items() if any(pair)), default=None)
    if worst is None:
        sys.exit(f"{name}: neither run has {kind}")
    within = worst[0] <= TOLERANCES[kind]
    print(f"{'ok' if within else 'FAILED'}: {kind} differ by up to {worst[0]:.1e} (tolerance {TOLERANCES[kind]:.0e}): "
          f"{worst[1]} of {worst[2]}")
    return within


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = [compare("losses", "metrics.jsonl", losses, *sys.argv[1:]),
               compare("weights", "model.safetensors", tensors, *sys.argv[1:])]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
