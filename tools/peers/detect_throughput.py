#!/usr/bin/env python3
"""Compares `detect` on many images, end to end, with OpenVINO and OpenCV in Python.

    ./bazelw build //tools:detect //tools:convert_weights
    tools/peers/detect_throughput.py [--rounds 5] [--images 100] [--folder FOLDER] [--model resnet50_fpn]

Both sides read JPEG files of 640 x 480, resize and normalise them, run the same network with the same weights, keep detections
above 0.5, draw them on the image enlarged to 800 x 600, and write a JPEG file of quality 92 per image and one JSON file. The
peer is tuned as its guides advise: requests in flight with the hint for throughput, or one with the hint for latency; decoding
and drawing have threads of their own in both. Processes alternate, and each round begins with another kind, which runs on the
first image alone and on all:

    images/s = (images - 1) / (seconds for all - seconds for one)
    start    = seconds for one - 1 / images/s

so neither imports nor compilation count as throughput, and the start has them. A run of rcnn on one image before the first round
fills its cache of packed weights (docs/detecting.md); "rcnn without cache" shows the start without it.

The environment of compare.sh, with opencv-python-headless, is used or made in FOLDER.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import compare_peers

HEIGHT, WIDTH = 480, 640
DRAWN_SIZE = (800, 600)
JPEG_QUALITY = 92
MIN_SCORE = 0.5
OPENCV = "opencv-python-headless==4.11.0.86"
DETECT = f"{compare_peers.ROOT}/bazel-bin/tools/detect"
CONVERT = f"{compare_peers.ROOT}/bazel-bin/tools/convert_weights"
# Kind: name in the table, precision.
RCNN = {"rcnn": ("rcnn", "float32"), "rcnn_bfloat16": ("rcnn bfloat16", "bfloat16")}
PEERS = {
    "throughput": ("OpenVINO, hint THROUGHPUT", "f32"), "latency": ("OpenVINO, hint LATENCY", "f32"),
    "throughput_bfloat16": ("OpenVINO bfloat16, hint THROUGHPUT", "bf16"),
    "latency_bfloat16": ("OpenVINO bfloat16, hint LATENCY", "bf16"),
}


def write_images(folder, count):
    """Smooth colours with the noise of a camera, which compress to about what photographs do. Needs OpenCV."""
    import cv2
    import numpy as np

    os.makedirs(folder, exist_ok=True)
    for i in range(int(count)):
        random = np.random.default_rng(i)
        coarse = random.integers(0, 256, (12, 16, 3)).astype(np.float32)
        image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) + random.normal(0, 6, (HEIGHT, WIDTH, 3))
        cv2.imwrite(f"{folder}/{i:04}.jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])


def export(name, folder):
    """The network for images of 640 x 480. Needs torchvision."""
    import torch

    import time_runtimes
    import time_torchvision

    model, _ = time_torchvision.load(name, folder)
    image = torch.rand((3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
    time_runtimes.export_network(model, image, f"{folder}/throughput.onnx")


class Peer:
    """What a user of OpenVINO and OpenCV writes: threads decode, OpenVINO runs, threads draw."""

    AHEAD = 4

    def __init__(self, kind, folder, output):
        import concurrent.futures

        import cv2
        import openvino

        # Decoding and drawing of one image have one thread; images share the cores.
        cv2.setNumThreads(1)
        self.cv2, self.output, self.results = cv2, output, []
        threads = len(os.sched_getaffinity(0))
        hint = "THROUGHPUT" if kind.startswith("throughput") else "LATENCY"
        model = openvino.Core().compile_model(f"{folder}/throughput.onnx", "CPU", {
            "PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": PEERS[kind][1]})
        # 0: as many requests as the hint gives.
        self.queue = openvino.AsyncInferQueue(model, 0)
        self.queue.set_callback(self.finish)
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.drawn = []

    def decode(self, path):
        image = self.cv2.imread(path)
        return path, image, self.cv2.dnn.blobFromImage(image, 1 / 255, swapRB=True)[0]

    def finish(self, request, job):
        boxes, labels, scores = (request.get_output_tensor(i).data.copy() for i in range(3))
        self.drawn.append(self.pool.submit(self.draw, *job, boxes, labels, scores))

    def draw(self, path, image, boxes, labels, scores):
        cv2, kept = self.cv2, scores > MIN_SCORE
        canvas = cv2.resize(image, DRAWN_SIZE)
        objects = list(zip(boxes[kept].tolist(), labels[kept].tolist(), scores[kept].tolist()))
        scale = DRAWN_SIZE[0] / image.shape[1]
        for box, label, score in reversed(objects):
            x1, y1, x2, y2 = (round(scale * value) for value in box)
            for color, thickness in (((30, 30, 30), 5), ((178, 114, 0), 3)):
                cv2.rectangle(canvas, (x1, y1), (x2, y2), color, thickness, cv2.LINE_AA)
            text = f"{label} {score:.2f}"
            (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
            cv2.rectangle(canvas, (x1, y1 - height - 6), (x1 + width + 6, y1), (178, 114, 0), cv2.FILLED)
            cv2.putText(canvas, text, (x1 + 3, y1 - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        name = os.path.basename(path)
        cv2.imwrite(f"{self.output}/{name}", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        self.results += [{"image": name, "label": label, "score": score, "bbox": box} for box, label, score in objects]

    def run(self, paths):
        waiting = [self.pool.submit(self.decode, path) for path in paths[:self.AHEAD]]
        for i in range(len(paths)):
            path, image, blob = waiting[i].result()
            waiting[i] = None
            if len(waiting) < len(paths):
                waiting.append(self.pool.submit(self.decode, paths[len(waiting)]))
            self.queue.start_async({0: blob}, (path, image))
        self.queue.wait_all()
        for future in self.drawn:
            future.result()
        with open(f"{self.output}/detections.json", "w") as f:
            json.dump(self.results, f)


def run_peer(kind, folder, output, *paths):
    os.makedirs(output, exist_ok=True)
    Peer(kind, folder, output).run(list(paths))


def prepare(args):
    """The environment's Python, the folder with everything that both sides read, and the images. Makes again what other versions
    of the packages or of the scripts have made."""
    python = compare_peers.make_environment(args.folder)
    folder, images = f"{args.folder}/{args.model}", f"{args.folder}/images_{args.images}"

    def make_images():
        shutil.rmtree(images, ignore_errors=True)
        subprocess.check_call([python, __file__, "--write_images", images, str(args.images)])

    compare_peers.make_unless_current(
        f"{args.folder}/environment/OPENCV", OPENCV,
        lambda: subprocess.check_call([python, "-m", "pip", "install", "--quiet", OPENCV]))
    compare_peers.export(python, args.model, folder)
    origin = compare_peers.origin_of_exports(os.path.abspath(__file__))
    compare_peers.make_unless_current(
        f"{folder}/throughput.made_from", origin,
        lambda: subprocess.check_call([python, __file__, "--export", args.model, folder], env=compare_peers.environment()))
    compare_peers.make_unless_current(f"{images}.made_from", f"{origin} {OPENCV}", make_images)
    os.makedirs(f"{folder}/detector", exist_ok=True)
    shutil.copy(f"{folder}/detector.textproto", f"{folder}/detector")
    subprocess.check_call([CONVERT, f"--input={folder}/weights.safetensors", f"--output={folder}/detector/model.safetensors",
                           f"--map={compare_peers.NAME_MAPS[args.model]}"], stdout=subprocess.DEVNULL)
    # The cache keeps no weights that are younger.
    time.sleep(3)
    return python, folder, sorted(f"{images}/{name}" for name in os.listdir(images))


def command(python, kind, folder, output, paths):
    if kind.startswith("rcnn"):
        ours = kind.replace("_uncached", "")
        words = [DETECT, f"--model={folder}/detector", f"--output={output}", "--quiet", f"--precision={RCNN[ours][1]}"]
        return words + (["--nopacked_cache"] if ours != kind else []) + paths
    return [python, __file__, "--peer", kind, folder, output, *paths]


def measure(python, kind, folder, paths, cache):
    """Seconds, peak memory in MB, and the number of detections of one process."""
    output = tempfile.mkdtemp(prefix="rcnn_throughput_")
    env = compare_peers.environment() if kind in PEERS else {**os.environ, "RCNN_PACKED_CACHE": cache}
    start = time.perf_counter()
    process = subprocess.Popen(command(python, kind, folder, f"{output}/found", paths), env=env)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{kind} failed with exit code {process.returncode}")
    with open(f"{output}/found/detections.json") as f:
        detections = len(json.load(f))
    shutil.rmtree(output)
    return seconds, usage.ru_maxrss / 1024, detections


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}…{max(values):.{digits}f})"


def measure_all(python, folder, paths, kinds, rounds, cache):
    """By kind: images per second, start in seconds, peak memory, detections."""
    results = {kind: {"rate": [], "start": [], "memory": [], "detections": 0} for kind in kinds}
    for round_ in range(rounds):
        print(f"round {round_ + 1} of {rounds}", file=sys.stderr)
        for kind in compare_peers.in_turn(kinds, round_):
            result = results[kind]
            one, _, _ = measure(python, kind, folder, paths[:1], cache)
            whole, memory, result["detections"] = measure(python, kind, folder, paths, cache)
            result["rate"].append((len(paths) - 1) / (whole - one))
            result["start"].append(one - 1 / result["rate"][-1])
            result["memory"].append(memory)
            if kind in RCNN:
                uncached, _, _ = measure(python, f"{kind}_uncached", folder, paths[:1], cache)
                result.setdefault("uncached", []).append(uncached - 1 / result["rate"][-1])
    return results


def print_table(results):
    names = {kind: name for kind, (name, _) in {**RCNN, **PEERS}.items()}
    print("\n| | images/s | start, s | peak memory, MB | detections |\n| --- | --- | --- | --- | --- |")
    for kind, result in results.items():
        print(f"| {names[kind]} | {spread(result['rate'], 2)} | {spread(result['start'], 2)} | "
              f"{spread(result['memory'], 0)} | {result['detections']} |")
        if "uncached" in result:
            print(f"| {names[kind]} without cache | | {spread(result['uncached'], 2)} | | |")
    for ours in (kind for kind in results if kind in RCNN):
        same = [kind for kind in results if kind in PEERS and kind.endswith("bfloat16") == ours.endswith("bfloat16")]
        best = max(same, key=lambda kind: statistics.median(results[kind]["rate"]))
        ratio = statistics.median(results[ours]["rate"]) / statistics.median(results[best]["rate"])
        print(f"\n{names[ours]} / {names[best]}: {ratio:.2f} in images/s")


def choose_kinds(detect):
    """Those in bfloat16 only if `detect` computes in it; otherwise it would be timed in float32 under that name."""
    bfloat16 = compare_peers.computes_bfloat16(detect)
    return [kind for kind in [*RCNN, *PEERS] if bfloat16 or not kind.endswith("bfloat16")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--model", choices=sorted(compare_peers.NAME_MAPS), default="resnet50_fpn")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_peers"))
    # Parts of this script that run in the environment.
    for part in ("export", "write_images", "peer"):
        parser.add_argument(f"--{part}", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.export:
        return export(*args.export)
    if args.write_images:
        return write_images(*args.write_images)
    if args.peer:
        return run_peer(*args.peer)
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    python, folder, paths = prepare(args)
    kinds = choose_kinds(DETECT)
    cache = f"{args.folder}/packed_models"
    for kind in (kind for kind in kinds if kind in RCNN):
        measure(python, kind, folder, paths[:1], cache)
    results = measure_all(python, folder, paths, kinds, args.rounds, cache)
    print(f"{compare_peers.describe_machine()}; {len(paths)} images of {WIDTH} x {HEIGHT}, {args.model}")
    print(f"rcnn {compare_peers.revision()}; {compare_peers.versions(python)}; {args.rounds} rounds")
    print_table(results)


if __name__ == "__main__":
    main()
