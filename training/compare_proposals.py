#!/usr/bin/env python3
"""Compares few learned proposals with selective search, the claim of Faster R-CNN.

    ./bazelw build //training:stage_scheduler //eval:evaluate_proposals
    training/compare_proposals.py --config=shapes_tiny_alternating
    training/compare_proposals.py --config=bccd_resnet18_alternating --data_root=PATH/TO/BCCD

Adds to an experiment with the stages of alternating training (rpn1 ... fast2, final): selective search on training and test
images, a Fast R-CNN trained on its boxes exactly as step 2 trains one on the RPN's (the same start, the same iterations), and
evaluations: of that one, of steps 1 and 2 with networks that share nothing, and of steps 3 and 4 with 2,000 to 100 boxes. The
experiment's own stages are run too, or skipped if they are done, and its own results stay where they are. Prints, for each
kind of proposals, the detector's AP, the time of an image (search and network), and the boxes' recall on the test images.

Source: Ren et al., arXiv:1506.01497v3, Table 2 and Fig. 4.
"""
import argparse
import json
import os
import re
import sys

import experiment_text

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RPN_COUNTS = [2000, 800, 300, 100]


def extended(text):
    """The experiment with the stages of the comparison, followed by its own evaluation."""
    final = experiment_text.stage(text, "final")
    fast = experiment_text.stage(text, "fast1").replace('name: "fast1"', 'name: "fast_search"')
    fast = re.sub(r'proposals: "[^"]*"', 'proposals: "search_train"', fast, count=1)
    limits = "proposal_limits { before_nms: 6000 after_nms: %d nms_iou: 0.7 }"
    stages = [
        'stages { name: "search_train" selective_search { dataset: TRAIN } }',
        'stages { name: "search_test" selective_search { dataset: TEST } }',
        fast,
        'stages { name: "search_2000" evaluate { proposals: "search_test" detector: "fast_search" } }',
        'stages { name: "unshared_300" evaluate { rpn: "rpn1" detector: "fast1" unshared: true %s } }' % (limits % 300),
        'stages { name: "rpn_test" generate_proposals { rpn: "rpn2" dataset: TEST '
        "proposals { before_nms: 6000 after_nms: 2000 nms_iou: 0.7 } } }",
    ]
    for count in RPN_COUNTS:
        stages.append('stages { name: "rpn_%d" evaluate { rpn: "rpn2" detector: "fast2" %s } }' % (count, limits % count))
    return text.replace(final, "\n".join(stages) + "\n" + final)


def stage_file(run, stage, name):
    for folder in os.listdir(os.path.join(run, "stages")):
        if folder.split("_", 1)[-1] == stage:
            return os.path.join(run, "stages", folder, name)
    sys.exit("no stage %s in %s" % (stage, run))


def load(run, stage, name):
    with open(stage_file(run, stage, name)) as file:
        return json.load(file)


def recall(args, dataset, run, stage, counts):
    """Recall at IoU 0.5 and average recall of the first `counts` boxes."""
    command = [args.evaluate_proposals, "--dataset=" + dataset, "--data_root=" + args.data_root,
               "--counts=" + ",".join(map(str, sorted(counts))),
               "--proposals=" + stage_file(run, stage, "proposals.safetensors")]
    return experiment_text.run(command)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="shapes_tiny_alternating")
    parser.add_argument("--data_root", default="")
    parser.add_argument("--run_dir", default="", help="default: runs/<config>, whose finished stages are used")
    parser.add_argument("--set", action="append", default=[], help="as in stage_scheduler")
    parser.add_argument("--scheduler", default=HERE + "/bazel-bin/training/stage_scheduler")
    parser.add_argument("--evaluate_proposals", default=HERE + "/bazel-bin/eval/evaluate_proposals")
    args = parser.parse_args()

    text = experiment_text.printed(args.scheduler, args.config, args.data_root, args.set)
    name = re.search(r'^name: "([^"]*)"', text, re.M).group(1)
    run = args.run_dir or os.path.join("runs", name)
    os.makedirs("runs", exist_ok=True)
    config = os.path.join("runs", name + "_proposals.textproto")
    with open(config, "w") as file:
        file.write(extended(text))
    experiment_text.run([args.scheduler, "--config=" + config, "--data_root=" + args.data_root, "--run_dir=" + run],
                        stdout=None)

    test = re.search(r"^  test \{\n(.*?)^  \}\n", text, re.S | re.M).group(1)
    dataset = os.path.join("runs", name + "_test.textproto")
    with open(dataset, "w") as file:
        file.write(test)

    print("\n%s\n" % name)
    print("| proposals | AP | AP50 | s per image |")
    print("| --- | --- | --- | --- |")
    rows = [("selective search, 2000", "search_2000", load(run, "search_test", "speed.json")["seconds_per_unit"])]
    rows += [("RPN of step 1, not shared, 300", "unshared_300", 0)]
    rows += [("RPN of step 3, %d" % count, "rpn_%d" % count, 0) for count in RPN_COUNTS]
    for title, stage, extra in rows:
        metrics = load(run, stage, "metrics.json")["metrics"]
        seconds = load(run, stage, "speed.json")["seconds_per_unit"] + extra
        print("| %s | %.3f | %.3f | %.3f |" % (title, metrics["ap"], metrics["ap50"], seconds))
    print("\nRecall of selective search\n" + recall(args, dataset, run, "search_test", [100, 300, 800, 2000]))
    print("Recall of the RPN\n" + recall(args, dataset, run, "rpn_test", RPN_COUNTS))


if __name__ == "__main__":
    main()
