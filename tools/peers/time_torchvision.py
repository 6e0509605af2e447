"""Times torchvision's side of compare_with_torchvision.sh and compare.sh.

usage: time_torchvision.py gemm [float32|bfloat16]          prints the GFLOP/s of a matrix product
       time_torchvision.py export MODEL DIR                 writes weights, image and our config, for both sides
       time_torchvision.py VARIANT MODEL DIR WORK REPEATS   prints one line of JSON: milliseconds of each run by part

MODEL: resnet50_fpn, vgg16. WORK: inference, training.
VARIANT: default (unmodified), and, with a thread per core, eager, channels_last, and for inference optimized (backbone, RPN
head and box head through torch.jit.optimize_for_inference) and compiled (the same through torch.compile with frozen weights, from
torch 2 on). eager_bfloat16, channels_last_bfloat16: under autocast.
Environment variables for BLAS and heap are the caller's.
"""

import contextlib
import json
import os
import resource
import sys
import time

import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../detection/testing"))
import torchvision_models as models

OPTIONS = {
    "resnet50_fpn": dict(min_size=800, max_size=1333),
    "vgg16": dict(min_size=600, max_size=1000, rpn_pre_nms_top_n_test=6000, rpn_post_nms_top_n_test=300),
}
BFLOAT16 = "_bfloat16"
IMAGE_SIZES = {"resnet50_fpn": (600, 800), "vgg16": (600, 1000)}

CONFIG = """
model {
  %(network)s
  rpn {
    channels: %(channels)d
    anchors { rounding: CORNERS stride: INPUT_OVER_MAP }
    train_proposals { before_nms: 2000 after_nms: 2000 }
    test_proposals { before_nms: %(before)d after_nms: %(after)d }
  }
  head {
    %(fc)s
    pool { roi_align { sampling_ratio: 2 half_pixel_centers: false } }
    box_coder { weight: [10, 10, 5, 5] }
  }
  normalization { scale: 0.00392156862745098 mean: [0.485, 0.456, 0.406] std: [0.229, 0.224, 0.225] }
}
input { shortest_side_px: %(short)d longest_side_px: %(long)d size_rounding: DOWN pad_to_multiple_px: 32 }
"""
CONFIGS = {
    "resnet50_fpn": dict(network="backbone { resnet { depth: RESNET_50 } } fpn {}", channels=256, before=1000,
                         after=1000, fc="fc { fc_channels: [1024, 1024] }", short=800, long=1333),
    "vgg16": dict(network="backbone { vgg16 { ceil_mode_pools: false } }", channels=512, before=6000, after=300,
                  fc="fc { fc_channels: [4096, 4096] }", short=600, long=1000),
}


def export(name, folder):
    state = models.make_model(name, **OPTIONS[name]).state_dict()
    image = models.random_image(*IMAGE_SIZES[name], torch.Generator().manual_seed(3))
    torch.save((state, image), f"{folder}/peer.pt")
    models.save_safetensors(f"{folder}/weights.safetensors", state)
    models.save_safetensors(f"{folder}/image.safetensors", {"image": image})
    with open(f"{folder}/detector.textproto", "w") as f:
        f.write(CONFIG % CONFIGS[name] + "".join(f'class_name: "{i}"\n' for i in range(1, 91)))
    model, _ = load(name, folder)
    x = models.to_input(image)
    # The last file: compare_with_torchvision.sh exports unless it has both.
    with open(f"{folder}/gflop.json", "w") as f:
        json.dump({"inference": count_gflop(model, x), "training": count_gflop(model, x, make_target(image))}, f)


def load(name, folder):
    state, image = torch.load(f"{folder}/peer.pt")
    model = models.build(name, **OPTIONS[name]).eval()
    model.load_state_dict(state)
    return model, image


def model_parts(model):
    return {"transform": model.transform, "backbone": model.backbone, "rpn": model.rpn, "head": model.roi_heads}


def make_target(image):
    """Two objects, an eighth to a half of the image wide, and two that are smaller."""
    size = torch.tensor([image.shape[1], image.shape[0]] * 2)
    shares = torch.tensor([[.125, .15, .5, .75], [.6, .3, .9, .6], [.1, .8, .2, .95], [.7, .1, .8, .2]])
    return {"boxes": shares * size, "labels": torch.tensor([1, 2, 1, 2])}


def products(module, x):
    """How many products of that size a layer takes: its output; in training the gradient of x, which only trained layers below
    need; and that of its weights, if they are trained."""
    gradients = [x.requires_grad, module.weight.requires_grad] if torch.is_grad_enabled() else []
    return 1 + sum(gradients)


@contextlib.contextmanager
def counting(model, parts):
    """Yields a dictionary to which each forward pass adds the operations of convolutions and linear layers by part, in 1e9: two for
    a multiply-add, and with gradients those of the backward pass, too."""
    counts, part, hooks = {}, [None], []

    def count(module, inputs, output):
        operations = 2e-9 * module.weight[0].numel() * output.numel() * products(module, inputs[0])
        counts[part[0]] = counts.get(part[0], 0) + operations

    for name, module in parts.items():
        hooks.append(module.register_forward_pre_hook(lambda m, i, name=name: part.__setitem__(0, name)))
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            hooks.append(module.register_forward_hook(count))
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()


def count_gflop(model, image, target=None):
    """Of inference, or with a target of a training step, by part."""
    with counting(model, model_parts(model)) as counts, torch.set_grad_enabled(target is not None):
        if target is None:
            model.eval()([image])
        else:
            model.train()([image], [target])
    return counts


def gemm_gflops(precision="float32"):
    """The speed of a matrix product: the machine's limit."""
    a, best = torch.rand(2048, 2048).to(getattr(torch, precision)), 0
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(a, a)
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def time_parts(model, laps):
    start = {}
    for part, module in model_parts(model).items():
        module.register_forward_pre_hook(lambda m, i, part=part: start.__setitem__(part, time.perf_counter()))
        module.register_forward_hook(
            lambda m, i, o, part=part: laps.setdefault(part, []).append(1e3 * (time.perf_counter() - start[part])))


def use_channels_last(model):
    model.to(memory_format=torch.channels_last)
    batch_images = model.transform.batch_images
    model.transform.batch_images = lambda images, size_divisible=32: batch_images(images, size_divisible).contiguous(
        memory_format=torch.channels_last)


class Optimized(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.run = [torch.jit.optimize_for_inference(torch.jit.script(module))]

    def forward(self, x):
        return self.run[0](x)


def optimize(model):
    model.backbone = Optimized(model.backbone)
    model.rpn.head = Optimized(model.rpn.head)
    model.roi_heads.box_head = Optimized(model.roi_heads.box_head)


def compile_parts(model):
    """For inference: weights are constants of the compiled code."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    model.backbone = torch.compile(model.backbone)
    model.rpn.head = torch.compile(model.rpn.head)
    model.roi_heads.box_head = torch.compile(model.roi_heads.box_head)


def train(model, image, target, optimizer, laps):
    times = [time.perf_counter()]
    optimizer.zero_grad(set_to_none=True)
    loss = sum(model([image], [target]).values())
    times.append(time.perf_counter())
    loss.backward()
    times.append(time.perf_counter())
    optimizer.step()
    times.append(time.perf_counter())
    for part, begin, end in zip(("forward", "backward", "step"), times, times[1:]):
        laps.setdefault(part, []).append(1e3 * (end - begin))


def main():
    if sys.argv[1] != "default":
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    if sys.argv[1] == "gemm":
        return print(gemm_gflops(*sys.argv[2:]))
    if sys.argv[1] == "export":
        return export(*sys.argv[2:])
    variant, name, folder, work, repeats = sys.argv[1:]
    model, original = load(name, folder)
    image = models.to_input(original)
    laps, training = {}, work == "training"
    kind = variant.removesuffix(BFLOAT16)
    if kind == "channels_last":
        use_channels_last(model)
    if kind == "optimized":
        optimize(model)
    if kind == "compiled":
        compile_parts(model)
    if training:
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    else:
        time_parts(model, laps)
    target = make_target(original)
    found = None
    for _ in range(int(repeats) + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=variant.endswith(BFLOAT16)):
            if training:
                train(model, image, target, optimizer, laps)
            else:
                with torch.no_grad():
                    found = model([image])[0]["scores"]
        laps.setdefault("total", []).append(1e3 * (time.perf_counter() - start))
    line = {part: ms[1:] for part, ms in laps.items()}
    line["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if found is not None:
        line.update(detections=len(found), score_sum=found.sum().item())
    if variant == "eager":
        with open(f"{folder}/gflop.json") as f:
            line.update(gflop=json.load(f)[work], gemm_gflops=gemm_gflops())
    print(json.dumps(line))


if __name__ == "__main__":
    main()
