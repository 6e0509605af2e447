#!/usr/bin/env python3
"""Writes one tiny dataset for each layout that recognition knows, below testdata/folders.

Every folder annotates the same objects on the same images and has expected.txt: a line
`PART IMAGE CLASS X1 Y1 X2 Y2` for each object and `PART IMAGE` for an image without any, sorted.

  data/sources/testdata/make_folders.py
"""

import json
import os
import random
import shutil
import struct
import zlib

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "folders")
CLASSES = ["cat", "dog"]
SIZES = {"a": (32, 24), "b": (40, 30), "c": (24, 32), "d": (32, 32)}
OBJECTS = {
    "a": [("cat", 4, 6, 20, 18), ("dog", 10, 3, 30, 20)],
    "b": [("cat", 0, 0, 40, 30)],
    "c": [("dog", 6, 8, 18, 24)],
    "d": [],
}
PARTS = {"a": "train", "b": "train", "d": "train", "c": "test"}


def png(name):
    """Grey noise of the image's size, as a PNG file."""
    width, height = SIZES[name]
    draw = random.Random(name)
    rows = b"".join(b"\0" + bytes(draw.randrange(256) for _ in range(width)) for _ in range(height))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


class Folder:
    def __init__(self, name):
        self.root = os.path.join(HERE, name)
        self.expected = []

    def write(self, path, content):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def image(self, path, part, name, called, annotated=True):
        """`called`: the dataset's name of the image."""
        self.write(path, png(name))
        if not annotated:
            return
        lines = [f"{part} {called} {label} {x1} {y1} {x2} {y2}" for label, x1, y1, x2, y2 in OBJECTS[name]]
        self.expected += lines or [f"{part} {called}"]

    def done(self):
        self.write("expected.txt", "\n".join(sorted(self.expected)) + "\n")


def voc(name):
    width, height = SIZES[name]
    objects = "".join(
        f"<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>\n" for label, x1, y1, x2, y2 in OBJECTS[name])
    return (f"<annotation><filename>{name}.png</filename><size><width>{width}</width><height>{height}</height>"
            f"<depth>3</depth></size>\n{objects}</annotation>\n")


def yolo(name, polygon=False):
    width, height = SIZES[name]
    lines = []
    for label, x1, y1, x2, y2 in OBJECTS[name]:
        number = CLASSES.index(label)
        if polygon:
            corners = [(x1, (y1 + y2) / 2), ((x1 + x2) / 2, y1), (x2, (y1 + y2) / 2), ((x1 + x2) / 2, y2)]
            values = [v for x, y in corners for v in (x / width, y / height)]
        else:
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
        lines.append(" ".join([str(number)] + [f"{value:.9g}" for value in values]))
    return "".join(line + "\n" for line in lines)


def coco(names, prefix=""):
    images, annotations = [], []
    for name in names:
        width, height = SIZES[name]
        images.append({"id": len(images) + 1, "file_name": prefix + name + ".png", "width": width, "height": height})
        for label, x1, y1, x2, y2 in OBJECTS[name]:
            annotations.append({"id": len(annotations) + 1, "image_id": len(images),
                                "category_id": CLASSES.index(label) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1],
                                "area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "segmentation": []})
    categories = [{"id": i + 1, "name": name, "supercategory": "pet"} for i, name in enumerate(CLASSES)]
    return json.dumps({"info": {}, "licenses": [], "categories": categories, "images": images,
                       "annotations": annotations})


def labelme(name, image_path):
    width, height = SIZES[name]
    shapes = []
    for i, (label, x1, y1, x2, y2) in enumerate(OBJECTS[name]):
        if i == 0:
            points, kind = [[x2, y1], [x1, y2]], "rectangle"
        else:
            points, kind = [[x1, y1], [x2, (y1 + y2) / 2], [(x1 + x2) / 2, y2]], "polygon"
        shapes.append({"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}})
    return json.dumps({"version": "5.2.1", "flags": {}, "shapes": shapes, "imagePath": image_path,
                       "imageData": None, "imageHeight": height, "imageWidth": width}, indent=2)


def cvat(names, subsets, prefix=""):
    labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
    images = ""
    for number, name in enumerate(names):
        width, height = SIZES[name]
        subset = f' subset="{subsets[name]}"' if subsets else ""
        boxes = "".join(
            f'<box label="{label}" occluded="0" xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">'
            "</box>\n" for label, x1, y1, x2, y2 in OBJECTS[name])
        images += (f'<image id="{number}" name="{prefix}{name}.png"{subset} width="{width}" height="{height}">\n'
                   f"{boxes}</image>\n")
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><labels>{labels}'
            f"</labels></task></meta>\n{images}</annotations>\n")


def csv(names, header, order=None):
    columns = order or ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
    lines = [",".join(columns)] if header else []
    for name in names:
        width, height = SIZES[name]
        for label, x1, y1, x2, y2 in OBJECTS[name]:
            row = {"filename": name + ".png", "width": width, "height": height, "class": label, "xmin": x1,
                   "ymin": y1, "xmax": x2, "ymax": y2}
            lines.append(",".join(str(row[column]) for column in columns))
    return "".join(line + "\n" for line in lines)


def make_voc():
    folder = Folder("voc_devkit")
    for name, part in PARTS.items():
        folder.image(f"JPEGImages/{name}.png", part, name, name)
        folder.write(f"Annotations/{name}.xml", voc(name))
    folder.write("ImageSets/Main/train.txt", "a\nb\nd\n")
    folder.write("ImageSets/Main/test.txt", "c\n")
    folder.write("ImageSets/Main/cat_train.txt", "a  1\nb  1\nd -1\n")
    folder.done()
    for layout, images, annotations in (("voc_beside", "", ""), ("voc_apart", "images/", "annotations/"),
                                        ("voc_data_labels", "data/", "labels/")):
        folder = Folder(layout)
        for name in PARTS:
            folder.image(f"{images}{name}.png", "all", name, name)
            folder.write(f"{annotations}{name}.xml", voc(name))
        folder.done()
    folder = Folder("voc_parts")
    for name, part in PARTS.items():
        folder.image(f"{part}/{name}.png", part, name, name)
        folder.write(f"{part}/{name}.xml", voc(name))
    folder.done()


def make_coco():
    folder = Folder("coco_one_file")
    for name in PARTS:
        folder.image(f"images/{name}.png", "all", name, name + ".png")
    folder.write("annotations.json", coco(PARTS))
    folder.done()
    folder = Folder("coco_parts")
    for name, part in PARTS.items():
        folder.image(f"{part}2017/{name}.png", part, name, name + ".png")
    for part in ("train", "test"):
        folder.write(f"annotations/instances_{part}2017.json", coco([n for n in PARTS if PARTS[n] == part]))
        folder.write(f"annotations/person_keypoints_{part}2017.json", coco([n for n in PARTS if PARTS[n] == part]))
    folder.done()
    folder = Folder("coco_roboflow")
    for name, part in PARTS.items():
        folder.image(f"{part}/{name}.png", part, name, name + ".png")
    for part in ("train", "test"):
        folder.write(f"{part}/_annotations.coco.json", coco([n for n in PARTS if PARTS[n] == part]))
    folder.write("README.roboflow.txt", "Exported from Roboflow.\n")
    folder.done()


def make_yolo():
    names = ", ".join(repr(name) for name in CLASSES)
    folder = Folder("yolo_roboflow")
    for name, part in PARTS.items():
        folder.image(f"{part}/images/{name}.png", part, name, name + ".png")
        folder.write(f"{part}/labels/{name}.txt", yolo(name))
    folder.write("data.yaml", f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: [{names}]\n")
    folder.write("README.dataset.txt", "A dataset.\n")
    folder.done()
    folder = Folder("yolo_ultralytics")
    for name, part in PARTS.items():
        folder.image(f"images/{part}/{name}.png", part, name, name + ".png")
        if OBJECTS[name]:
            folder.write(f"labels/{part}/{name}.txt", yolo(name))
    folder.write("pets.yaml", "path: /home/me/datasets/pets\ntrain: images/train\nval: images/train\ntest: images/test\n"
                 "names:\n  0: cat\n  1: dog\n")
    folder.done()
    folder = Folder("yolo_beside")
    for name in PARTS:
        folder.image(f"{name}.png", "all", name, name + ".png")
        folder.write(f"{name}.txt", yolo(name))
    folder.write("classes.txt", "cat\ndog\n")
    folder.done()
    folder = Folder("yolo_darknet")
    for name, part in PARTS.items():
        folder.image(f"obj_train_data/{name}.png", part, name, name + ".png")
        folder.write(f"obj_train_data/{name}.txt", yolo(name))
    for part in ("train", "test"):
        folder.write(f"{part}.txt", "".join(f"data/obj_train_data/{n}.png\n" for n in PARTS if PARTS[n] == part))
    folder.write("obj.names", "cat\ndog\n")
    folder.write("obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")
    folder.done()
    folder = Folder("yolo_polygons")
    for name, part in PARTS.items():
        folder.image(f"{part}/images/{name}.png", part, name, name + ".png")
        folder.write(f"{part}/labels/{name}.txt", yolo(name, polygon=True))
    folder.write("data.yaml", f"train: train/images\ntest: test/images\nnames: [{names}]\n")
    folder.done()


def make_labelme():
    folder = Folder("labelme_beside")
    for name in PARTS:
        folder.image(f"{name}.png", "all", name, name + ".png")
        folder.write(f"{name}.json", labelme(name, name + ".png"))
    folder.image("e.png", "all", "a", "e.png", annotated=False)
    folder.done()
    folder = Folder("labelme_apart")
    for name, part in PARTS.items():
        folder.image(f"images/{part}/{name}.png", part, name, name + ".png")
        folder.write(f"labels/{part}/{name}.json", labelme(name, f"..\\..\\images\\{part}\\{name}.png"))
    folder.done()


def make_cvat():
    folder = Folder("cvat_subsets")
    for name, part in PARTS.items():
        folder.image(f"images/{part}/{name}.png", part, name, f"images/{part}/{name}.png")
    folder.write("annotations.xml", cvat(PARTS, {name: part.capitalize() for name, part in PARTS.items()}))
    folder.done()
    folder = Folder("cvat_one")
    for name in PARTS:
        folder.image(f"images/{name}.png", "all", name, f"images/{name}.png")
    folder.write("annotations.xml", cvat(PARTS, None, "camera/"))
    folder.done()


def make_csv():
    annotated = [name for name in PARTS if OBJECTS[name]]
    folder = Folder("csv_one_file")
    for name in PARTS:
        folder.image(f"{name}.png", "all", name, name + ".png", annotated=name in annotated)
    folder.write("annotations.csv", csv(annotated, header=True))
    folder.done()
    folder = Folder("csv_parts")
    for name, part in PARTS.items():
        folder.image(f"images/{part}/{name}.png", part, name, f"images/{part}/{name}.png", annotated=name in annotated)
    for part in ("train", "test"):
        folder.write(f"data/{part}_labels.csv",
                     csv([n for n in annotated if PARTS[n] == part], header=True,
                         order=["class", "xmax", "filename", "ymax", "xmin", "ymin", "width", "height"]))
    folder.done()
    folder = Folder("csv_no_header")
    for name in annotated:
        folder.image(f"{name}.png", "all", name, name + ".png")
    folder.write("boxes.csv", csv(annotated, header=False))
    folder.done()


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    make_voc()
    make_coco()
    make_yolo()
    make_labelme()
    make_cvat()
    make_csv()


if __name__ == "__main__":
    main()
