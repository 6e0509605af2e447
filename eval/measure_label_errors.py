#!/usr/bin/env python3
"""Plants label errors in a known dataset and compares how well rcnn and ObjectLab of cleanlab find them.

usage: measure_label_errors.py EVALUATE [--truth INSTANCES.json --detections RESULTS.json] [--seeds N] [--images N]

EVALUATE is the program of //eval:evaluate. 5 % of the labels are deleted, 5 % are moved to an IoU of 0.2 to 0.6 with their
old position, 5 % get another class; the detections are unchanged. Without --truth the dataset and its detector are imagined:
boxes of five classes, of which the detector finds nine in ten, slightly misplaced, occasionally with a wrong class, a duplicate
or a false detection. Prints, for every seed: the share of the planted errors among the first n and 2 n suspects (n planted), all and by
kind, and the area under the ROC curve of telling images (and labels) with a planted error from those without, of rcnn
and of ObjectLab. Needs the packages cleanlab and numpy.
"""
import argparse
import json
import os
import random
import subprocess
import tempfile

import numpy as np
from cleanlab.object_detection import rank

SHARE = .05
KINDS = ("missing", "misplaced", "wrong class")


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def moved(rng, box, spread):
    x, y, width, height = box
    return [x + rng.gauss(0, spread) * width, y + rng.gauss(0, spread) * height,
            width * max(.2, 1 + rng.gauss(0, spread)), height * max(.2, 1 + rng.gauss(0, spread))]


def imagine(seed, images):
    """A dataset with correct labels, and the detections of a good but imperfect detector."""
    rng = random.Random(seed)
    classes = range(1, 6)
    truth = dict(images=[], annotations=[], categories=[dict(id=k, name="class %d" % k) for k in classes])
    found = []

    def detect(image, category, box, score):
        found.append(dict(image_id=image, category_id=category, bbox=box, score=min(max(score, .001), .999)))

    for image in range(1, images + 1):
        truth["images"].append(dict(id=image, file_name="%d.jpg" % image, width=640, height=480))
        boxes = []
        for _ in range(rng.randint(1, 12)):
            width, height = rng.uniform(20, 200), rng.uniform(20, 200)
            box = [rng.uniform(0, 640 - width), rng.uniform(0, 480 - height), width, height]
            # Objects overlap, but do not hide each other.
            if all(iou(box, other) < .4 for other in boxes):
                boxes.append(box)
        for box in boxes:
            category = rng.choice(classes)
            truth["annotations"].append(dict(id=len(truth["annotations"]) + 1, image_id=image, category_id=category, bbox=box,
                                             area=box[2] * box[3], iscrowd=0))
            if rng.random() < .9:
                spread = .04 if rng.random() < .85 else .15
                right = rng.random() < .94
                seen = category if right else rng.choice([k for k in classes if k != category])
                detect(image, seen, moved(rng, box, spread), rng.betavariate(7, 2) if right else rng.betavariate(4, 3))
                if rng.random() < .3:
                    detect(image, category, moved(rng, box, .12), rng.betavariate(2, 5))
                if rng.random() < .2:
                    detect(image, rng.choice(classes), moved(rng, box, .05), rng.betavariate(2, 6))
        for _ in range(rng.randint(0, 4)):
            width, height = rng.uniform(20, 200), rng.uniform(20, 200)
            detect(image, rng.choice(classes), [rng.uniform(0, 640 - width), rng.uniform(0, 480 - height), width, height],
                   rng.betavariate(1.3, 4))
    return truth, found


def misplace(rng, box):
    while True:
        other = moved(rng, box, .35)
        if .2 <= iou(box, other) <= .6:
            return other


def plant(truth, seed):
    """Returns the dataset with errors, and the planted errors: (kind, image, annotation id or None, correct box)."""
    rng = random.Random(seed)
    annotations = [dict(a) for a in truth["annotations"]]
    candidates = [i for i, a in enumerate(annotations) if not a.get("iscrowd")]
    count = round(SHARE * len(candidates))
    chosen = rng.sample(candidates, 3 * count)
    classes = [c["id"] for c in truth["categories"]]
    planted = []
    for n, i in enumerate(chosen):
        a, kind = annotations[i], KINDS[n // count]
        planted.append((kind, a["image_id"], None if kind == "missing" else a["id"], list(a["bbox"])))
        if kind == "misplaced":
            a["bbox"] = misplace(rng, a["bbox"])
        elif kind == "wrong class":
            a["category_id"] = rng.choice([k for k in classes if k != a["category_id"]])
    gone = set(chosen[:count])
    return dict(truth, annotations=[a for i, a in enumerate(annotations) if i not in gone]), planted


def find_suspects(evaluate, truth, found, folder):
    paths = [os.path.join(folder, name) for name in ("truth.json", "found.json", "suspects.json")]
    for path, value in zip(paths, (truth, found)):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file)
    subprocess.run([evaluate, "--dataset=coco:" + paths[0], "--detections=" + paths[1], "--export_suspects=" + paths[2]],
                   check=True, stdout=subprocess.DEVNULL)
    with open(paths[2], encoding="utf-8") as file:
        return json.load(file)["annotations"]


def match(suspects, planted):
    """For each suspect the planted error that it matches (each error once), or None."""
    left, named = set(range(len(planted))), []
    for suspect in suspects:
        hit = None
        for i in left:
            kind, image, annotation, box = planted[i]
            if image != suspect["image_id"]:
                continue
            if kind == "missing":
                same = "suspected_annotation_id" not in suspect and iou(box, suspect["bbox"]) >= .5
            else:
                same = suspect.get("suspected_annotation_id") == annotation
            if same:
                hit = i
                break
        left.discard(hit)
        named.append(hit)
    return named


def roc_area(scores, positive):
    """Area under the ROC curve of scores; equal scores count half."""
    order = np.argsort(scores, kind="stable")
    ranks, sorted_scores = np.empty(len(scores)), np.asarray(scores)[order]
    start = 0
    for end in range(1, len(scores) + 1):
        if end == len(scores) or sorted_scores[end] != sorted_scores[start]:
            ranks[order[start:end]] = (start + end + 1) / 2
            start = end
    positive = np.asarray(positive, bool)
    p, n = positive.sum(), (~positive).sum()
    return (ranks[positive].sum() - p * (p + 1) / 2) / (p * n)


def to_cleanlab(truth, found):
    position = {c["id"]: k for k, c in enumerate(truth["categories"])}
    images = {image["id"]: i for i, image in enumerate(truth["images"])}
    labels = [dict(bboxes=[], labels=[], ids=[]) for _ in images]
    for a in truth["annotations"]:
        x, y, width, height = a["bbox"]
        row = labels[images[a["image_id"]]]
        row["bboxes"].append([x, y, x + width, y + height])
        row["labels"].append(position[a["category_id"]])
        row["ids"].append(a["id"])
    for row in labels:
        row["bboxes"], row["labels"] = np.array(row["bboxes"], float).reshape(-1, 4), np.array(row["labels"], int)
    boxes = [[[] for _ in position] for _ in images]
    for d in found:
        x, y, width, height = d["bbox"]
        boxes[images[d["image_id"]]][position[d["category_id"]]].append([x, y, x + width, y + height, d["score"]])
    predictions = []
    for row in boxes:
        array = np.empty(len(position), dtype=object)
        for k, class_boxes in enumerate(row):
            array[k] = np.array(class_boxes, float).reshape(-1, 5)
        predictions.append(array)
    return labels, predictions


def objectlab(truth, found):
    """Suspicion (1 - quality) of images, all and by kind, and of labels by kind."""
    labels, predictions = to_cleanlab(truth, found)
    plain = [dict(bboxes=row["bboxes"], labels=row["labels"]) for row in labels]
    by_kind = dict(zip(KINDS, (compute(labels=plain, predictions=predictions) for compute in (
        rank.compute_overlooked_box_scores, rank.compute_badloc_box_scores, rank.compute_swap_box_scores))))
    images = {kind: 1 - rank.pool_box_scores_per_image(scores) for kind, scores in by_kind.items()}
    images["all"] = 1 - rank.get_label_quality_scores(plain, predictions, verbose=False)
    boxes = {}
    for kind in KINDS[1:]:
        boxes[kind] = {i: 1 - score for row, scores in zip(labels, by_kind[kind]) for i, score in zip(row["ids"], scores)}
    return images, boxes


def rcnn_scores(truth, suspects):
    position = {image["id"]: i for i, image in enumerate(truth["images"])}
    images = {kind: np.zeros(len(position)) for kind in KINDS + ("all",)}
    boxes = {kind: {a["id"]: 0. for a in truth["annotations"]} for kind in KINDS[1:]}
    for suspect in suspects:
        i = position[suspect["image_id"]]
        for kind in (suspect["suspicion"], "all"):
            images[kind][i] = max(images[kind][i], suspect["score"])
        if suspect["suspicion"] in boxes:
            boxes[suspect["suspicion"]][suspect["suspected_annotation_id"]] = suspect["score"]
    return images, boxes


def measure(evaluate, truth, found, seed):
    wrong, planted = plant(truth, seed)
    with tempfile.TemporaryDirectory() as folder:
        suspects = find_suspects(evaluate, wrong, found, folder)
    row = dict(planted=len(planted), suspects=len(suspects))
    named = match(suspects, planted)
    for times in (1, 2):
        first = {hit for hit in named[:times * len(planted)] if hit is not None}
        row["first %dn" % times] = len(first) / len(planted)
        for kind in KINDS:
            kind_indices = [i for i, p in enumerate(planted) if p[0] == kind]
            row["first %dn, %s" % (times, kind)] = len(first.intersection(kind_indices)) / len(kind_indices)
    ours, theirs = rcnn_scores(wrong, suspects), objectlab(wrong, found)
    for kind in ("all",) + KINDS:
        with_error = {p[1] for p in planted if kind in ("all", p[0])}
        positive = [image["id"] in with_error for image in wrong["images"]]
        row["images, %s" % kind] = roc_area(ours[0][kind], positive), roc_area(theirs[0][kind], positive)
    for kind in KINDS[1:]:
        with_error = {p[2] for p in planted if p[0] == kind}
        ids = [a["id"] for a in wrong["annotations"]]
        row["labels, %s" % kind] = tuple(
            roc_area([side[1][kind][i] for i in ids], [i in with_error for i in ids]) for side in (ours, theirs))
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluate")
    parser.add_argument("--truth")
    parser.add_argument("--detections")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    arguments = parser.parse_args()
    rows = []
    for seed in range(1, arguments.seeds + 1):
        if arguments.truth:
            with open(arguments.truth, encoding="utf-8") as file:
                truth = json.load(file)
            with open(arguments.detections, encoding="utf-8") as file:
                found = json.load(file)
        else:
            truth, found = imagine(seed, arguments.images)
        rows.append(measure(arguments.evaluate, truth, found, seed))
    print("%d seeds; median (least, greatest)" % len(rows))
    for name in rows[0]:
        if isinstance(rows[0][name], tuple):
            sides = [sorted(row[name][side] for row in rows) for side in (0, 1)]
            text = "   ".join("%s %.3f (%.3f, %.3f)" % (who, np.median(s), s[0], s[-1])
                              for who, s in zip(("rcnn", "ObjectLab"), sides))
        else:
            values = sorted(row[name] for row in rows)
            text = "%.3f (%.3f, %.3f)" % (np.median(values), values[0], values[-1])
        print("%-28s %s" % (name, text))


if __name__ == "__main__":
    main()
