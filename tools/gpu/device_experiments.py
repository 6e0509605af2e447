"""The experiments that are timed on a GPU: changes to those in configs/, and what their logs say.

The images are generated, so that no dataset is needed, and of one size; the networks, batches and operators are those of the
experiments. The learning rate is tiny: the weights are random.
"""

import glob
import json
import os

# VOC07: images of trainval and test, and the iterations of steps 1 to 4 (configs/voc07_vgg16_alternating.textproto).
VOC07_TRAIN_IMAGES, VOC07_TEST_IMAGES = 5011, 4952
VOC07_ITERATIONS = {"rpn1": 80000, "fast1": 40000, "rpn2": 80000, "fast2": 40000}


class Size:
    """How large the timed work is."""

    def __init__(self, full):
        self.height, self.width = (800, 1333) if full else (96, 160)
        self.batch = 16 if full else 2
        self.iterations, self.log_every = (40, 5) if full else (10, 5)
        self.voc_height, self.voc_width = (600, 1000) if full else (96, 160)
        # Steps 3 and 4 take the maps of all images, mirrored too, from their cache in the second half of the iterations.
        self.voc_images, self.voc_iterations, self.voc_log_every = (48, 240, 20) if full else (4, 16, 4)
        self.workers = 14 if full else 1
        self.full = full


def shapes(images, height, width):
    return ("{ shapes { num_images: %d height_px: %d width_px: %d min_diameter_px: %d max_diameter_px: %d max_objects: 6 } }"
            % (images, height, width, height // 6, height // 2))


def resources(size, log_every):
    """No checkpoint within the timed iterations, and all images in memory."""
    return ("{ loader { workers: %d prefetched_batches: 8 } image_cache_mib: 4096 checkpoint_iterations: 0 checkpoint_seconds: 0 "
            "log_every: %d }" % (size.workers, log_every))


def resnet_changes(size, precision):
    """Joint training of R50-FPN: one batch per update, of `size.batch` images."""
    training = "stages.joint.train_joint.training"
    return ([] if size.full else ["model.head.targets.rois_per_image=16"]) + [
        "pretrained=", "stages.joint.init=", "stages.final=",
        "data.train=" + shapes(2 * size.batch, size.height, size.width), "data.test=",
        "data.transform={ flip: AT_RANDOM pad_to_multiple_px: 32 }",
        training + ".solver={ sgd {} learning_rate: 1e-9 iterations: %d }" % size.iterations,
        training + ".batching={ images_per_batch: %d }" % size.batch,
        training + ".precision=" + precision,
        "resources=" + resources(size, size.log_every),
    ]


def voc_changes(size, precision):
    """The four steps of VGG16 on VOC07, for `size.voc_iterations` each."""
    images = shapes(size.voc_images, size.voc_height, size.voc_width)
    changes = ["pretrained=", "stages.rpn1.init=", "stages.fast1.init=", "data.train=" + images, "data.test=" + images,
               # Statistics of deltas need proposals near objects of every class, which an untrained network may not give.
               "model.head.targets.box_normalization=NONE", "resources=" + resources(size, size.voc_log_every)]
    if not size.full:
        changes += ["data.transform={ flip: DOUBLE_DATASET }", "model.head.fc.fc_channels=[32, 32]",
                    "model.rpn.channels=16", "model.rpn.anchors.size_px=[16, 32, 64]"]
    for stage, work in (("rpn1", "train_rpn"), ("fast1", "train_fast_rcnn"), ("rpn2", "train_rpn"),
                        ("fast2", "train_fast_rcnn")):
        training = "stages.%s.%s.training" % (stage, work)
        changes += [
            training + ".solver={ sgd {} learning_rate: 1e-9 iterations: %d }" % size.voc_iterations,
            training + ".precision=" + precision,
        ]
    return changes


def stage_folder(run_dir, stage):
    """The folder of a finished stage."""
    found = glob.glob(os.path.join(run_dir, "stages", "*_" + stage, "DONE"))
    if len(found) != 1:
        raise ValueError("stage %s has not finished in %s" % (stage, run_dir))
    return os.path.dirname(found[0])


def metrics(run_dir, stage):
    with open(os.path.join(stage_folder(run_dir, stage), "metrics.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class SteadyPart:
    """The iterations of a stage after the first half of its lines, which hold memory allocation and the choice of kernels."""

    def __init__(self, lines):
        if len(lines) < 2:
            raise ValueError("a steady part needs two lines of the log, not %d" % len(lines))
        first, last = lines[(len(lines) - 1) // 2], lines[-1]
        if first is last or last["time"] <= first["time"]:
            raise ValueError("the log's lines have no time between them")
        self.begin, self.end = first["time"], last["time"]
        self.seconds_per_iteration = (self.end - self.begin) / (last["iteration"] - first["iteration"])
        inside = lines[(len(lines) - 1) // 2 + 1:]
        # The share of the time in which training waited for images.
        self.data_wait = sum(line.get("data_wait", 0.0) for line in inside) / len(inside)


def seconds_per_image(run_dir, stage):
    """Of a stage that makes proposals or evaluates."""
    with open(os.path.join(stage_folder(run_dir, stage), "speed.json"), encoding="utf-8") as file:
        return json.load(file)["seconds_per_unit"]


def extrapolate_voc07(iteration_seconds, proposal_seconds, evaluation_seconds):
    """Hours of the four steps: `iteration_seconds` by stage, seconds per image of both proposal stages and of evaluation."""
    training = sum(VOC07_ITERATIONS[stage] * seconds for stage, seconds in iteration_seconds.items())
    proposals = VOC07_TRAIN_IMAGES * sum(proposal_seconds)
    return (training + proposals + VOC07_TEST_IMAGES * evaluation_seconds) / 3600
