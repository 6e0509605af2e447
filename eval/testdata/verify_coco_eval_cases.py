#!/usr/bin/env python3
"""Recomputes coco_eval_cases.json with pycocotools and reports differences. Needs pycocotools 2.0.

usage: verify_coco_eval_cases.py coco_eval_cases.json
"""
import contextlib
import hashlib
import io
import json
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def run(case):
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=i) for i in case["images"]], categories=[dict(id=c, name=str(c)) for c in case["categories"]],
        annotations=[dict(id=a[0], image_id=a[1], category_id=a[2], bbox=a[3:7], area=a[7], iscrowd=a[8]) for a in case["annotations"]])
    truth.createIndex()
    results = [dict(image_id=d[0], category_id=d[1], bbox=d[2:6], score=d[6]) for d in case["detections"]]
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    answer = dict(stats=[float(x).hex() for x in evaluation.stats])
    for name in ("precision", "recall", "scores"):
        array = np.ascontiguousarray(evaluation.eval[name], dtype="<f8")
        answer[name + "_sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
    return answer


def main():
    with open(sys.argv[1]) as f:
        cases = json.load(f)
    wrong = 0
    for case in cases:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = run(case)
        for name, value in answer.items():
            if case[name] != value:
                wrong += 1
                print(case["name"], name, "differs")
    print(len(cases), "cases,", wrong, "differences")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
