#!/usr/bin/env python3
"""Lets other programs write a dataset in their formats, reads each folder, and compares.

    python3 -m venv VENV && VENV/bin/pip install globox==2.9.0 supervision datumaro
    ./bazelw build //data:write_dataset
    VENV/bin/python data/testing/compare_formats.py bazel-bin/data/write_dataset [VOC_FOLDER]

The images and objects are those of a folder in the VOC layout with the list "test": by default of the one that
RCNN_BCCD names. They are written as COCO, read by the libraries, and written again by them. Each folder is then
recognised and read by write_dataset, and must have the same objects: equal classes, and corners that differ by no more
than the digits of the format. Exits with 1 if one differs.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

# What a format's text can lose, in pixels of an image of 640 x 480: supervision writes fractions with 5 digits.
DIGITS = {"yolo": 0.02}
EXACT = 1e-3


def write_coco(program, dataset, folder, split):
    """Returns the annotations that write_dataset reads from `dataset`."""
    result = subprocess.run([program, f"--dataset={dataset}", "--format=coco", f"--out={folder}", f"--split={split}"],
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    with open(os.path.join(folder, split + ".json"), encoding="utf-8") as file:
        return json.load(file)


def objects(coco):
    """From the stem of an image to its objects, (class, x1, y1, x2, y2), sorted."""
    names = {category["id"]: category["name"] for category in coco["categories"]}
    stems = {image["id"]: os.path.splitext(os.path.basename(image["file_name"]))[0] for image in coco["images"]}
    found = {stem: [] for stem in stems.values()}
    for annotation in coco["annotations"]:
        x, y, width, height = annotation["bbox"]
        found[stems[annotation["image_id"]]].append((names[annotation["category_id"]], x, y, x + width, y + height))
    return {stem: sorted(boxes) for stem, boxes in found.items()}


def difference(expected, found):
    """The largest difference of two corners; an error if images, classes or numbers of objects differ."""
    missing = [stem for stem in expected if expected[stem] and stem not in found]
    if missing:
        raise RuntimeError(f"{len(missing)} images are missing, such as {missing[0]}")
    largest = 0
    for stem, boxes in expected.items():
        others = list(found.get(stem, []))
        if len(others) != len(boxes):
            raise RuntimeError(f"{stem}: {len(others)} objects, not {len(boxes)}")
        for box in boxes:
            same = [other for other in others if other[0] == box[0]]
            if not same:
                raise RuntimeError(f"{stem}: no other {box[0]}")
            best = min(same, key=lambda other: max(abs(a - b) for a, b in zip(box[1:], other[1:])))
            largest = max(largest, max(abs(a - b) for a, b in zip(box[1:], best[1:])))
            others.remove(best)
    return largest


class Source:
    """The dataset as COCO: FOLDER/all.json and FOLDER/all/NAME.png."""

    def __init__(self, folder, coco):
        self.file = os.path.join(folder, "all.json")
        self.images = os.path.join(folder, "all")
        self.coco = coco
        self.classes = [category["name"] for category in sorted(coco["categories"], key=lambda c: c["id"])]

    def copy_images(self, folder):
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(self.images):
            os.link(os.path.join(self.images, name), os.path.join(folder, name))


def globox_writers(source):
    import globox

    annotations = globox.AnnotationSet.from_coco(source.file)
    numbers = {name: i for i, name in enumerate(source.classes)}

    def voc(folder):
        source.copy_images(os.path.join(folder, "images"))
        annotations.save_pascal_voc(os.path.join(folder, "annotations"))

    def yolo(folder):
        source.copy_images(folder)
        annotations.save_yolo_darknet(folder, label_to_id=numbers)
        with open(os.path.join(folder, "obj.names"), "w", encoding="utf-8") as file:
            file.writelines(name + "\n" for name in source.classes)

    def yolo_v5(folder):
        source.copy_images(os.path.join(folder, "images", "train"))
        os.makedirs(os.path.join(folder, "labels"))
        annotations.save_yolo_v5(os.path.join(folder, "labels", "train"), label_to_id=numbers)
        with open(os.path.join(folder, "data.yaml"), "w", encoding="utf-8") as file:
            file.write(f"path: {folder}\ntrain: images/train\nnames: {source.classes}\n")

    def labelme(folder):
        source.copy_images(folder)
        annotations.save_labelme(folder)

    def cvat(folder):
        source.copy_images(os.path.join(folder, "images"))
        annotations.save_cvat(os.path.join(folder, "annotations.xml"))

    def coco(folder):
        source.copy_images(os.path.join(folder, "train"))
        annotations.save_coco(os.path.join(folder, "train.json"), auto_ids=True)

    def csv(folder):
        source.copy_images(folder)
        with open(os.path.join(folder, "labels.csv"), "w", encoding="utf-8") as file:
            file.write("filename,width,height,class,xmin,ymin,xmax,ymax\n")
            for annotation in annotations:
                for box in annotation.boxes:
                    file.write(f"{annotation.image_id},{annotation.image_width},{annotation.image_height},{box.label},"
                               f"{box.xmin},{box.ymin},{box.xmax},{box.ymax}\n")

    return {"voc": voc, "yolo darknet": yolo, "yolo v5": yolo_v5, "labelme": labelme, "cvat": cvat, "coco": coco,
            "csv": csv}


def supervision_writers(source):
    import supervision

    dataset = supervision.DetectionDataset.from_coco(source.images, source.file)

    def voc(folder):
        dataset.as_pascal_voc(os.path.join(folder, "images"), os.path.join(folder, "annotations"))

    def yolo(folder):
        dataset.as_yolo(os.path.join(folder, "train/images"), os.path.join(folder, "train/labels"),
                        os.path.join(folder, "data.yaml"))

    def coco(folder):
        dataset.as_coco(os.path.join(folder, "train"), os.path.join(folder, "train/_annotations.coco.json"))

    def labelme(folder):
        dataset.as_labelme(os.path.join(folder, "images"), os.path.join(folder, "labels"))

    writers = {"voc": voc, "yolo": yolo, "coco": coco}
    if hasattr(dataset, "as_labelme"):
        writers["labelme"] = labelme
    return writers


def datumaro_writers(source, folder):
    import datumaro

    # Its importer wants COCO's own folders.
    layout = os.path.join(folder, "datumaro_source")
    os.makedirs(os.path.join(layout, "annotations"))
    shutil.copy(source.file, os.path.join(layout, "annotations", "instances_train.json"))
    source.copy_images(os.path.join(layout, "images", "train"))
    dataset = datumaro.Dataset.import_from(layout, "coco_instances")

    def writer(name):
        return lambda out: dataset.export(out, name, save_media=True)

    def yolo_ultralytics(out):
        # It wants two parts.
        parts = datumaro.Dataset.import_from(layout, "coco_instances")
        parts.transform("random_split", splits=[("train", 0.5), ("val", 0.5)])
        parts.export(out, "yolo_ultralytics", save_media=True)

    writers = {name: writer(name) for name in ("voc_detection", "coco_instances", "yolo", "cvat")}
    writers["yolo_ultralytics"] = yolo_ultralytics
    return writers


def check(program, source, expected, library, name, write, scratch):
    """Writes, reads and compares one folder. Returns whether it is equal."""
    folder = os.path.join(scratch, f"{library}_{name}".replace(" ", "_"))
    os.makedirs(folder)
    try:
        write(folder)
    except Exception as error:  # the library may raise anything
        traceback.print_exc()
        print(f"{library:12} {name:18} not written: {error}")
        return False
    try:
        largest = difference(expected, objects(write_coco(program, folder, folder + "_read", "all")))
    except RuntimeError as error:
        print(f"{library:12} {name:18} WRONG: {error}")
        return False
    good = largest <= DIGITS.get(name.split()[0].split("_")[0], EXACT)
    count = sum(len(boxes) for boxes in expected.values())
    print(f"{library:12} {name:18} {'equal' if good else 'WRONG'}: {count} objects, corners within {largest:.5f} pixels")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("write_dataset")
    parser.add_argument("voc", nargs="?", default=os.environ.get("RCNN_BCCD"))
    parser.add_argument("--keep", help="a folder for the written files; default: a temporary one")
    arguments = parser.parse_args()
    if not arguments.voc:
        parser.error("name a folder in the VOC layout, or set RCNN_BCCD")
    program = os.path.abspath(arguments.write_dataset)
    scratch = arguments.keep or tempfile.mkdtemp()
    os.makedirs(scratch, exist_ok=True)
    first = os.path.join(scratch, "source")
    source = Source(first, write_coco(program, f"voc:{os.path.abspath(arguments.voc)}:test", first, "all"))
    expected = objects(source.coco)
    results = collections.Counter()
    for library, writers in (("globox", globox_writers(source)), ("supervision", supervision_writers(source)),
                             ("datumaro", datumaro_writers(source, scratch))):
        for name, write in writers.items():
            results[check(program, source, expected, library, name, write, scratch)] += 1
    if not arguments.keep:
        shutil.rmtree(scratch)
    print(f"{results[True]} equal, {results[False]} not")
    sys.exit(1 if results[False] else 0)


if __name__ == "__main__":
    main()
