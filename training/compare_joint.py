#!/usr/bin/env python3
"""Compares the time of alternating and joint training, for the same number of passes of each part.

    ./bazelw build //training:stage_scheduler
    training/compare_joint.py --config=shapes_tiny_alternating --joint=shapes_tiny_joint --passes=4200
    training/compare_joint.py --config=bccd_resnet18_alternating --joint=bccd_resnet18_joint --data_root=PATH/TO/BCCD

Each of the four steps sees --passes images, joint training twice as many: the convolutions (steps 1 and 2), the RPN (1 and 3)
and the head (2 and 4) then see as many either way. Stages take the batches of their own files, or all of them
--images_per_batch. Proposals are part of the time; the rehearsal, validations and evaluations are not. Prints the seconds of
each stage, the sums, and their ratio; with several rounds, which alternate, the median ratio.
"""
import argparse
import os
import re
import statistics
import sys
import tempfile

import experiment_text

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPS = {"rpn1": "train_rpn", "fast1": "train_fast_rcnn", "rpn2": "train_rpn", "fast2": "train_fast_rcnn"}
JOINT = {"joint": "train_joint"}


def images_per_iteration(stage):
    """Reads it from a stage's text."""
    counts = [int(count) for count in re.findall(r"\b(?:images_per_batch|batches_per_update): (\d+)", stage)]
    if len(counts) != 2:
        sys.exit("not one images_per_batch and one batches_per_update in\n" + stage)
    return counts[0] * counts[1]


def with_lengths(text, stages, passes, settings):
    """The settings that give each stage of an experiment's text this many passes."""
    lengths = []
    for name, work in stages.items():
        stage = experiment_text.stage(text, name)
        if work + " {" not in stage:
            sys.exit("the stage %s is not one of %s" % (name, work))
        images = images_per_iteration(stage)
        if passes % images != 0:
            sys.exit("%d passes are not a whole number of iterations of the stage %s, which takes %d images in each"
                     % (passes, name, images))
        lengths.append("stages.%s.%s.training.solver.iterations=%d" % (name, work, passes // images))
    return settings + lengths


def stage_settings(args, stages):
    """The settings of the stages of an experiment, except their lengths."""
    settings = list(args.set)
    for name, work in stages.items():
        training = "stages.%s.%s.training" % (name, work)
        settings.append(training + ".validation=")
        if args.images_per_batch:
            settings.append("%s.batching.images_per_batch=%d" % (training, args.images_per_batch))
    return settings


def parse_duration(duration):
    """Parses "1h02m", "3m05s", "40.6s" or "870ms"."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|h|m|s)", duration))


def measure(args, config, settings):
    """Runs an experiment in a new directory; returns the seconds of each stage except the evaluation."""
    with tempfile.TemporaryDirectory(prefix="compare_joint_") as folder:
        output = experiment_text.run([args.scheduler, "--config=" + config, "--data_root=" + args.data_root,
                                      "--run_dir=" + folder, "--norehearse"] + ["--set=" + s for s in settings])
    sys.stderr.write(output)
    table = output[output.rindex("\n  stage "):].split("\n  all ")[0]
    rows = re.findall(r"^  (\S+) +([0-9.hms]+) +[0-9]+ ", table, re.M)
    return {name: parse_duration(duration) for name, duration in rows if name != "final"}


def described(seconds):
    return "%.1f s (%s)" % (sum(seconds.values()), ", ".join("%s %.1f" % item for item in seconds.items()))


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("%d is not at least 1" % value)
    return value


def parsed_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="shapes_tiny_alternating", help="an experiment with the four steps of alternating training")
    parser.add_argument("--joint", default="shapes_tiny_joint", help="its joint form, with a stage named joint")
    parser.add_argument("--data_root", default="")
    parser.add_argument("--passes", type=positive, default=800,
                        help="images that each of the four steps sees, with repetition; joint training sees twice as many")
    parser.add_argument("--images_per_batch", type=positive, help="for all stages; default: that of the experiments")
    parser.add_argument("--rounds", type=positive, default=1)
    parser.add_argument("--set", action="append", default=[], help="for both experiments, as in stage_scheduler")
    parser.add_argument("--scheduler", default=HERE + "/bazel-bin/training/stage_scheduler")
    return parser.parse_args()


def main():
    args = parsed_arguments()
    plans = []
    for config, stages, passes in [(args.config, STEPS, args.passes), (args.joint, JOINT, 2 * args.passes)]:
        settings = stage_settings(args, stages)
        text = experiment_text.printed(args.scheduler, config, args.data_root, settings)
        plans.append((config, with_lengths(text, stages, passes, settings)))
    ratios = []
    for number in range(args.rounds):
        alternating, joint = [measure(args, config, settings) for config, settings in plans]
        ratios.append(sum(alternating.values()) / sum(joint.values()))
        print("round %d: alternating %s; joint %s; ratio %.2f"
              % (number + 1, described(alternating), described(joint), ratios[-1]), flush=True)
    print("median ratio of %d: %.2f" % (len(ratios), statistics.median(ratios)))


if __name__ == "__main__":
    main()
