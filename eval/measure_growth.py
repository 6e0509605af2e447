#!/usr/bin/env python3
"""Times //eval:evaluate on 0.1, 0.5, 1 and 5 million detections, and prints a table in Markdown. Needs numpy.

    ./bazelw build //eval:evaluate && eval/measure_growth.py [--rounds 5]

0.5 million are the case of testdata/make_coco_scale_case.py with 5,000 images, 0.1 million the one with 1,000 images. 1 and 5 million
are 2 and 10 copies of the first with other image ids. Files (1 GB) stay in --folder for the next run.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../tools/developer")
import process_cost


def evaluate_command(evaluate, case, *more):
    return [evaluate, f"--dataset=coco:{case}/gt.json", f"--detections={case}/detections.json", "--max_detections=1,10,100", *more]


def copy_case(source, target, copies):
    """The case several times, with image ids and annotation ids that differ."""
    os.makedirs(target, exist_ok=True)
    with open(f"{source}/gt.json") as f:
        truth = json.load(f)
    images, annotations = [], []
    for c in range(copies):
        images += [dict(image, id=image["id"] + 100000 * c) for image in truth["images"]]
        annotations += [dict(a, id=a["id"] + 1000000 * c, image_id=a["image_id"] + 100000 * c) for a in truth["annotations"]]
    with open(f"{target}/gt.json", "w") as f:
        json.dump(dict(images=images, annotations=annotations, categories=truth["categories"]), f)
    with open(f"{source}/detections.json") as f:
        text = f.read()[1:-1]
    pieces = re.split(r'\{"image_id": (\d+)', text)[1:]
    with open(f"{target}/detections.json", "w") as f:
        f.write("[")
        for c in range(copies):
            f.write("".join(f'{{"image_id": {int(i) + 100000 * c}{rest}' for i, rest in zip(pieces[::2], pieces[1::2])))
            f.write(", " if c + 1 < copies else "]")


def make_cases(folder, scale):
    """(millions of detections, folder) of each case, smallest first."""
    base = f"{folder}/base"
    small = f"{folder}/small"
    for path, images in ((small, 1000 // scale), (base, 5000 // scale)):
        if not os.path.exists(f"{path}/detections.json"):
            subprocess.check_call([sys.executable, f"{HERE}/testdata/make_coco_scale_case.py", path, f"--images={images}"])
    cases = [(0.1 / scale, small), (0.5 / scale, base)]
    for copies in (2, 10):
        path = f"{folder}/copies_{copies}"
        if not os.path.exists(f"{path}/detections.json"):
            copy_case(base, path, copies)
        cases.append((0.5 * copies / scale, path))
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluate", default=f"{HERE}/../bazel-bin/eval/evaluate")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_growth"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=int, default=1, help="cases smaller by this factor, to try the command")
    args = parser.parse_args()
    cases = make_cases(args.folder, args.scale)
    runs = [[] for _ in cases]
    for _ in range(args.rounds):
        for (_, case), costs in zip(cases, runs):
            costs.append(process_cost.require(evaluate_command(args.evaluate, case), stdout=subprocess.DEVNULL))
    print("| detections | seconds (min-max) | microseconds each | memory |\n| --- | --- | --- | --- |")
    for (millions, _), costs in zip(cases, runs):
        seconds = [cost.seconds for cost in costs]
        median = statistics.median(seconds)
        print(f"| {millions * 1e6:,.0f} | {median:.3f} ({min(seconds):.3f}-{max(seconds):.3f}) | {median / millions:.2f} "
              f"| {max(cost.megabytes for cost in costs):,.0f} MB |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
