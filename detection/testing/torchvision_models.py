"""torchvision's detectors with random weights that detect something, and a safetensors writer.

Random weights alone give flat scores: every class about equal, no detection above the threshold. So here
  * the norms' affine parameters are drawn from [0.5, 1.5] and N(0, 0.1), and their running statistics are those of two
    random images,
  * the last norm of a residual block has its weight from [0.1, 0.3], as trained networks have and as zero-initialised
    ones begin: with branches as strong as the shortcut, fifty random layers amplify the last bit of float32 until two
    correct programs differ in the third digit,
  * the outputs of RPN and head are scaled so that, on those images, logits have a standard deviation of LOGIT_STD and
    deltas one of RPN_DELTA_STD and HEAD_DELTA_STD.
"""

import json
import struct

import torch
import torchvision
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.resnet import Bottleneck
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.misc import FrozenBatchNorm2d

LOGIT_STD = 2.0
RPN_DELTA_STD = 0.3
HEAD_DELTA_STD = 1.0

MODELS = ("resnet50_fpn", "resnet50_fpn_v2", "vgg16", "resnet50_c4")
# Those whose norms are constants. They are made with batch norms, which can be calibrated, and changed.
FROZEN = ("resnet50_fpn", "resnet50_c4")


def _vgg16(fc_channels, num_classes, **kwargs):
    backbone = torchvision.models.vgg16(weights=None).features[:-1]
    backbone.out_channels = 512
    return FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(((128, 256, 512),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        box_head=TwoMLPHead(512 * 7 * 7, fc_channels),
        box_predictor=FastRCNNPredictor(fc_channels, num_classes),
        **kwargs)


def _resnet50_fpn(norm_layer, num_classes, **kwargs):
    """fasterrcnn_resnet50_fpn with the norms that torchvision uses with pretrained weights, or others."""
    body = torchvision.models.resnet50(weights=None, norm_layer=norm_layer)
    return FasterRCNN(_resnet_fpn_extractor(body, 5), num_classes=num_classes, **kwargs)


class _C4(nn.Module):
    """A ResNet up to layer3."""

    def __init__(self, resnet):
        super().__init__()
        self.body = IntermediateLayerGetter(resnet, {"layer3": "0"})
        self.out_channels = 1024

    def forward(self, x):
        return self.body(x)


class _Layer4Head(nn.Module):
    """The rest of the network, and the mean."""

    def __init__(self, resnet):
        super().__init__()
        self.layer4 = resnet.layer4

    def forward(self, x):
        return self.layer4(x).mean((2, 3))


def _resnet50_c4(norm_layer, num_classes, **kwargs):
    """He et al.'s detector, of torchvision's parts: pooled 14x14, which layer4 halves."""
    resnet = torchvision.models.resnet50(weights=None, norm_layer=norm_layer)
    return FasterRCNN(
        _C4(resnet),
        rpn_anchor_generator=AnchorGenerator(((128, 256, 512),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 14, 2),
        box_head=_Layer4Head(resnet),
        box_predictor=FastRCNNPredictor(2048, num_classes),
        **kwargs)


def build(name, vgg_fc_channels=4096, norm_layer=FrozenBatchNorm2d, **kwargs):
    """The network of make_model, with other random weights; kwargs are FasterRCNN's. norm_layer: of those in FROZEN."""
    if name == "vgg16":
        return _vgg16(vgg_fc_channels, 91, **kwargs)
    if name == "resnet50_fpn":
        return _resnet50_fpn(norm_layer, 91, **kwargs)
    if name == "resnet50_c4":
        return _resnet50_c4(norm_layer, 91, **kwargs)
    return fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **kwargs)


def random_image(height, width, generator):
    """Coloured blotches and noise, uint8 [H, W, 3]."""
    coarse = torch.rand(1, 3, height // 24 + 2, width // 24 + 2, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)[0]
    noise = torch.rand(3, height, width, generator=generator)
    image = (smooth * 1.4 - 0.2 + 0.15 * (noise - 0.5)).clamp(0, 1) * 255
    return image.round().to(torch.uint8).permute(1, 2, 0).contiguous()


def to_input(image):
    return image.permute(2, 0, 1).to(torch.float32) / 255


def _features(model, inputs):
    """The backbone's maps by name, of the images that model.transform returns."""
    features = model.backbone(inputs.tensors)
    return {"0": features} if isinstance(features, torch.Tensor) else features


def _box_features(model, inputs, features):
    """What the head's predictor gets of the proposals."""
    proposals, _ = model.rpn(inputs, features)
    return model.roi_heads.box_head(model.roi_heads.box_roi_pool(features, proposals, inputs.image_sizes))


def _has_norms(module):
    return any(isinstance(m, nn.BatchNorm2d) for m in module.modules())


def _calibrate_norms(model, inputs, generator):
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    last = {m.bn3 for m in model.modules() if isinstance(m, Bottleneck)}
    for norm in norms:
        low, high = (0.1, 0.3) if norm in last else (0.5, 1.5)
        norm.weight.data.uniform_(low, high, generator=generator)
        norm.bias.data.normal_(0, 0.1, generator=generator)
        norm.train()
        norm.momentum = 1.0
    # Only as far as there are norms. The RPN has none.
    if norms:
        features = _features(model, inputs)
        if _has_norms(model.roi_heads):
            _box_features(model, inputs, features)
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()


def _scale_output(layer, outputs, std, generator):
    """Scales a layer so that its outputs, a list, would have this standard deviation."""
    layer.weight.data.mul_(std / torch.cat([output.flatten() for output in outputs]).std().item())
    layer.bias.data.normal_(0, 0.1 * std, generator=generator)


def _scale_outputs(model, inputs, generator):
    """Scales those of the RPN, and those of the head for the proposals that follow."""
    features = _features(model, inputs)
    head, predictor = model.rpn.head, model.roi_heads.box_predictor
    logits, deltas = head(list(features.values()))
    _scale_output(head.cls_logits, logits, LOGIT_STD, generator)
    _scale_output(head.bbox_pred, deltas, RPN_DELTA_STD, generator)
    logits, deltas = predictor(_box_features(model, inputs, features))
    _scale_output(predictor.cls_score, [logits], LOGIT_STD, generator)
    _scale_output(predictor.bbox_pred, [deltas], HEAD_DELTA_STD, generator)


def _freeze_norms(module):
    """Replaces batch norms by constants."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(child.num_features, child.eps)
            frozen.load_state_dict(child.state_dict())
            setattr(module, name, frozen)
        else:
            _freeze_norms(child)


def make_model(name, seed=1, vgg_fc_channels=4096, **kwargs):
    """A network with the weights described above, in eval mode; kwargs are FasterRCNN's."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images = [to_input(random_image(h, w, generator)) for h, w in ((240, 320), (300, 260))]
    model = build(name, vgg_fc_channels, nn.BatchNorm2d, **kwargs).eval()
    usual = (model.transform.min_size, model.transform.max_size)
    model.transform.min_size, model.transform.max_size = (256,), 320
    with torch.no_grad():
        inputs, _ = model.transform(images)
        _calibrate_norms(model, inputs, generator)
        _scale_outputs(model, inputs, generator)
    model.transform.min_size, model.transform.max_size = usual
    if name in FROZEN:
        _freeze_norms(model)
    return model


_DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8",
           torch.bool: "BOOL"}


def save_safetensors(path, tensors):
    """Writes {name: tensor} in the safetensors format."""
    header, offset = {}, 0
    tensors = {k: v.detach().contiguous().cpu() for k, v in sorted(tensors.items())}
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for tensor in tensors.values():
            f.write(tensor.numpy().tobytes())
