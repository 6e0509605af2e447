#!/usr/bin/env python3
"""Fails each listing, stat, open, read and mmap of `inspect` in a folder of labelled images once, for each format.

A file that cannot be read, examined or listed for a moment may not be left out: the program must print what it prints
without the fault, or end with an error that names the folder and the cause.

usage: folder_faults_test.py INSPECT LIBRARY

LIBRARY is //tools/campaign:libfault_injection.so.
"""

import errno
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

WIDTH, HEIGHT = 64, 48
CALLS = ("list", "stat", "open", "read", "mmap")
CAUSE = os.strerror(errno.EIO)


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def png(seed):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * seed + 7 * y) % 256 for x in range(3 * WIDTH)) for y in range(HEIGHT))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def voc(folder):
    """Two parts, in both of which there is one image, which is a leak, and a run with an image that no run writes."""
    xml = ("<annotation><filename>%d.png</filename><size><width>%d</width><height>%d</height><depth>3</depth></size>"
           "<object><name>cat</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>")
    for part, images in (("train", (1, 2)), ("test", (2, 3))):
        for i in images:
            write(folder, "%s/%d.png" % (part, i), png(i))
            write(folder, "%s/%d.xml" % (part, i), xml % (i, WIDTH, HEIGHT))
    write(folder, "runs/one/experiment.textproto", "")
    write(folder, "runs/one/split/train.txt", "")
    write(folder, "runs/one/more/4.png", png(4))


def yolo(folder):
    for i, part in enumerate(("train", "test"), 1):
        write(folder, "images/%s/%d.png" % (part, i), png(i))
        write(folder, "labels/%s/%d.txt" % (part, i), "%d 0.5 0.5 0.4 0.4\n" % (i - 1))
    write(folder, "data.yaml", "names: [cat, dog]\ntrain: images/train\ntest: images/test\n")


def coco(folder):
    for i in (1, 2):
        write(folder, "images/%d.png" % i, png(i))
    write(folder, "instances.json", json.dumps({
        "images": [{"id": i, "file_name": "%d.png" % i, "width": WIDTH, "height": HEIGHT} for i in (1, 2)],
        "annotations": [{"id": i, "image_id": i, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 0} for i in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}]}))


def labelme(folder):
    for i in (1, 2):
        write(folder, "%d.png" % i, png(i))
        write(folder, "%d.json" % i, json.dumps({
            "version": "5.0.1", "flags": {}, "imagePath": "%d.png" % i, "imageData": None, "imageWidth": WIDTH, "imageHeight": HEIGHT,
            "shapes": [{"label": "cat", "points": [[5, 6], [30, 40]], "shape_type": "rectangle", "flags": {}}]}))


def csv(folder):
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for i in (1, 2):
        write(folder, "images/%d.png" % i, png(i))
        lines.append("%d.png,%d,%d,cat,5,6,30,40" % (i, WIDTH, HEIGHT))
    write(folder, "objects.csv", "\n".join(lines) + "\n")


def cvat(folder):
    images = ""
    for i in (1, 2):
        write(folder, "images/%d.png" % i, png(i))
        images += ('<image id="%d" name="%d.png" width="%d" height="%d"><box label="cat" xtl="5" ytl="6" xbr="30" ybr="40"/></image>' %
                   (i, i, WIDTH, HEIGHT))
    write(folder, "annotations.xml", "<annotations><version>1.1</version><meta><task><labels><label><name>cat</name></label></labels>"
          "</task></meta>%s</annotations>" % images)


FORMATS = (voc, yolo, coco, labelme, csv, cvat)


def run(inspect, library, folder, scratch, call="none", nth=0):
    """Returns the exit code, both streams, and how many calls of each kind were made."""
    counts = os.path.join(scratch, "counts")
    # Hashes of images that are known are not computed.
    cache = tempfile.mkdtemp(dir=scratch)
    environment = {
        **os.environ, "LD_PRELOAD": library, "RCNN_FAULT_UNDER": folder, "RCNN_FAULT_CALL": call, "RCNN_FAULT_NTH": str(nth),
        "RCNN_FAULT_ERROR": str(errno.EIO), "RCNN_FAULT_COUNTS": counts, "XDG_CACHE_HOME": cache}
    done = subprocess.run([inspect, folder, "--contact_sheet=", "--decode_images"], env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    with open(counts) as file:
        numbers = {name: int(number) for name, number in (line.split() for line in file)}
    return done.returncode, done.stdout, done.stderr, numbers


def problem(expected, folder, code, output, errors):
    """What is wrong with a run in which a call failed; None if nothing is."""
    if code == 0:
        return None if output == expected else "went on, and printed something else"
    error = errors[errors.find("error: "):] if "error: " in errors else ""
    if code == 1 and CAUSE in error and folder in error:
        return None
    return "ended with %d, and without an error that names the folder and the cause" % code


def main():
    inspect, library = map(os.path.abspath, sys.argv[1:])
    failures = faults = 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as scratch:
        for make in FORMATS:
            folder = os.path.join(scratch, make.__name__)
            make(folder)
            code, expected, errors, counts = run(inspect, library, folder, scratch)
            assert code == 0 and ": %s, " % make.__name__ in expected, (make.__name__, code, expected, errors)
            assert counts["list"] > 0 and counts["stat"] > 0, counts
            assert make is not voc or ("\nleaks        1\n" in expected and "runs/one holds a run" in expected), expected
            for call in CALLS:
                for nth in range(1, counts[call] + 1):
                    code, output, errors, numbers = run(inspect, library, folder, scratch, call, nth)
                    # An earlier call of another thread may have been the one.
                    faults += numbers["failed"]
                    found = problem(expected, folder, code, output, errors)
                    if found:
                        failures += 1
                        print("FAILED: %s: %s number %d: %s:\n%s%s" % (make.__name__, call, nth, found, output, errors))
    print("%d faults, %d failures" % (faults, failures))
    sys.exit(failures > 0 or faults == 0)


if __name__ == "__main__":
    main()
