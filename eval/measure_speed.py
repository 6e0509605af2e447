#!/usr/bin/env python3
"""Times //eval:evaluate on a case of the size of COCO's validation set against pycocotools and Detectron2, without either.

    bazel build //eval:evaluate && eval/measure_speed.py [--rounds 5] [--growth]

Needs numpy. Both peers were timed on the same case, beside a yardstick: Python's json.load of the detections file
(testdata/coco_scale_expected.json). The yardstick is run here too, in turn with evaluate, so that the ratios hold on this machine:

    times faster = (peer's time / its yardstick) / (time of evaluate / the yardstick here)

--growth adds 0.1, 1 and 5 million detections: the case cut down, and copies of it with other image ids.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = "ap ap50 ap75 ap_small ap_medium ap_large ar1 ar10 ar100 ar_small ar_medium ar_large".split()


def timed(command):
    """Wall-clock seconds and peak memory in MB of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def evaluate_command(evaluate, folder, out):
    return [evaluate, f"--dataset={folder}/gt.json", f"--detections={folder}/detections.json", "--max_detections=1,10,100",
            f"--out={out}"]


def yardstick(folder):
    return timed([sys.executable, "-c", f"import json; json.load(open('{folder}/detections.json'))"])[0] - timed(
        [sys.executable, "-c", "import json"])[0]


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


def compare(evaluate, folder, rounds):
    with open(f"{HERE}/testdata/coco_scale_expected.json") as f:
        expected = json.load(f)
    out = f"{folder}/metrics.json"
    ours, sticks, memory = [], [], []
    for _ in range(rounds):
        sticks.append(yardstick(folder))
        seconds, mb = timed(evaluate_command(evaluate, folder, out))
        ours.append(seconds)
        memory.append(mb)
    with open(out) as f:
        metrics = json.load(f)["metrics"]
    equal = [metrics[name] for name in NAMES] == expected["stats"]
    ratios = [s / o for s, o in zip(sticks, ours)]
    timing = expected["timing"]
    print(f"the twelve numbers equal pycocotools' to the last bit: {equal}")
    print(f"evaluate   {statistics.median(ours):.3f} s ({min(ours):.3f} to {max(ours):.3f}), {max(memory):.0f} MB")
    print(f"yardstick  {statistics.median(sticks):.3f} s ({min(sticks):.3f} to {max(sticks):.3f})")
    for peer in ("pycocotools", "detectron2_COCOeval_opt"):
        peer_in_sticks = timing[peer]["total"] / timing["yardstick_json_load_s"]
        print(f"{statistics.median(ratios) * peer_in_sticks:.0f} ({min(ratios) * peer_in_sticks:.0f} to "
              f"{max(ratios) * peer_in_sticks:.0f}) times faster than {peer}, with "
              f"{max(memory) / timing[peer]['peak_rss_mb']:.2f} of its memory")
    return equal


def grow(evaluate, base, small, rounds):
    for name, folder in (("0.1", small), ("0.5", base), ("1", base + "_2"), ("5", base + "_10")):
        runs = [timed(evaluate_command(evaluate, folder, f"{folder}/metrics.json")) for _ in range(rounds)]
        seconds = statistics.median(r[0] for r in runs)
        print(f"{name:>4} million detections: {seconds:.3f} s, {seconds / float(name):.2f} us each, "
              f"{max(r[1] for r in runs):.0f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluate", default=f"{HERE}/../bazel-bin/eval/evaluate")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_coco_scale"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--make_only", action="store_true", help="write the cases and measure nothing")
    args = parser.parse_args()
    make = f"{HERE}/testdata/make_coco_scale_case.py"
    base, small = args.folder, args.folder + "_small"
    for folder, more in ((base, []), (small, ["--images", "1000"])):
        if not os.path.exists(f"{folder}/detections.json") and (folder == base or args.growth):
            subprocess.check_call([sys.executable, make, folder] + more)
    if args.growth:
        for copies in (2, 10):
            if not os.path.exists(f"{base}_{copies}/detections.json"):
                copy_case(base, f"{base}_{copies}", copies)
    if args.make_only:
        return 0
    equal = compare(args.evaluate, base, args.rounds)
    if args.growth:
        grow(args.evaluate, base, small, min(args.rounds, 3))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
