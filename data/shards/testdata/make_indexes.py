#!/usr/bin/env python3
"""Writes the indexes of this folder, from which the fuzz target starts.

    data/shards/testdata/make_indexes.py
"""

import copy
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent

HEADER = {
    "format": "rcnn shards 1",
    "name": "train",
    "fingerprint": "00112233445566778899aabbccddeeff",
    "images": 2,
    "classes": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}],
    "shards": [
        {"file": "train-00000-of-00002.tar", "size": 3072, "crc32c": 17, "images": 1},
        {"file": "train-00001-of-00002.tar", "size": 2560, "crc32c": 18, "images": 1},
    ],
}
OBJECT = {"id": 1, "category": "cat", "bbox": [0.5, 1, 20, 30.25], "area": 605, "iscrowd": 1, "difficult": 1}
IMAGES = [
    {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48, "objects": [OBJECT], "shard": 0, "offset": 512,
     "size": 900, "crc32c": 3},
    {"id": 9, "file_name": "sub/b.png", "width": 48, "height": 64, "orientation": 6, "exif_applied": 1, "objects": [],
     "shard": 1, "offset": 512, "size": 100, "crc32c": 4294967295},
]


def write(name, header, images):
    """Writes an index of these lines."""
    lines = [json.dumps(line) + "\n" for line in [header] + images]
    (FOLDER / (name + ".shards.jsonl")).write_text("".join(lines))


def changed(index, **fields):
    """Returns the images with fields of one of them replaced."""
    images = copy.deepcopy(IMAGES)
    images[index].update(fields)
    return images


def main():
    write("whole", HEADER, IMAGES)
    write("beyond_the_end", HEADER, changed(1, offset=9223372036854775807))
    write("duplicate", HEADER, changed(1, file_name="a.jpg"))
    write("missing_image", HEADER, IMAGES[:1])
    write("unsafe_name", HEADER, changed(0, file_name="../a.jpg"))
    write("huge_count", dict(HEADER, images=2 ** 62), IMAGES)
    (FOLDER / "not_json.shards.jsonl").write_text("{\"format\": \"rcnn shards 1\", \"images\": [[[[\n")


if __name__ == "__main__":
    main()
