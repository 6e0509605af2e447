"""Loads librcnn_ops.so into PyTorch: its operators are torch.ops.rcnn afterwards.

    import rcnn_ops
    rcnn_ops.load("bazel-bin/ops/librcnn_ops.so")
    kept = torch.ops.rcnn.nms(boxes, scores, 0.5)

A library that was built for another PyTorch, or has kernels for another CUDA than PyTorch's, is refused, with both
versions in the error. torch.ops.load_library alone does not check that, and such a library crashes.

With PyTorch 2 the operators also work in torch.compile and torch.export, with sizes that vary: the functions below give
the shapes of their results, on meta tensors too, and check nothing. The number of results of nms, proposals and their
like is a new symbol there. A traced operator that is composed of PyTorch's own (losses, clip_boxes, ...) checks shapes
and dtypes, but no values.
"""

import os
import re

import torch

_BUILT_FOR = re.compile(rb"rcnn_ops was built for torch ([0-9.]+)(?: and CUDA ([0-9.]+))?")
_FOLDER = os.path.dirname(os.path.abspath(__file__))

# Shapes of results: operator -> function of its arguments.
_SHAPES = {}
_loaded = []


def _shapes_of(*operators):
    def register(function):
        for operator in operators:
            _SHAPES[operator] = function
        return function
    return register


def _number_of_results(like, most):
    """Returns a number that depends on values. A meta tensor, of which nothing is computed, gives the maximum."""
    if like.device.type == "meta":
        return most
    return torch.library.get_ctx().new_dynamic_size()


def _kept(boxes, max_keep):
    rows = boxes.shape[0]
    return _number_of_results(boxes, rows if max_keep is None else min(rows, max_keep))


@_shapes_of("nms", "batched_nms")
def _indices(boxes, *_, max_keep=None, **__):
    return boxes.new_empty([_kept(boxes, max_keep)], dtype=torch.int64)


@_shapes_of("soft_nms")
def _indices_and_scores(boxes, scores, *, max_keep=None, **_):
    kept = _kept(boxes, max_keep)
    return boxes.new_empty([kept], dtype=torch.int64), scores.new_empty([kept])


@_shapes_of("vote_boxes")
def _voted(boxes, scores, classes, kept, *_, **__):
    del scores, classes
    return boxes.new_empty([kept.shape[0], 4])


@_shapes_of("box_iou", "box_intersection_over_area")
def _matrix(boxes, others, **_):
    return boxes.new_empty([boxes.shape[0], others.shape[0]])


@_shapes_of("_clip_boxes")
def _like_first(boxes, *_):
    return boxes.new_empty(boxes.shape)


@_shapes_of("encode_boxes", "decode_boxes")
def _like_second(boxes, second, **_):
    del boxes
    return second.new_empty(second.shape)


@_shapes_of("_encode_boxes_backward", "_decode_boxes_backward")
def _like_both(boxes, second, grad, **_):
    del grad
    return boxes.new_empty(boxes.shape), second.new_empty(second.shape)


@_shapes_of("base_anchors")
def _base_anchors(base_size_px=16.0, scales=(8.0, 16.0, 32.0), aspect_ratios=(0.5, 1.0, 2.0), **_):
    del base_size_px
    return torch.empty([len(scales) * len(aspect_ratios), 4], dtype=torch.float32)


@_shapes_of("place_anchors")
def _placed(base, height, width, *_, **__):
    return base.new_empty([height * width * base.shape[0], 4])


@_shapes_of("anchors_inside_image")
def _inside(anchors, *_, **__):
    return anchors.new_empty([anchors.shape[0]], dtype=torch.bool)


@_shapes_of("match_boxes")
def _matches(boxes, *_, **__):
    labels = boxes.new_empty([boxes.shape[0]], dtype=torch.int64)
    return labels, torch.empty_like(labels), boxes.new_empty([boxes.shape[0]])


@_shapes_of("sample_balanced")
def _sample(labels, generator, count=256, positive_fraction=0.5):
    del generator
    rows = labels.shape[0]
    # Python's round() is that of the operator: half to even.
    positive = _number_of_results(labels, min(rows, round(count * positive_fraction)))
    negative = _number_of_results(labels, min(rows, count))
    return labels.new_empty([positive]), labels.new_empty([negative])


@_shapes_of("match_batch")
def _batch_matches(boxes, gt_boxes, *_, **__):
    shape = [gt_boxes.shape[0], boxes.shape[-2]]
    labels = boxes.new_empty(shape, dtype=torch.int64)
    return labels, torch.empty_like(labels), boxes.new_empty(shape)


@_shapes_of("sample_by_counters")
def _counted_sample(labels, image_ids, key, count=256, positive_fraction=0.5, appended_from=None):
    del image_ids, key, appended_from
    images = labels.shape[0]
    return (labels.new_empty([images, round(count * positive_fraction)]), labels.new_empty([images]),
            labels.new_empty([images, count]), labels.new_empty([images]))


@_shapes_of("counted_nms", "counted_batched_nms")
def _counted_indices(boxes, *_, max_keep=None, **__):
    rows = boxes.shape[0]
    kept = boxes.new_empty([rows if max_keep is None else min(rows, max_keep)], dtype=torch.int64)
    return kept, kept.new_empty([])


@_shapes_of("_sampled_rpn_loss", "_sampled_fast_rcnn_loss")
def _losses_and_gradients(logits, deltas, *_):
    return logits.new_empty([2]), logits.new_empty(logits.shape), deltas.new_empty(deltas.shape)


@_shapes_of("random_mask")
def _mask(like, *_, **__):
    return like.new_empty(like.shape, dtype=torch.float32)


@_shapes_of("preprocess")
def _preprocessed(image, height, width, *_, **__):
    return image.new_empty([3, height, width], dtype=torch.float32)


@_shapes_of("preprocess_batch")
def _preprocessed_batch(images, sizes, height, width, *_, **__):
    del sizes
    return torch.empty([len(images), 3, height, width], dtype=torch.float32, device=images[0].device,
                       memory_format=torch.channels_last)


@_shapes_of("proposals", "proposals.sizes")
def _proposals(logits, deltas, anchors, image_info, *, post_nms_top_n=300, **_):
    del logits, image_info
    images = deltas[0].shape[0]
    rows = _number_of_results(deltas[0], images * min(sum(level.shape[0] for level in anchors), post_nms_top_n))
    boxes = deltas[0].new_empty([rows, 5], dtype=torch.float32)
    return boxes, boxes.new_empty([rows]), boxes.new_empty([images], dtype=torch.int64)


@_shapes_of("counted_proposals")
def _counted_proposals(logits, deltas, anchors, image_info, *, pre_nms_top_n=6000, post_nms_top_n=300, **_):
    del logits, image_info
    images = deltas[0].shape[0]
    most = max(level.shape[0] for level in anchors)
    rows = min(post_nms_top_n, len(anchors) * min(pre_nms_top_n, most))
    boxes = deltas[0].new_empty([images, rows, 5], dtype=torch.float32)
    return boxes, boxes.new_empty([images, rows]), boxes.new_empty([images], dtype=torch.int64)


@_shapes_of("counted_detections")
def _counted_detections(scores, deltas, rois, frames, *, max_per_image=100, **_):
    del deltas, rois
    images, most = frames.shape[0], min(max_per_image, scores.shape[0] * (scores.shape[1] - 1))
    labels = scores.new_empty([images, most], dtype=torch.int64)
    return scores.new_empty([images, most, 4]), scores.new_empty([images, most]), labels, labels.new_empty([images])


def _memory_format(tensor):
    """Returns channels_last or contiguous, by the rule of at::Tensor::suggest_memory_format."""
    least = 0
    for dimension in (1, 3, 2, 0):
        size, stride = tensor.shape[dimension], tensor.stride(dimension)
        if size == 0 or stride < least or (dimension == 0 and least == tensor.stride(1)):
            return torch.contiguous_format
        least = stride * max(size, 1)
    return torch.channels_last


def _pooled(features, rois, pooled_height, pooled_width, dtype):
    return torch.empty([rois.shape[0], features.shape[1], pooled_height, pooled_width], dtype=dtype,
                       device=features.device, memory_format=_memory_format(features))


def _gradient(grad, sizes, channels_last):
    return torch.empty(sizes, dtype=grad.dtype, device=grad.device,
                       memory_format=torch.channels_last if channels_last else torch.contiguous_format)


@_shapes_of("_fpn_levels")
def _levels(rois, *_):
    return rois.new_empty([rois.shape[0]], dtype=torch.int64)


@_shapes_of("_roi_align_levels")
def _roi_align_levels(features, rois, levels, scales, pooled_height, pooled_width, sampling_ratio, aligned):
    del levels, scales, sampling_ratio, aligned
    return _pooled(features[0], rois, pooled_height, pooled_width, features[0].dtype)


@_shapes_of("_roi_align_levels_backward")
def _roi_align_levels_backward(grad, rois, levels, scales, pooled_height, pooled_width, sampling_ratio, aligned, sizes,
                               channels_last):
    del rois, levels, scales, pooled_height, pooled_width, sampling_ratio, aligned
    return [_gradient(grad, sizes[4 * i:4 * i + 4], last) for i, last in enumerate(channels_last)]


@_shapes_of("_roi_pool")
def _roi_pool(features, rois, spatial_scale, pooled_height, pooled_width, with_argmax):
    del spatial_scale
    output = _pooled(features, rois, pooled_height, pooled_width, features.dtype)
    if not with_argmax:
        return output, features.new_empty([0], dtype=torch.int32)
    return output, _pooled(features, rois, pooled_height, pooled_width, torch.int32)


@_shapes_of("_roi_pool_backward")
def _roi_pool_backward(grad, argmax, rois, spatial_scale, sizes, channels_last):
    del argmax, rois, spatial_scale
    return _gradient(grad, sizes, channels_last)


def _major_minor(version):
    return ".".join(version.split(".")[:2])


def check_version(library):
    """Raises ImportError unless `library` exists and was built for this torch and its CUDA; loads nothing."""
    if not os.path.exists(library):
        raise ImportError(f"missing file: {library}")
    with open(library, "rb") as file:
        found = _BUILT_FOR.search(file.read())
    if not found:
        raise ImportError(f"{library} is not a librcnn_ops.so: it does not say which torch it was built for")
    built, cuda = (text and text.decode() for text in found.groups())
    if _major_minor(built) != _major_minor(torch.__version__):
        raise ImportError(f"{library} was built for torch {built}, but this is torch {torch.__version__}")
    own = torch.version.cuda
    if cuda and (not own or cuda.split(".")[0] != own.split(".")[0]):
        raise ImportError(f"{library} was built for CUDA {cuda}, but this torch {torch.__version__} has "
                          f"{'CUDA ' + own if own else 'no CUDA'}")


def _find_library():
    places = [_FOLDER, os.path.join(_FOLDER, "..", "bazel-bin", "ops")]
    for folder in places:
        if os.path.exists(os.path.join(folder, "librcnn_ops.so")):
            return os.path.join(folder, "librcnn_ops.so")
    raise ImportError(f"missing file: librcnn_ops.so in {' or '.join(places)}")


def load(library=None):
    """Loads the library, by default the one beside this file or in the workspace's bazel-bin.

    Raises ImportError if the file is missing, or was built for another torch, whose major and minor version must be
    equal, or for another CUDA, whose major version must be.
    Once a library is loaded, further calls do nothing.
    """
    if _loaded:
        return
    library = library or _find_library()
    check_version(library)
    torch.ops.load_library(library)
    if hasattr(torch.library, "register_fake"):
        fragment = torch.library.Library("rcnn", "FRAGMENT")  # owns the registrations
        for operator, shapes in _SHAPES.items():
            torch.library.register_fake(f"rcnn::{operator}", shapes, lib=fragment, allow_override=True)
        _loaded.append(fragment)
    else:
        _loaded.append(library)
