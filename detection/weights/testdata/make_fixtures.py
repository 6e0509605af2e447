#!/usr/bin/python3
"""Makes the files next to this script; run with Debian's python3-torch.

    ./make_fixtures.py [FOLDER]

Every file holds the same state dict, whose values the C++ tests know in closed
form: see weights_file_test.cc. The safetensors and Caffe files are put together
here by their specifications, so that no package is needed for them.
"""

import collections
import json
import pathlib
import struct
import sys
import zipfile

import torch

# Name, type as PyTorch and as safetensors call it, shape.
TENSORS = [
    ("conv1.weight", torch.float32, "F32", (2, 3, 2, 2)),
    ("conv1.bias", torch.float64, "F64", (2,)),
    ("bn1.running_mean", torch.float16, "F16", (3,)),
    ("bn1.running_var", torch.bfloat16, "BF16", (3,)),
    ("bn1.num_batches_tracked", torch.int64, "I64", ()),
    ("counts", torch.int32, "I32", (2, 2)),
    ("shorts", torch.int16, "I16", (3,)),
    ("chars", torch.int8, "I8", (3,)),
    ("bytes", torch.uint8, "U8", (3,)),
    ("mask", torch.bool, "BOOL", (4,)),
    ("empty", torch.float32, "F32", (0, 4)),
]


def make_tensor(dtype, shape):
    """Counts from -1 on in halves; a mask is true at odd positions."""
    count = torch.Size(shape).numel()
    position = torch.arange(count)
    if dtype == torch.bool:
        return (position % 2 == 1).reshape(shape)
    if dtype.is_floating_point:
        return (position * 0.5 - 1.0).to(dtype).reshape(shape)
    return (position + 1).to(dtype).reshape(shape)


def make_state_dict():
    state = collections.OrderedDict()
    for name, dtype, _, shape in TENSORS:
        state[name] = make_tensor(dtype, shape)
    # Views of one storage: a transpose, and a slice with an offset.
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    state["view.transposed"] = base.t()
    state["view.slice"] = base[1:, 1:3]
    state["parameter"] = torch.nn.Parameter(torch.full((2,), 7.0))
    return state


def tensor_bytes(tensor):
    return bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).tolist())


def save_safetensors(state, path):
    names = {dtype: name for _, dtype, name, _ in TENSORS}
    header = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in state.items():
        raw = tensor_bytes(tensor) if tensor.dim() else tensor_bytes(tensor.reshape(1))
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def field(number, wire_type, payload):
    """A field of a protobuf message; numbers here are below 2^14."""
    return varint(number << 3 | wire_type) + payload


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(number, payload):
    return field(number, 2, varint(len(payload)) + payload)


def caffe_blob(tensor, legacy):
    """BlobProto: num, channels, height, width = 1..4 or shape = 7; data = 5."""
    data = message(5, struct.pack(f"<{tensor.numel()}f", *tensor.reshape(-1).tolist()))
    if legacy:
        sizes = [1] * (4 - tensor.dim()) + list(tensor.shape)
        return b"".join(field(i + 1, 0, varint(n)) for i, n in enumerate(sizes)) + data
    return data + message(7, message(1, b"".join(varint(n) for n in tensor.shape)))


def save_caffe(path, legacy):
    """NetParameter with two layers: V1 has layers = 2 (name 4, type 5, blobs 6), V2 layer = 100 (1, 2, 7)."""
    net = message(1, b"two layers")
    for name, kind, number, shape in [
        ("conv1_1", b"Convolution", 4, (2, 3, 2, 2)),
        ("fc6", b"InnerProduct", 14, (3, 4)),
    ]:
        blobs = [make_tensor(torch.float32, shape), make_tensor(torch.float32, shape[:1])]
        if legacy:
            layer = message(3, b"top") + message(4, name.encode()) + field(5, 0, varint(number))
            net += message(2, layer + b"".join(message(6, caffe_blob(b, legacy)) for b in blobs))
        else:
            layer = message(1, name.encode()) + message(2, kind) + message(4, b"top")
            net += message(100, layer + b"".join(message(7, caffe_blob(b, legacy)) for b in blobs))
    path.write_bytes(net)


class Malicious:
    def __reduce__(self):
        import os

        return os.system, ("touch pickle_was_run",)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    state = make_state_dict()
    torch.save(state, folder / "state_zip.pth")
    with zipfile.ZipFile(folder / "state_zip.pth") as archive:
        (folder / "data.pkl").write_bytes(archive.read("state_zip/data.pkl"))
    torch.save(state, folder / "state_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, folder / "state_protocol4.pth", pickle_protocol=4)
    checkpoint = {"model": state, "epoch": 3, "optimizer": {"state": {0: {"momentum": torch.ones(5)}}}}
    torch.save(checkpoint, folder / "checkpoint_legacy.pth", _use_new_zipfile_serialization=False)
    save_safetensors(state, folder / "state.safetensors")
    save_caffe(folder / "layers_v1.caffemodel", legacy=True)
    save_caffe(folder / "layers_v2.caffemodel", legacy=False)
    torch.save({"a": torch.ones(1), "b": Malicious()}, folder / "os_system.pth")
    torch.save(
        {"a": torch.ones(1), "b": Malicious()},
        folder / "os_system_legacy.pth",
        _use_new_zipfile_serialization=False,
    )
    torch.save(torch.nn.Linear(1, 1), folder / "whole_module.pth")
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(folder / "torchscript.pt"))


if __name__ == "__main__":
    main()
