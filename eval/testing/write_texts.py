"""Writes the detections of a COCO results file as VOC, YOLO and CSV text.

Usage: write_texts.py FOLDER OUT. FOLDER has instances.json and detections.json; OUT gets voc/, yolo/ and found.csv.
"""

import json
import os
import sys


def main(folder, out):
    with open(f"{folder}/instances.json", encoding="utf-8") as file:
        truth = json.load(file)
    with open(f"{folder}/detections.json", encoding="utf-8") as file:
        found = json.load(file)
    images = {image["id"]: image for image in truth["images"]}
    classes = {c["id"]: c["name"] for c in truth["categories"]}
    numbers = {c: i for i, c in enumerate(sorted(classes))}
    os.makedirs(f"{out}/voc")
    os.makedirs(f"{out}/yolo")
    lines = {f"voc/comp4_det_test_{name}.txt": [] for name in classes.values()}
    lines["found.csv"] = ["image,class,xmin,ymin,xmax,ymax,score"]
    for d in found:
        image, (x, y, w, h) = images[d["image_id"]], d["bbox"]
        stem, name, score = os.path.splitext(image["file_name"])[0], classes[d["category_id"]], d["score"]
        lines[f"voc/comp4_det_test_{name}.txt"].append(f"{stem} {score} {x + 1} {y + 1} {x + w} {y + h}")
        lines.setdefault(f"yolo/{stem}.txt", []).append(
            f"{numbers[d['category_id']]} {(x + w / 2) / image['width']} {(y + h / 2) / image['height']} "
            f"{w / image['width']} {h / image['height']} {score}")
        lines["found.csv"].append(f"{stem},{name},{x},{y},{x + w},{y + h},{score}")
    for name, text in lines.items():
        with open(f"{out}/{name}", "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in text)


if __name__ == "__main__":
    main(*sys.argv[1:])
