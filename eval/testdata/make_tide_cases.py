#!/usr/bin/env python3
"""Writes random cases with the answers of tidecv 1.0.1, or checks the files against it.

usage: make_tide_cases.py tide_cases.json [--check]
       make_tide_cases.py --masks tide_mask_cases.json [--check]

Needs the packages tidecv 1.0.1 and pycocotools 2.0.11. 200 cases of boxes, one per line, as in coco_eval_cases.json: an annotation is
[id, image_id, category_id, x, y, width, height, area, iscrowd], a detection [image_id, category_id, x, y, width, height,
score]. 60 cases of masks: "truth" is a COCO instances file, "results" COCO results; tidecv takes a detection's size from a box, which is
the record's or the smallest around the mask. "ap", "main", "special" and "sizes" are in percent, as tidecv has them.
"""
import json
import random
import sys

from pycocotools import mask as mask_api
from tidecv import TIDE, Data
from tidecv.errors.main_errors import FalseNegativeError, FalsePositiveError
from tidecv.errors.qualifiers import AREA

CASES = 200
MASK_CASES = 60


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


def random_mask(rng, height, width):
    """A polygon: a rectangle of whole pixels, whose IoUs are often exactly a threshold, or a triangle."""
    x, y = 2 * rng.randint(0, width // 2 - 8), 2 * rng.randint(0, height // 2 - 8)
    w, h = 2 * rng.randint(2, 20), 2 * rng.randint(2, 20)
    if rng.random() < .3:
        return [[x, y, x + w, y, x + w / 2, y + h]]
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def moved_mask(rng, polygons):
    dx, dy = rng.choice([0, 0, 1, 2, 4, 8]), rng.choice([0, 0, 1, 2, 4])
    return [[value + (dy if i % 2 else dx) for i, value in enumerate(polygon)] for polygon in polygons]


def segmentation(rng, polygons, height, width):
    """In one of the forms of COCO's files."""
    if rng.random() < .4:
        return polygons
    packed = to_mask(polygons, height, width)
    return dict(size=[height, width], counts=packed["counts"].decode())


def to_mask(value, height, width):
    return mask_api.merge(mask_api.frPyObjects(value, height, width)) if isinstance(value, list) else value


def random_mask_case(seed):
    rng = random.Random(1000 + seed)
    images, annotations, results = [], [], []
    categories = sorted(rng.sample(range(1, 91), rng.randint(1, 4)))
    for image in sorted(rng.sample(range(1, 9000), rng.randint(1, 5))):
        height, width = rng.randint(40, 120), rng.randint(40, 120)
        images.append(dict(id=image, height=height, width=width, file_name=""))
        shapes = []
        for _ in range(0 if rng.random() < .15 else rng.randint(0, 6)):
            polygons, category = random_mask(rng, height, width), rng.choice(categories)
            shapes.append((polygons, category))
            mask = to_mask(polygons, height, width)
            annotations.append(dict(id=len(annotations) + 1, image_id=image, category_id=category, iscrowd=int(rng.random() < .15),
                                    area=float(mask_api.area(mask)), bbox=[float(x) for x in mask_api.toBbox(mask)],
                                    segmentation=segmentation(rng, polygons, height, width)))
        for _ in range(0 if rng.random() < .1 else rng.randint(0, 16)):
            polygons, category = random_mask(rng, height, width), rng.choice(categories)
            if shapes and rng.random() < .8:
                polygons, own = rng.choice(shapes)
                polygons = moved_mask(rng, polygons)
                category = own if rng.random() < .75 else category
            results.append(dict(image_id=image, category_id=category, segmentation=segmentation(rng, polygons, height, width),
                                score=rng.randint(0, 5) / 5 if rng.random() < .5 else round(rng.random(), 3)))
    if seed % 4 == 3:
        for result in results:
            result["bbox"] = [0, 0, rng.choice([16, 32, 96, 100]), rng.choice([32, 96])]
    return dict(name="seed %d" % seed, truth=dict(images=images, annotations=annotations,
                                                  categories=[dict(id=c, name=str(c)) for c in categories]),
                results=results, max_detections=rng.choice([100, 100, 4, 8]))


def mask_answer(case):
    truth, found = Data("truth", max_dets=case["max_detections"]), Data("found")
    sizes = {}
    for category in case["truth"]["categories"]:
        truth.add_class(category["id"], category["name"])
    for image in case["truth"]["images"]:
        truth.add_image(image["id"], str(image["id"]))
        sizes[image["id"]] = image["height"], image["width"]
    for a in case["truth"]["annotations"]:
        add = truth.add_ignore_region if a["iscrowd"] else truth.add_ground_truth
        add(a["image_id"], a["category_id"], a["bbox"], to_mask(a["segmentation"], *sizes[a["image_id"]]))
    for d in case["results"]:
        mask = to_mask(d["segmentation"], *sizes[d["image_id"]])
        found.add_detection(d["image_id"], d["category_id"], d["score"], d.get("bbox", [float(x) for x in mask_api.toBbox(mask)]), mask)
    return numbers(TIDE().evaluate(truth, found, mode=TIDE.MASK))


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
    return numbers(TIDE().evaluate(truth, found, mode=TIDE.BOX))


def numbers(run):
    special = run.fix_special_errors()
    kinds = TIDE._error_types  # Cls, Loc, Both, Dupe, Bkg, Miss
    counts = run.count_errors()
    return dict(ap=run.ap, main=list(map(float, run.fix_main_errors().values())),
                special=[special[FalsePositiveError], special[FalseNegativeError]], counts=[counts[kind] for kind in kinds],
                sizes=[list(map(float, run.fix_main_errors(qual=size).values())) for size in AREA])


def evaluated(case, evaluate):
    """None where tidecv divides by zero because no class has an object or a detection, or a fix leaves none."""
    try:
        return dict(case, **evaluate(case))
    except ZeroDivisionError:
        return None


def make(count, random_one, evaluate):
    cases, seed = [], 0
    while len(cases) < count:
        case = evaluated(random_one(seed), evaluate)
        seed += 1
        if case is not None:
            cases.append(case)
    return cases


def main():
    masks = "--masks" in sys.argv
    path = next(argument for argument in sys.argv[1:] if not argument.startswith("--"))
    cases = make(MASK_CASES, random_mask_case, mask_answer) if masks else make(CASES, random_case, answer)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    text = "[\n" + lines + "\n]\n"
    if "--check" in sys.argv:
        with open(path, encoding="utf-8") as file:
            same = file.read() == text
        print(len(cases), "cases,", "equal" if same else "different")
        return 0 if same else 1
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
