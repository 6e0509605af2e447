"""A test that fails when a detector gets worse on a dataset.

Hermetic: the model, the dataset and its images are files of the build, and the test runs without network.

    load("@rcnn//eval:detection_eval_test.bzl", "detection_eval_test")

    detection_eval_test(
        name = "cells_eval_test",
        data = ["testdata/detector.textproto"],
        dataset = "testdata/instances.json",
        detector = "@rcnn//tools:detect_dataset",
        images = glob(["testdata/images/*.jpg"]),
        min_metrics = {"ap50": "0.9", "ar100": "0.6"},
        model = "testdata/model.safetensors",
    )
"""

def detection_eval_test(
        name,
        dataset,
        min_metrics,
        detections = None,
        detector = None,
        detector_args = [],
        images = [],
        iou_type = "bbox",
        metrics = "coco",
        model = None,
        **kwargs):
    """Runs a detector, or takes its stored detections, evaluates, and compares with the floors.

    When a metric is below its floor the test fails and shows the table of all classes. metrics.json, and images of the worst
    images where `images` are given, are among the test's undeclared outputs.

    Args:
      name: target name.
      dataset: a COCO instances file.
      min_metrics: name of a metric, as in metrics.json of //eval:evaluate ("ap50", "ar100", "voc07"), to its floor, a
        number as text.
      detections: a COCO results file. Either this or detector and model.
      detector: a program, called as `DETECTOR --model=… --dataset=… --images=FOLDER --out=FILE`, that writes a COCO results
        file.
      detector_args: further arguments of the detector.
      images: the images of the dataset, all in one folder.
      iou_type: bbox, segm (masks) or keypoints; what the detections are.
      metrics: any of coco, voc07, voc10, separated by commas.
      model: what the detector reads; for //tools:detect_dataset model.safetensors of a trained model, with its
        detector.textproto among `data`.
      **kwargs: as for sh_test (size, tags, data, ...).
    """
    if bool(detections) == bool(detector):
        fail("{}: give either detections, or detector and model".format(name))
    if bool(detector) != bool(model):
        fail("{}: a detector needs a model, and a model a detector".format(name))
    if not min_metrics:
        fail("{}: min_metrics is empty: the test could not fail".format(name))
    evaluate = "@rcnn//eval:evaluate"
    floors = ",".join(["{}={}".format(metric, floor) for metric, floor in sorted(min_metrics.items())])
    args = [
        "$(rootpath {})".format(evaluate),
        "$(rootpath {})".format(dataset),
        metrics,
        iou_type,
        floors,
        "$(rootpath {})".format(images[0]) if images else "''",
    ]
    data = [evaluate, dataset] + images + kwargs.pop("data", [])

    # For callers whose .bazelrc lets tests reach the network.
    tags = kwargs.pop("tags", []) + ["block-network"]
    if detections:
        args.append("$(rootpath {})".format(detections))
        data.append(detections)
    else:
        args += ["''", "$(rootpath {})".format(detector), "$(rootpath {})".format(model)] + detector_args
        data += [detector, model]
    native.sh_test(
        name = name,
        srcs = ["@rcnn//eval:detection_eval_test.sh"],
        args = args,
        data = data,
        tags = tags,
        **kwargs
    )
