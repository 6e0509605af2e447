"""Prints the measurements of compare_with_torchvision.sh as Markdown.

usage: comparison_table.py table JOB DIR     reads DIR/JOB.VARIANT, a line of JSON per process
       comparison_table.py fastest JOB DIR   prints the peer's variants that are at most a tenth behind the fastest
"""

import json
import os
import statistics
import sys

PARTS = ("transform", "backbone", "rpn", "head", "forward", "backward", "step", "total")
TUNED = ("eager", "channels_last", "optimized")


class Runs:
    def __init__(self, path):
        with open(path) as f:
            self.lines = [json.loads(line) for line in f]
        self.parts = [part for part in PARTS if part in self.lines[0]]

    def times(self, part):
        return [ms / 1e3 for line in self.lines for ms in line[part]]

    def median(self, part):
        return statistics.median(self.times(part))

    def cell(self, part):
        if part not in self.parts:
            return ""
        times = self.times(part)
        return f"{statistics.median(times):.3f} ({min(times):.3f}…{max(times):.3f})"

    def peak_mb(self):
        return statistics.median(line["peak_mb"] for line in self.lines)


def floors(runs):
    """Seconds that the multiplications of each part take at the speed of a matrix product."""
    facts = runs["eager"].lines
    rate = max(line["gemm_gflops"] for line in facts)
    seconds = {part: count / rate for part, count in facts[-1]["gflop"].items()}
    seconds["total"] = sum(seconds.values())
    return rate, seconds


def read(job, folder):
    names = [n for n in ("rcnn", "default", *TUNED) if os.path.exists(f"{folder}/{job}.{n}")]
    return {name: Runs(f"{folder}/{job}.{name}") for name in names}


def fastest(runs):
    """The peer's fastest variants, best first, without those far behind."""
    medians = sorted((runs[name].median("total"), name) for name in TUNED if name in runs)
    return [name for median, name in medians if median <= 1.1 * medians[0][0]]


def print_row(part, runs, best, floor):
    ours, theirs = runs["rcnn"], runs[best]
    cells = [run.cell(part) for run in runs.values()]
    both = part in ours.parts and part in theirs.parts
    cells.append(f"{ours.median(part) / theirs.median(part):.2f}" if both else "")
    known = part in floor and part in ours.parts
    cells.append(f"{floor[part]:.3f}" if known else "")
    cells.append(f"{100 * floor[part] / ours.median(part):.0f} %" if known else "")
    print(f"| {part} | " + " | ".join(cells) + " |")


def print_table(job, runs):
    best = fastest(runs)[0]
    rate, floor = floors(runs)
    print(f"\n### {job.replace(':', ', ')}\n")
    print("Seconds, median (min…max) of " +
          ", ".join(f"{len(run.times('total'))} of {name}" for name, run in runs.items()) +
          f"; floor: the multiplications of the definition, in training with the gradients that a step needs, at a matrix "
          f"product's {rate:.0f} GFLOP/s.\n")
    print("| part | " + " | ".join(runs) + f" | rcnn / {best} | floor | floor / rcnn |")
    print("| --- |" + " --- |" * (len(runs) + 3))
    for part in PARTS:
        if any(part in run.parts for run in runs.values()):
            print_row(part, runs, best, floor)
    peaks = [f"{run.peak_mb():.0f}" for run in runs.values()]
    ratio = runs["rcnn"].peak_mb() / runs[best].peak_mb()
    print("| peak memory, MB | " + " | ".join(peaks) + f" | {ratio:.2f} | | |")


def main():
    command, job, folder = sys.argv[1:]
    runs = read(job, folder)
    if command == "fastest":
        print(*fastest(runs))
    else:
        print_table(job, runs)


if __name__ == "__main__":
    main()
