#!/usr/bin/python3
"""Opens a YOLO folder of 100,000 images and compares its images with each other: seconds and memory.

    ./bazelw build //data:inspect
    data/testing/large_folder.py --work=FOLDER_WITH_10_GB

Makes the folder: JPEG files of 640 x 480 pixels with 1,000 different contents, of which every copy has a comment of its own,
so that no two files are equal; a label file for each; nine tenths in train, the rest in valid. Then inspect reads it without
and with a search for images of one source in two parts, which hashes every image, and once more, with the hashes from the
cache. Exit status 1 if a limit is exceeded. Needs Debian's torchvision, which encodes the images. Deletes the folder, unless
--keep is given.
"""
import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(HERE, "tools", "developer"))
import process_cost
CONTENTS = 1000
OBJECTS = 5


def make_contents(count):
    """JPEG files of coarse noise, as bytes without their start-of-image marker."""
    import torch
    import torchvision
    torch.manual_seed(3)
    contents = []
    for _ in range(count):
        coarse = torch.rand(1, 3, 12, 16)
        fine = torch.nn.functional.interpolate(coarse, (480, 640), mode="bilinear")[0]
        pixels = (255 * fine + 8 * torch.randn(3, 480, 640)).clamp(0, 255).byte()
        contents.append(torchvision.io.encode_jpeg(pixels, 80).numpy().tobytes()[2:])
    return contents


def commented(content, number):
    """The JPEG file with a comment, ITU-T T.81 B.2.4.5."""
    comment = b"%08d" % number
    return b"\xff\xd8\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content


def make_folder(folder, images):
    contents = make_contents(min(CONTENTS, images))
    for part in ("train", "valid"):
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(folder, part, kind))
    for i in range(images):
        part = "valid" if i % 10 == 9 else "train"
        with open(os.path.join(folder, part, "images", "%07d.jpg" % i), "wb") as file:
            file.write(commented(contents[i % len(contents)], i))
        with open(os.path.join(folder, part, "labels", "%07d.txt" % i), "w") as file:
            for k in range(OBJECTS):
                file.write("%d %.4f 0.5 0.1 0.2\n" % ((i + k) % 3, 0.1 + 0.15 * k))
    with open(os.path.join(folder, "data.yaml"), "w") as file:
        file.write("train: train/images\nval: valid/images\nnames: [a, b, c]\n")


def run(command, cache):
    """Returns seconds and the largest resident memory in MB."""
    cost = process_cost.require(command, env=dict(os.environ, XDG_CACHE_HOME=cache), stdout=subprocess.DEVNULL)
    return cost.seconds, cost.megabytes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="a folder on a disk with room")
    parser.add_argument("--images", type=int, default=100000)
    parser.add_argument("--most_seconds", type=float, default=20, help="for opening")
    parser.add_argument("--most_hash_seconds", type=float, default=180)
    parser.add_argument("--most_mb", type=float, default=1000)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--inspect", default=os.path.join(HERE, "bazel-bin", "data", "inspect"))
    args = parser.parse_args()

    folder = os.path.join(args.work, "large_yolo")
    cache = os.path.join(args.work, "large_yolo_cache")
    shutil.rmtree(cache, ignore_errors=True)
    if not os.path.exists(folder):
        print("writing %d images ..." % args.images, flush=True)
        shutil.rmtree(folder + ".unfinished", ignore_errors=True)
        make_folder(folder + ".unfinished", args.images)
        os.rename(folder + ".unfinished", folder)
    command = [args.inspect, folder, "--contact_sheet="]
    opened, opened_mb = run(command + ["--noleaks"], cache)
    hashed, hashed_mb = run(command, cache)
    again, _ = run(command, cache)
    print("| %d images | seconds | MB |" % args.images)
    print("| --- | --- | --- |")
    print("| read and described | %.1f | %.0f |" % (opened, opened_mb))
    print("| the same, and hashed and compared | %.1f | %.0f |" % (hashed, hashed_mb))
    print("| the same, with the hashes of before | %.1f | |" % again)
    if not args.keep:
        shutil.rmtree(folder)
        shutil.rmtree(cache, ignore_errors=True)
    good = (opened <= args.most_seconds and hashed - opened <= args.most_hash_seconds
            and max(opened_mb, hashed_mb) <= args.most_mb)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
