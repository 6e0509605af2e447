#!/usr/bin/env python3
"""Prints the tables of "Counted costs" in docs/gpu.md: what kernels and networks must do, and how long an H200 needs at least.

  tools/gpu/kernel_costs.py

Nothing here is measured. Bytes are those that must move between memory and caches at least once, operations those of the formulas.
"""

import math

# Of an H200 (SXM): memory bandwidth; multiprocessors, the float32 lanes of one, and their clock, where a multiplication and an addition
# are two operations, since they are not contracted; bytes that one gets from the L2 cache in a cycle; cycles from an instruction to the
# next that needs its result; and the dense rates of matrix products. In bytes or operations per second.
BANDWIDTH = 4.8e12
PROCESSORS, LANES, CLOCK = 132, 128, 1.98e9
CACHE_BYTES, DEPENDENT_CYCLES = 64, 4
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


class Launch:
    """A grid of blocks: what it moves and computes, and its longest chain of instructions of which each needs the one before.

    A block runs on one multiprocessor, so a grid of few blocks has a part of the GPU alone.
    """

    def __init__(self, blocks, threads, moved=0, operations=0, chain=0):
        self.blocks, self.threads = blocks, threads
        self.moved, self.operations, self.chain = moved, operations, chain

    def processors(self):
        return min(self.blocks, PROCESSORS)

    def byte_seconds(self):
        return self.moved / min(BANDWIDTH, self.processors() * CACHE_BYTES * CLOCK)

    def operation_seconds(self):
        return self.operations / (min(self.processors() * LANES, self.blocks * self.threads) * CLOCK)

    def chain_seconds(self):
        return self.chain * DEPENDENT_CYCLES / CLOCK


def for_each(count, moved, operations, chain=0):
    """A thread for each of `count`, as ForEach of ops/kernels/kernel.h has it."""
    return Launch(math.ceil(count / 256), 256, moved, operations, chain)


class Kernel:
    """A row: formulas in words, and what they give for a case, in launches one after another."""

    def __init__(self, name, bytes_text, operations_text, case, *launches):
        self.name, self.bytes_text, self.operations_text, self.case = name, bytes_text, operations_text, case
        self.launches = launches

    def sum(self, what):
        return sum(what(launch) for launch in self.launches)

    @property
    def moved(self):
        return self.sum(lambda launch: launch.moved)

    @property
    def operations(self):
        return self.sum(lambda launch: launch.operations)

    def blocks_text(self):
        return ", ".join(thousands(launch.blocks) for launch in self.launches)

    def times(self):
        """Of the bytes, the operations and the serial part, in seconds."""
        return [self.sum(what) for what in (Launch.byte_seconds, Launch.operation_seconds, Launch.chain_seconds)]


def overlap(rows, columns):
    return Kernel("IoU, N × M", "16 (N + M) + 4 N M", "16 N M", "%s × %d" % (thousands(rows), columns),
                  Launch(math.ceil(rows / 16) * math.ceil(columns / 128), 128, 16 * (rows + columns) + 4 * rows * columns,
                         16 * rows * columns))


def coding(rows):
    return Kernel("box coding, N rows", "48 N", "30 N", thousands(rows), for_each(rows, 48 * rows, 30 * rows))


def clipping(rows):
    return Kernel("clipping, N boxes", "32 N", "8 N", thousands(rows), for_each(rows, 32 * rows, 8 * rows))


def anchors():
    return Kernel("anchors, N of an image", "16 N written", "6 N in float64", "the step",
                  for_each(num_anchors(), 16 * num_anchors(), 6 * num_anchors()))


def matching():
    pairs, boxes = BATCH * num_anchors() * OBJECTS, BATCH * num_anchors()
    return Kernel("matching, B images, N boxes, M objects", "20 B N written; boxes stay in the cache", "2 B N M of 16",
                  "the step", Launch(BATCH * OBJECTS, 256, 0, 16 * pairs),
                  Launch(BATCH * math.ceil(num_anchors() / 256), 256, 20 * boxes, 16 * pairs))


def sort(rows):
    merges = math.ceil(math.log2(rows / 256) / 2)
    # All passes have the same grid. Each step of four bisections is four comparisons, of 4 operations.
    steps = sum(8 + 2 * merge + 1 for merge in range(merges))
    return Kernel("sort, N in a row", "32 N for each of 1 + log₄(N / 256) passes", "256 N, and 16 for each step of the bisections",
                  "%s, %d passes, %d steps" % (thousands(rows), 1 + merges, steps),
                  for_each(rows, 32 * rows * (1 + merges), 256 * rows + 16 * steps * rows))


def nms(rows):
    tiles = math.ceil(rows / 64)
    # Of each candidate two masks, and a word for each tile of 64 x 64 pairs; other masks only where they are not 0.
    masks = 16 * rows + 8 * tiles * (tiles + 1) // 2
    return Kernel("NMS, N candidates in one slab",
                  "16 N of masks and N² / 1024 written, and read by one block; up to N² / 16 where far boxes overlap",
                  "N² / 2 of 16; serial: N / 64 steps of a barrier, up to 3 N instructions in a thread",
                  "%s, %d steps" % (thousands(rows), tiles), Launch(tiles * (tiles + 1) // 2, 64, masks, 8 * rows**2),
                  Launch(1, 512, masks, 0, 3 * rows))


# Of ops/kernels/select_smallest.h: entries of a block, and how often the keys are read; bytes of a stored key and its flag, and
# operations of an entry in a reading.
PART, READINGS, KEY_BYTES, READING = 2048, 6, 5, 8


def parts(entries):
    return max(math.ceil(entries / PART), 1)


def selection(blocks, entries):
    """From stored keys, which are in the cache: its grids are alike, but for four of a block for each row."""
    return Launch(blocks, 256, 0, READINGS * READING * entries)


def top_k(images, case):
    levels = [ANCHORS_PER_CELL * cells(stride) for stride in STRIDES]
    entries, blocks = images * sum(levels), images * sum(parts(level) for level in levels)
    return Kernel("best k of each row, N entries", "9 N for the keys, then 6 times 5 N from the cache",
                  "30 N for the keys, 6 times 8 N", case,
                  Launch(blocks, 256, (4 + KEY_BYTES) * entries, 30 * entries), selection(blocks, entries))


def sampling(images, case):
    labels, blocks = images * num_anchors(), images * parts(num_anchors())
    # For positives and for negatives.
    return Kernel("sampling, N labels", "26 N for the keys, then 12 times 5 N from the cache",
                  "100 N for the keys (Philox), 12 times 8 N", case,
                  *(launch for _ in range(2) for launch in (
                      Launch(blocks, 256, (8 + KEY_BYTES) * labels, 50 * labels), selection(blocks, labels))))


def tree_sums(rows):
    """How a block sums the losses of rows, in three columns: additions of each of its 256 threads, and the steps of a tree."""
    return Launch(3, 256, 0, 0, math.ceil(rows / 256) + 8)


def rpn_losses():
    # A row for each place of the samples: 128 positives and 256 negatives of an image.
    rows = BATCH * (SAMPLED // 2 + SAMPLED)
    return Kernel("losses of the RPN, S places for samples", "gradients of all anchors, 20 B each",
                  "60 per sampled anchor; serial: S / 256 additions, a tree of 8 steps",
                  "the step, %d and 8 steps" % math.ceil(rows / 256), for_each(5 * BATCH * num_anchors(), 20 * BATCH * num_anchors(), 0),
                  for_each(rows, 0, 60 * SAMPLED * BATCH), tree_sums(rows))


def head_losses(classes):
    rows, columns = BATCH * ROIS, classes + 1
    return Kernel("losses of the head, R RoIs, C columns", "logits once, both gradients once: 24 R C; 32 R of deltas and targets",
                  "30 R C and 60 R; serial: 3 C logits in a thread, R / 256 additions, a tree of 8 steps",
                  "the step, %d columns, %d logits, %d and 8 steps" % (columns, 3 * columns, math.ceil(rows / 256)),
                  for_each(rows, 24 * rows * columns + 32 * rows, 30 * rows * columns + 60 * rows, 3 * columns), tree_sums(rows))


def detections(rois, classes, candidates):
    # A place is a pair of a RoI and a class. Candidates: those whose score passes the threshold.
    places = rois * classes
    return Kernel("detections of an image without NMS, R RoIs, K classes", "4 R (K + 1) of scores, 2 R K of flags, 64 per candidate",
                  "20 R K, 8 readings of a flag of 4; 60 per candidate",
                  "%s × %d, %d candidates" % (thousands(rois), classes, candidates),
                  for_each(places, 4 * rois * (classes + 1) + 2 * places + 64 * candidates, 20 * places + 60 * candidates),
                  Launch(classes * parts(rois), 256, 0, 2 * 4 * places), Launch(parts(places), 256, 0, READINGS * 4 * places))


def random_mask(rows, units):
    elements = rows * units
    return Kernel("mask of dropout, N elements", "4 N written", "25 N (Philox gives four) and 2 N",
                  "%d RoIs × %s" % (rows, thousands(units)), for_each(elements / 4, 4 * elements, 27 * elements))


def roi_align():
    moved = ELEMENT_BYTES * (pooled_maps() + pooled_bins())
    # A thread finds the samples of 8 channels, with 400 operations, and adds 40 for each of the channels.
    together = 16 // ELEMENT_BYTES
    return Kernel("RoIAlign", "maps once, bins once", "90 per element of the bins; 16 loads for %d channels" % together, "the step",
                  for_each(pooled_bins() / together, moved, (40 + 400 // together) * pooled_bins()))


def finish_map(channels, stride):
    """Of a map of all images, with a shortcut's map."""
    elements = BATCH * channels * cells(stride)
    return Kernel("bias, shortcut and ReLU after a convolution, N elements", "6 N with a shortcut, else 4 N", "3 N",
                  "%d × %d × %d × %d" % (BATCH, channels, HEIGHT // stride, WIDTH // stride),
                  for_each(elements / (16 // ELEMENT_BYTES), 3 * ELEMENT_BYTES * elements, 3 * elements))


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


def tiles_of_maps():
    """Of the four pooled levels of an image."""
    return sum(math.ceil(math.ceil(HEIGHT / stride) / TILE) * math.ceil(math.ceil(WIDTH / stride) / TILE) for stride in STRIDES[:4])


def touched(side):
    """Squares that a RoI touches, on average over its places."""
    return ((ROI_PIXELS + side - 1) / side)**2


def roi_lists():
    size = HEIGHT // STRIDES[0], WIDTH // STRIDES[0]
    side, squares = squares_of_map(*size, MAX_SQUARES)
    tiles = squares_of_map(*size, MAX_TILES)[1]
    tests = touched(side) * (side // TILE)**2
    return Kernel("RoIs binned to tiles, R RoIs, without their sort", "20 R, and 8 for each tile that a RoI touches",
                  "60 for each test: of a RoI with the squares of its map, and with the tiles of those that it touches",
                  "the step, all RoIs on the finest level, %d tests each" % (squares + tests),
                  Launch(BATCH * squares, 256, 20 * BATCH * ROIS, 60 * BATCH * ROIS * squares),
                  Launch(BATCH * tiles, 256, 8 * touched(TILE) * BATCH * ROIS, 60 * BATCH * ROIS * tests))


def roi_align_gradient():
    moved = ELEMENT_BYTES * (pooled_maps() + pooled_bins())
    # A bin of 2 x 2 pixels touches 9.
    sums = 3 * 9 * pooled_bins()
    channel_tiles = math.ceil(CHANNELS / TILE_CHANNELS)
    weights = 40 * 2 * 2 * 7 * BATCH * ROIS * touched(TILE) * channel_tiles
    return Kernel("RoIAlign, gradient", "maps once, bins once",
                  "9 sums of 3 per element of the bins, which are 2 × 2 pixels; 40 per sample of an axis for each tile and 64 channels",
                  "the step", Launch(BATCH * tiles_of_maps() * channel_tiles, TILE_CHANNELS, moved, sums + weights))


def roi_pool(images, channels, height, width, rois):
    moved = 4 * images * channels * height * width + 8 * rois * channels * BINS
    # A bin of 3 x 3 pixels.
    return Kernel("RoIPool and its gradient", "maps once, bins and maxima once", "one per pixel of a bin, which are 3 × 3",
                  "%d images, %d × %d × %d, %d RoIs, float32" % (images, channels, height, width, rois),
                  for_each(rois * channels * BINS, moved, rois * channels * BINS * 9))


def preprocessing(height, width, to_height, to_width):
    return Kernel("preprocessing, h × w to H × W", "3 h w + 12 H W", "50 H W",
                  "%d × %d to %d × %d" % (height, width, to_height, to_width),
                  for_each(to_height * to_width, 3 * height * width + 12 * to_height * to_width, 50 * to_height * to_width))


# Of ops/kernels/weight_update.h: elements of a chunk, the sums of their squares that one block adds side by side, and the blocks of a
# chunk that apply the update.
CHUNK, LANES_OF_CHUNK, BLOCKS_OF_CHUNK = 32768, 8, 8


def weight_update(name, weights, moved, operations, bytes_text):
    """Of SGD or AdamW; bytes and operations of an element without those of the norm."""
    chain = CHUNK // LANES_OF_CHUNK
    # Of one weight. Those of a network have some more, since no chunk holds two weights.
    chunks = math.ceil(weights / CHUNK)
    return Kernel(
        name + ", N weights", "4 N read for the norm; " + bytes_text,
        "2 N in float64 for the norm, %d N; serial: %s additions in each chunk of %s, then one per chunk" %
        (operations, thousands(chain), thousands(CHUNK)),
        "%.1f million, from %s chunks" % (weights / 1e6, thousands(chunks)),
        Launch(chunks, LANES_OF_CHUNK, 4 * weights, 2 * weights, chain), Launch(1, 256, 0, 0, chunks),
        Launch(BLOCKS_OF_CHUNK * chunks, 256, moved * weights, operations * weights))


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
    return [overlap(12000, OBJECTS), coding(8192), clipping(8192), anchors(), matching(), sort(12000), nms(12000),
            top_k(BATCH, "the step"), top_k(1, "an image of the step"), detections(1000, 90, 300), sampling(BATCH, "the step"),
            rpn_losses(), head_losses(90), random_mask(128, 4096), finish_map(256, 4), roi_align(), roi_lists(), roi_align_gradient(), roi_pool(2, 512, 38, 63, 128), preprocessing(480, 640, 800, 1067), sgd(trained.weights),
            adamw(trained.weights)]


def kernel_lines():
    yield ("| kernel | bytes | operations | case | blocks | bytes there | operations there | time of the bytes | of the operations "
           "| of the serial part |")
    yield "| --- " * 10 + "|"
    for kernel in kernels():
        bytes_time, operations_time, serial_time = kernel.times()
        yield "| %s | %s | %s | %s | %s | %s | %s | %s | %s |%s |" % (
            kernel.name, kernel.bytes_text, kernel.operations_text, kernel.case, kernel.blocks_text(), amount(kernel.moved, "B"),
            amount(kernel.operations), microseconds(bytes_time), microseconds(operations_time),
            " " + microseconds(serial_time) if serial_time else "")


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
