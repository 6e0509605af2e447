"""Times ONNX Runtime and OpenVINO for compare_peers.py.

usage: time_runtimes.py export MODEL DIR            writes DIR/model.onnx and DIR/image.npy; needs torchvision
       time_runtimes.py gemm                        prints the GFLOP/s of a float32 matrix product by numpy's OpenBLAS
       time_runtimes.py RUNTIME MODEL DIR REPEATS   prints one line of JSON: milliseconds of each run, peak memory, and the
                                                    number of detections with the sum of their scores

RUNTIME: onnxruntime, openvino, openvino_bfloat16. MODEL as in time_torchvision.py. A thread for each core that the process
may use, and what the runtimes' guides advise for the time of one image.
"""

import json
import os
import resource
import sys
import time

import numpy as np

THREADS = len(os.sched_getaffinity(0))


def export(name, folder):
    import time_torchvision

    model, original = time_torchvision.load(name, folder)
    image = time_torchvision.models.to_input(original)
    np.save(f"{folder}/image.npy", image.numpy())
    export_network(model, image, f"{folder}/model.onnx")


def export_network(model, image, path):
    """For images of this size, float32 [3, H, W] RGB in [0, 1]; resizing and normalisation are part of the network."""
    import torch

    with torch.no_grad():
        # The exporter that follows torchvision's own code for ONNX.
        torch.onnx.export(model, ([image],), path, opset_version=17, dynamo=False, input_names=["image"],
                          output_names=["boxes", "labels", "scores"])


def load_onnxruntime(folder):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(["boxes", "labels", "scores"], {session.get_inputs()[0].name: image})


def load_openvino(folder, precision):
    import openvino

    core = openvino.Core()
    model = core.compile_model(f"{folder}/model.onnx", "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": precision})
    request = model.create_infer_request()

    def run(image):
        found = request.infer({0: image})
        return found[0], found[1], found[2]

    return run


def gemm_gflops():
    a, best = np.random.default_rng(1).random((2048, 2048), dtype=np.float32), 0
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def main():
    if sys.argv[1] == "gemm":
        return print(gemm_gflops())
    if sys.argv[1] == "export":
        return export(*sys.argv[2:])
    runtime, _, folder, repeats = sys.argv[1:]
    image = np.load(f"{folder}/image.npy")
    if runtime == "onnxruntime":
        run = load_onnxruntime(folder)
    else:
        run = load_openvino(folder, "bf16" if runtime == "openvino_bfloat16" else "f32")
    total = []
    for _ in range(int(repeats) + 1):
        start = time.perf_counter()
        _, _, scores = run(image)
        total.append(1e3 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"total": total[1:], "peak_mb": peak, "detections": len(scores), "score_sum": float(scores.sum())}))


if __name__ == "__main__":
    main()
