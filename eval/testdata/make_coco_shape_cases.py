#!/usr/bin/env python3
"""Writes coco_shape_cases.json: small cases of mask and keypoint evaluation with the answers of pycocotools 2.0.11.

usage: make_coco_shape_cases.py FOLDER   (needs pycocotools 2.0.11 and numpy)

Also writes one case of each kind as separate files, FOLDER/masks and FOLDER/keypoints, for the test rule.

One case per line: the instances file and the results file as they would be on disk, and what pycocotools makes of them. Masks are polygons,
several per object among them, and uncompressed and compressed runs; keypoints are labelled in part or not at all. Hard cases of keypoints:
see hard_keypoints_case.
"""
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile

import numpy as np
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def polygon(rng, h, w):
    corners = int(rng.integers(3, 9))
    centre = rng.random(2) * (w, h)
    angles = np.sort(rng.random(corners)) * 2 * np.pi
    radii = rng.uniform(2, 0.5 * min(h, w), corners)
    points = centre[None] + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    if rng.random() < 0.3:
        points = points.round()
    return [round(float(x), 2) for x in points.ravel()]


def encode(rng, polygons, h, w):
    return mask_api.merge(mask_api.frPyObjects(polygons, h, w))


def runs(rle):
    flat = mask_api.decode(rle).ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
    return [int(n) for n in np.diff(np.concatenate([[0], edges]))]


def segmentation(rng, polygons, h, w, form):
    if form == "polygons":
        return polygons
    rle = encode(rng, polygons, h, w)
    if form == "runs":
        return dict(size=[h, w], counts=runs(rle))
    return dict(size=[h, w], counts=rle["counts"].decode())


def shift(rng, polygons, amount):
    return [[round(x + float(rng.normal(0, amount)), 2) for x in p] for p in polygons]


def segm_case(seed):
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    with_boxes = seed % 4 == 3
    for image in range(int(rng.integers(1, 5))):
        h, w = int(rng.integers(8, 90)), int(rng.integers(8, 90))
        images.append(dict(id=image + 1, height=h, width=w))
        for _ in range(int(rng.integers(0, 6))):
            polygons = [polygon(rng, h, w) for _ in range(int(rng.integers(1, 3)))]
            crowd = int(rng.random() < 0.15)
            area = float(mask_api.area(encode(rng, polygons, h, w)))
            form = "runs" if crowd else rng.choice(["polygons", "packed"])
            annotations.append(dict(id=len(annotations) + 1, image_id=image + 1, category_id=int(rng.integers(1, 3)),
                                    iscrowd=crowd, area=area, bbox=[0, 0, 1, 1],
                                    segmentation=segmentation(rng, polygons, h, w, form)))
            for _ in range(int(rng.integers(0, 4))):
                found = shift(rng, polygons, rng.choice([0.0, 0.5, 2.0]))
                result = dict(image_id=image + 1, category_id=int(rng.integers(1, 3)) if rng.random() < 0.2
                              else annotations[-1]["category_id"],
                              segmentation=segmentation(rng, found, h, w, "packed"), score=round(float(rng.random()), 1))
                if with_boxes:
                    result["bbox"] = [round(float(x), 1) for x in mask_api.toBbox(result["segmentation"])]
                results.append(result)
    return "segm", images, annotations, results


def keypoints_case(seed):
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for image in range(int(rng.integers(1, 5))):
        images.append(dict(id=image + 1, height=480, width=640))
        for _ in range(int(rng.integers(0, 5))):
            size = float(np.exp(rng.uniform(3, 5.5)))
            corner = rng.random(2) * (640, 480)
            points = corner + rng.random((17, 2)) * size
            seen = rng.integers(0, 3, 17) if rng.random() < 0.8 else np.zeros(17, int)
            flat = np.concatenate([(points * (seen > 0)[:, None]).round(1), seen[:, None]], 1).ravel()
            crowd = int(rng.random() < 0.1)
            annotations.append(dict(id=len(annotations) + 1, image_id=image + 1, category_id=1, iscrowd=crowd,
                                    area=round(size * size * 0.6, 2), bbox=[*map(float, corner.round(1)), round(size, 1), round(size, 1)],
                                    keypoints=[float(x) for x in flat], num_keypoints=int((seen > 0).sum())))
            for _ in range(int(rng.integers(0, 5))):
                moved = points + rng.normal(0, size * float(rng.choice([0.0, 0.02, 0.1, 0.3])), (17, 2))
                keypoints = np.concatenate([moved.round(2), np.ones((17, 1))], 1).ravel()
                results.append(dict(image_id=image + 1, category_id=1, keypoints=[float(x) for x in keypoints],
                                    score=round(float(rng.random()), 1)))
    return "keypoints", images, annotations, results


def far_or_exact(rng, points):
    """Each keypoint as labelled or far off, so that OKS is a ratio of small numbers, often exactly a threshold."""
    far = rng.random(17) < rng.choice([0, .25, .5])
    return points + far[:, None] * 5000.0


def hard_keypoints_case(seed):
    """Crowds; no keypoints, by their count or by their visibility, or by one of the two alone; areas of 0, tiny ones and those on a limit;
    visibility 0, 1 and 2 on either side; images with objects only, detections only, or neither; equal scores, objects and detections;
    more than 20 detections on an image; results with boxes of their own; two classes."""
    rng = np.random.default_rng(1000 + seed)
    images, annotations, results = [], [], []
    with_boxes = seed % 5 == 4
    for image in range(int(rng.integers(1, 5))):
        images.append(dict(id=10 * image + 3, height=480, width=640))
        objects = [] if rng.random() < .25 else range(int(rng.integers(1, 5)))
        shown = []
        for k in objects:
            size = float(rng.choice([32, 96, 40, 150]))
            corner = rng.integers(0, 400, 2).astype(float)
            points = corner + rng.integers(0, int(size), (17, 2))
            seen = rng.integers(0, 3, 17) * (rng.random() > .2)
            if k > 0 and rng.random() < .2:
                points, seen = shown[-1][1:3]  # two objects alike
            count = int((seen > 0).sum())
            if rng.random() < .2:
                count = int(rng.choice([0, 1]))  # not what the visibilities say
            flat = np.concatenate([points, seen[:, None]], 1).ravel()
            area = float(rng.choice([0, .25, size * size, size * size, 32 * 32, 96 * 96, 1e5]))
            annotations.append(dict(id=len(annotations) + 1, image_id=images[-1]["id"], category_id=int(rng.choice([1, 1, 2])),
                                    iscrowd=int(rng.random() < .15), area=area, bbox=[*corner, size, size],
                                    keypoints=[float(x) for x in flat], num_keypoints=count))
            shown.append((annotations[-1]["category_id"], points, seen, size))
        for k in range(0 if rng.random() < .2 else int(rng.choice([1, 4, 8, 26]))):
            if shown and rng.random() < .85:
                category, points, visible, size = shown[int(rng.integers(len(shown)))]
                moved = far_or_exact(rng, points)
                if rng.random() < .4:
                    moved = points + rng.normal(0, size * float(rng.choice([.01, .05, .2])), (17, 2)).round(1)
            else:
                category, visible = int(rng.choice([1, 2])), rng.integers(0, 3, 17)
                moved = rng.integers(0, 600, (17, 2))
            flat = np.concatenate([moved, visible[:, None]], 1).ravel()
            result = dict(image_id=images[-1]["id"], category_id=category, keypoints=[round(float(x), 1) for x in flat],
                          score=float(rng.choice([.25, .5, .75])))
            if with_boxes:
                result["bbox"] = [0.0, 0.0, float(rng.choice([16, 32, 96])), float(rng.choice([32, 96]))]
            results.append(result)
    return "keypoints", images, annotations, results


def answer(kind, truth_path, results_path):
    truth = COCO(truth_path)
    evaluation = COCOeval(truth, truth.loadRes(results_path), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    result = dict(stats=[float(x).hex() for x in evaluation.stats])
    for name in ("precision", "recall", "scores"):
        array = np.ascontiguousarray(evaluation.eval[name], dtype="<f8")
        result[name + "_sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
    return result


def write_files(folder, truth, results):
    os.makedirs(folder, exist_ok=True)
    for name, value in (("instances", truth), ("detections", results)):
        with open(f"{folder}/{name}.json", "w") as f:
            json.dump(value, f)
            f.write("\n")


def main():
    lines = []
    makes = [(seed, make, "") for seed in range(60) for make in (segm_case, keypoints_case)]
    makes += [(seed, hard_keypoints_case, "_hard") for seed in range(60)]
    for seed, make, suffix in makes:
        kind, images, annotations, results = make(seed)
        if not results:
            continue
        truth = dict(images=images, annotations=annotations, categories=[dict(id=1, name="one"), dict(id=2, name="two")])
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            paths = os.path.join(folder, "truth.json"), os.path.join(folder, "results.json")
            for path, value in zip(paths, (truth, results)):
                with open(path, "w") as f:
                    json.dump(value, f)
            case = dict(name=f"{kind}{suffix}_{seed}", iou_type=kind, **answer(kind, *paths), truth=truth, results=results)
        lines.append(json.dumps(case))
        if seed == 0 and not suffix:
            write_files(f"{sys.argv[1]}/{'masks' if kind == 'segm' else kind}", truth, results)
            print(kind, "AP", float.fromhex(case["stats"][0]))
    with open(f"{sys.argv[1]}/coco_shape_cases.json", "w") as f:
        f.write("[" + ",\n".join(lines) + "]\n")
    print(len(lines), "cases")


if __name__ == "__main__":
    main()
