#!/usr/bin/env python3
"""Writes the screenshots of docs/evaluation.md: a report on simulated detections of a known dataset.

usage: write_screenshots.py EVALUATE INSTANCES.json IMAGES [--out FOLDER]

EVALUATE is the program of //eval:evaluate, INSTANCES.json a COCO file, IMAGES the folder of its images; docs/images has the
test images of BCCD:

    bazel-bin/data/write_dataset --dataset=voc:BCCD:test --split=test --out=cells
    eval/html/write_screenshots.py bazel-bin/eval/evaluate cells/test.json cells/test

The detector is imagined: it finds nine objects in ten, some of them misplaced, with a wrong class or twice, and sees others
where nothing is. Equal inputs give equal detections. Needs Chromium, as check_page.py does.
"""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile

import check_page

DESKTOP, PHONE = check_page.SIZES
# Name: window, light or dark, the section at its top.
SCREENSHOTS = {
    "report_desktop_light": (DESKTOP, "light", "errors"),
    "report_desktop_dark": (DESKTOP, "dark", "summary"),
    "report_phone_light": (PHONE, "light", "summary"),
    "report_phone_dark": (PHONE, "dark", "errors"),
}


def moved(rng, box, spread):
    x, y, width, height = box
    return [x + rng.gauss(0, spread) * width, y + rng.gauss(0, spread) * height,
            width * max(.3, 1 + rng.gauss(0, spread)), height * max(.3, 1 + rng.gauss(0, spread))]


def simulate(truth):
    """Returns the detections as COCO results."""
    rng = random.Random(1)
    classes = [category["id"] for category in truth["categories"]]
    found = []

    def detect(image, category, box, score):
        found.append({"image_id": image, "category_id": category, "bbox": [round(value, 2) for value in box],
                      "score": round(min(max(score, .01), .99), 4)})

    for annotation in truth["annotations"]:
        image, category, box = annotation["image_id"], annotation["category_id"], annotation["bbox"]
        if rng.random() < .1:
            continue
        detected = category if rng.random() < .85 else rng.choice([k for k in classes if k != category] or classes)
        spread = .05 if rng.random() < .85 else .25
        detect(image, detected, moved(rng, box, spread), rng.gauss(.8 if detected == category else .6, .15))
        if rng.random() < .15:
            detect(image, detected, moved(rng, box, .1), rng.gauss(.4, .15))
    for image in truth["images"]:
        width, height = rng.uniform(30, 120), rng.uniform(30, 120)
        box = [rng.uniform(0, image["width"] - width), rng.uniform(0, image["height"] - height), width, height]
        detect(image["id"], rng.choice(classes), box, rng.gauss(.3, .15))
    return found


def write_report(evaluate, instances, images, folder):
    """Returns the path of the report."""
    results, report = folder / "detections.json", folder / "report.html"
    results.write_text(json.dumps(simulate(json.loads(instances.read_text()))))
    subprocess.run([evaluate, f"--dataset=coco:{instances}:{images}", f"--detections={results}", f"--report={report}"],
                   check=True, stdout=subprocess.DEVNULL)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluate", metavar="EVALUATE")
    parser.add_argument("instances", type=pathlib.Path, metavar="INSTANCES.json")
    parser.add_argument("images", type=pathlib.Path, metavar="IMAGES")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs/images"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        report = write_report(arguments.evaluate, arguments.instances, arguments.images, folder)
        browser = check_page.Browser(name)
        try:
            for screenshot, ((width, height, mobile), scheme, section) in SCREENSHOTS.items():
                check_page.open_page(browser, report.as_uri(), width, height, mobile, scheme, True)
                check_page.Screenshots(folder, section, "webp").take(browser, width, height, scheme)
                taken = folder / f"{width}_{scheme}_{section}.webp"
                (arguments.out / f"{screenshot}.webp").write_bytes(taken.read_bytes())
        finally:
            browser.close()


if __name__ == "__main__":
    main()
