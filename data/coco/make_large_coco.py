#!/usr/bin/env python3
"""Writes a COCO instances file of the size of train2017: 118,000 images, 860,000 annotations with polygons.

    make_large_coco.py OUT.json [IMAGES ANNOTATIONS] [--boxes]

--boxes leaves the polygons out. The same arguments give the same file. It takes about a minute.
"""

import argparse
import random


def polygon(rng, x, y, width, height):
    points = rng.randint(8, 32)
    return ", ".join(f"{x + rng.random() * width:.2f}, {y + rng.random() * height:.2f}" for _ in range(points))


def annotation(rng, number, image, boxes):
    width, height = 8 + rng.random() * 300, 8 + rng.random() * 200
    x, y = rng.random() * (640 - width), rng.random() * (480 - height)
    crowd = number % 100 == 0
    shape = ""
    if not boxes:
        shape = '{"counts": [272, 2, 4, 4, 4, 4, 2, 9], "size": [480, 640]}' if crowd else f"[[{polygon(rng, x, y, width, height)}]]"
        shape = f'"segmentation": {shape}, '
    return (f'{{{shape}"area": {width * height * 0.6:.4f}, "iscrowd": {int(crowd)}, "image_id": {image}, '
            f'"bbox": [{x:.2f}, {y:.2f}, {width:.2f}, {height:.2f}], "category_id": {rng.randint(1, 80)}, "id": {number}}}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("images", type=int, nargs="?", default=118000)
    parser.add_argument("annotations", type=int, nargs="?", default=860000)
    parser.add_argument("--boxes", action="store_true", help="without polygons")
    arguments = parser.parse_args()
    images, annotations = arguments.images, arguments.annotations
    rng = random.Random(3)
    with open(arguments.out, "w") as file:
        file.write('{"info": {"year": 2017}, "licenses": [{"id": 1, "name": "none"}], "images": [')
        for i in range(images):
            file.write(", " if i else "")
            file.write(f'{{"license": 1, "file_name": "{i * 4 + 9:012d}.jpg", "coco_url": "http://example.org/{i * 4 + 9:012d}.jpg", '
                       f'"height": 480, "width": 640, "date_captured": "2013-11-14 17:02:52", "id": {i * 4 + 9}}}')
        file.write('], "annotations": [')
        for i in range(annotations):
            file.write(", " if i else "")
            file.write(annotation(rng, i + 1, rng.randrange(images) * 4 + 9, arguments.boxes))
        file.write('], "categories": [')
        file.write(", ".join(f'{{"supercategory": "thing", "id": {k}, "name": "class {k}"}}' for k in range(1, 81)))
        file.write("]}")


if __name__ == "__main__":
    main()
