#!/usr/bin/env python3
"""What alternating training costs against joint training, for the same passes of each part.

    bazel build //training:stage_scheduler
    training/compare_joint.py --config=shapes_tiny_alternating --joint=shapes_tiny_joint
    training/compare_joint.py --config=bccd_resnet18_alternating --joint=bccd_resnet18_joint --data_root=PATH/TO/BCCD

Each of the four steps is given N iterations, joint training 2 N: the convolutions (steps 1 and 2), the RPN (1 and 3) and the head
(2 and 4) then see as many pictures either way. Proposals are part of the time; evaluations and validations are not. Both runs
take batches of two and, but for what --set says, the pictures' transform of their own files. Prints the seconds of each
stage, the sums, and their ratio; with several rounds, which alternate, the median ratio.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPS = {"rpn1": "train_rpn", "fast1": "train_fast_rcnn", "rpn2": "train_rpn", "fast2": "train_fast_rcnn"}


def overrides(stage, work, iterations):
    training = "stages.%s.%s.training" % (stage, work)
    return ["--set=%s.solver.iterations=%d" % (training, iterations),
            "--set=%s.batching.images_per_batch=2" % training,
            "--set=%s.validation=" % training]


def seconds_of(duration):
    """Of "1h02m", "3m05s", "40.6s" or "870ms"."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|h|m|s)", duration))


def run(args, config, settings):
    """Runs an experiment in a new directory; the seconds of each stage but the evaluation."""
    with tempfile.TemporaryDirectory(prefix="compare_joint_") as folder:
        command = [args.scheduler, "--config=" + config, "--data_root=" + args.data_root, "--run_dir=" + folder,
                   "--norehearse"] + ["--set=" + s for s in args.set] + settings
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    sys.stderr.write(output)
    table = output[output.rindex("\n  stage "):].split("\n  all ")[0]
    rows = re.findall(r"^  (\S+) +([0-9.hms]+) +[0-9]+ ", table, re.M)
    return {name: seconds_of(duration) for name, duration in rows if name != "final"}


def text(seconds):
    return "%.1f s (%s)" % (sum(seconds.values()), ", ".join("%s %.1f" % item for item in seconds.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="shapes_tiny_alternating", help="an experiment with the four steps")
    parser.add_argument("--joint", default="shapes_tiny_joint", help="its joint form, with a stage called joint")
    parser.add_argument("--data_root", default="")
    parser.add_argument("--iterations", type=int, default=500, help="of each step; joint training has twice as many")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="for both, as for stage_scheduler")
    parser.add_argument("--scheduler", default=HERE + "/bazel-bin/training/stage_scheduler")
    args = parser.parse_args()

    four = [s for name, work in STEPS.items() for s in overrides(name, work, args.iterations)]
    ratios = []
    for number in range(args.rounds):
        alternating = run(args, args.config, four)
        joint = run(args, args.joint, overrides("joint", "train_joint", 2 * args.iterations))
        ratios.append(sum(alternating.values()) / sum(joint.values()))
        print("round %d: alternating %s; joint %s; ratio %.2f"
              % (number + 1, text(alternating), text(joint), ratios[-1]), flush=True)
    print("median ratio of %d: %.2f" % (len(ratios), statistics.median(ratios)))


if __name__ == "__main__":
    main()
