#!/usr/bin/env python3
"""Writes a COCO instances file of the size of train2017: 118,000 images, 860,000 annotations with polygons.

    make_large_coco.py OUT.json [IMAGES ANNOTATIONS]

The same arguments give the same file. It takes about a minute.
"""

import random
import sys


def polygon(rng, x, y, width, height):
    points = rng.randint(8, 32)
    return ", ".join(f"{x + rng.random() * width:.2f}, {y + rng.random() * height:.2f}" for _ in range(points))


def annotation(rng, number, image):
    width, height = 8 + rng.random() * 300, 8 + rng.random() * 200
    x, y = rng.random() * (640 - width), rng.random() * (480 - height)
    crowd = number % 100 == 0
    shape = '{"counts": [272, 2, 4, 4, 4, 4, 2, 9], "size": [480, 640]}' if crowd else f"[[{polygon(rng, x, y, width, height)}]]"
    return (f'{{"segmentation": {shape}, "area": {width * height * 0.6:.4f}, "iscrowd": {int(crowd)}, "image_id": {image}, '
            f'"bbox": [{x:.2f}, {y:.2f}, {width:.2f}, {height:.2f}], "category_id": {rng.randint(1, 80)}, "id": {number}}}')


def main():
    out = sys.argv[1]
    images, annotations = (int(value) for value in sys.argv[2:4]) if len(sys.argv) > 3 else (118000, 860000)
    rng = random.Random(3)
    with open(out, "w") as file:
        file.write('{"info": {"year": 2017}, "licenses": [{"id": 1, "name": "none"}], "images": [')
        for i in range(images):
            file.write(", " if i else "")
            file.write(f'{{"license": 1, "file_name": "{i * 4 + 9:012d}.jpg", "coco_url": "http://example.org/{i * 4 + 9:012d}.jpg", '
                       f'"height": 480, "width": 640, "date_captured": "2013-11-14 17:02:52", "id": {i * 4 + 9}}}')
        file.write('], "annotations": [')
        for i in range(annotations):
            file.write(", " if i else "")
            file.write(annotation(rng, i + 1, rng.randrange(images) * 4 + 9))
        file.write('], "categories": [')
        file.write(", ".join(f'{{"supercategory": "thing", "id": {k}, "name": "class {k}"}}' for k in range(1, 81)))
        file.write("]}")


if __name__ == "__main__":
    main()
