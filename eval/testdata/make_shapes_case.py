#!/usr/bin/env python3
"""Draws a handful of images of shapes, with annotations and the detections of an imagined detector.

usage: make_shapes_case.py OUT_DIR

Needs Python alone, and always writes the same bytes of pixels and JSON. Used by the tests of eval/, whose images, annotations
and detections are what it wrote.
"""
import json
import os
import random
import struct
import sys
import zlib

WIDTH, HEIGHT, COUNT = 160, 128, 6
NAMES = ["disc", "square", "triangle"]
COLOURS = [(196, 78, 82), (85, 168, 104), (76, 114, 176), (221, 132, 82), (129, 114, 179), (204, 185, 116)]


def inside(shape, x, y, box):
    """Whether pixel centre (x, y) lies in the shape that fills the box (left, top, size)."""
    u, v = (x + 0.5 - box[0]) / box[2], (y + 0.5 - box[1]) / box[2]
    if not (0 <= u <= 1 and 0 <= v <= 1):
        return False
    if shape == 0:
        return (u - 0.5) ** 2 + (v - 0.5) ** 2 <= 0.25
    if shape == 1:
        return True
    return abs(u - 0.5) <= v / 2


def draw(objects, ground, colours):
    rows = []
    for y in range(HEIGHT):
        row = bytearray([0])
        for x in range(WIDTH):
            pixel = tuple(c + (x * 30 // WIDTH) + (y * 30 // HEIGHT) for c in ground)
            for (shape, box), colour in zip(objects, colours):
                if inside(shape, x, y, box):
                    pixel = colour
            row += bytes(pixel)
        rows.append(bytes(row))
    return b"".join(rows)


def write_png(path, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def place(rng):
    """Boxes that overlap little."""
    boxes = []
    for _ in range(200):
        size = rng.randint(16, 60)
        box = (rng.randint(0, WIDTH - size), rng.randint(0, HEIGHT - size), size)
        gap = all(abs(box[0] + box[2] / 2 - b[0] - b[2] / 2) > (box[2] + b[2]) * 0.4 or
                  abs(box[1] + box[2] / 2 - b[1] - b[2] / 2) > (box[2] + b[2]) * 0.4 for b in boxes)
        if gap:
            boxes.append(box)
        if len(boxes) == 4:
            break
    return boxes


def make_detections(rng, image_id, objects):
    found = []
    for shape, (x, y, size) in objects:
        if rng.random() < 0.12:
            continue
        jitter = [rng.uniform(-0.06, 0.06) * size for _ in range(4)]
        label = shape if rng.random() > 0.1 else (shape + 1) % 3
        found.append(dict(image_id=image_id, category_id=label + 1, score=round(rng.uniform(0.6, 0.99), 3),
                          bbox=[round(v, 2) for v in (x + jitter[0], y + jitter[1], size + jitter[2], size + jitter[3])]))
    if rng.random() < 0.5:
        found.append(dict(image_id=image_id, category_id=rng.randint(1, 3), score=round(rng.uniform(0.3, 0.7), 3),
                          bbox=[rng.randint(0, 100), rng.randint(0, 80), 30, 30]))
    return found


def main():
    out = sys.argv[1]
    os.makedirs(os.path.join(out, "images"), exist_ok=True)
    rng = random.Random(20150604)
    images, annotations, detections = [], [], []
    for i in range(COUNT):
        image_id, name = i + 1, f"shapes_{i + 1}.png"
        objects = [(rng.randrange(3), box) for box in place(rng)]
        ground = tuple(rng.randint(30, 190) for _ in range(3))
        write_png(os.path.join(out, "images", name), draw(objects, ground, rng.sample(COLOURS, 4)))
        images.append(dict(id=image_id, width=WIDTH, height=HEIGHT, file_name=name))
        for shape, (x, y, size) in objects:
            annotations.append(dict(id=len(annotations) + 1, image_id=image_id, category_id=shape + 1, bbox=[x, y, size, size],
                                    area=size * size, iscrowd=0))
        detections += make_detections(rng, image_id, objects)
    truth = dict(images=images, annotations=annotations, categories=[dict(id=k + 1, name=n) for k, n in enumerate(NAMES)])
    for name, value in (("instances.json", truth), ("detections.json", detections)):
        with open(os.path.join(out, name), "w") as f:
            json.dump(value, f, indent=0)
            f.write("\n")


if __name__ == "__main__":
    main()
