"""Times torchvision, and single operators of both sides, for check.py.

usage: time_torch.py export FOLDER HEIGHT WIDTH
           writes weights, an image of that size and rcnn's config of R50-FPN, for both sides
       time_torch.py step DEVICE FOLDER HEIGHT WIDTH BATCH REPEATS [--compile]
           training steps of R50-FPN in bfloat16, channels-last, on images that are on the device, with the algorithms that cuDNN finds
           the fastest and a fused update; on a GPU REPEATS times four steps
       time_torch.py inference DEVICE FOLDER REPEATS [--compile]
           the same network, one image, from the CPU
       time_torch.py operators DEVICE LIBRARY SIZES
           NMS and the gradient of RoIAlign: rcnn's, from librcnn_ops.so, and torchvision's

Each prints one line of JSON; times are medians in milliseconds.
"""

import json
import os
import statistics
import sys
import time

import torch
import torchvision

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools/peers"), os.path.join(ROOT, "ops")]
import time_torchvision as peer

MODEL = "resnet50_fpn"
OBJECTS_PER_IMAGE = 4
# Calls before those that are measured, of which a rehearsal has fewer.
WARM_UP = 3
# Steps between two waits on a GPU: a training does not wait after each.
STEPS = 4


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_ms(device, repeats, work, calls=1):
    """The median time of a call, of so many after which the device is idle."""
    times = []
    for _ in range(min(WARM_UP, repeats)):
        work()
    for _ in range(repeats):
        wait(device)
        start = time.perf_counter()
        for _ in range(calls):
            work()
        wait(device)
        times.append(1e3 * (time.perf_counter() - start) / calls)
    return statistics.median(times)


def autocast(device):
    """bfloat16 on a GPU. On the CPU torchvision's operators do not support it."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def options(height, width):
    """Images of this size are not resized. As many proposals as rcnn's config has."""
    return dict(min_size=min(height, width), max_size=max(height, width), rpn_post_nms_top_n_train=1000,
                rpn_pre_nms_top_n_train=2000)


def export(folder, height, width):
    state = peer.models.make_model(MODEL, **options(height, width)).state_dict()
    image = peer.models.random_image(height, width, torch.Generator().manual_seed(3))
    torch.save((state, image), os.path.join(folder, "peer.pt"))
    peer.models.save_safetensors(os.path.join(folder, "weights.safetensors"), state)
    peer.models.save_safetensors(os.path.join(folder, "image.safetensors"), {"image": image})
    config = {**peer.CONFIGS[MODEL], "short": min(height, width), "long": max(height, width)}
    with open(os.path.join(folder, "detector.textproto"), "w", encoding="utf-8") as file:
        file.write(peer.CONFIG % config + "".join('class_name: "%d"\n' % label for label in range(1, 91)))
    return {"folder": folder}


def load(folder, device, compiled):
    """The exported network on the device, channels-last, and the image. cuDNN times its algorithms in the first calls."""
    torch.backends.cudnn.benchmark = True
    state, image = torch.load(os.path.join(folder, "peer.pt"))
    height, width = image.shape[:2]
    model = peer.models.build(MODEL, **options(height, width))
    model.load_state_dict(state)
    model.to(device)
    peer.use_channels_last(model)
    if compiled:
        peer.compile_parts(model)
    return model, image


def freeze_first_stages(model):
    """The stem and the first residual stage, as in rcnn's configs/coco_resnet50_fpn_joint.textproto."""
    for name, parameter in model.backbone.named_parameters():
        if "conv1" in name.split("layer")[0] or "layer1" in name:
            parameter.requires_grad_(False)


def random_target(height, width, device, generator):
    corners = torch.rand(OBJECTS_PER_IMAGE, 2, generator=generator) * torch.tensor([width, height]) * 0.5
    sides = torch.rand(OBJECTS_PER_IMAGE, 2, generator=generator) * torch.tensor([width, height]) * 0.4 + 8
    return {"boxes": torch.cat([corners, corners + sides], 1).to(device),
            "labels": torch.ones(OBJECTS_PER_IMAGE, dtype=torch.int64, device=device)}


def time_step(device, folder, height, width, batch, repeats, compiled):
    model, _ = load(folder, device, compiled)
    model.train()
    freeze_first_stages(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # One launch for many weights; the older torch of a rehearsal on the CPU does not have it.
    update = {"fused": True} if device.type == "cuda" else {"foreach": True}
    optimizer = torch.optim.SGD(trained, lr=1e-9, momentum=0.9, **update)
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(3, height, width, generator=generator).to(device) for _ in range(batch)]
    targets = [random_target(height, width, device, generator) for _ in range(batch)]

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(device):
            loss = sum(model(images, targets).values())
        loss.backward()
        optimizer.step()

    step_ms = median_ms(device, repeats, step, STEPS if device.type == "cuda" else 1)
    return {"step_ms": step_ms, "images_per_second": 1e3 * batch / step_ms}


def time_inference(device, folder, repeats, compiled):
    model, image = load(folder, device, compiled)
    model.eval()
    # The variant that prepares an image on the device.
    planes = image.permute(2, 0, 1).contiguous()
    if device.type == "cuda":
        planes = planes.pin_memory()

    def detect():
        with torch.no_grad(), autocast(device):
            found = model([planes.to(device, non_blocking=True).to(torch.float32) / 255])[0]
        return found["boxes"].cpu(), found["scores"].cpu(), found["labels"].cpu()

    return {"inference_ms": median_ms(device, repeats, detect)}


def proposal_boxes(count, device):
    """Boxes and scores as an RPN gives them: many overlap. Scores are distinct, as torchvision orders equal ones freely."""
    generator = torch.Generator().manual_seed(1)
    centers = torch.rand(count, 2, generator=generator) * torch.tensor([1333.0, 800.0])
    sides = 2 ** (5 + 4 * torch.rand(count, 2, generator=generator))
    boxes = torch.cat([centers - sides / 2, centers + sides / 2], 1)
    return boxes.to(device), (torch.randperm(count, generator=generator) / count).to(device)


def time_nms(device, count, repeats):
    boxes, scores = proposal_boxes(count, device)
    ours = torch.ops.rcnn.nms(boxes, scores, 0.7)
    theirs = torchvision.ops.nms(boxes, scores, 0.7)
    return {
        "boxes": count,
        "kept": int(ours.shape[0]),
        "equal": bool(torch.equal(ours, theirs)),
        "rcnn_ms": median_ms(device, repeats, lambda: torch.ops.rcnn.nms(boxes, scores, 0.7)),
        "torchvision_ms": median_ms(device, repeats, lambda: torchvision.ops.nms(boxes, scores, 0.7)),
    }


def pooled_rois(images, count, height, width, device):
    """RoIs of 16 to 256 pixels, `count` on each image, as [R, 5]."""
    generator = torch.Generator().manual_seed(2)
    total = images * count
    corners = torch.rand(total, 2, generator=generator) * torch.tensor([width, height]) * 0.8
    sides = 2 ** (4 + 4 * torch.rand(total, 2, generator=generator))
    index = torch.arange(images).repeat_interleave(count).unsqueeze(1).float()
    return torch.cat([index, corners, corners + sides], 1).to(device)


def gradient_ms(device, repeats, pool, features, rois):
    """The time of the backward pass alone."""
    leaf = features.detach().requires_grad_()
    bins = pool(leaf, rois)
    gradient = torch.rand_like(bins)
    return median_ms(device, repeats, lambda: torch.autograd.grad(bins, leaf, gradient, retain_graph=True))


def time_roi_align_gradient(device, images, channels, height, width, count, repeats):
    """Maps of stride 4; rcnn's in every type and memory format, torchvision's in float32, both formats."""
    def rcnn(features, rois):
        return torch.ops.rcnn.roi_align(features, rois, 0.25, 7, 7, 2, True)

    def torchvision_align(features, rois):
        return torchvision.ops.roi_align(features, rois, 7, 0.25, 2, True)

    rois = pooled_rois(images, count, height, width, device)
    planes = torch.rand(images, channels, height // 4, width // 4, device=device)
    last = planes.contiguous(memory_format=torch.channels_last)
    times = {"rcnn_ms": [gradient_ms(device, repeats, rcnn, maps, rois) for maps in (planes, last)],
             "torchvision_ms": [gradient_ms(device, repeats, torchvision_align, maps, rois) for maps in (planes, last)]}
    times["rcnn_bfloat16_ms"] = gradient_ms(device, repeats, rcnn, last.to(torch.bfloat16), rois)
    return {"rois": images * count, **times}


def time_operators(device, library, full):
    import rcnn_ops
    rcnn_ops.load(library)
    nms = time_nms(device, 12000 if full else 500, 50 if full else 3)
    sizes = (16, 256, 800, 1344, 512, 10) if full else (2, 8, 96, 160, 16, 2)
    return {"nms": nms, "roi_align_gradient": time_roi_align_gradient(device, *sizes)}


def main():
    words = [word for word in sys.argv[1:] if word != "--compile"]
    compiled = len(words) < len(sys.argv) - 1
    work = words[0]
    if work == "export":
        result = export(words[1], int(words[2]), int(words[3]))
    else:
        device = torch.device(words[1])
        if work == "step":
            result = time_step(device, words[2], *map(int, words[3:7]), compiled)
        elif work == "inference":
            result = time_inference(device, words[2], int(words[3]), compiled)
        else:
            result = time_operators(device, words[2], words[3] == "full")
    print(json.dumps({**result, "torch": torch.__version__, "torchvision": torchvision.__version__}))


if __name__ == "__main__":
    main()
