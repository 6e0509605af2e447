#!/usr/bin/env python3
"""Prints the tables of "Counted costs" in docs/gpu.md: what kernels and networks must do, and how long an H200 needs at least.

  tools/gpu/kernel_costs.py

Nothing here is measured. Bytes are those that must move between memory and caches at least once, operations those of the formulas.
"""

import math

# Of an H200 (SXM): memory bandwidth; instructions of the float32 lanes per second, 132 x 128 lanes at 1.98 GHz, where a
# multiplication and an addition are two, since they are not contracted; and the dense rates of matrix products. In bytes or
# operations per second.
BANDWIDTH = 4.8e12
LANES = 132 * 128 * 1.98e9
PRODUCTS = {"bfloat16": 989e12, "TF32": 494e12, "float32": 67e12}

# The training step of the first table: R50-FPN, 16 images of 800 x 1333, padded to 800 x 1344.
BATCH, HEIGHT, WIDTH, CHANNELS = 16, 800, 1344, 256
STRIDES = (4, 8, 16, 32, 64)
ANCHORS_PER_CELL, OBJECTS, ROIS, BINS, ELEMENT_BYTES, SAMPLED = 3, 20, 512, 49, 2, 256


def cells(stride):
    return math.ceil(HEIGHT / stride) * math.ceil(WIDTH / stride)


def num_anchors():
    """Of an image, in all levels."""
    return ANCHORS_PER_CELL * sum(cells(stride) for stride in STRIDES)


def pooled_maps():
    """Elements of the four pooled levels of all images."""
    return BATCH * CHANNELS * sum(cells(stride) for stride in STRIDES[:4])


def pooled_bins():
    """Elements of the bins of all RoIs."""
    return BATCH * ROIS * CHANNELS * BINS


class Kernel:
    """A row: formulas in words, and what they give for a case."""

    def __init__(self, name, bytes_text, operations_text, case, moved, operations):
        self.name, self.bytes_text, self.operations_text, self.case = name, bytes_text, operations_text, case
        self.moved, self.operations = moved, operations

    def byte_seconds(self):
        return self.moved / BANDWIDTH

    def operation_seconds(self):
        return self.operations / LANES


def overlap(rows, columns):
    return Kernel("IoU, N × M", "16 (N + M) + 4 N M", "16 N M", "%s × %d" % (thousands(rows), columns),
                  16 * (rows + columns) + 4 * rows * columns, 16 * rows * columns)


def coding(rows):
    return Kernel("box coding, N rows", "48 N", "30 N", thousands(rows), 48 * rows, 30 * rows)


def clipping(rows):
    return Kernel("clipping, N boxes", "32 N", "8 N", thousands(rows), 32 * rows, 8 * rows)


def anchors():
    return Kernel("anchors, N of an image", "16 N written", "6 N in float64", "the step", 16 * num_anchors(), 6 * num_anchors())


def matching():
    pairs = BATCH * num_anchors() * OBJECTS
    return Kernel("matching, B images, N boxes, M objects", "20 B N written; boxes stay in the cache", "2 B N M of 16",
                  "the step", 20 * BATCH * num_anchors(), 2 * pairs * 16)


def sort(rows):
    passes = math.ceil(math.log2(rows / 256)) + 1
    return Kernel("sort, N in a row", "32 N for each of log₂(N / 256) + 1 passes", "256 N and N log₂² N",
                  "%s, %d passes" % (thousands(rows), passes), 32 * rows * passes, 256 * rows + rows * math.log2(rows)**2)


def nms(rows):
    return Kernel("NMS, N candidates in one slab", "N² / 16 of masks", "N² / 2 of 16; serial: N / 64 steps of two barriers",
                  "%s, %d steps" % (thousands(rows), math.ceil(rows / 64)), rows**2 / 16, 8 * rows**2)


def top_k():
    entries = BATCH * num_anchors()
    return Kernel("best k of each row, N entries", "4 N once, then 9 times from the cache", "10 N", "the step", 4 * entries,
                  10 * entries)


def sampling():
    labels = BATCH * num_anchors()
    return Kernel("sampling, N labels", "8 N once, then 19 times from the cache", "20 N of 100 (Philox)", "the step", 8 * labels,
                  2000 * labels)


def summed(rows):
    """How a block sums the losses of rows: additions of each of its 256 threads, which follow one another, as do the steps of a tree."""
    return math.ceil(rows / 256)


def rpn_losses():
    # A row for each place of the samples: 128 positives and 256 negatives of an image.
    rows = BATCH * (SAMPLED // 2 + SAMPLED)
    return Kernel("losses of the RPN, S places for samples", "gradients of all anchors, 20 B each",
                  "60 per sampled anchor; serial: S / 256 additions, a tree of 8 steps",
                  "the step, %d and 8 steps" % summed(rows), 20 * BATCH * num_anchors(), 60 * SAMPLED * BATCH)


def head_losses(classes):
    rows, columns = BATCH * ROIS, classes + 1
    return Kernel("losses of the head, R RoIs, C columns", "logits once, both gradients once: 24 R C; 32 R of deltas and targets",
                  "30 R C and 60 R; serial: 3 C logits in a thread, R / 256 additions, a tree of 8 steps",
                  "the step, %d columns, %d logits, %d and 8 steps" % (columns, 3 * columns, summed(rows)),
                  24 * rows * columns + 32 * rows, 30 * rows * columns + 60 * rows)


def detections(rois, classes, candidates):
    # A place is a pair of a RoI and a class. Candidates: those whose score passes the threshold.
    places = rois * classes
    return Kernel("detections without NMS, R RoIs, K classes", "4 R (K + 1) of scores, 2 R K of flags, 64 per candidate",
                  "20 R K, 60 per candidate; serial: 10 R K / 1,024 flags in a thread",
                  "%s × %d, %d candidates, %d flags" % (thousands(rois), classes, candidates, math.ceil(10 * places / 1024)),
                  4 * rois * (classes + 1) + 2 * places + 64 * candidates, 20 * places + 60 * candidates)


def random_mask(rows, units):
    elements = rows * units
    return Kernel("mask of dropout, N elements", "4 N written", "25 N (Philox gives four) and 2 N",
                  "%d RoIs × %s" % (rows, thousands(units)), 4 * elements, 27 * elements)


def roi_align():
    moved = ELEMENT_BYTES * (pooled_maps() + pooled_bins())
    return Kernel("RoIAlign", "maps once, bins once", "100 and 16 loads per element of the bins", "the step", moved,
                  100 * pooled_bins())


# Of ops/kernels/roi_lists.h and roi_gather.h: pixels of a tile's side, the most squares and tiles of a map, channels of a block.
TILE, MAX_SQUARES, MAX_TILES, TILE_CHANNELS = 8, 128, 2048, 64
# Pixels of a RoI's side: 7 bins of 2, a pixel that the last sample shares, and one on each side.
ROI_PIXELS = 17


def squares_of_map(height, width, most):
    """The side and the number of the smallest squares of a map that are at most so many."""
    side = TILE
    while math.ceil(height / side) * math.ceil(width / side) > most:
        side *= 2
    return side, math.ceil(height / side) * math.ceil(width / side)


def touched(side):
    """Squares that a RoI touches, on average over its places."""
    return ((ROI_PIXELS + side - 1) / side)**2


def roi_lists():
    side, squares = squares_of_map(HEIGHT // STRIDES[0], WIDTH // STRIDES[0], MAX_SQUARES)
    tests = squares + touched(side) * (side // TILE)**2
    return Kernel("RoIs binned to tiles, R RoIs, without their sort", "20 R, and 8 for each tile that a RoI touches",
                  "60 for each test: of a RoI with the squares of its map, and with the tiles of those that it touches",
                  "the step, all RoIs on the finest level, %d tests each" % tests, BATCH * ROIS * (20 + 8 * touched(TILE)),
                  60 * BATCH * ROIS * tests)


def roi_align_gradient():
    moved = ELEMENT_BYTES * (pooled_maps() + pooled_bins())
    # A bin of 2 x 2 pixels touches 9.
    sums = 3 * 9 * pooled_bins()
    weights = 40 * 2 * 2 * 7 * BATCH * ROIS * touched(TILE) * math.ceil(CHANNELS / TILE_CHANNELS)
    return Kernel("RoIAlign, gradient", "maps once, bins once",
                  "9 sums of 3 per element of the bins, which are 2 × 2 pixels; 40 per sample of an axis for each tile and 64 channels",
                  "the step", moved, sums + weights)


def roi_pool(images, channels, height, width, rois):
    moved = 4 * images * channels * height * width + 8 * rois * channels * BINS
    # A bin of 3 x 3 pixels.
    return Kernel("RoIPool and its gradient", "maps once, bins and maxima once", "one per pixel of a bin, which are 3 × 3",
                  "%d images, %d × %d × %d, %d RoIs, float32" % (images, channels, height, width, rois), moved,
                  rois * channels * BINS * 9)


def preprocessing(height, width, to_height, to_width):
    return Kernel("preprocessing, h × w to H × W", "3 h w + 12 H W", "50 H W",
                  "%d × %d to %d × %d" % (height, width, to_height, to_width), 3 * height * width + 12 * to_height * to_width, 50 * to_height * to_width)


# Of ops/kernels/weight_update.h: elements of a chunk, and the sums of their squares that one block adds side by side.
CHUNK, LANES_OF_CHUNK = 32768, 8


def weight_update(name, weights, moved, operations, bytes_text):
    """Of SGD or AdamW; bytes and operations of an element without those of the norm."""
    chain = CHUNK // LANES_OF_CHUNK
    # Of one weight. Those of a network have some more, since no chunk holds two weights.
    chunks = math.ceil(weights / CHUNK)
    return Kernel(
        name + ", N weights", "4 N read for the norm; " + bytes_text,
        "2 N in float64 for the norm, %d N; serial: %s additions in each chunk of %s, then one per chunk" %
        (operations, thousands(chain), thousands(CHUNK)),
        "%.1f million, from %s chunks" % (weights / 1e6, thousands(chunks)), (4 + moved) * weights, (2 + operations) * weights)


def sgd(weights):
    return weight_update("SGD with momentum", weights, 12 + 8, 8, "12 N read, 8 N written")


def adamw(weights):
    return weight_update("AdamW", weights, 16 + 12, 15, "16 N read, 12 N written")


class Network:
    """Multiply-adds and weights of layers, counted as they are added."""

    def __init__(self):
        self.products, self.weights = 0, 0

    def convolution(self, inputs, outputs, side, height, width, bias=False):
        self.products += inputs * outputs * side**2 * height * width
        self.weights += inputs * outputs * side**2 + (outputs if bias else 0)

    def linear(self, inputs, outputs, rows):
        self.products += inputs * outputs * rows
        self.weights += inputs * outputs + outputs

    def __add__(self, other):
        total = Network()
        total.products, total.weights = self.products + other.products, self.weights + other.weights
        return total


def halved(size):
    return -(-size // 2)


def resnet50_stages(height, width):
    """Stem and four stages of ResNet-50, without the classifier; norms are constants."""
    height, width = halved(height), halved(width)
    stem = Network()
    stem.convolution(3, 64, 7, height, width)
    stages, inputs = [stem], 64
    height, width = halved(height), halved(width)
    for number, (middle, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        stage = Network()
        for block in range(blocks):
            stride = 2 if block == 0 and number > 0 else 1
            stage.convolution(inputs, middle, 1, height, width)
            if stride == 2:
                height, width = halved(height), halved(width)
            stage.convolution(middle, middle, 3, height, width)
            stage.convolution(middle, 4 * middle, 1, height, width)
            if block == 0:
                stage.convolution(inputs, 4 * middle, 1, height, width)
            inputs = 4 * middle
        stages.append(stage)
    return stages


def fpn_parts(height, width, rois, classes):
    """Pyramid, RPN and head of R50-FPN."""
    parts = Network()
    for number, inputs in enumerate((256, 512, 1024, 2048)):
        size = height // STRIDES[number], width // STRIDES[number]
        parts.convolution(inputs, CHANNELS, 1, *size, bias=True)
        parts.convolution(CHANNELS, CHANNELS, 3, *size, bias=True)
    weights = parts.weights
    for stride in STRIDES:
        rpn = Network()
        size = math.ceil(height / stride), math.ceil(width / stride)
        rpn.convolution(CHANNELS, CHANNELS, 3, *size, bias=True)
        rpn.convolution(CHANNELS, 5 * ANCHORS_PER_CELL, 1, *size, bias=True)
        parts.products += rpn.products
    parts.weights = weights + rpn.weights  # shared by all levels
    for inputs, outputs in ((CHANNELS * BINS, 1024), (1024, 1024), (1024, classes + 1), (1024, 4 * (classes + 1))):
        parts.linear(inputs, outputs, rois)
    return parts


def vgg16_stages(height, width):
    """The five groups of convolutions of VGG16."""
    stages, inputs = [], 3
    for outputs, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        stage = Network()
        for _ in range(layers):
            stage.convolution(inputs, outputs, 3, height, width, bias=True)
            inputs = outputs
        stages.append(stage)
        height, width = halved(height), halved(width)
    return stages


def total(networks):
    return sum(networks, Network())


def trained_operations(stages, frozen):
    """Of a forward and a backward pass: a product is computed three times, in frozen stages once. Multiply-adds count as two."""
    return 2 * (total(stages[:frozen]).products + 3 * total(stages[frozen:]).products)


def voc_rpn(height, width):
    rpn = Network()
    rpn.convolution(512, 512, 3, height // 16, width // 16, bias=True)
    rpn.convolution(512, 6 * 9, 1, height // 16, width // 16, bias=True)
    return rpn


def voc_head(rois, classes=20):
    head = Network()
    for inputs, outputs in ((512 * BINS, 4096), (4096, 4096), (4096, 5 * (classes + 1))):
        head.linear(inputs, outputs, rois)
    return head


def voc07_operations(height=600, width=1000):
    """Of the four steps with VGG16: those in the precision of training, and those of proposals and evaluation in float32."""
    stages, rpn = vgg16_stages(height, width), voc_rpn(height, width)
    backbone = trained_operations(stages, 2)
    first = 80000 * (backbone + 6 * rpn.products)
    second = 40000 * 2 * (backbone + 6 * voc_head(64).products)
    # Steps 3 and 4 take the maps of the frozen backbone from a cache.
    third, fourth = 80000 * 6 * rpn.products, 40000 * 2 * 6 * voc_head(64).products
    inference = 2 * ((2 * 5011 + 4952) * (total(stages) + rpn).products + 4952 * voc_head(300).products)
    return first + second + third + fourth, inference


def thousands(number):
    return "{:,}".format(number)


def amount(number, unit=""):
    """1234567 bytes as "1.23 MB"."""
    for factor, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return "%.3g %s%s" % (number / factor, letter, unit)
    return ("%.3g %s" % (number, unit)).strip()


def microseconds(seconds):
    return "%.2g µs" % (1e6 * seconds) if seconds < 1e-5 else "%.0f µs" % (1e6 * seconds)


def kernels():
    trained = total(resnet50_stages(HEIGHT, WIDTH)[2:]) + fpn_parts(HEIGHT, WIDTH, ROIS, 90)
    return [overlap(12000, OBJECTS), coding(8192), clipping(8192), anchors(), matching(), sort(12000), nms(12000), top_k(),
            detections(1000, 90, 300), sampling(), rpn_losses(), head_losses(90), random_mask(128, 4096), roi_align(),
            roi_lists(), roi_align_gradient(), roi_pool(2, 512, 38, 63, 128), preprocessing(480, 640, 800, 1067), sgd(trained.weights),
            adamw(trained.weights)]


def kernel_lines():
    yield "| kernel | bytes | operations | case | bytes there | operations there | time of the bytes | of the operations |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for kernel in kernels():
        yield "| %s | %s | %s | %s | %s | %s | %s | %s |" % (
            kernel.name, kernel.bytes_text, kernel.operations_text, kernel.case, amount(kernel.moved, "B"),
            amount(kernel.operations), microseconds(kernel.byte_seconds()), microseconds(kernel.operation_seconds()))


def network_lines():
    stages = resnet50_stages(HEIGHT, WIDTH)
    step = trained_operations([*stages, fpn_parts(HEIGHT, WIDTH, ROIS, 90)], 2)
    detection = 2 * (total(stages) + fpn_parts(HEIGHT, WIDTH, 1000, 90)).products
    training, inference = voc07_operations()
    rate = PRODUCTS["bfloat16"]
    yield "| work | operations of matrix products and convolutions | least time | target |"
    yield "| --- | --- | --- | --- |"
    yield "| training step of R50-FPN, an image of 800 × 1333, bfloat16 | %s | %.2f ms, %.0f images/s | 150 images/s |" % (
        amount(step), 1e3 * step / rate, rate / step)
    yield "| detection with R50-FPN, one such image, bfloat16 | %s | %.2f ms | 8 ms |" % (
        amount(detection), 1e3 * detection / rate)
    yield "| VOC07, VGG16, four steps: training in bfloat16, the rest in float32 | %s, %s | %.0f min | 60 min |" % (
        amount(training), amount(inference),
        (training / rate + inference / PRODUCTS["float32"]) / 60)
    yield "| the same, training in TF32 | | %.0f min | |" % ((training / PRODUCTS["TF32"] + inference / PRODUCTS["float32"]) / 60)


def main():
    print("\n".join([*kernel_lines(), "", *network_lines()]))


if __name__ == "__main__":
    main()
