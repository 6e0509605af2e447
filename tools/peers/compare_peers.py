#!/usr/bin/env python3
"""The work of compare.sh, which builds time_detector first and explains the options."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TORCH = f"{HERE}/time_torchvision.py"
RUNTIMES = f"{HERE}/time_runtimes.py"
DEBIAN = "/usr/bin/python3"
PACKAGES = ("torch==2.11.0", "torchvision==0.26.0", "numpy==2.3.5", "onnx==1.20.0", "onnxruntime", "openvino")
JOBS = ("resnet50_fpn:inference", "vgg16:inference", "resnet50_fpn:training", "vgg16:training")
NAME_MAPS = {"resnet50_fpn": "torchvision_fasterrcnn_fpn", "vgg16": "torchvision_fasterrcnn_vgg16"}
# The heap that rcnn's own start-up sets (base/runtime.h), for the peers as well.
HEAP = ("glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"
        ":glibc.malloc.top_pad=67108864")
COLUMNS = {
    "rcnn": "rcnn", "rcnn_bfloat16": "rcnn bfloat16", "eager": "torchvision 0.26 eager", "channels_last": "channels-last",
    "compiled": "compiled", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO float32",
    "openvino_bfloat16": "OpenVINO bfloat16", "debian": "torchvision 0.14",
}
INFERENCE_ONLY = ("compiled", "onnxruntime", "openvino", "openvino_bfloat16")


def environment():
    threads = str(len(os.sched_getaffinity(0)))
    return {**os.environ, "GLIBC_TUNABLES": HEAP, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def read_processor():
    """The name, and the flags that matter."""
    with open("/proc/cpuinfo") as f:
        facts = dict(line.split(":", 1) for line in f.read().split("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    known = ("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16", "amx_bf16")
    return facts["model name"], facts["cpu family"], [flag for flag in known if flag in facts["flags"].split()]


def make_environment(folder):
    python = f"{folder}/environment/bin/python"
    if not os.path.exists(f"{folder}/environment/COMPLETE"):
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", f"{folder}/environment"])
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", *PACKAGES])
        open(f"{folder}/environment/COMPLETE", "w").close()
    return python


def has_debian_torchvision():
    return subprocess.run([DEBIAN, "-c", "import torchvision"], capture_output=True).returncode == 0


def export(python, model, folder):
    """Weights, image and config for all, and the network for ONNX Runtime and OpenVINO."""
    if os.path.exists(f"{folder}/COMPLETE"):
        return
    os.makedirs(folder, exist_ok=True)
    subprocess.check_call([python, TORCH, "export", model, folder], env=environment())
    subprocess.check_call([python, RUNTIMES, "export", model, folder], env=environment())
    open(f"{folder}/COMPLETE", "w").close()


def command(python, variant, model, work, folder):
    if variant.startswith("rcnn"):
        words = [f"{ROOT}/bazel-bin/tools/time_detector", f"--config={folder}/detector.textproto",
                 f"--weights={folder}/weights.safetensors", f"--image={folder}/image.safetensors",
                 f"--name_map={NAME_MAPS[model]}", "--repeats=1"]
        if variant == "rcnn_bfloat16":
            words.append("--precision=bfloat16")
        return words + (["--train"] if work == "training" else [])
    if variant in ("onnxruntime", "openvino", "openvino_bfloat16"):
        return [python, RUNTIMES, variant, model, folder, "1"]
    if variant == "debian":
        return [DEBIAN, TORCH, "eager", model, folder, work, "1"]
    return [python, TORCH, variant, model, folder, work, "1"]


def run(words, path):
    """Appends the line of JSON that the process prints; returns whether it printed one."""
    # rcnn's start-up sets its own heap.
    env = dict(os.environ) if "time_detector" in words[0] else environment()
    process = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.returncode != 0:
        print(f"{' '.join(words)} failed:\n{process.stderr[-2000:]}", file=sys.stderr)
        return False
    with open(path, "a") as f:
        f.write(process.stdout.strip().splitlines()[-1] + "\n")
    return True


def measure(python, job, variants, rounds, folder):
    """Alternates; a variant that fails once is left out."""
    model, work = job.split(":")
    failed = set()
    for round_ in range(rounds):
        print(f"{job}: round {round_ + 1} of {rounds}", file=sys.stderr)
        for variant in variants:
            if variant in failed or (work == "training" and variant in INFERENCE_ONLY):
                continue
            if not run(command(python, variant, model, work, f"{folder}/{model}"), f"{folder}/{job}.{variant}"):
                failed.add(variant)


class Runs:
    """The measurements of a job by a variant; None where there are none."""

    @staticmethod
    def read(folder, job, variant):
        path = f"{folder}/{job}.{variant}"
        return Runs(path) if os.path.exists(path) else None

    def __init__(self, path):
        with open(path) as f:
            self.lines = [json.loads(line) for line in f]
        self.seconds = [ms / 1e3 for line in self.lines for ms in line["total"]]
        self.median = statistics.median(self.seconds)
        self.megabytes = statistics.median(line["peak_mb"] for line in self.lines)

    def __str__(self):
        return f"{self.median:.2f} ({min(self.seconds):.2f}…{max(self.seconds):.2f}), {self.megabytes:.0f} MB"


def matrix_products(python, with_bfloat16):
    """GFLOP/s of products of 2048 x 2048 matrices: the machine's limits, by precision."""
    rates = {}
    for precision in ("float32", "bfloat16") if with_bfloat16 else ("float32",):
        rates[precision] = float(subprocess.check_output([python, TORCH, "gemm", precision], env=environment(), text=True))
    return rates


def versions(python):
    program = ("import torch, torchvision, onnxruntime, openvino; print(f'torch {torch.__version__}, torchvision "
               "{torchvision.__version__}, ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__}')")
    return subprocess.check_output([python, "-c", program], text=True).strip()


def print_table(jobs, variants, rates, folder):
    runs = {job: {v: Runs.read(folder, job, v) for v in variants} for job in jobs}
    print("\nSeconds: median (lowest…highest), then peak memory.\n")
    print("| | " + " | ".join(COLUMNS[v] for v in variants) + " | " + " | ".join(f"floor {p}" for p in rates) + " |")
    print("| --- |" + " --- |" * (len(variants) + len(rates)))
    for job in jobs:
        gflop = sum(runs[job]["eager"].lines[0]["gflop"].values()) if runs[job]["eager"] else None
        scale = 3 if job.endswith("training") else 1
        floors = [f"{gflop * scale / rate:.2f}" if gflop else "" for rate in rates.values()]
        cells = ["" if runs[job][v] is None else str(runs[job][v]) for v in variants]
        print(f"| {job.replace(':', ', ')} | " + " | ".join(cells + floors) + " |")
    print_ratios(runs)


def print_ratios(runs):
    """Of each job: rcnn's time and memory by each peer's."""
    print("\n| rcnn / peer, time (memory) | " + " | ".join(COLUMNS[v] for v in COLUMNS if not v.startswith("rcnn")) + " |")
    print("| --- |" + " --- |" * sum(not v.startswith("rcnn") for v in COLUMNS))
    for job, by_variant in runs.items():
        for ours in ("rcnn", "rcnn_bfloat16"):
            mine = by_variant.get(ours)
            if mine is None:
                continue
            cells = []
            for variant in COLUMNS:
                peer = by_variant.get(variant)
                if variant.startswith("rcnn"):
                    continue
                cells.append("" if peer is None
                             else f"{mine.median / peer.median:.2f} ({mine.megabytes / peer.megabytes:.2f})")
            print(f"| {job.replace(':', ', ')}, {COLUMNS[ours]} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="MODEL:WORK", help=", ".join(JOBS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_peers"))
    args = parser.parse_args()
    jobs = args.jobs or JOBS
    unknown = [job for job in jobs if job not in JOBS]
    if unknown:
        parser.error(f"{unknown[0]} is not one of {', '.join(JOBS)}")
    os.makedirs(args.folder, exist_ok=True)
    python = make_environment(args.folder)
    name, family, flags = read_processor()
    bfloat16 = "avx512_bf16" in flags
    variants = [v for v in COLUMNS if (bfloat16 or not v.endswith("bfloat16")) and (v != "debian" or has_debian_torchvision())]
    for model in sorted({job.split(":")[0] for job in jobs}):
        export(python, model, f"{args.folder}/{model}")
    rates = matrix_products(python, bfloat16)
    for job in jobs:
        measure(python, job, variants, args.rounds, args.folder)
    print(f"{name} (family {family}), {len(os.sched_getaffinity(0))} cores, {' '.join(flags)}; Linux {platform.release()}")
    print(versions(python))
    print("matrix products of 2048²: " + ", ".join(f"{p} {rate:.0f} GFLOP/s" for p, rate in rates.items()))
    print_table(jobs, variants, rates, args.folder)


if __name__ == "__main__":
    main()
