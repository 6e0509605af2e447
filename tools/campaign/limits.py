#!/usr/bin/env python3
"""Runs the largest sizes that docs/reliability.md promises, and fails where one takes more than it says.

  ./bazelw build //data:inspect //data/coco:coco_load //eval:evaluate
  tools/campaign/limits.py                        # all; writes 2 GB to --folder, which the next run uses again
  tools/campaign/limits.py --only=million_images

Printed for each: seconds, the processor's seconds, and the peak memory of the process. Limits of time are of the processor's
seconds, which other work on the machine changes less. Needs numpy to make the data of the evaluations.
"""

import argparse
import importlib.util
import os
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "eval"), os.path.join(ROOT, "tools/developer")]
import measure_growth
import process_cost


def measured(command):
    """Returns the cost of a process, and its output."""
    with tempfile.TemporaryFile() as output:
        cost = process_cost.run(command, stdout=output, stderr=subprocess.STDOUT)
        output.seek(0)
        return cost, output.read().decode(errors="replace")


def million_images(folder, programs):
    path = os.path.join(folder, "million.json")
    if not os.path.exists(path):
        subprocess.check_call(
            [sys.executable, os.path.join(ROOT, "data/coco/make_large_coco.py"), path + ".part", "1000000", "1000000", "--boxes"])
        os.rename(path + ".part", path)
    return [os.path.join(programs, "data/coco/coco_load"), path]


def scale_case(folder, *arguments):
    if not os.path.exists(os.path.join(folder, "detections.json")):
        subprocess.check_call([sys.executable, os.path.join(ROOT, "eval/testdata/make_coco_scale_case.py"), folder, *arguments])
    return folder


def evaluation(folder, programs):
    return measure_growth.evaluate_command(os.path.join(programs, "eval/evaluate"), folder)


def five_thousand_classes(folder, programs):
    return evaluation(scale_case(os.path.join(folder, "classes"), "--classes", "5000"), programs)


def five_million_detections(folder, programs):
    large = os.path.join(folder, "five_million")
    if not os.path.exists(os.path.join(large, "detections.json")):
        measure_growth.copy_case(scale_case(os.path.join(folder, "scale")), large, 10)
    return evaluation(large, programs)


def huge_image(folder, programs):
    """A folder with a small image, and a PNG whose header claims 30,000 x 30,000 pixels."""
    case = os.path.join(folder, "huge")
    os.makedirs(case, exist_ok=True)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    with open(os.path.join(case, "classes.txt"), "w", encoding="utf-8") as file:
        file.write("object\n")
    for name, side in (("huge", 30000), ("small", 2)):
        pixels = zlib.compress(b"".join(b"\0" + b"\x40" * 2 for _ in range(2)))
        with open(os.path.join(case, name + ".png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
                       chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
        with open(os.path.join(case, name + ".txt"), "w", encoding="utf-8") as file:
            file.write("0 0.5 0.5 0.5 0.5\n")
    return [os.path.join(programs, "data/inspect"), case, "--decode_images", "--contact_sheet="]


# What is run, its limits, and what its output must say.
CASES = {
    "million_images": (million_images, {"cpu_s": 15, "mb": 900}, "1000000 images"),
    "five_thousand_classes": (five_thousand_classes, {"cpu_s": 15, "mb": 500}, ""),
    "five_million_detections": (five_million_detections, {"cpu_s": 60, "mb": 1300}, ""),
    "huge_image": (huge_image, {"cpu_s": 5, "mb": 200}, "its 30000 x 30000 pixels are more than the limit"),
}


# The evaluations, and the folders of their data; any of them is enough.
EVALUATIONS = {"five_thousand_classes": ["classes"], "five_million_detections": ["five_million", "scale"]}


def needs_numpy(name, folder):
    return name in EVALUATIONS and not any(
        os.path.exists(os.path.join(folder, case, "detections.json")) for case in EVALUATIONS[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=os.path.join(os.environ.get("TEST_TMPDIR", tempfile.gettempdir()), "rcnn_limits"))
    parser.add_argument("--programs", default=os.path.join(ROOT, "bazel-bin"), help="the folder of what was built")
    parser.add_argument("--only", choices=CASES)
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    names = [name for name in CASES if arguments.only in (None, name)]
    without_data = [name for name in names if needs_numpy(name, arguments.folder)]
    if without_data and importlib.util.find_spec("numpy") is None:
        print("numpy is missing, which makes the data of %s; install it, in Debian with: apt-get install python3-numpy" % (
            " and ".join(without_data)), file=sys.stderr)
        return 1
    failures = 0
    for name in names:
        make, limits, expected = CASES[name]
        cost, output = measured(make(arguments.folder, os.path.abspath(arguments.programs)))
        fine = (cost.status == 0 and expected in output and cost.cpu_seconds <= limits["cpu_s"]
                and cost.megabytes <= limits["mb"])
        print("%-24s %6.1f s, %5.1f of the processor (limit %d), %5.0f MB (limit %d)%s" % (
            name, cost.seconds, cost.cpu_seconds, limits["cpu_s"], cost.megabytes, limits["mb"], "" if fine else "  FAILED"), flush=True)
        if not fine:
            failures += 1
            print("exit status %d; expected in the output: %r\n%s" % (cost.status, expected, output[-2000:]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
