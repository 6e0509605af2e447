"""Uses librcnn_ops.so from Python: loading, results, scripting, gradients, kernels for CUDA, meta tensors, errors, the README.

usage: librcnn_ops_test.py LIBRARY README
"""

import io
import os
import re
import sys
import tempfile
import unittest
from unittest import mock

import torch

try:
    import torchvision
    from torchvision.models.detection import _utils as torchvision_detection
except ImportError:
    torchvision = None

import rcnn_ops

LIBRARY, README = os.path.abspath(sys.argv[1]), sys.argv[2]
rcnn_ops.load(LIBRARY)


def random_boxes(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * 300
    sides = torch.rand(count, 2, generator=generator) * 100 + 1
    return torch.cat([corners, corners + sides], 1), torch.rand(count, generator=generator)


def iou(a, b):
    low, high = torch.max(a[:2], b[:, :2]), torch.min(a[2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(1)
    return inter / ((a[2:] - a[:2]).prod() + (b[:, 2:] - b[:, :2]).prod(1) - inter)


def slow_nms(boxes, scores, threshold):
    order, kept = scores.argsort(descending=True), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou(boxes[order[0]], boxes[order[1:]]) <= threshold]
    return kept


class Loading(unittest.TestCase):
    @staticmethod
    def check(content):
        with tempfile.TemporaryDirectory() as folder:
            library = os.path.join(folder, "librcnn_ops.so")
            with open(library, "wb") as file:
                file.write(content)
            rcnn_ops.check_version(library)

    def error_of(self, content):
        with self.assertRaises(ImportError) as raised:
            self.check(content)
        return str(raised.exception)

    def test_a_library_for_another_torch_is_refused_with_both_versions(self):
        error = self.error_of(b"\x7fELF\0rcnn_ops was built for torch 9.8.7\0")
        self.assertRegex(error, r"librcnn_ops.so was built for torch 9\.8\.7, but this is torch " +
                         re.escape(torch.__version__))

    def test_kernels_for_another_cuda_are_refused_with_both_versions(self):
        version = re.match("[0-9.]+", torch.__version__).group()
        library = f"\x7fELF\0rcnn_ops was built for torch {version} and CUDA 9.8.7\0".encode()
        for own, has in (("8.9", "CUDA 8.9"), (None, "no CUDA")):
            with mock.patch.object(torch.version, "cuda", own):
                self.assertIn(f"librcnn_ops.so was built for CUDA 9.8.7, but this torch {torch.__version__} has {has}",
                              self.error_of(library))
        with mock.patch.object(torch.version, "cuda", "9.1"):
            self.check(library)

    def test_another_file_is_refused(self):
        self.assertIn("does not say which torch it was built for", self.error_of(b"\x7fELF"))

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(ImportError, "missing file: /nowhere/librcnn_ops.so"):
            rcnn_ops.check_version("/nowhere/librcnn_ops.so")

    def test_the_library_is_loaded_once(self):
        rcnn_ops.load(LIBRARY)
        rcnn_ops.load()


class Suppression(unittest.TestCase):
    def test_nms_equals_a_slow_one(self):
        boxes, scores = random_boxes(300)
        self.assertEqual(torch.ops.rcnn.nms(boxes, scores, 0.5).tolist(), slow_nms(boxes, scores, 0.5))

    def test_nms_takes_keywords(self):
        boxes, scores = random_boxes(300)
        kept = torch.ops.rcnn.nms(boxes, scores, 0.5, max_keep=10)
        self.assertEqual(kept.tolist(), slow_nms(boxes, scores, 0.5)[:10])

    def test_batched_nms_keeps_classes_apart(self):
        boxes, scores = random_boxes(1)
        kept = torch.ops.rcnn.batched_nms(
            boxes.repeat(3, 1), torch.tensor([0.1, 0.3, 0.2]), torch.tensor([7, 7, 8]), 0.5)
        self.assertEqual(kept.tolist(), [1, 2])

    def test_counted_forms_have_a_fixed_size(self):
        boxes, scores = random_boxes(300)
        classes, r = torch.arange(300) % 3, torch.ops.rcnn
        for found, kept in ((r.counted_nms(boxes, scores, 0.5), r.nms(boxes, scores, 0.5)),
                            (r.counted_batched_nms(boxes, scores, classes, 0.5),
                             r.batched_nms(boxes, scores, classes, 0.5))):
            rows, count = found
            self.assertEqual((rows.shape, int(count)), ((300,), len(kept)))
            self.assertEqual(rows.tolist(), kept.tolist() + [0] * (300 - len(kept)))

    def test_soft_nms_lowers_scores(self):
        boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
        kept, scores = torch.ops.rcnn.soft_nms(boxes, torch.tensor([0.8, 0.6]), decay="linear")
        self.assertEqual(kept.tolist(), [0, 1])
        torch.testing.assert_close(scores, torch.tensor([0.8, 0.3]))

    def test_vote_boxes(self):
        boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [0, 0, 10, 1]])
        voted = torch.ops.rcnn.vote_boxes(
            boxes, torch.tensor([0.75, 0.25, 0.5, 0.5]), torch.tensor([3, 3, 4, 3]),
            torch.tensor([0]), 0.5)
        torch.testing.assert_close(voted, torch.tensor([[0.0, 0, 10, 9.75]]))

    def test_proposals(self):
        anchors = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60]])
        logits, deltas = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2), torch.zeros(1, 4, 1, 2)
        rois, scores, counts = torch.ops.rcnn.proposals(
            [logits], [deltas], [anchors], torch.tensor([[100.0, 100, 1]]))
        self.assertEqual(rois.tolist(), [[0, 40, 40, 60, 60], [0, 0, 0, 20, 20]])
        torch.testing.assert_close(scores, torch.tensor([2.0, 0.0]).sigmoid())
        self.assertEqual(counts.tolist(), [2])

    def test_proposals_take_sizes_as_numbers(self):
        anchors = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60]])
        maps = [torch.tensor([0.0, 2.0]).view(1, 1, 1, 2)], [torch.zeros(1, 4, 1, 2)], [anchors]
        expected = torch.ops.rcnn.proposals(*maps, torch.tensor([[50.0, 70, 1]]))
        found = torch.ops.rcnn.proposals(*maps, [50.0, 70.0, 1.0])
        for a, b in zip(found, expected):
            self.assertTrue(torch.equal(a, b))
        with self.assertRaisesRegex(RuntimeError, "image_info: expected 3 x 1 numbers, got 2"):
            torch.ops.rcnn.proposals(*maps, [50.0, 70.0])


    def test_counted_proposals(self):
        anchors = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60]])
        logits, deltas = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2), torch.zeros(1, 4, 1, 2)
        rois, scores, counts = torch.ops.rcnn.counted_proposals(
            [logits], [deltas], [anchors], torch.tensor([[100.0, 100, 1]]), post_nms_top_n=1)
        self.assertEqual(rois.tolist(), [[[0, 40, 40, 60, 60]]])
        torch.testing.assert_close(scores, torch.tensor([[2.0]]).sigmoid())
        self.assertEqual(counts.tolist(), [1])

    def test_counted_detections(self):
        scores = torch.tensor([[0.25, 0.75, 0], [0.5, 0.5, 0], [0.75, 0, 0.25]])
        rois = torch.tensor([[0.0, 0, 0, 20, 20], [0, 0, 0, 20, 19], [1, 5, 5, 25, 35]])
        frames = torch.tensor([[100.0, 100, 1, 1, 1], [20, 100, 1, 2, 3]])
        boxes, best, labels, counts = torch.ops.rcnn.counted_detections(
            scores, torch.zeros(3, 12), rois, frames, max_per_image=2)
        self.assertEqual(counts.tolist(), [1, 1])
        self.assertEqual(boxes.tolist(), [[[0, 0, 20, 20], [0] * 4], [[10, 15, 50, 60], [0] * 4]])
        self.assertEqual((best.tolist(), labels.tolist()), ([[0.75, 0], [0.25, 0]], [[1, 0], [2, 0]]))


class Gradients(unittest.TestCase):
    def test_box_coder(self):
        boxes, _ = random_boxes(5)
        boxes = boxes.double().requires_grad_()
        deltas = (torch.randn(5, 4, dtype=torch.double) * 0.1).requires_grad_()
        self.assertTrue(torch.autograd.gradcheck(torch.ops.rcnn.decode_boxes, (boxes, deltas)))
        gt_boxes = (boxes.detach() + 3).requires_grad_()
        self.assertTrue(torch.autograd.gradcheck(torch.ops.rcnn.encode_boxes, (boxes, gt_boxes)))

    def test_smooth_l1(self):
        a, b = (torch.randn(9, dtype=torch.double, requires_grad=True) for _ in range(2))
        self.assertTrue(torch.autograd.gradcheck(torch.ops.rcnn.smooth_l1, (a, b, 0.5)))
        expected = torch.nn.functional.smooth_l1_loss(a, b, beta=0.5, reduction="none")
        torch.testing.assert_close(torch.ops.rcnn.smooth_l1(a, b, 0.5), expected)

    def test_rpn_loss(self):
        logits, deltas = torch.randn(9, requires_grad=True), torch.randn(9, 4, requires_grad=True)
        positive, negative = torch.tensor([1, 4]), torch.tensor([0, 2, 8])
        objectness, box = torch.ops.rcnn.rpn_loss(
            logits, deltas, positive, negative, torch.zeros(2, 4), beta=1.0)
        sampled, labels = logits[[1, 4, 0, 2, 8]], torch.tensor([1.0, 1, 0, 0, 0])
        expected = torch.nn.functional.binary_cross_entropy_with_logits(sampled, labels)
        torch.testing.assert_close(objectness, expected)
        expected = torch.nn.functional.smooth_l1_loss(
            deltas[positive], torch.zeros(2, 4), reduction="sum") / 5
        torch.testing.assert_close(box, expected)
        (objectness + box).backward()
        self.assertEqual(logits.grad.nonzero().flatten().tolist(), [0, 1, 2, 4, 8])

    def test_losses_over_counted_samples(self):
        r = torch.ops.rcnn
        logits, deltas = torch.randn(1, 9), torch.randn(1, 9, 4)
        positive, negative, targets = torch.tensor([1, 4]), torch.tensor([0, 2, 8]), torch.randn(2, 4)
        expected = r.rpn_loss(logits[0], deltas[0], positive, negative, targets)
        padding = torch.zeros(1, 1, dtype=torch.int64)
        found = r.sampled_rpn_loss(
            logits, deltas, torch.cat([positive[None], padding], 1), torch.tensor([2]),
            torch.cat([targets, torch.zeros(1, 4)])[None], negative[None], torch.tensor([3]))
        torch.testing.assert_close(found, expected)
        class_logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
        expected = r.fast_rcnn_loss(class_logits[:5], deltas[0, :5], labels[:5], torch.zeros(5, 4))
        found = r.sampled_fast_rcnn_loss(
            class_logits, deltas[0, :6], torch.cat([labels[:5], torch.tensor([-1])]), torch.zeros(6, 4))
        torch.testing.assert_close(found, expected)

    def test_fast_rcnn_loss(self):
        logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
        classification, box = torch.ops.rcnn.fast_rcnn_loss(
            logits, torch.zeros(6, 4), labels, torch.zeros(6, 4))
        torch.testing.assert_close(
            classification, torch.nn.functional.cross_entropy(logits, labels))
        self.assertEqual(float(box), 0)


class Boxes(unittest.TestCase):
    def test_iou(self):
        boxes, _ = random_boxes(20)
        expected = torch.stack([iou(box, boxes) for box in boxes])
        torch.testing.assert_close(torch.ops.rcnn.box_iou(boxes, boxes), expected)

    def test_intersection_over_area(self):
        boxes, region = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]), torch.tensor([[0.0, 0, 5, 20]])
        shares = torch.ops.rcnn.box_intersection_over_area(boxes, region)
        self.assertEqual(shares.tolist(), [[0.5], [0.0]])

    def test_clip_flip_scale_and_select(self):
        boxes = torch.tensor([[-5.0, 0, 10, 20], [0, 0, 3, 3]])
        self.assertEqual(torch.ops.rcnn.clip_boxes(boxes, 15, 8).tolist(), [[0, 0, 8, 15], [0, 0, 3, 3]])
        self.assertEqual(torch.ops.rcnn.flip_boxes(boxes, 10).tolist(), [[0, 0, 15, 20], [7, 0, 10, 3]])
        self.assertEqual(torch.ops.rcnn.scale_boxes(boxes, 2.0, 3.0)[0].tolist(), [-10, 0, 20, 60])
        self.assertEqual(torch.ops.rcnn.large_boxes(boxes, 4.0).tolist(), [0])
        self.assertEqual(torch.ops.rcnn.box_area(boxes).tolist(), [300, 9])

    def test_the_nine_anchors_of_the_paper(self):
        base = torch.ops.rcnn.base_anchors(rounding="pixels_2015")
        self.assertEqual(base[0].tolist(), [-84, -40, 99, 55])
        placed = torch.ops.rcnn.place_anchors(base, 2, 3, 16.0, 16.0)
        self.assertEqual(placed.shape, (54, 4))
        inside = torch.ops.rcnn.anchors_inside_image(placed, 32, 48, border_px=60.0, inclusive=True)
        expected = (placed[:, :2] >= -60).all(1) & (placed[:, 2] < 108) & (placed[:, 3] < 92)
        self.assertEqual(inside.tolist(), expected.tolist())
        self.assertTrue(inside.any() and not inside.all())

    def test_matching_and_sampling(self):
        boxes, _ = random_boxes(50)
        labels, gt_index, _ = torch.ops.rcnn.match_boxes(boxes, boxes[3:5])
        self.assertEqual((labels[3:5].tolist(), gt_index[3:5].tolist()), ([1, 1], [0, 1]))
        positive, negative = torch.ops.rcnn.sample_balanced(
            labels, torch.Generator().manual_seed(1), 8, 0.25)
        self.assertEqual((len(positive), len(negative)), (2, 6))
        self.assertTrue((labels[positive] == 1).all() and (labels[negative] == 0).all())


    def test_matching_and_sampling_of_a_batch(self):
        (boxes, _), r = random_boxes(50), torch.ops.rcnn
        gt_boxes, counts = torch.stack([boxes[3:5], boxes[7:9]]), torch.tensor([2, 1])
        labels, gt_index, _ = r.match_batch(boxes, gt_boxes, counts)
        for image, (first, count) in enumerate(((3, 2), (7, 1))):
            expected = r.match_boxes(boxes, boxes[first:first + count])
            self.assertTrue(torch.equal(labels[image], expected[0]))
            self.assertTrue(torch.equal(gt_index[image], expected[1]))
        sample = r.sample_by_counters(labels, torch.tensor([11, 12]), 5, 8, 0.25)
        self.assertEqual([part.shape for part in sample], [(2, 2), (2,), (2, 8), (2,)])
        again = r.sample_by_counters(labels[1:], torch.tensor([12]), 5, 8, 0.25)
        for part, alone in zip(sample, again):
            self.assertTrue(torch.equal(part[1:], alone))

    def test_draws_of_appended_rows_do_not_depend_on_the_list(self):
        longer, ids = torch.zeros(1, 60, dtype=torch.int64), torch.tensor([3])
        longer[0, :40] = -1
        _, _, found, _ = torch.ops.rcnn.sample_by_counters(longer, ids, 5, 6, appended_from=40)
        _, _, alone, _ = torch.ops.rcnn.sample_by_counters(longer[:, 40:], ids, 5, 6, appended_from=0)
        self.assertEqual((found - 40).tolist(), alone.tolist())


    def test_a_random_mask_is_named_by_its_key(self):
        like, r = torch.empty(300, 4), torch.ops.rcnn
        mask = r.random_mask(like, 7, 0.25)
        self.assertTrue(((mask == 0) | (mask == 1)).all() and 200 < mask.sum() < 400)
        self.assertTrue(torch.equal(mask, r.random_mask(like, 7, 0.25)))
        rows = torch.stack([torch.arange(300) // 100, torch.arange(300) % 100], 1)
        mask = r.random_mask(like, 7, 0.25, rows)
        self.assertTrue(torch.equal(mask[150:], r.random_mask(like[150:], 7, 0.25, draw_rows=rows[150:])))


class Rois(unittest.TestCase):
    # Values that are their column: pooling gives the columns of the bins.
    ramp = torch.arange(16.0).expand(1, 2, 12, 16).contiguous()
    rois = torch.tensor([[0.0, 32, 32, 96, 96]])

    def test_roi_align_of_a_ramp_is_the_ramp(self):
        pooled = torch.ops.rcnn.roi_align(self.ramp, self.rois, 1 / 8, 2, 2)
        torch.testing.assert_close(pooled[0, 0, 0], torch.tensor([5.5, 9.5]))
        levels = torch.ops.rcnn.multilevel_roi_align([self.ramp], self.rois, [1 / 8], 2, 2)
        self.assertTrue(torch.equal(levels, pooled))

    def test_roi_pool_takes_the_largest(self):
        pooled = torch.ops.rcnn.roi_pool(self.ramp, self.rois, 1 / 8, 3, 3)
        self.assertEqual(pooled[0, 0, 0].tolist(), [6, 9, 12])

    def test_gradients(self):
        values = torch.randperm(384).double().view(1, 2, 12, 16).requires_grad_()
        for op in (torch.ops.rcnn.roi_align, torch.ops.rcnn.roi_pool):
            with self.subTest(op=op):
                run = lambda x, op=op: op(x, self.rois.double(), 1 / 8, 2, 2)
                self.assertTrue(torch.autograd.gradcheck(run, (values,)))

    def test_preprocess_of_a_constant(self):
        image = torch.full((6, 8, 3), 10, dtype=torch.uint8)
        image[..., 2] = 30
        planes = torch.ops.rcnn.preprocess(
            image, 3, 4, [10.0, 10.0, 10.0], [1.0, 1.0, 2.0], to_bgr=True)
        expected = torch.tensor([20.0, 0, 0]).view(3, 1, 1).expand(3, 3, 4)
        torch.testing.assert_close(planes, expected)

    def test_a_batch_is_padded_with_zeros(self):
        image = torch.arange(144, dtype=torch.uint8).view(6, 8, 3)
        batch = torch.ops.rcnn.preprocess_batch([image, image], [3, 4, 5, 2], 5, 4, flipped=[0, 1])
        expected = torch.zeros(2, 3, 5, 4)
        expected[0, :, :3] = torch.ops.rcnn.preprocess(image, 3, 4)
        expected[1, :, :, :2] = torch.ops.rcnn.preprocess(image, 5, 2, flip_horizontally=True)
        self.assertTrue(torch.equal(batch, expected))


@unittest.skipIf(torchvision is None, "python3-torchvision is not installed")
class Torchvision(unittest.TestCase):
    close = {"rtol": 1e-5, "atol": 1e-5}

    def test_iou(self):
        (boxes, _), (others, _) = random_boxes(300, seed=1), random_boxes(200, seed=2)
        expected = torchvision.ops.box_iou(boxes, others)
        torch.testing.assert_close(torch.ops.rcnn.box_iou(boxes, others), expected, rtol=1e-5, atol=1e-7)

    def test_nms(self):
        boxes, scores = random_boxes(1000)
        expected = torchvision.ops.nms(boxes, scores, 0.5)
        self.assertTrue(torch.equal(torch.ops.rcnn.nms(boxes, scores, 0.5), expected))

    def test_box_coder(self):
        (boxes, _), (gt_boxes, _) = random_boxes(300, seed=1), random_boxes(300, seed=2)
        boxes, gt_boxes, weights = boxes.double(), gt_boxes.double(), (10.0, 10.0, 5.0, 5.0)
        coder = torchvision_detection.BoxCoder(weights)
        deltas = torch.ops.rcnn.encode_boxes(boxes, gt_boxes, weights=weights)
        torch.testing.assert_close(deltas, coder.encode_single(gt_boxes, boxes), **self.close)
        decoded = torch.ops.rcnn.decode_boxes(boxes, deltas, weights=weights)
        torch.testing.assert_close(decoded, coder.decode_single(deltas, boxes), **self.close)


class Scripting(unittest.TestCase):
    def test_a_scripted_function_is_saved_and_loaded(self):
        @torch.jit.script
        def best(boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            return boxes[torch.ops.rcnn.nms(boxes, scores, 0.5, max_keep=3)]

        file = io.BytesIO()
        torch.jit.save(best, file)
        file.seek(0)
        boxes, scores = random_boxes(100)
        expected = boxes[slow_nms(boxes, scores, 0.5)[:3]]
        self.assertTrue(torch.equal(torch.jit.load(file)(boxes, scores), expected))


# Operators with a CPU kernel that have no CUDA kernel: their tensors are copied to the CPU and back, or ATen's kernels compute them.
WITHOUT_CUDA_KERNEL = {
    "soft_nms", "vote_boxes", "sample_balanced",
    "proposals", "anchors_inside_image", "_fpn_levels",
}


class Cuda(unittest.TestCase):
    """What a call with CUDA tensors would run, by PyTorch's table of kernels; needs no GPU."""

    def kernel(self, operator, device):
        """Where the kernel of a device was registered, and its kind, as in "ops/nms.cc", "kernel"."""
        table = torch._C._dispatch_dump_table("rcnn::" + operator)  # pylint: disable=W0212
        return re.search(rf"(?m)^{device}: registered at (\S+):\d+ \[(.+)\]$", table).groups()

    def operators_with_cpu_kernel(self):
        schemas = [s for s in torch._C._jit_get_all_schemas() if s.name.startswith("rcnn::")]  # pylint: disable=W0212
        names = [s.name[len("rcnn::"):] + ("." + s.overload_name if s.overload_name else "") for s in schemas]
        return {name for name in names if self.kernel(name, "CPU")[1] == "kernel"}

    def test_a_cuda_tensor_gets_the_cuda_kernel(self):
        with open(LIBRARY, "rb") as file:
            built_with_cuda = b"libcudart.so" in file.read()
        if not built_with_cuda:
            print("notice: %s was built without CUDA, so no operator has a kernel for it" % os.path.basename(LIBRARY))
        operators = self.operators_with_cpu_kernel()
        self.assertGreater(len(operators), 25)
        self.assertLess(WITHOUT_CUDA_KERNEL, operators)
        for operator in operators:
            with self.subTest(operator=operator):
                file, kind = self.kernel(operator, "CUDA")
                expected = built_with_cuda and operator not in WITHOUT_CUDA_KERNEL
                self.assertEqual((kind, file.startswith("ops/cuda/")),
                                 ("kernel", True) if expected else ("default backend kernel", False))


class Meta(unittest.TestCase):
    def test_nms_has_at_most_as_many_as_boxes(self):
        boxes, scores = torch.empty(9, 4, device="meta"), torch.empty(9, device="meta")
        kept = torch.ops.rcnn.nms(boxes, scores)
        self.assertEqual((kept.device.type, kept.dtype, kept.shape), ("meta", torch.int64, (9,)))
        self.assertEqual(torch.ops.rcnn.nms(boxes, scores, max_keep=4).shape, (4,))

    def test_proposals_have_at_most_n_rows_per_image(self):
        rois, scores, counts = torch.ops.rcnn.proposals(
            [torch.empty(2, 3, 8, 8, device="meta")], [torch.empty(2, 12, 8, 8, device="meta")],
            [torch.empty(192, 4, device="meta")], torch.ones(2, 3), post_nms_top_n=50)
        self.assertEqual((rois.shape, scores.shape, counts.shape), ((100, 5), (100,), (2,)))

    def test_results_as_long_as_their_boxes(self):
        boxes, r = torch.empty(9, 4, device="meta"), torch.ops.rcnn
        vectors = [
            r.box_area(boxes), r.large_boxes(boxes, 1.0), r.anchors_inside_image(boxes, 5, 5),
            r.batched_nms(boxes, boxes[:, 0], torch.empty(9, dtype=torch.int64, device="meta")),
            *r.soft_nms(boxes, boxes[:, 0]), *r.match_boxes(boxes, boxes[:2])]
        for vector in vectors:
            self.assertEqual((vector.device.type, vector.shape), ("meta", (9,)))
        rows = torch.empty(9, dtype=torch.int64, device="meta")
        self.assertEqual(r.vote_boxes(boxes, boxes[:, 0], rows, rows[:5]).shape, (5, 4))
        for matrix in (r.box_iou(boxes, boxes[:2]), r.box_intersection_over_area(boxes, boxes[:2])):
            self.assertEqual((matrix.device.type, matrix.shape), ("meta", (9, 2)))
        for same in (r.clip_boxes(boxes, 5, 5), r.flip_boxes(boxes, 5), r.scale_boxes(boxes, 2.0, 2.0),
                     r.encode_boxes(boxes, boxes)):
            self.assertEqual((same.device.type, same.shape), ("meta", (9, 4)))
        self.assertEqual(r.place_anchors(boxes, 2, 3, 16.0, 16.0).shape, (54, 4))

    def test_images_rois_samples_and_losses(self):
        meta, r = {"device": "meta"}, torch.ops.rcnn
        image = torch.empty(6, 8, 3, dtype=torch.uint8, **meta)
        self.assertEqual(r.preprocess(image, 3, 4).shape, (3, 3, 4))
        self.assertEqual(r.preprocess_batch([image, image], [3, 4, 2, 2], 5, 6).shape, (2, 3, 5, 6))
        features, rois = torch.empty(2, 5, 8, 8, **meta), torch.empty(9, 5, **meta)
        for pooled in (r.roi_align(features, rois, 0.5), r.roi_pool(features, rois, 0.5),
                       r.multilevel_roi_align([features], rois, [0.5])):
            self.assertEqual((pooled.device.type, pooled.shape), ("meta", (9, 5, 7, 7)))
        index = torch.empty(9, dtype=torch.int64, **meta)
        positive, negative = r.sample_balanced(index, torch.Generator(), 8, 0.25)
        self.assertEqual((positive.shape, negative.shape), ((2,), (8,)))
        deltas = torch.empty(9, 4, **meta)
        losses = [r.smooth_l1(deltas, deltas).sum(),
                  *r.rpn_loss(deltas[:, 0], deltas, index, index, deltas),
                  *r.fast_rcnn_loss(deltas, deltas, index, deltas)]
        for loss in losses:
            self.assertEqual((loss.device.type, loss.shape), ("meta", ()))

    @unittest.skipIf(hasattr(torch.library, "register_fake"), "the shapes of rcnn_ops.py, which check nothing")
    def test_wrong_arguments_are_errors_there_too(self):
        boxes = torch.empty(9, 4, device="meta")
        with self.assertRaisesRegex(RuntimeError, "classes: expected shape"):
            torch.ops.rcnn.batched_nms(boxes, boxes[:, 0], torch.ones(7, 2))
        with self.assertRaisesRegex(RuntimeError, "deltas of level 0: expected shape"):
            torch.ops.rcnn.proposals([boxes], [boxes], [boxes], torch.ones(1, 3))

    def test_decode_boxes(self):
        boxes = torch.empty(9, 4, device="meta")
        self.assertEqual(torch.ops.rcnn.decode_boxes(boxes, boxes).shape, (9, 4))


class Errors(unittest.TestCase):
    def test_names_the_row(self):
        with self.assertRaisesRegex(RuntimeError, r"boxes: row 0 is \(5, 0, 4, 1\): x2 < x1"):
            torch.ops.rcnn.nms(torch.tensor([[5.0, 0, 4, 1]]), torch.ones(1))

    def test_values_are_checked(self):
        boxes, scores = random_boxes(9)
        bad, rows, r = boxes.clone(), torch.arange(9), torch.ops.rcnn
        bad[4, 2] = float("nan")
        for call in (lambda: r.match_boxes(bad, boxes), lambda: r.encode_boxes(bad, boxes),
                     lambda: r.decode_boxes(bad, boxes), lambda: r.batched_nms(bad, scores, rows),
                     lambda: r.vote_boxes(bad, scores, rows, rows), lambda: r.box_iou(bad, boxes),
                     lambda: r.clip_boxes(bad, 9, 9), lambda: r.smooth_l1(bad, boxes),
                     lambda: r.rpn_loss(scores, bad, rows, rows[:0], boxes)):
            with self.assertRaisesRegex(RuntimeError, ": row 4 is .*not finite"):
                call()

    def test_names_the_argument(self):
        with self.assertRaisesRegex(RuntimeError, r"scores: .*\[3\]"):
            torch.ops.rcnn.nms(torch.zeros(2, 4), torch.ones(3))
        with self.assertRaisesRegex(RuntimeError, "decay: is 'cubic'"):
            torch.ops.rcnn.soft_nms(torch.zeros(1, 4), torch.ones(1), decay="cubic")
        with self.assertRaisesRegex(RuntimeError, "weights: expected 4 numbers, got 3"):
            torch.ops.rcnn.decode_boxes(torch.zeros(1, 4), torch.zeros(1, 4), weights=[1.0, 1, 1])


class Registration(unittest.TestCase):
    def test_every_operator_is_used_here(self):
        registered = {schema.name[len("rcnn::"):] for schema in torch._C._jit_get_all_schemas()
                      if schema.name.startswith("rcnn::") and not schema.name.startswith("rcnn::_")}
        with open(__file__, encoding="utf-8") as file:
            used = set(re.findall(r"(?:torch\.ops\.rcnn|\br)\.(\w+)", file.read()))
        self.assertGreater(len(registered), 20)
        self.assertEqual(registered - used, set())


class Readme(unittest.TestCase):
    def test_its_python_runs(self):
        with open(README, encoding="utf-8") as file:
            snippets = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)
        self.assertTrue(snippets)
        for snippet in snippets:
            exec(snippet.replace("bazel-bin/ops/librcnn_ops.so", LIBRARY), {})  # pylint: disable=exec-used


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
