#!/usr/bin/env python3
"""Writes tide_cases.json: 200 random cases with the answers of tidecv 1.0.1, or checks the file against it.

usage: make_tide_cases.py tide_cases.json [--check]

Needs the packages tidecv 1.0.1 and pycocotools. One case per line, as in coco_eval_cases.json: an annotation is
[id, image_id, category_id, x, y, width, height, area, iscrowd], a detection [image_id, category_id, x, y, width, height,
score]. "ap", "main", "special" and "sizes" are in percent, as tidecv has them.
"""
import json
import random
import sys

from tidecv import TIDE, Data
from tidecv.errors.main_errors import FalseNegativeError, FalsePositiveError
from tidecv.errors.qualifiers import AREA

CASES = 200


def random_box(rng, on_grid):
    """On a grid IoUs are often equal, or exactly on a threshold, and areas on a limit."""
    if on_grid:
        size = rng.choice([32, 96]) if rng.random() < .3 else 2 * rng.randint(1, 20)
        return [2 * rng.randint(0, 40), 2 * rng.randint(0, 40), size, size if rng.random() < .5 else 2 * rng.randint(1, 20)]
    return [round(rng.uniform(low, high), 2) for low, high in ((0, 300), (0, 200), (4, 160), (4, 160))]


def random_detection(rng, annotations, categories, image, on_grid):
    box, category = random_box(rng, on_grid), rng.choice(categories)
    near = [a for a in annotations if a[1] == image]
    if near and rng.random() < .75:
        chosen = rng.choice(near)
        box = list(chosen[3:7])
        if rng.random() < .7:
            category = chosen[2]
        shift = rng.choice([0, 0, .1, .3, .5])
        box[0] += 2 * rng.randint(-3, 3) if on_grid else rng.uniform(-shift, shift) * box[2]
        box[2] = max(1, box[2] + (2 * rng.randint(-3, 3) if on_grid else rng.uniform(-shift, shift) * box[2]))
    return category, [round(value, 2) for value in box]


def random_case(seed):
    rng = random.Random(seed)
    on_grid = rng.random() < .6
    images = sorted(rng.sample(range(1, 9000), rng.randint(1, 8)))
    categories = sorted(rng.sample(range(1, 91), rng.randint(1, 5)))
    annotations = []
    for image in images:
        for _ in range(0 if rng.random() < .15 else rng.randint(0, 9)):
            box = random_box(rng, on_grid)
            crowd = int(rng.random() < .12)
            annotations.append([len(annotations) + 1, image, rng.choice(categories), *box, box[2] * box[3], crowd])
    detections = []
    for image in images:
        for _ in range(0 if rng.random() < .1 else rng.randint(0, 30)):
            category, box = random_detection(rng, annotations, categories, image, on_grid)
            score = rng.randint(0, 5) / 5 if rng.random() < .5 else round(rng.random(), 3)
            detections.append([image, category, *box, score])
    rng.shuffle(detections)
    return dict(name="seed %d" % seed, images=images, categories=categories, annotations=annotations,
                detections=detections, max_detections=rng.choice([100, 100, 5, 12]))


def answer(case):
    truth, found = Data("truth", max_dets=case["max_detections"]), Data("found")
    for category in case["categories"]:
        truth.add_class(category, str(category))
    for image in case["images"]:
        truth.add_image(image, str(image))
    for _, image, category, x, y, width, height, _, crowd in case["annotations"]:
        add = truth.add_ignore_region if crowd else truth.add_ground_truth
        add(image, category, [x, y, width, height])
    for image, category, x, y, width, height, score in case["detections"]:
        found.add_detection(image, category, score, [x, y, width, height])
    run = TIDE().evaluate(truth, found, mode=TIDE.BOX)
    special = run.fix_special_errors()
    kinds = TIDE._error_types  # Cls, Loc, Both, Dupe, Bkg, Miss
    counts = run.count_errors()
    return dict(ap=run.ap, main=list(map(float, run.fix_main_errors().values())),
                special=[special[FalsePositiveError], special[FalseNegativeError]], counts=[counts[kind] for kind in kinds],
                sizes=[list(map(float, run.fix_main_errors(qual=size).values())) for size in AREA])


def evaluated(case):
    """None where tidecv divides by zero because no class has an object or a detection, or a fix leaves none."""
    try:
        return dict(case, **answer(case))
    except ZeroDivisionError:
        return None


def make():
    cases, seed = [], 0
    while len(cases) < CASES:
        case = evaluated(random_case(seed))
        seed += 1
        if case is not None:
            cases.append(case)
    return cases


def main():
    path = sys.argv[1]
    cases = make()
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    text = "[\n" + lines + "\n]\n"
    if sys.argv[2:] == ["--check"]:
        with open(path, encoding="utf-8") as file:
            same = file.read() == text
        print(len(cases), "cases,", "equal" if same else "different")
        return 0 if same else 1
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
