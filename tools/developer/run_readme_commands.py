#!/usr/bin/env python3
"""Runs every command of README.md unchanged, and fails if one of them fails.

    tools/developer/run_readme_commands.py            all of them
    tools/developer/run_readme_commands.py WORD...    those that hold one of the words

Every line of the README's fenced blocks without a language is a command. What is done to
it before it runs, and nothing else:

  - PLACEHOLDERS are replaced by the paths of small data that is made for them; a command
    with a PATH/TO/… that is not among them fails.
  - ADDED are further arguments that make the first fitting kind of command short, or let
    it only plan where its data cannot be made here.
  - ELSEWHERE are commands that another check runs, which must hold them word for word.

An entry of these tables that no command needs is an error too. Commands run one after
another in the empty folder runs/readme_commands, so later ones find what earlier ones left.
"""

import os
import re
import shutil
import subprocess
import sys
import time

import documentation

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "runs", "readme_commands")
DATA = os.path.join(FOLDER, "data")
TIMEOUT_SECONDS = 600


def write_dataset(form, folder, split, seed):
    """Writes a few generated images with Bazel's write_dataset, which has been built."""
    flags = [f"--dataset=shapes:seed={seed},num_images=6,width_px=96,height_px=80,num_classes=3,min_objects=2",
             f"--format={form}", f"--split={split}", f"--out={folder}"]
    subprocess.run([os.path.join(ROOT, "bazel-bin/data/write_dataset"), *flags], check=True, capture_output=True)


def make_voc(folder):
    for seed, split in enumerate(("trainval", "test")):
        write_dataset("voc", folder, split, seed)


def make_coco(folder):
    for seed, split in enumerate(("train", "test")):
        write_dataset("coco", folder, split, seed)


def make_images(folder):
    write_dataset("coco", os.path.dirname(folder), os.path.basename(folder), seed=2)


def make_paper_data(folder):
    """Puts generated images in place of VOC 2007. Plans need only the existence of the weights' files."""
    make_voc(os.path.join(folder, "VOCdevkit/VOC2007"))
    os.makedirs(os.path.join(folder, "imagenet_models"))
    for network in ("ZF", "VGG16"):
        with open(os.path.join(folder, f"imagenet_models/{network}.v2.caffemodel"), "wb") as file:
            file.write(b"weights")


WEIGHTS = """
import sys, torch, torchvision
from torchvision.models import detection
torch.save(torchvision.models.resnet18(weights=None).state_dict(), sys.argv[1] + "/resnet18-f37072fd.pth")
torch.save(detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict(),
           sys.argv[1] + "/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth")
"""


def make_weights(folder):
    """torchvision's networks with random weights, under their files' names."""
    os.makedirs(folder)
    subprocess.run(["/usr/bin/python3", "-c", WEIGHTS, folder], check=True)


PLACEHOLDERS = {
    "PATH/TO/COCO": make_coco,
    "PATH/TO/DATA": make_paper_data,
    "PATH/TO/FOLDER": make_coco,
    "PATH/TO/IMAGES": make_images,
    "PATH/TO/VOC": make_voc,
    "PATH/TO/WEIGHTS": make_weights,
}


def iterations(stages):
    """Two iterations for each of the stages, given as name.work."""
    return [f"--set=stages.{stage}.training.solver.iterations=2" for stage in stages]


ALTERNATING = iterations(("rpn1.train_rpn", "fast1.train_fast_rcnn", "rpn2.train_rpn", "fast2.train_fast_rcnn"))
JOINT = iterations(("joint.train_joint",))
SMALL = ["--set=data.transform.resize={ shortest_side_px: 80 }", "--set=model.rpn.test_proposals.after_nms=20",
         "--norehearse"]
# Images of the size of SMALL in the stages that have one of their own.
NO_TRANSFORM = ["--set=stages.rpn2.train_rpn.training.transform=",
                "--set=stages.fast2.train_fast_rcnn.training.transform="]

# (what the command holds, arguments for its program); the first that fits.
ADDED = [
    ("--config=voc07_", ["--dry_run"]),
    ("--config=coco_resnet50_fpn_joint", JOINT + SMALL),
    ("--config=bccd_resnet18_joint", JOINT + ["--norehearse"]),
    ("--config=bccd_resnet18_alternating", ALTERNATING + SMALL + NO_TRANSFORM),
    ("--data_root=PATH/TO/FOLDER", JOINT + ["--budget=1m", "--norehearse"]),
    ("//training:stage_scheduler", ALTERNATING + ["--set=data.train.shapes.num_images=8",
                                                  "--set=data.test.shapes.num_images=4"]),
    ("//base:machine_benchmark", ["--benchmark_filter=Sgemm/1024", "--benchmark_min_time=0.01"]),
]

# Command: the check that runs it.
ELSEWHERE = {
    "./bazelw test //...": ".ci/run",
    "cd examples/external_workspace && bazel run //:hello_ops": "tools/developer/check_external_workspace.sh",
}

# What a check holds of a command that it runs.
EVIDENCE = {
    ".ci/run": "grep -m 1 '^\\./bazelw test ' README.md",
    "tools/developer/check_external_workspace.sh": "bazel run //:hello_ops",
}


def fail(message):
    sys.exit(f"README.md: {message}")


def readme_commands():
    """Returns the commands of the README, in their order."""
    blocks = documentation.Document("README.md").blocks
    strange = [block.line for block in blocks if not block.language and not block.is_shell()]
    if strange:
        fail(f"the block at line {strange[0]} has no language and holds no command")
    commands = [command for block in blocks for _, command in block.commands()]
    if not commands:
        fail("holds no command")
    return commands


def addition(command):
    return next((extra for extra in ADDED if extra[0] in command), None)


def check_own(command):
    """Checks that the command runs a Bazel program and that its placeholders are known."""
    if not command.startswith("./bazelw run //"):
        fail(f"'{command}' is not known here; see tools/developer/run_readme_commands.py")
    unknown = set(re.findall(r"PATH/TO/\w+", command)) - set(PLACEHOLDERS)
    if unknown:
        fail(f"'{command}' has {unknown.pop()}, which is not known here; see tools/developer/run_readme_commands.py")


def check_tables(commands):
    """Checks that every table entry is used by a command and that the named checks run their commands."""
    own = [command for command in commands if command not in ELSEWHERE]
    unused = [word for word in PLACEHOLDERS if not any(word in command for command in own)]
    unused += [extra[0] for extra in ADDED if not any(addition(command) is extra for command in own)]
    unused += [command for command in ELSEWHERE if command not in commands]
    if unused:
        fail(f"has no command for {unused[0]!r} of tools/developer/run_readme_commands.py")
    for command in own:
        check_own(command)
    for command, check in ELSEWHERE.items():
        with open(check, encoding="utf-8") as file:
            if EVIDENCE[check] not in file.read():
                fail(f"{check} does not run '{command}'")


def with_data(command):
    """Returns the command with paths for its placeholders; creates missing files."""
    for word, make in PLACEHOLDERS.items():
        folder = os.path.join(DATA, word.rsplit("/", 1)[-1].lower())
        if word in command and not os.path.exists(folder):
            make(folder)
        command = command.replace(word, folder)
    return command


def shell_line(command):
    extra = addition(command)
    arguments = [f"'{argument}'" for argument in extra[1]] if extra else []
    separator = [] if " -- " in command or not arguments else ["--"]
    return " ".join([with_data(command), *separator, *arguments])


def run(command):
    """Runs one command; prints its time and, on failure, its output."""
    line = shell_line(command)
    start = time.monotonic()
    environment = dict(os.environ, RCNN_PACKAGES_ENSURED="1", RCNN_PACKED_CACHE="off")
    try:
        result = subprocess.run(["bash", "-c", line], cwd=FOLDER, env=environment, text=True, timeout=TIMEOUT_SECONDS,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as error:
        status, output = f"none within {TIMEOUT_SECONDS} s", str(error.output)
    ok = status == 0
    print(f"  {'ok' if ok else 'FAILED'} {time.monotonic() - start:6.1f} s  {command}", flush=True)
    if not ok:
        print(f"run as: {line}\nstatus: {status}\n{output[-4000:]}", file=sys.stderr, flush=True)
    return ok


def main():
    os.chdir(ROOT)
    commands = readme_commands()
    check_tables(commands)
    words = sys.argv[1:]
    chosen = [command for command in commands if command not in ELSEWHERE
              and (not words or any(word in command for word in words))]
    targets = sorted({re.search(r"//[\w/:]+", command).group(0) for command in chosen} | {"//data:write_dataset"})
    subprocess.run(["./bazelw", "build", *targets], check=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(DATA)
    # From inside the workspace but not its root: what the commands write stays here.
    os.symlink("../../bazelw", os.path.join(FOLDER, "bazelw"))
    results = [run(command) for command in chosen]
    if not all(results):
        sys.exit(f"README.md: {results.count(False)} of {len(results)} commands failed; see {FOLDER}")
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()
