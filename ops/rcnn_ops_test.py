"""Checks torch.ops.rcnn in PyTorch 2: opcheck of every operator, torch.compile, torch.export, autocast.

usage: rcnn_ops_test.py LIBRARY [unittest's arguments]

tools/developer/check_python_library.sh runs it.
"""

import os
import sys
import unittest

import torch

import rcnn_ops

LIBRARY = os.path.abspath(sys.argv[1])
rcnn_ops.load(LIBRARY)
r = torch.ops.rcnn


def uniform(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def random_boxes(count, seed=1):
    corners = uniform(count, 2, seed=seed) * 300
    return torch.cat([corners, corners + uniform(count, 2, seed=seed + 100) * 100 + 1], 1)


def bytes_of_image(height, width):
    return (uniform(height, width, 3) * 255).to(torch.uint8)


def leaf(tensor):
    return tensor.clone().requires_grad_()


ROIS = torch.tensor([[0.0, 4, 4, 60, 50], [1, 0, 0, 20, 30], [0, 10, 5, 30, 40]])
LEVELS, SCALES = torch.tensor([0, 1, 0]), [0.25, 0.125]
POOL = (3, 2, 2, True)


def feature_maps(channels_last=False):
    maps = [uniform(2, 6, 16, 20, seed=1), uniform(2, 6, 8, 10, seed=2)]
    return [m.to(memory_format=torch.channels_last) if channels_last else m for m in maps]


def sizes(maps):
    return [size for one in maps for size in one.shape]


def box_calls():
    boxes, others, deltas = random_boxes(40), random_boxes(5, seed=2), uniform(40, 8) - 0.5
    return {
        "box_area": [((leaf(boxes),), {})],
        "clip_boxes": [((leaf(boxes), 200, 150), {"inclusive": True})],
        "_clip_boxes": [((boxes, 149.0, 199.0), {})],
        "flip_boxes": [((leaf(boxes), 400), {})],
        "scale_boxes": [((leaf(boxes), 2.0, 0.5), {})],
        "large_boxes": [((boxes, 30.0), {})],
        "box_iou": [((boxes, others), {}), ((boxes.double(), others.double()), {"inclusive": True})],
        "box_intersection_over_area": [((boxes, others), {})],
        "encode_boxes": [((leaf(boxes), leaf(boxes + 3)), {"weights": [10.0, 10.0, 5.0, 5.0]})],
        "decode_boxes": [((leaf(boxes), leaf(deltas)), {"max_log_scale": 1.0})],
        "_encode_boxes_backward": [((boxes, boxes + 3, uniform(40, 4)), {})],
        "_decode_boxes_backward": [((boxes, deltas, uniform(40, 8)), {})],
    }


def selection_calls():
    boxes, scores, classes = random_boxes(40), uniform(40, seed=3), torch.arange(40) % 3
    logits, map_deltas = [uniform(2, 3, 4, 5)], [uniform(2, 12, 4, 5) - 0.5]
    anchors, info = [random_boxes(60)], [200.0, 300.0, 1.0, 150.0, 250.0, 1.0]
    return {
        "nms": [((boxes, scores, 0.3), {}), ((boxes, scores), {"max_keep": 7})],
        "batched_nms": [((boxes, scores, classes, 0.3), {})],
        "soft_nms": [((boxes, scores), {"decay": "linear"})],
        "vote_boxes": [((boxes, scores, classes, torch.tensor([0, 3])), {})],
        "proposals": [((logits, map_deltas, anchors, torch.tensor(info).view(2, 3)), {})],
        "proposals.sizes": [((logits, map_deltas, anchors, info), {"post_nms_top_n": 9})],
        "counted_nms": [((boxes, scores, 0.3), {}), ((boxes, scores), {"max_keep": 7})],
        "counted_batched_nms": [((boxes, scores, classes, 0.3), {})],
        "counted_proposals": [((logits, map_deltas, anchors, torch.tensor(info).view(2, 3)), {"post_nms_top_n": 9})],
    }


def detection_calls():
    """Three images, the last without RoIs."""
    images = (torch.arange(40.0) % 2).view(40, 1)
    rois = torch.cat([images, random_boxes(40)], 1)
    frames = torch.tensor([400.0, 400, 1, 2, 0.5]).repeat(3, 1)
    arguments = (torch.softmax(uniform(40, 4) * 3, 1), uniform(40, 16) - 0.5, rois, frames)
    return {"counted_detections": [(arguments, {}), (arguments, {"max_per_image": 7, "max_per_class": 3})]}


def anchor_calls():
    boxes, labels = random_boxes(40), torch.tensor([1, 0, -1, 0, 1])
    return {
        "base_anchors": [((), {}), ((8.0, [1.0, 2.0]), {"rounding": "corners"})],
        "place_anchors": [((random_boxes(3), 4, 5, 16.0, 8.0), {})],
        "anchors_inside_image": [((boxes, 200, 300), {})],
        "match_boxes": [((boxes, random_boxes(5, seed=2)), {"gt_is_crowd": torch.arange(5) == 2})],
        "match_batch": [((boxes, random_boxes(10, seed=2).view(2, 5, 4), torch.tensor([5, 3])),
                         {"gt_is_crowd": torch.arange(10).view(2, 5) == 2})],
        "sample_by_counters": [((labels.repeat(2, 1), torch.tensor([7, 8]), 5, 4, 0.5), {}),
                               ((labels.repeat(2, 1), torch.tensor([7, 8]), 5), {"appended_from": 3})],
        "random_mask": [((boxes, 5, 0.3), {}),
                        ((boxes, 5, 0.3), {"draw_rows": torch.arange(80).view(40, 2)})],
        "sample_balanced": [((labels, torch.Generator().manual_seed(1)), {})],
        "preprocess": [((bytes_of_image(6, 8), 5, 9), {"to_bgr": True})],
        "preprocess_batch": [(([bytes_of_image(6, 8), bytes_of_image(7, 4)], [5, 9, 8, 3], 8, 10),
                              {"to_bgr": True, "flipped": [0, 1]})],
    }


def roi_calls():
    maps, last = feature_maps(), feature_maps(channels_last=True)
    argmax = torch.zeros(3, 6, 3, 2, dtype=torch.int32)
    return {
        "roi_align": [((leaf(maps[0]), ROIS, 0.25, 3, 2), {}), ((leaf(last[0]), ROIS, 0.25), {})],
        "multilevel_roi_align": [(([leaf(m) for m in maps], ROIS, SCALES, 3, 2), {"canonical_size_px": 56.0})],
        "roi_pool": [((leaf(maps[0]), ROIS, 0.25, 3, 2), {}), ((last[0], ROIS, 0.25), {})],
        "_fpn_levels": [((ROIS, 2, 5, 4, 56.0), {})],
        "_roi_align_levels": [((([leaf(m) for m in one]), ROIS, LEVELS, SCALES, *POOL), {}) for one in (maps, last)],
        "_roi_align_levels_backward": [
            ((uniform(3, 6, 3, 2), ROIS, LEVELS, SCALES, *POOL, sizes(maps), [0, 1]), {})],
        "_roi_pool": [((maps[0], ROIS, 0.25, 3, 2, True), {}), ((last[0], ROIS, 0.25, 3, 2, False), {})],
        "_roi_pool_backward": [((uniform(3, 6, 3, 2), argmax, ROIS, 0.25, sizes(maps[:1]), False), {})],
    }


def sampled_loss_calls():
    """Two images of 9 anchors, and 6 RoIs, of which two do not count."""
    positive, negative = torch.tensor([[1, 4], [3, 0]]), torch.tensor([[0, 2, 8], [5, 0, 0]])
    rpn = (positive, torch.tensor([2, 1]), uniform(2, 2, 4, seed=2), negative, torch.tensor([3, 1]))
    logits, deltas = uniform(2, 9), uniform(2, 9, 4)
    head = (torch.tensor([0, 1, -1, 3, 0, -1]), uniform(6, 4, seed=2))
    return {
        "sampled_rpn_loss": [((leaf(logits), leaf(deltas), *rpn), {}),
                             ((leaf(logits), deltas, *rpn), {"objectness_normalizer": 8.0})],
        "sampled_fast_rcnn_loss": [((leaf(uniform(6, 4)), leaf(uniform(6, 16)), *head), {}),
                                   ((leaf(uniform(6, 4)), leaf(uniform(6, 4)), *head), {"normalizer": 3.0})],
        "_sampled_rpn_loss": [((logits, deltas, *rpn, None, 4.0, 2.0, 0.5), {})],
        "_sampled_fast_rcnn_loss": [((uniform(6, 4), uniform(6, 12), *head, None, 1.0, 1.0), {})],
    }


def loss_calls():
    positive, negative = torch.tensor([1, 4]), torch.tensor([0, 2, 8])
    class_logits, labels = leaf(uniform(6, 4)), torch.tensor([0, 1, 2, 3, 0, 1])
    return {
        "smooth_l1": [((leaf(uniform(9)), leaf(uniform(9, seed=2))), {"beta": 0.5})],
        "rpn_loss": [((leaf(uniform(9)), leaf(uniform(9, 4)), positive, negative, uniform(2, 4, seed=2)), {})],
        "fast_rcnn_loss": [((class_logits, leaf(uniform(6, 16)), labels, uniform(6, 4, seed=2)), {}),
                           ((class_logits, leaf(uniform(6, 4)), labels, uniform(6, 4, seed=2)), {"normalizer": 3.0})],
    }


def all_calls():
    return {**box_calls(), **selection_calls(), **detection_calls(), **anchor_calls(), **roi_calls(), **loss_calls(),
            **sampled_loss_calls()}


def registered_operators():
    schemas = [s for s in torch._C._jit_get_all_schemas() if s.name.startswith("rcnn::")]  # pylint: disable=W0212
    return {s.name[len("rcnn::"):] + ("." + s.overload_name if s.overload_name else "") for s in schemas}


def find_operator(name):
    packet, _, overload = name.partition(".")
    return getattr(getattr(r, packet), overload or "default")


def detached(result):
    return torch.utils._pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, result)  # pylint: disable=W0212


# PyTorch's graphs cannot hold its generators, those of torch.bernoulli neither.
TAKES_GENERATOR = "sample_balanced"


class Opcheck(unittest.TestCase):
    def test_every_operator_passes(self):
        for name, calls in all_calls().items():
            checks = ["test_schema", "test_autograd_registration", "test_faketensor"]
            if name != TAKES_GENERATOR:
                checks.append("test_aot_dispatch_dynamic")
            for args, kwargs in calls:
                with self.subTest(operator=name, kwargs=kwargs):
                    torch.library.opcheck(find_operator(name), args, kwargs, test_utils=checks)

    def test_every_registered_operator_is_checked(self):
        registered = registered_operators()
        self.assertGreater(len(registered), 30)
        self.assertEqual(registered, set(all_calls()))


def best_regions(features, boxes, scores):
    """A part of a detector: suppression, RoIs, pooling; sizes that depend on values."""
    kept = r.nms(boxes, scores, 0.3, max_keep=20)
    rois = torch.cat([boxes.new_zeros(kept.shape[0], 1), boxes[kept]], 1)
    return r.roi_align(features, rois, 0.05, 3, 3).sum((2, 3)), kept


def region_arguments(count):
    return uniform(1, 4, 20, 22), random_boxes(count), uniform(count, seed=5)


class Compile(unittest.TestCase):
    def setUp(self):
        torch._dynamo.reset()  # pylint: disable=W0212

    def assert_same(self, found, expected, rtol=0.0):
        torch.testing.assert_close(detached(found), detached(expected), rtol=rtol, atol=0)

    def test_every_operator_in_one_graph(self):
        for name, calls in all_calls().items():
            if name == TAKES_GENERATOR:
                continue
            operator = find_operator(name)
            for args, kwargs in calls:
                with self.subTest(operator=name), \
                     torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):  # pylint: disable=W0212
                    torch._dynamo.reset()  # pylint: disable=W0212
                    compiled = torch.compile(lambda *a, op=operator, kw=kwargs: op(*a, **kw),  # pylint: disable=W0640
                                             backend="aot_eager", fullgraph=True)
                    # A trace of this loss adds the zeros of the background.
                    rtol = 1e-6 if name == "fast_rcnn_loss" else 0.0
                    self.assert_same(compiled(*args), operator(*args, **kwargs), rtol)

    def test_graph_breaks_keep_results(self):
        compiled = torch.compile(best_regions, backend="aot_eager")
        arguments = region_arguments(30)
        self.assert_same(compiled(*arguments), best_regions(*arguments))

    def test_one_graph_serves_all_sizes(self):
        graphs = []

        def count_graphs(graph, _):
            graphs.append(graph)
            return graph

        with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):  # pylint: disable=W0212
            compiled = torch.compile(best_regions, backend=count_graphs, fullgraph=True, dynamic=True)
            for count in (30, 31, 90):
                arguments = region_arguments(count)
                self.assert_same(compiled(*arguments), best_regions(*arguments))
        self.assertEqual(len(graphs), 1)

    def test_inductor_and_its_gradients(self):
        def loss(features, weight):
            pooled = r.roi_align(torch.relu(features * weight), ROIS, 0.25, 3, 3)
            return r.smooth_l1(pooled.flatten(1), torch.zeros(3, 54)).mean()

        features, weight = feature_maps()[0], leaf(torch.tensor(1.5))
        expected = loss(features, weight)
        expected_gradient, = torch.autograd.grad(expected, weight)
        found = torch.compile(loss, fullgraph=True)(features, weight)
        gradient, = torch.autograd.grad(found, weight)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(gradient, expected_gradient)

    def test_losses_of_any_number_of_samples(self):
        def losses(objectness, deltas, positive, negative, targets):
            return r.rpn_loss(objectness, deltas, positive, negative, targets)

        def arguments(count):
            rows = torch.arange(count)
            return uniform(99), uniform(99, 4), rows, rows + 40, uniform(count, 4, seed=9)

        compiled = torch.compile(losses, backend="aot_eager", fullgraph=True, dynamic=True)
        for count in (3, 7, 20):
            self.assert_same(compiled(*arguments(count)), losses(*arguments(count)))


class Export(unittest.TestCase):
    def test_a_program_for_any_number_of_boxes(self):
        class Regions(torch.nn.Module):
            def forward(self, features, boxes, scores):
                return best_regions(features, boxes, scores)

        count = torch.export.Dim("count", min=4, max=1000)
        program = torch.export.export(Regions(), region_arguments(30),
                                      dynamic_shapes={"features": None, "boxes": {0: count}, "scores": {0: count}})
        for boxes in (30, 77):
            arguments = region_arguments(boxes)
            for found, expected in zip(program.module()(*arguments), best_regions(*arguments)):
                self.assertTrue(torch.equal(found, expected))

    def test_proposals(self):
        args, kwargs = selection_calls()["proposals.sizes"][0]

        class Proposals(torch.nn.Module):
            def forward(self, logits, deltas, anchors):
                return r.proposals.sizes([logits], [deltas], [anchors], args[3], **kwargs)

        inputs = (args[0][0], args[1][0], args[2][0])
        program = torch.export.export(Proposals(), inputs)
        for found, expected in zip(program.module()(*inputs), Proposals()(*inputs)):
            self.assertTrue(torch.equal(found, expected))


class Autocast(unittest.TestCase):
    def assert_as_float32(self, operator, *args):
        """Under autocast, bfloat16 arguments give what the same values give in float32."""
        def convert(value, dtype):
            is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
            return value.detach().to(dtype) if is_float else value

        short = [convert(value, torch.bfloat16) for value in args]
        expected = operator(*[convert(value, torch.float32) for value in short])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = operator(*short)
        self.assertTrue(torch.equal(found, expected))
        self.assertEqual(found.dtype, expected.dtype)

    def test_operators_compute_in_float32(self):
        boxes, scores = random_boxes(40).round(), uniform(40)
        self.assert_as_float32(r.nms, boxes, scores, 0.3)
        self.assert_as_float32(r.box_iou, boxes, boxes[:5])
        self.assert_as_float32(r.decode_boxes, boxes, uniform(40, 4))
        self.assert_as_float32(r.clip_boxes, boxes, 200, 150)
        self.assert_as_float32(r.smooth_l1, uniform(9), uniform(9, seed=2))
        self.assert_as_float32(r.roi_align, feature_maps()[0], ROIS, 0.25)
        self.assert_as_float32(r.roi_pool, feature_maps()[0], ROIS, 0.25)

    def test_lists_are_converted(self):
        maps = [m.to(torch.bfloat16) for m in feature_maps()]
        expected = r.multilevel_roi_align([m.float() for m in maps], ROIS, SCALES)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            self.assertTrue(torch.equal(r.multilevel_roi_align(maps, ROIS, SCALES), expected))

    def test_gradients_reach_a_layer_in_bfloat16(self):
        conv = torch.nn.Conv2d(6, 4, 3)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = conv(feature_maps()[0])
            self.assertEqual(features.dtype, torch.bfloat16)
            pooled = r.roi_align(features, ROIS, 0.25)
        self.assertEqual(pooled.dtype, torch.float32)
        pooled.sum().backward()
        self.assertTrue(conv.weight.grad.abs().sum() > 0)

    def test_compiled(self):
        conv = torch.nn.Conv2d(6, 4, 3)

        def pooled(features):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return r.roi_align(conv(features), ROIS, 0.25)

        found = torch.compile(pooled, backend="aot_eager", fullgraph=True)(feature_maps()[0])
        self.assertTrue(torch.equal(found, pooled(feature_maps()[0])))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
