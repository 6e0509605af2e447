#!/usr/bin/env python3
"""Measures //eval on a case of the size of COCO's validation set against its limits, and says for each whether it is met.

    ./bazelw build //eval:evaluate //eval:report && tools/peers/check_evaluation_limits.py [--rounds 7] [--images 5000]

In one run, on two cores, medians: `evaluate` and the peers of compare_evaluators.py on boxes and on masks; `evaluate` with error
analysis and report, without and with 200 thumbnails; the bootstrap comparison of two results; the report in headless Chromium
(eval/html/check_page.py). Needs no data: cases and images are made in --folder, where they stay for the next run. Prints the peers' tables
in Markdown, then the limits. Exits 1 if one is missed or cannot be measured. --images=200 tries the command in a minute.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import compare_evaluators as peers

CHECK_PAGE = f"{peers.ROOT}/eval/html/check_page.py"
# Different images to show; the others of the dataset are links to them.
DISTINCT_IMAGES = 40
MAKE_IMAGES = """
import sys
import numpy as np
from PIL import Image
for i in range(int(sys.argv[2])):
    rng = np.random.default_rng(i)
    coarse = [Image.fromarray(rng.integers(0, 256, (480 // s, 640 // s, 3), np.uint8)).resize((640, 480), Image.BICUBIC) for s in (80, 16)]
    Image.blend(*coarse, 0.4).save(f"{sys.argv[1]}/{i}.jpg", quality=90)
"""


def make_images(python, case):
    """JPEG files of 640 x 480 for every image of the case."""
    folder = f"{case}/images"
    if os.path.exists(f"{folder}/done"):
        return folder
    os.makedirs(f"{folder}/distinct", exist_ok=True)
    subprocess.check_call([python, "-m", "pip", "install", "--quiet", "pillow"])
    subprocess.check_call([python, "-c", MAKE_IMAGES, f"{folder}/distinct", str(DISTINCT_IMAGES)])
    with open(f"{case}/gt.json") as f:
        images = json.load(f)["images"]
    for i, image in enumerate(images):
        path = f"{folder}/{image['file_name']}"
        if not os.path.exists(path):
            os.link(f"{folder}/distinct/{i % DISTINCT_IMAGES}.jpg", path)
    open(f"{folder}/done", "w").close()
    return folder


def make_other_results(case):
    """The detections of a second detector: the first one's with other scores, some of them elsewhere."""
    path = f"{case}/other.json"
    if os.path.exists(path):
        return path
    rng = random.Random(1)
    with open(f"{case}/detections.json") as f:
        detections = json.load(f)
    for detection in detections:
        detection["score"] = round(min(max(detection["score"] + rng.gauss(0, .05), 0), 1), 4)
        if rng.random() < .1:
            detection["bbox"][0] = round(detection["bbox"][0] + rng.gauss(0, .1) * detection["bbox"][2], 2)
    with open(path + ".partial", "w") as f:
        json.dump(detections, f)
    os.replace(path + ".partial", path)
    return path


def count_thumbnails(page):
    with open(page) as f:
        return len(re.findall(r'<image [^>]*href="data:image/', f.read()))


def open_in_browser(page):
    """Seconds until the page is loaded, the longest of its four views, and what is wrong with it; None without Chromium."""
    run = subprocess.run([sys.executable, CHECK_PAGE, page], capture_output=True, text=True)
    seconds = [float(s) for s in re.findall(r"loaded in ([0-9.]+) s,", run.stdout)]
    if not seconds:
        print(f"{page} was not opened: {(run.stdout + run.stderr).strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    problems = [line for line in run.stdout.splitlines() if not re.search(r"loaded in [0-9.]+ s, \d+ problems", line)]
    return max(seconds), [line for line in problems if "loaded in" not in line]


class Limits:
    def __init__(self):
        self.rows = []
        self.missed = False

    def add(self, what, measured, limit, unit=""):
        """A limit that is met if measured <= limit; measured None: it could not be measured."""
        met = measured is not None and measured <= limit
        self.missed |= not met
        shown = "not measured" if measured is None else f"{measured:.2f}{unit}"
        self.rows.append(f"| {what} | {shown} | {limit:g}{unit} | {'pass' if met else 'FAIL'} |")

    def print(self):
        print("| figure | measured | limit | |\n| --- | --- | --- | --- |")
        print("\n".join(self.rows), flush=True)


def fastest_peer(timings):
    return min((name for name in timings if name in peers.PEERS), key=lambda name: timings[name].seconds)


def measure_kind(args, python, kind, more):
    """Times evaluate, its peers and the commands more(case); prints the table of the first two. Returns the case, all times, and
    whether the numbers are equal."""
    case = peers.make_case(python, args.folder, kind, args.images)
    commands = {"evaluate": peers.evaluate_command(args.evaluate, case, kind)}
    commands.update(peers.peer_commands(python, args.folder, case, kind, args.slow and kind == "bbox"))
    table = list(commands)
    commands.update(more(case))
    timings = peers.measure(python, commands, args.rounds)
    stats = {name: peers.evaluate_stats(case) if name == "evaluate" else peers.peer_stats(case, name) for name in table}
    expected = peers.expected_stats(case, kind, args.images, slow=False)
    print(f"\n{'boxes' if kind == 'bbox' else 'masks'}, {args.images} images, {args.rounds} rounds\n")
    peers.print_table({name: timings[name] for name in table}, stats, expected)
    # Of masks the reference is a peer that sums in another order.
    tolerance = 0 if kind == "bbox" and args.images == 5000 else 1e-12
    return case, timings, all(abs(a - b) <= tolerance for a, b in zip(stats["evaluate"], expected))


def report_commands(args, python, case):
    evaluate = peers.evaluate_command(args.evaluate, case, "bbox")
    truth = f"--dataset=coco:{case}/gt.json"
    return {
        "report": evaluate + [f"--report={case}/report.html"],
        "thumbnails": evaluate + [f"--report={case}/thumbnails.html", f"--images={make_images(python, case)}"],
        "compare": [args.report, "--compare", f"{case}/detections.json", make_other_results(case), truth,
                    "--resamples=1000", f"--out={case}/comparison.html"],
    }


def add_report_limits(limits, case, timings, peer):
    limits.add(f"error analysis and report without thumbnails: time / {peer}'s plain time",
               timings["report"].seconds / timings[peer].seconds, 1.5)
    thumbnails = count_thumbnails(f"{case}/thumbnails.html")
    limits.add(f"report with {thumbnails} thumbnails: more than without", timings["thumbnails"].seconds - timings["report"].seconds, 3, " s")
    limits.add("comparison of two results, 1,000 draws, whole process", timings["compare"].seconds, 5, " s")
    limits.add("size of the report", os.path.getsize(f"{case}/thumbnails.html") / 1e6, 20, " MB")
    opened = open_in_browser(f"{case}/thumbnails.html")
    limits.add("the report opens in Chromium", opened and opened[0], 2, " s")
    limits.add("problems that check_page.py finds in it", opened and float(len(opened[1])), 0)
    for problem in opened[1] if opened else []:
        print(problem, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluate", default=f"{peers.ROOT}/bazel-bin/eval/evaluate")
    parser.add_argument("--report", default=f"{peers.ROOT}/bazel-bin/eval/report")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_evaluators"))
    parser.add_argument("--images", type=int, default=5000, help="fewer, to try the command")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow", action="store_true", help="time pycocotools and faster-coco-eval on boxes too, once")
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    os.makedirs(args.folder, exist_ok=True)
    python = peers.make_environment(args.folder)
    limits = Limits()

    case, timings, equal = measure_kind(args, python, "bbox", lambda case: report_commands(args, python, case))
    peer = fastest_peer(timings)
    limits.add(f"boxes: time / {peer}'s", timings["evaluate"].seconds / timings[peer].seconds, 0.4)
    limits.add(f"boxes: memory / {peer}'s", timings["evaluate"].megabytes / timings[peer].megabytes, 0.75)
    limits.add("boxes: numbers that differ", 0.0 if equal else 1.0, 0)
    add_report_limits(limits, case, timings, peer)

    _, timings, equal = measure_kind(args, python, "segm", lambda case: {})
    peer = fastest_peer(timings)
    limits.add(f"masks: time / {peer}'s", timings["evaluate"].seconds / timings[peer].seconds, 1)
    limits.add("masks: numbers that differ", 0.0 if equal else 1.0, 0)
    print()
    limits.print()
    return 1 if limits.missed else 0


if __name__ == "__main__":
    sys.exit(main())
