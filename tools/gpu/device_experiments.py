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
# With the mirror images, whose maps are cached too.
VOC07_TRAIN_SAMPLES = 2 * VOC07_TRAIN_IMAGES
# Images in a batch of steps 2 and 4; those of steps 1 and 3 have one.
VOC07_FAST_BATCH = 2

# Enough for the maps of all samples, 45,000 MiB, on a GPU with 80 GB or more (docs/gpu.md).
FEATURE_CACHE_MIB = 50000


class Size:
    """How large the timed work is."""

    def __init__(self, full):
        self.height, self.width = (800, 1333) if full else (96, 160)
        self.batch = 16 if full else 2
        self.iterations, self.log_every = (40, 5) if full else (10, 5)
        self.voc_height, self.voc_width = (600, 1000) if full else (96, 160)
        # Step 3 computes the maps of all images, mirrored too, in the first 96 (8) iterations. From then on they are in the cache.
        self.voc_images, self.voc_iterations, self.voc_log_every = (48, 240, 20) if full else (4, 16, 4)
        self.workers = 14 if full else 1
        self.full = full


def shapes(images, height, width):
    return ("{ shapes { num_images: %d height_px: %d width_px: %d min_diameter_px: %d max_diameter_px: %d max_objects: 6 } }"
            % (images, height, width, height // 6, height // 2))


def resources(size, log_every):
    """No checkpoint within the timed iterations, all images in memory, and all maps of frozen convolutions on the device."""
    return ("{ loader { workers: %d prefetched_batches: 8 } image_cache_mib: 4096 feature_cache_mib: %d checkpoint_iterations: 0 "
            "checkpoint_seconds: 0 log_every: %d }" % (size.workers, FEATURE_CACHE_MIB, log_every))


def determinism(training, deterministic):
    """The change of a stage's `training`; none for the default."""
    return [] if deterministic else [training + ".deterministic=false"]


def resnet_changes(size, precision, deterministic=True):
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
    ] + determinism(training, deterministic)


def voc_changes(size, precision, deterministic=True):
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
        ] + determinism(training, deterministic)
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


def finished_iterations(run_dir):
    """Seconds of an iteration of each of VOC07's training stages that have finished."""
    found = {}
    for stage in VOC07_ITERATIONS:
        try:
            found[stage] = SteadyPart(metrics(run_dir, stage)).seconds_per_iteration
        except (OSError, ValueError):
            pass  # not finished
    return found


def first_pass_seconds(lines, samples):
    """Seconds per iteration of a stage that has one image in a batch, in its first pass over `samples` images, without the start."""
    inside = [line for line in lines if line["iteration"] <= samples]
    if len(inside) < 2:
        raise ValueError("a first pass needs two lines of the log, not %d" % len(inside))
    return (inside[-1]["time"] - inside[0]["time"]) / (inside[-1]["iteration"] - inside[0]["iteration"])


def seconds_per_image(run_dir, stage):
    """Of a stage that makes proposals or evaluates."""
    with open(os.path.join(stage_folder(run_dir, stage), "speed.json"), encoding="utf-8") as file:
        return json.load(file)["seconds_per_unit"]


class Voc07:
    """Times of the four steps, in seconds.

    iteration     of an iteration, by stage; in rpn2 and fast2 all maps are cached
    first_pass    of an iteration of rpn2 that computes the maps of its image
    proposals     of an image in proposals1, and in proposals2, where maps are cached
    evaluation    of an image
    """

    def __init__(self, iteration, first_pass, proposals, evaluation):
        self.iteration, self.first_pass, self.proposals, self.evaluation = iteration, first_pass, proposals, evaluation
        # Of the frozen convolutions on an image.
        self.maps = max(0.0, first_pass - iteration["rpn2"])

    @classmethod
    def read(cls, run_dir, samples):
        """Of a run of `voc_changes` on so many images, mirrored ones included."""
        iteration = {stage: SteadyPart(metrics(run_dir, stage)).seconds_per_iteration for stage in VOC07_ITERATIONS}
        proposals = [seconds_per_image(run_dir, stage) for stage in ("proposals1", "proposals2")]
        return cls(iteration, first_pass_seconds(metrics(run_dir, "rpn2"), samples), proposals, seconds_per_image(run_dir, "final"))

    def hours(self):
        """With a cache that holds all maps: they are computed once for each sample."""
        return self._hours(VOC07_TRAIN_SAMPLES * self.maps, self.proposals[1])

    def hours_without_cache(self):
        """With maps that are computed in each iteration of steps 3 and 4, and for the proposals between them."""
        images = VOC07_ITERATIONS["rpn2"] + VOC07_FAST_BATCH * VOC07_ITERATIONS["fast2"]
        return self._hours(images * self.maps, self.proposals[0])

    def _hours(self, maps, second_proposals):
        training = sum(VOC07_ITERATIONS[stage] * seconds for stage, seconds in self.iteration.items()) + maps
        proposals = VOC07_TRAIN_IMAGES * (self.proposals[0] + second_proposals)
        return (training + proposals + VOC07_TEST_IMAGES * self.evaluation) / 3600
