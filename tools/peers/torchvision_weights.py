#!/usr/bin/python3
"""torchvision's side of the tests of convert_weights, and of checks by hand.

    torchvision_weights.py write FOLDER MODEL... [--full]
    torchvision_weights.py compare A.pth B.pth [C.pth D.pth ...] [--order]

`write` saves state dicts of random values with the names of torchvision's models:
as MODEL.pth (zip format), MODEL_legacy.pth, and as MODEL.txt and MODEL.bin, a plain
list (name, type, sizes, offset in bytes) and the elements. Without --full, every
size above 8 is cut to 8: names, types and order are the model's, and it is quick.
`compare` loads pairs of files with torch.load and fails unless both of a pair hold
the same names, with --order in the same order, with the same types and bits.

Needs Debian's python3-torchvision.
"""

import argparse
import collections
import os
import pathlib
import sys

import torch
import torchvision

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../detection/testing"))
import torchvision_models

MODELS = {
    "vgg16": lambda: torchvision.models.vgg16(weights=None),
    "resnet18": lambda: torchvision.models.resnet18(weights=None),
    "resnet50": lambda: torchvision.models.resnet50(weights=None),
    "fasterrcnn_resnet50_fpn": lambda: torchvision.models.detection.fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None
    ),
    "fasterrcnn_resnet50_fpn_v2": lambda: torchvision.models.detection.fasterrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None
    ),
    "fasterrcnn_vgg16": lambda: torchvision_models.build("vgg16", vgg_fc_channels=256),
}


def skip_initialisation():
    """Layers skip initialisation: the values are drawn below."""
    for layer in (torch.nn.Linear, torch.nn.Conv2d):
        layer.reset_parameters = lambda self: None
    for name in ("normal_", "kaiming_normal_", "kaiming_uniform_"):
        setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)


def random_tensor(tensor, full, generator):
    shape = tensor.shape if full else [min(size, 8) for size in tensor.shape]
    if tensor.dtype == torch.int64:
        return torch.randint(0, 1000, shape, generator=generator)
    return torch.randn(shape, generator=generator, dtype=tensor.dtype)


def write_plain(state, folder, name):
    offset = 0
    with open(folder / f"{name}.txt", "w") as index, open(folder / f"{name}.bin", "wb") as data:
        for key, tensor in state.items():
            raw = tensor.contiguous().numpy().tobytes()
            sizes = ",".join(str(size) for size in tensor.shape)
            index.write(f"{key} {str(tensor.dtype)[6:]} [{sizes}] {offset}\n")
            data.write(raw)
            offset += len(raw)


def write(name, folder, full):
    skip_initialisation()
    generator = torch.Generator().manual_seed(3)
    state = collections.OrderedDict(
        (key, random_tensor(tensor, full, generator))
        for key, tensor in MODELS[name]().state_dict().items()
    )
    torch.save(state, folder / f"{name}.pth")
    torch.save(state, folder / f"{name}_legacy.pth", _use_new_zipfile_serialization=False)
    write_plain(state, folder, name)


def bits(tensor):
    return tensor.contiguous().numpy().tobytes()


def compare(first_path, second_path, order):
    first, second = torch.load(first_path), torch.load(second_path)
    if set(first) != set(second):
        differing = sorted(set(first) ^ set(second))
        sys.exit(f"{first_path}, {second_path}: only one of them has {differing[:5]}")
    if order and list(first) != list(second):
        sys.exit(f"{first_path}, {second_path}: another order")
    for name in first:
        a, b = first[name], second[name]
        if a.dtype != b.dtype or a.shape != b.shape or bits(a) != bits(b):
            sys.exit(f"{first_path}, {second_path}: {name} differs")
    print(f"{first_path}, {second_path}: {len(first)} tensors are equal bit by bit")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("folder", type=pathlib.Path)
    writing.add_argument("models", nargs="+", choices=MODELS)
    writing.add_argument("--full", action="store_true")
    comparing = commands.add_parser("compare")
    comparing.add_argument("files", nargs="+")
    comparing.add_argument("--order", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "write":
        for model in arguments.models:
            write(model, arguments.folder, arguments.full)
    else:
        for first, second in zip(arguments.files[::2], arguments.files[1::2]):
            compare(first, second, arguments.order)


if __name__ == "__main__":
    main()
