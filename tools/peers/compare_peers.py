#!/usr/bin/env python3
"""The work of compare.sh, which builds time_detector first and explains the options."""

import argparse
import hashlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TORCH = f"{HERE}/time_torchvision.py"
RUNTIMES = f"{HERE}/time_runtimes.py"
TIME_DETECTOR = f"{ROOT}/bazel-bin/tools/time_detector"
DEBIAN = "/usr/bin/python3"
PACKAGES = ("torch==2.11.0", "torchvision==0.26.0", "numpy==2.3.5", "onnx==1.20.0", "onnxruntime==1.32.0", "openvino==2026.4.1")
JOBS = ("resnet50_fpn:inference", "vgg16:inference", "resnet50_fpn:training", "vgg16:training")
NAME_MAPS = {"resnet50_fpn": "torchvision_fasterrcnn_fpn", "vgg16": "torchvision_fasterrcnn_vgg16"}
# The heap that rcnn's own start-up sets (base/heap.h), for the peers as well.
HEAP = ("glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592"
        ":glibc.malloc.top_pad=67108864")
COLUMNS = {
    "rcnn": "rcnn", "rcnn_bfloat16": "rcnn bfloat16", "eager": "torchvision 0.26 eager", "channels_last": "channels-last",
    "compiled": "compiled", "eager_bfloat16": "eager bfloat16", "channels_last_bfloat16": "channels-last bfloat16",
    "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "openvino_system_heap": "OpenVINO, system's heap",
    "openvino_bfloat16": "OpenVINO bfloat16", "openvino_bfloat16_system_heap": "OpenVINO bfloat16, system's heap",
    "debian": "torchvision 0.14",
}
INFERENCE_ONLY = ("compiled", "onnxruntime", "openvino", "openvino_system_heap", "openvino_bfloat16",
                  "openvino_bfloat16_system_heap")
SYSTEM_HEAP = "_system_heap"
# The goals: job or work, whether of bfloat16, peers, and the most that rcnn may take of the best one's time and memory.
BARS = (
    ("inference", False, ("openvino", "openvino_system_heap"), 0.60, 0.50),
    ("inference", True, ("openvino_bfloat16", "openvino_bfloat16_system_heap"), 0.85, 0.50),
    ("training", False, ("eager", "channels_last"), 0.42, None),
)
# Detections of the programs in float32 may differ by so much of the sum of their scores.
MAX_SCORE_DIFFERENCE = 0.01


def environment():
    threads = str(len(os.sched_getaffinity(0)))
    return {**os.environ, "GLIBC_TUNABLES": HEAP, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def read_processor():
    """The name, and the flags that matter."""
    with open("/proc/cpuinfo") as f:
        facts = dict(line.split(":", 1) for line in f.read().split("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    known = ("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16", "amx_bf16")
    has = facts["flags"].split()
    return facts["model name"], f"family {facts['cpu family']}, model {facts['model']}", [flag for flag in known if flag in has]


def instruction_level(program):
    """The level of rcnn's kernels in a program with tensors (docs/detecting.md), which RCNN_INSTRUCTIONS may lower."""
    version = subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"^instructions: (\S+)$", version, re.MULTILINE).group(1)


def computes_bfloat16(program):
    """Whether a program with tensors computes in bfloat16 if it is asked to."""
    return instruction_level(program) == "avx512_bf16"


def describe_machine():
    name, family, flags = read_processor()
    return f"{name} ({family}), {len(os.sched_getaffinity(0))} cores, {' '.join(flags)}; Linux {platform.release()}"


def is_current(path, text):
    """Whether the file says that what lies beside it was made from `text`."""
    if not os.path.exists(path):
        return False
    with open(path) as f:
        return f.read() == text


def make_unless_current(record, made_from, make):
    """Calls make() unless the file `record` says that this was done for the text `made_from`; then it says so."""
    if is_current(record, made_from):
        return
    # An interruption leaves no record of what is only half there.
    if os.path.exists(record):
        os.remove(record)
    make()
    with open(record, "w") as f:
        f.write(made_from)


def make_environment(folder, packages=PACKAGES):
    """A virtual environment with these packages; made again if it has others."""
    python = f"{folder}/environment/bin/python"

    def make():
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", f"{folder}/environment"])
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", *packages])

    make_unless_current(f"{folder}/environment/COMPLETE", " ".join(packages), make)
    return python


def has_debian_torchvision():
    return subprocess.run([DEBIAN, "-c", "import torchvision"], capture_output=True).returncode == 0


def origin_of_exports(*scripts):
    """Changes with PACKAGES and with the scripts that make what `export` writes, or more of them."""
    digest = hashlib.sha256()
    for path in (TORCH, RUNTIMES, f"{ROOT}/detection/testing/torchvision_models.py", *scripts):
        with open(path, "rb") as f:
            digest.update(f.read())
    return " ".join(PACKAGES) + f" {digest.hexdigest()}"


def export(python, model, folder):
    """Weights, image and config for all, and the network for ONNX Runtime and OpenVINO."""
    def make():
        os.makedirs(folder, exist_ok=True)
        subprocess.check_call([python, TORCH, "export", model, folder], env=environment())
        subprocess.check_call([python, RUNTIMES, "export", model, folder], env=environment())

    make_unless_current(f"{folder}/COMPLETE", origin_of_exports(), make)


def command(python, variant, model, work, folder):
    if variant.startswith("rcnn"):
        words = [TIME_DETECTOR, f"--config={folder}/detector.textproto",
                 f"--weights={folder}/weights.safetensors", f"--image={folder}/image.safetensors",
                 f"--name_map={NAME_MAPS[model]}", "--repeats=1"]
        if variant == "rcnn_bfloat16":
            words.append("--precision=bfloat16")
        return words + (["--train"] if work == "training" else [])
    if variant.startswith(("onnxruntime", "openvino")):
        return [python, RUNTIMES, variant.removesuffix(SYSTEM_HEAP), model, folder, "1"]
    if variant == "debian":
        return [DEBIAN, TORCH, "eager", model, folder, work, "1"]
    return [python, TORCH, variant, model, folder, work, "1"]


def run(words, env, path):
    """Appends the line of JSON that the process prints; returns whether it printed one."""
    process = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.returncode != 0:
        print(f"{' '.join(words)} failed:\n{process.stderr[-2000:]}", file=sys.stderr)
        return False
    lines = process.stdout.strip().splitlines()
    if not lines:
        print(f"{' '.join(words)} printed nothing", file=sys.stderr)
        return False
    with open(path, "a") as f:
        f.write(lines[-1] + "\n")
    return True


def variant_environment(variant, blas):
    """rcnn's start-up sets its own heap and BLAS kernels."""
    if variant.startswith("rcnn"):
        return dict(os.environ)
    env = environment()
    if variant.endswith(SYSTEM_HEAP):
        del env["GLIBC_TUNABLES"]
    if variant == "debian" and blas:
        env["OPENBLAS_CORETYPE"] = blas
    return env


def fastest_blas_kernels():
    """OPENBLAS_CORETYPE of Debian's OpenBLAS with the fastest matrix product, which the library does not always choose."""
    rates = {}
    for name in ("Haswell", "Zen", "SkylakeX", "Cooperlake"):
        if name in ("SkylakeX", "Cooperlake") and "avx512f" not in read_processor()[2]:
            continue
        env = {**environment(), "OPENBLAS_CORETYPE": name}
        process = subprocess.run([DEBIAN, TORCH, "gemm"], env=env, capture_output=True, text=True)
        if process.returncode == 0:
            rates[name] = float(process.stdout)
    return max(rates, key=rates.get) if rates else None


def in_turn(kinds, round_):
    """The kinds in the order of a round: each round begins with another one."""
    first = round_ % len(kinds)
    return kinds[first:] + kinds[:first]


def measure(python, job, variants, rounds, folder, results):
    """Alternates, each round from another variant on. A variant that fails once is left out and has no figures; returns these."""
    model, work = job.split(":")
    variants = [v for v in variants if work != "training" or v not in INFERENCE_ONLY]
    if not variants:
        sys.exit(f"{job}: none of the programs can do it")
    blas = fastest_blas_kernels() if "debian" in variants else None
    failed = set()
    for round_ in range(rounds):
        print(f"{job}: round {round_ + 1} of {rounds}", file=sys.stderr)
        for variant in in_turn(variants, round_):
            path = f"{results}/{job}.{variant}"
            if variant in failed or run(command(python, variant, model, work, f"{folder}/{model}"),
                                        variant_environment(variant, blas), path):
                continue
            failed.add(variant)
            if os.path.exists(path):
                os.remove(path)
    return failed


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
        self.detections = self.lines[-1].get("detections")
        self.score_sum = self.lines[-1].get("score_sum")
        self.megabytes = statistics.median(line["peak_mb"] for line in self.lines)

    def __str__(self):
        return f"{self.median:.2f} ({min(self.seconds):.2f}…{max(self.seconds):.2f}), {self.megabytes:.0f} MB"


def matrix_products(python, with_bfloat16):
    """GFLOP/s of products of 2048 x 2048 matrices by precision: of each library that has them, the fastest counts."""
    def rate(program, *words):
        return float(subprocess.check_output([python, program, "gemm", *words], env=environment(), text=True))

    rates = {"float32": {"torch": rate(TORCH, "float32"), "numpy's OpenBLAS": rate(RUNTIMES)}}
    if with_bfloat16:
        rates["bfloat16"] = {"torch": rate(TORCH, "bfloat16")}
    return rates


def versions(python):
    program = ("import torch, torchvision, onnxruntime, openvino; print(f'torch {torch.__version__}, torchvision "
               "{torchvision.__version__}, ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__}')")
    return subprocess.check_output([python, "-c", program], text=True).strip()


def revision():
    """What git calls the tree that time_detector was built from."""
    process = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return process.stdout.strip() or "unknown"


def libtorch_of(results):
    """The LibTorch of rcnn, which time_detector prints."""
    for name in sorted(os.listdir(results)):
        if name.endswith(".rcnn"):
            with open(f"{results}/{name}") as f:
                return json.loads(f.readline())["libtorch"]
    return "unknown"


def print_machine(python, rounds, rates, load, libtorch):
    print(f"{describe_machine()}; load at the start {load:.2f}")
    print(f"rcnn {revision()} on LibTorch {libtorch}; {versions(python)}; {rounds} processes of each kind")
    for precision, by_library in rates.items():
        print(f"{precision} matrix products of 2048²: "
              + ", ".join(f"{library} {rate:.0f} GFLOP/s" for library, rate in by_library.items()))


def gflop_of(folder, job):
    """Of direct convolution and linear layers, in a training step with those gradients that it needs."""
    model, work = job.split(":")
    with open(f"{folder}/{model}/gflop.json") as f:
        return sum(json.load(f)[work].values())


def print_table(jobs, variants, rates, folder, results):
    runs = {job: {v: Runs.read(results, job, v) for v in variants} for job in jobs}
    print("\nSeconds: median (lowest…highest), then peak memory. The floor is direct convolution at the speed of the fastest "
          "matrix product, in training with the gradients that a step needs.\n")
    print("| | " + " | ".join(jobs) + " |\n| --- |" + " --- |" * len(jobs))
    for variant in variants:
        cells = ["" if runs[job][variant] is None else str(runs[job][variant]) for job in jobs]
        print(f"| {COLUMNS[variant]} | " + " | ".join(cells) + " |")
    for precision, by_library in rates.items():
        cells = [f"{gflop_of(folder, job) / max(by_library.values()):.2f}" for job in jobs]
        print(f"| floor, {precision} | " + " | ".join(cells) + " |")
    print_ratios(runs)
    print_bars(runs)
    return agree(runs)


def print_ratios(runs):
    """Of each job: rcnn's time and memory by each peer's."""
    peers = [v for v in COLUMNS if not v.startswith("rcnn")]
    rows = [(job, ours) for job in runs for ours in ("rcnn", "rcnn_bfloat16") if runs[job].get(ours) is not None]
    print("\n| time of rcnn / peer (memory) | " + " | ".join(f"{job}, {COLUMNS[ours]}" for job, ours in rows) + " |")
    print("| --- |" + " --- |" * len(rows))
    for variant in peers:
        cells = []
        for job, ours in rows:
            mine, peer = runs[job][ours], runs[job].get(variant)
            cells.append("" if peer is None else f"{mine.median / peer.median:.2f} ({mine.megabytes / peer.megabytes:.2f})")
        if any(cells):
            print(f"| {COLUMNS[variant]} | " + " | ".join(cells) + " |")


def print_bars(runs):
    """The goals. A peer's time and memory are its best ones, even if two of its variants have them."""
    print("\n| goal | time / best peer | goal | | memory / best peer | goal | |\n| --- | --- | --- | --- | --- | --- | --- |")
    for job, by_variant in runs.items():
        for work, bfloat16, peers, most_time, most_memory in BARS:
            mine = by_variant.get("rcnn_bfloat16" if bfloat16 else "rcnn")
            found = [by_variant[p] for p in peers if by_variant.get(p) is not None]
            if not job.endswith(work) or mine is None or not found:
                continue
            time = mine.median / min(peer.median for peer in found)
            memory = mine.megabytes / min(peer.megabytes for peer in found)
            cells = [f"{time:.3f}", f"{most_time:.2f}", verdict(time, most_time)]
            cells += [f"{memory:.3f}", f"{most_memory:.2f}", verdict(memory, most_memory)] if most_memory else ["", "", ""]
            print(f"| {job}, {'bfloat16' if bfloat16 else 'float32'} | " + " | ".join(cells) + " |")


def verdict(ratio, most):
    return "met" if ratio <= most else "missed"


def agree(runs):
    """Prints the detections of the programs; False if those in float32 differ."""
    same = True
    for job, by_variant in runs.items():
        found = {v: r for v, r in by_variant.items() if r is not None and r.detections is not None}
        if not found:
            continue
        print(f"\nDetections of {job}, and the sum of their scores: "
              + "; ".join(f"{COLUMNS[v]} {r.detections}, {r.score_sum:.3f}" for v, r in found.items()))
        exact = [r for v, r in found.items() if "bfloat16" not in v]
        sums = [r.score_sum for r in exact]
        counts = {r.detections for r in exact}
        if sums and (len(counts) > 1 or max(sums) - min(sums) > MAX_SCORE_DIFFERENCE * max(sums)):
            print(f"{job}: the programs do not detect the same", file=sys.stderr)
            same = False
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="MODEL:WORK", help=", ".join(JOBS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", metavar="VARIANT,...", help=f"of {', '.join(COLUMNS)}; default: all that the machine can run")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "rcnn_peers"))
    args = parser.parse_args()
    jobs = args.jobs or JOBS
    unknown = [job for job in jobs if job not in JOBS]
    if unknown:
        parser.error(f"{unknown[0]} is not one of {', '.join(JOBS)}")
    only = args.only.split(",") if args.only else list(COLUMNS)
    unknown = [variant for variant in only if variant not in COLUMNS]
    if unknown:
        parser.error(f"--only: {unknown[0]} is not one of {', '.join(COLUMNS)}")
    load = os.getloadavg()[0]
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    results = tempfile.mkdtemp(prefix=time.strftime("results-%Y%m%d-%H%M%S-"), dir=args.folder)
    python = make_environment(args.folder)
    bfloat16 = computes_bfloat16(TIME_DETECTOR)
    variants = [v for v in COLUMNS
                if v in only and (bfloat16 or "bfloat16" not in v) and (v != "debian" or has_debian_torchvision())]
    for model in sorted({job.split(":")[0] for job in jobs}):
        export(python, model, f"{args.folder}/{model}")
    rates = matrix_products(python, bfloat16)
    failed = [measure(python, job, variants, args.rounds, args.folder, results) for job in jobs]
    print_machine(python, args.rounds, rates, load, libtorch_of(results))
    same = print_table(jobs, variants, rates, args.folder, results)
    print(f"\nMeasurements: {results}", file=sys.stderr)
    sys.exit(0 if same and not any(failed) else 1)


if __name__ == "__main__":
    main()
