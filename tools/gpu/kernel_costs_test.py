"""Tests the counts of kernel_costs.py against known ones, and that docs/gpu.md shows its tables.

usage: kernel_costs_test.py docs/gpu.md
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel_costs

PAGE = sys.argv.pop(1)


class Networks(unittest.TestCase):
    def test_weights_of_r50_fpn_are_those_that_torchvision_states(self):
        network = kernel_costs.total(kernel_costs.resnet50_stages(800, 1344)) + kernel_costs.fpn_parts(800, 1344, 512, 90)
        self.assertEqual(network.weights, 41755286)

    def test_multiply_adds_of_resnet50_at_224_pixels(self):
        # torchvision states 4.09 G with the classifier's 2,048,000.
        products = kernel_costs.total(kernel_costs.resnet50_stages(224, 224)).products + 2048000
        self.assertAlmostEqual(products / 1e9, 4.09, delta=0.005)

    def test_vgg16_at_224_pixels(self):
        network = kernel_costs.total(kernel_costs.vgg16_stages(224, 224))
        self.assertEqual((network.weights, network.products), (14714688, 15346630656))
        # torchvision states 15.47 G with the three linear layers of the classifier.
        classifier = 25088 * 4096 + 4096 * 4096 + 4096 * 1000
        self.assertAlmostEqual((network.products + classifier) / 1e9, 15.47, delta=0.005)

    def test_a_frozen_stage_has_no_backward_pass(self):
        frozen, trained = kernel_costs.Network(), kernel_costs.Network()
        frozen.linear(10, 1, 1)
        trained.linear(1, 1, 1)
        self.assertEqual(kernel_costs.trained_operations([frozen, trained], 1), 2 * (10 + 3))


class Kernels(unittest.TestCase):
    def test_anchors_of_an_image(self):
        cells = 200 * 336 + 100 * 168 + 50 * 84 + 25 * 42 + 13 * 21
        self.assertEqual(kernel_costs.num_anchors(), 3 * cells)
        self.assertEqual(kernel_costs.num_anchors(), 268569)

    def test_bytes_and_operations(self):
        iou = kernel_costs.overlap(12000, 20)
        self.assertEqual((iou.moved, iou.operations), (12020 * 16 + 240000 * 4, 240000 * 16))
        # Tiles of 256 are sorted; then runs of 256, 1024 and 4096 are merged, whose places are found in 9, 11 and 13 steps.
        sort = kernel_costs.sort(12000)
        self.assertEqual((sort.moved, sort.operations), (4 * 32 * 12000, (256 + 16 * (9 + 11 + 13)) * 12000))
        # Masks of 64 candidates are 8 bytes, and so is a word for each tile; they are written, and read by the walk.
        nms = kernel_costs.nms(12000)
        self.assertEqual((nms.moved, nms.operations), (2 * 8 * (2 * 12000 + 188 * 189 // 2), 72e6 * 16))
        # 731 MB of maps and 206 MB of bins, in 16 bit.
        align = kernel_costs.roi_align()
        self.assertEqual(align.moved, 2 * 16 * 256 * (200 * 336 + 100 * 168 + 50 * 84 + 25 * 42) + 2 * 8192 * 256 * 49)
        # The samples of 8 channels are found once.
        self.assertEqual(align.operations, 8192 * 256 * 49 * (40 + 400 / 8))

    def test_squares_of_maps(self):
        self.assertEqual(kernel_costs.squares_of_map(200, 336, 128), (32, 7 * 11))
        self.assertEqual(kernel_costs.squares_of_map(200, 336, 2048), (8, 25 * 42))
        self.assertEqual(kernel_costs.squares_of_map(25, 42, 128), (8, 4 * 6))
        # A RoI of 17 pixels begins at each of the 8 pixels of a tile equally often: it touches three tiles of an axis.
        self.assertEqual(kernel_costs.touched(8), sum((start + 17 + 7) // 8 for start in range(8))**2 / 64)

    def test_the_gradient_of_roi_align(self):
        lists, gradient = kernel_costs.roi_lists(), kernel_costs.roi_align_gradient()
        self.assertEqual(lists.operations, 60 * 8192 * (77 + 2.25 * 16))
        self.assertEqual(lists.moved, 8192 * (20 + 8 * 9))
        self.assertEqual(gradient.moved, kernel_costs.roi_align().moved)
        # 14 bins of two samples, in 9 tiles and 4 blocks of channels.
        self.assertEqual(gradient.operations, 27 * 8192 * 256 * 49 + 40 * 28 * 8192 * 9 * 4)

    def test_losses(self):
        rpn = kernel_costs.rpn_losses()
        self.assertEqual((rpn.moved, rpn.operations), (20 * 16 * 268569, 60 * 4096))
        # 6,144 places for samples.
        self.assertIn("24 and 8 steps", rpn.case)
        # 8,192 RoIs: 91 logits, their gradients and 364 of deltas; 4 deltas and 4 targets of each.
        head = kernel_costs.head_losses(90)
        self.assertEqual(head.moved, 8192 * 4 * (91 + 91 + 364 + 4 + 4))
        self.assertEqual(head.operations, 8192 * (30 * 91 + 60))
        self.assertIn("273 logits, 32 and 8 steps", head.case)

    def test_boxes_that_are_made_or_moved(self):
        # Two corners of two coordinates each are read and written, and compared with two limits.
        clipping = kernel_costs.clipping(1000)
        self.assertEqual((clipping.moved, clipping.operations), (1000 * 2 * 4 * 4, 1000 * 4 * 2))
        # A corner is a sum; the shift of a cell is a product for each axis.
        anchors = kernel_costs.anchors()
        self.assertEqual((anchors.moved, anchors.operations), (268569 * 4 * 4, 268569 * (4 + 2)))

    def test_detections(self):
        found = kernel_costs.detections(1000, 90, 300)
        self.assertEqual(found.moved, 1000 * 91 * 4 + 90000 * 2 + 300 * 64)
        self.assertEqual(found.operations, 90000 * (20 + (2 + 6) * 4) + 300 * 60)

    def test_a_mask_is_written_once(self):
        mask = kernel_costs.random_mask(128, 4096)
        self.assertEqual((mask.moved, mask.operations), (524288 * 4, 524288 * (100 / 4 + 2)))

    def test_maps_are_finished_in_one_pass(self):
        # Two maps are read and one is written, in 16 bits: 8 elements a thread.
        finish = kernel_costs.finish_map(256, 4)
        self.assertEqual((finish.moved, finish.operations), (16 * 256 * 200 * 336 * 6, 16 * 256 * 200 * 336 * 3))
        self.assertEqual(finish.launches[0].blocks, 16 * 256 * 200 * 336 / 8 / 256)

    def test_updates_of_weights(self):
        # SGD: gradients twice, weights and one moment read and written. AdamW: a second moment.
        sgd, adamw = kernel_costs.sgd(100000), kernel_costs.adamw(100000)
        self.assertEqual(sgd.moved, 100000 * 4 * (2 + 2 + 2))
        self.assertEqual(adamw.moved, 100000 * 4 * (2 + 2 + 4))
        # w -= o v with v = m v + i (s g + d w): five products, three sums; a square and its sum.
        self.assertEqual(sgd.operations, 100000 * (5 + 3 + 2))
        self.assertEqual(adamw.operations, 100000 * (15 + 2))
        self.assertEqual(sgd.case, "0.1 million, from 4 chunks")
        self.assertIn("4,096 additions in each chunk of 32,768", sgd.operations_text)

    def test_keys_of_selections(self):
        # Keys of 4 bytes and flags of one are made of scores, or of labels of 8 for each of two signs.
        best, sample = kernel_costs.top_k(16, ""), kernel_costs.sampling(16, "")
        self.assertEqual((best.moved, best.operations), (16 * 268569 * (4 + 5), 16 * 268569 * (30 + 6 * 8)))
        self.assertEqual((sample.moved, sample.operations), (16 * 268569 * 2 * (8 + 5), 16 * 268569 * (100 + 2 * 6 * 8)))

    def test_times_are_those_of_the_rates(self):
        times = kernel_costs.Kernel("", "", "", "", kernel_costs.Launch(500, 128, 4.8e6, 132 * 128 * 1.98e3, 495)).times()
        for seconds in times:
            self.assertAlmostEqual(seconds, 1e-6)

    def test_times_of_launches_add_up(self):
        launch = kernel_costs.Launch(500, 128, 4.8e6, 132 * 128 * 1.98e3, 495)
        for seconds in kernel_costs.Kernel("", "", "", "", launch, launch).times():
            self.assertAlmostEqual(seconds, 2e-6)

    def test_few_blocks_have_a_part_of_the_gpu(self):
        whole = kernel_costs.Launch(132, 1024, 4.8e6, 132 * 128 * 1.98e3)
        sixteen = kernel_costs.Launch(16, 1024, 4.8e6, 132 * 128 * 1.98e3)
        self.assertAlmostEqual(sixteen.operation_seconds(), whole.operation_seconds() * 132 / 16)
        # 64 bytes for each of 1.98e9 cycles.
        one = kernel_costs.Launch(1, 1024, 64 * 1.98e3, 128 * 1.98e3)
        self.assertAlmostEqual(one.byte_seconds(), 1e-6)
        self.assertAlmostEqual(one.operation_seconds(), 1e-6)
        # A thread has one lane.
        self.assertAlmostEqual(kernel_costs.Launch(1, 8, 0, 8 * 1.98e3).operation_seconds(), 1e-6)
        self.assertAlmostEqual(kernel_costs.Launch(1000, 8, 0, 8000 * 1.98e3).operation_seconds(), 1e-6)

    def test_blocks_are_those_of_the_grids(self):
        def blocks(kernel):
            return [launch.blocks for launch in kernel.launches]

        self.assertEqual(blocks(kernel_costs.coding(8193)), [33])
        self.assertEqual(blocks(kernel_costs.overlap(12000, 129)), [750 * 2])
        # Objects; anchors of each image, 256 in a block.
        self.assertEqual(blocks(kernel_costs.matching()), [16 * 20, 16 * 1050])
        # A thread has 8 channels of 16 bits.
        self.assertEqual(blocks(kernel_costs.roi_align()), [8192 * 49 * 256 / 8 / 256])
        # Tiles on and above the diagonal of 188 x 188, and the walk.
        self.assertEqual(blocks(kernel_costs.nms(12000)), [188 * 189 / 2, 1])
        # 2,048 anchors in a block: of each image, and of each level of it.
        self.assertEqual(blocks(kernel_costs.sampling(16, "")), [16 * 132] * 4)
        levels = 99 + 25 + 7 + 2 + 1
        self.assertEqual(blocks(kernel_costs.top_k(16, "")), [16 * levels] * 2)
        self.assertEqual(blocks(kernel_costs.top_k(1, "")), [levels] * 2)
        self.assertEqual(blocks(kernel_costs.roi_lists()), [16 * 77, 16 * 1050])
        self.assertEqual(blocks(kernel_costs.roi_align_gradient()), [16 * (25 * 42 + 13 * 21 + 7 * 11 + 4 * 6) * 4])
        self.assertEqual(blocks(kernel_costs.sgd(100000)), [4, 1, 32])

    def test_amounts(self):
        self.assertEqual(kernel_costs.amount(1234567, "B"), "1.23 MB")
        self.assertEqual(kernel_costs.amount(12), "12")
        self.assertEqual(kernel_costs.microseconds(1.95e-4), "195 µs")
        self.assertEqual(kernel_costs.microseconds(2.4e-7), "0.24 µs")


class Page(unittest.TestCase):
    def test_the_page_shows_the_tables_as_they_are_printed(self):
        with open(PAGE, encoding="utf-8") as file:
            lines = file.read().split("\n")
        for table in (list(kernel_costs.kernel_lines()), list(kernel_costs.network_lines())):
            self.assertIn(table[0], lines, "print them with tools/gpu/kernel_costs.py")
            start = lines.index(table[0])
            self.assertEqual(lines[start:start + len(table)], table, "print them with tools/gpu/kernel_costs.py")


if __name__ == "__main__":
    unittest.main()
