#!/usr/bin/env python3
"""Prints how near the heaviest layers of a detector come to what the machine allows.

    ./bazelw build //tools:time_detector
    tools/peers/roofline.py [--layers 10] [--repeats 5] [--precision bfloat16] [--threads N] [--config FILE]

time_detector times each layer alone, with the maps that an image gives it (tools/layer_times.h), and the machine's limits: the
speed of LibTorch's product of matrices of 2048 x 2048 in the same precision with as many threads, and that of copying memory.
Layers of the same kind and size are one row. Of each row:

    GFLOP     operations of the definition, and of the products that the method computes: Winograd's takes a quarter
    MB        input, weights and output in float32, each once
    limit     the longer of two times: products at the speed of the matrix product, bytes at the speed of copying
    attained  limit / measured time. Transforms and operations on single numbers are in the time alone; above 100 % the layer's
              own product is faster than the matrix product, or its maps are still in the cache

Without --config, a detector.textproto, the detector is R50-FPN with random weights on an image of 600 x 800, scaled to 800 x 1088.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import compare_peers
from thread_scaling import PROGRAM, R50_FPN


def measure(args, config):
    words = [PROGRAM, f"--config={config}", "--layers", f"--repeats={args.repeats}", f"--precision={args.precision}",
             f"--threads={args.threads}"]
    process = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)} failed with exit code {process.returncode}")
    return json.loads(process.stdout.strip().splitlines()[-1])


def limit_ms(layer, measured):
    """The time that the machine allows, and what limits it."""
    products = layer["multiplied"] / measured["gflops"] * 1e3
    copies = layer["megabytes"] / measured["gigabytes_per_second"]
    return max((products, "products"), (copies, "memory"))


def row(layer, measured, total):
    ms, limit = limit_ms(layer, measured)
    speed, share = layer["gflop"] / layer["ms"] * 1e3, layer["calls"] * layer["ms"] / total
    return (f"| {layer['name']}: {layer['shape']} | {layer['method']} | {layer['calls']} | {layer['gflop']:.2f}, "
            f"{layer['multiplied']:.2f} | {layer['megabytes']:.1f} | {layer['ms']:.2f} | {100 * share:.0f} % | {speed:.0f} | "
            f"{ms:.2f} ({limit}) | {100 * ms / layer['ms']:.0f} % |")


def print_table(measured, count):
    layers = sorted(measured["layers"], key=lambda layer: -layer["calls"] * layer["ms"])
    total = sum(layer["calls"] * layer["ms"] for layer in layers)
    shown = layers[:count]
    share = sum(layer["calls"] * layer["ms"] for layer in shown) / total
    attained = sum(layer["calls"] * limit_ms(layer, measured)[0] for layer in layers) / total
    print(f"{compare_peers.describe_machine()}; rcnn {compare_peers.revision()}")
    print(f"Matrix product {measured['gflops']:.0f} GFLOP/s, copying {measured['gigabytes_per_second']:.1f} GB/s. All layers "
          f"{total:.0f} ms, {100 * attained:.0f} % attained; the rows below are {100 * share:.0f} % of it.\n")
    print("| first layer: kernel, input to channels | method | calls | GFLOP | MB | ms | share | effective GFLOP/s | limit, ms "
          "| attained |\n" + "| --- | --- |" + " --- |" * 8)
    for layer in shown:
        print(row(layer, measured, total))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--config")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = args.config or f"{folder}/detector.textproto"
        if not args.config:
            with open(config, "w") as f:
                f.write(R50_FPN)
        print_table(measure(args, config), args.layers)


if __name__ == "__main__":
    main()
