#!/usr/bin/python3
"""Decode, resize and normalise the same images with rcnn and with torchvision; print the ratios.

    ./bazelw build //data/loader:loader_benchmark
    tools/peers/compare_loading_with_torchvision.py --images=FOLDER [--rounds=5]

Both go from a file to a normalised float32 tensor [3, H, W] by the rule of 600 and 1000 pixels. The two alternate, in
rounds; a figure is the median of the rounds, with the lowest and highest. torchvision is measured in the
two ways that people use it, and the faster one is compared with:
  tensor  PIL decodes, ToTensor, then torchvision's GeneralizedRCNNTransform (what its detection models do)
  pil     PIL decodes and resizes 8-bit pixels (antialiased), then ToTensor and Normalize
For two threads torchvision runs two processes, as its data loader does. Needs python3-torchvision.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from concurrent import futures

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
BENCHMARK = "bazel-bin/data/loader/loader_benchmark"


def list_images(folder):
    paths = [p for p in sorted(pathlib.Path(folder).iterdir()) if p.suffix in (".jpg", ".png")]
    return [str(p) for p in paths[:64]]


def target_size(width, height):
    scale = 600 / min(width, height)
    if round(scale * max(width, height)) > 1000:
        scale = 1000 / max(width, height)
    return round(height * scale), round(width * scale)


def load_as_tensor(paths):
    """Seconds per image with GeneralizedRCNNTransform."""
    import torch
    from PIL import Image
    from torchvision.models.detection.transform import GeneralizedRCNNTransform
    from torchvision.transforms import functional

    torch.set_num_threads(1)
    transform = GeneralizedRCNNTransform(600, 1000, MEAN, STD, size_divisible=1)
    start = time.perf_counter()
    with torch.no_grad():
        for path in paths:
            with Image.open(path) as image:
                transform([functional.to_tensor(image.convert("RGB"))])
    return (time.perf_counter() - start) / len(paths)


def load_with_pil(paths):
    """Seconds per image with PIL's resize."""
    import torch
    from PIL import Image
    from torchvision.transforms import functional

    torch.set_num_threads(1)
    start = time.perf_counter()
    with torch.no_grad():
        for path in paths:
            with Image.open(path) as image:
                image = image.convert("RGB")
                height, width = target_size(*image.size)
                resized = image.resize((width, height), Image.BILINEAR)
                functional.normalize(functional.to_tensor(resized), MEAN, STD, inplace=True)
    return (time.perf_counter() - start) / len(paths)


def run_two(pool, work, paths):
    """Seconds per image when two processes share the images."""
    start = time.perf_counter()
    list(pool.map(work, [paths[0::2], paths[1::2]]))
    return (time.perf_counter() - start) / len(paths)


def run_rcnn(folder):
    """Seconds per image of each benchmark."""
    environment = dict(os.environ, RCNN_BENCHMARK_IMAGES=str(pathlib.Path(folder).resolve()))
    output = subprocess.run(
        [BENCHMARK, "--benchmark_format=json", "--benchmark_min_time=0.4"],
        env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    seconds = {}
    for row in json.loads(output)["benchmarks"]:
        if row.get("error_occurred"):
            sys.exit(f"{row['name']}: {row['error_message']}")
        seconds[row["name"]] = 1 / row["items_per_second"]
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", required=True, help="a folder of JPEG or PNG files")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not os.path.exists(BENCHMARK):
        sys.exit(f"{BENCHMARK} is missing: ./bazelw build //data/loader:loader_benchmark")
    paths = list_images(arguments.images)
    if not paths:
        sys.exit(f"{arguments.images}: no .jpg or .png files")

    times = {}
    note = lambda name, value: times.setdefault(name, []).append(1000 * value)
    with futures.ProcessPoolExecutor(2) as pool:
        run_two(pool, load_as_tensor, paths)  # imports and warms up
        load_as_tensor(paths[:4])
        for _ in range(arguments.rounds):
            for name, seconds in run_rcnn(arguments.images).items():
                note("rcnn " + name.replace("/real_time", ""), seconds)
            note("torchvision tensor, 1 process", load_as_tensor(paths))
            note("torchvision pil, 1 process", load_with_pil(paths))
            note("torchvision tensor, 2 processes", run_two(pool, load_as_tensor, paths))
            note("torchvision pil, 2 processes", run_two(pool, load_with_pil, paths))

    print(f"{len(paths)} images of {arguments.images}, {arguments.rounds} rounds, ms per image")
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"  {name:55} {median[name]:8.2f}  ({min(values):.2f} .. {max(values):.2f})")
    one = median["rcnn BM_DecodeResizeNormalise/threads:1"]
    two = median["rcnn BM_DecodeResizeNormalise/threads:2"]
    peer_one = min(median["torchvision tensor, 1 process"], median["torchvision pil, 1 process"])
    peer_two = min(median["torchvision tensor, 2 processes"], median["torchvision pil, 2 processes"])
    print(f"one thread:  rcnn is {peer_one / one:.2f} times as fast as the faster torchvision")
    print(f"two threads: rcnn is {peer_two / two:.2f} times as fast; "
          f"two of its threads do {one / two:.2f} times the work of one")


if __name__ == "__main__":
    main()
