"""The steps of a check on a GPU. Each gets the Check (check.py) and a Deadline, and adds rows to the report."""

import functools
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

import device_experiments as experiments
import device_programs as programs
from device_programs import ROOT, BusySampler, CommandError, OutOfTime

sys.path.insert(0, os.path.join(ROOT, "tools/campaign"))
import campaign

# The least AP50 of shapes_tiny_alternating.
LEAST_AP50 = 0.9

# The tools of compute-sanitizer with their flags. LibTorch and its libraries ask the driver for what it may lack, and handle the
# answer; memcheck would count that as an error. LibTorch's kernels that sort and add read memory that nobody has written, and leave
# out what they find, so the reports of initcheck are read (foreign kernels must still be watched, as they write what ours read).
FAIL = "--error-exitcode=9"
SANITIZERS = (("memcheck", (FAIL, "--report-api-errors=no")), ("racecheck", (FAIL,)), ("initcheck", ("--print-limit=0",)),
              ("synccheck", (FAIL,)))

# Replaces nvidia-smi in a rehearsal on the CPU.
ALWAYS_BUSY = [sys.executable, "-c", "import time\nwhile True:\n    print(100, flush=True)\n    time.sleep(0.1)"]


# A further setting is timed, or what failed is run again, only if so many seconds are left.
LEAST_SECONDS = 10


class Skip(Exception):
    """The step cannot run here; the message says why."""


def run_parts(check, name, *parts):
    """Calls these functions, the others also after one has failed. Raises the first failure; later ones are notes."""
    failures = []
    for part in parts:
        try:
            part()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)
    for failure in failures[1:]:
        check.report.note(name, "%s: %s" % (type(failure).__name__, failure))
    if failures:
        raise failures[0]


def first_error_of_cuda(errors):
    """The operator of the first error of CUDA that compare_devices has printed, and the error; two empty words without one."""
    problems = re.findall(r"^(.*?): (round \d+: .*)$", errors, re.MULTILINE)
    return next((problem for problem in problems if programs.CUDA_FAILURE.search(problem[1])), ("", ""))


def compare_operators(check, name, words, deadline, environment=None):
    """Runs `words`, which end in compare_devices and its flags, adds the row of each operator, and returns the output.

    An error of a CUDA kernel makes all later calls of the process fail. So the operators are compared again without that one.
    """
    skipped, problem, records = [], None, []
    while True:
        try:
            output = check.programs.run([*words, *(["--skip=" + ";".join(skipped)] if skipped else [])], deadline, environment,
                                        waiting=False)
            break
        except (CommandError, OutOfTime) as error:
            output, problem = error.output, problem or error
            operator, text = first_error_of_cuda(getattr(error, "errors", ""))
            if not operator or operator in skipped or deadline.left() < LEAST_SECONDS:
                break
            records = programs.last_json(output).get("operators", records)
            skipped.append(operator)
            check.report.note(name, "%s: %s; the others are compared again without it" % (operator, text))
    # A program that crashed or was killed has printed its first rounds, or nothing: then the rows are those of the run before it.
    for operator in programs.last_json(output).get("operators", records):
        check.report.add(name, "%s, %d cases, largest difference" % (operator["name"], operator["cases"]),
                         operator["largest"], most=operator["tolerance"])
        if operator["problem"]:
            check.report.note(name, "%s: %s" % (operator["name"], operator["problem"]))
    if problem:
        raise problem
    return output


def compare_words(check, *flags):
    return [check.programs.path(programs.COMPARE_DEVICES), "--device=" + check.device, *flags]


def operators(check, name, deadline):
    """Every operator on the device against the CPU's, over random shapes."""
    if check.device == "cpu":
        check.report.note(name, "the device is the CPU, so the operators are compared with themselves")
    flags = ["--seconds=20", "--large"] if check.size.full else ["--seconds=2"]
    # An operator without a kernel would be copied to the CPU, and equal it.
    run_parts(check, name, lambda: check.programs.run([check.programs.path(programs.CUDA_TEST)], deadline),
              lambda: compare_operators(check, name, compare_words(check, *flags), deadline))


def own_reports(output):
    """The reports of compute-sanitizer that are not about a kernel of another library, each as one line.

    A report begins with "========= " and a word; the lines that belong to it have more spaces. Those on the device name the kernel,
    "at void rcnn::ops::internal::RunPhases<...>", or functions in it; a copy to the host has none. Frames of the host follow.
    """
    reports, frames = [], False
    for line in output.split("\n"):
        if not line.startswith("========= "):
            continue
        text = line[len("========= "):]
        if not text.startswith(" "):
            reports.append([text])
            frames = False
        elif reports:
            frames = frames or "host backtrace" in text or "Host Frame" in text
            if not frames:
                reports[-1].append(text.strip())
    found = [lines for lines in reports if "ninitialized" in lines[0]]
    return [" ".join(lines) for lines in found
            if any("rcnn::" in line for line in lines) or not any(line.startswith("at ") for line in lines)]


def sanitize(check, name, deadline):
    """The operators under each tool of compute-sanitizer, without LibTorch's cache of memory, which hides what is out of bounds."""
    on_gpu = check.device != "cpu"
    sanitizer = programs.find_tool("compute-sanitizer")
    if on_gpu and sanitizer is None:
        raise Skip("compute-sanitizer is neither on the PATH nor in /usr/local/cuda/bin")
    failures = []
    for tool, flags in SANITIZERS if on_gpu else (("none", ()),):
        before = [sanitizer, "--tool=" + tool, *flags] if on_gpu else []
        try:
            output = compare_operators(check, name, [*before, *compare_words(check, "--seconds=1")], deadline,
                                       {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1", "RCNN_NO_REEXEC": "1"})
            reports = own_reports(output)
            problem = "%d reports, the first: %s" % (len(reports), reports[0]) if reports else None
        except CommandError as error:
            problem = str(error)
        check.report.note(name, "%s: %s" % (tool, problem or "no error"))
        if problem:
            failures.append(tool)
    if failures:
        raise CommandError("errors of " + ", ".join(failures))


def scheduler_words(check, config, run_dir, changes=()):
    return [check.programs.path(programs.SCHEDULER), "--config=" + os.path.join(ROOT, config), "--run_dir=" + run_dir,
            "--device=" + check.device, "--rehearse=false", *["--set=" + change for change in changes]]


def shapes(check, name, deadline):
    """Trains shapes_tiny_alternating in four steps and evaluates it."""
    config = "configs/shapes_tiny_alternating.textproto" if check.size.full else "training/testing/tiny_alternating.textproto"
    run_dir = check.path("shapes")
    start = time.monotonic()
    check.programs.run(scheduler_words(check, config, run_dir, ["resources.inference_batch=8"]), deadline)
    check.report.add(name, "training and evaluation", round(time.monotonic() - start, 1), "s")
    with open(os.path.join(run_dir, "metrics.json"), encoding="utf-8") as file:
        check.report.add(name, "AP50", json.load(file)["metrics"]["ap50"], least=LEAST_AP50)


def kill_in_third_stage(check, words, run_dir, deadline):
    """Kills a training as soon as its third stage has a checkpoint."""
    log = open(check.programs.log, "a", encoding="utf-8")
    process = subprocess.Popen(words, cwd=ROOT, env=check.programs.environment, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    log.close()
    pattern = os.path.join(run_dir, "stages/3_*/checkpoint-*/manifest.json")
    while process.poll() is None and not glob.glob(pattern) and deadline.left() > 0:
        time.sleep(0.002)
    programs.kill_group(process)
    if deadline.left() <= 0:
        raise OutOfTime("no checkpoint of the third stage within the limit")
    if process.returncode is None:
        raise CommandError("the training does not end although it was killed")
    if process.returncode != -signal.SIGKILL:
        raise CommandError("the training ended with %d before it could be killed" % process.returncode)


def graphed_training(check, name, config, expected, deadline):
    """The training of `expected`, its files, with the network as CUDA graphs: the same weights."""
    def weights(files):
        return {path: content for path, content in files.items() if path.endswith(".safetensors")}

    run_dir = check.path("graphed")
    check.programs.run(scheduler_words(check, config, run_dir, ["resources.training_graphs=4"]), deadline)
    different = campaign.difference(weights(expected), weights(campaign.everything(run_dir)))
    check.report.add(name, "with CUDA graphs, equal bit for bit", 0 if different else 1, least=1)
    # Errors on every machine, also where no target is judged.
    if "no graphs for the training" in check.programs.last_errors:
        raise CommandError("no CUDA graphs were recorded; the log says why")
    if different:
        raise CommandError("with CUDA graphs " + different)


def resumed_training(check, name, config, expected, deadline):
    """The training of `expected`, its files, killed and resumed: the same files."""
    run_dir = check.path("killed")
    words = scheduler_words(check, config, run_dir)
    kill_in_third_stage(check, words, run_dir, deadline)
    check.programs.run(words, deadline)
    different = campaign.difference(expected, campaign.everything(run_dir))
    check.report.add(name, "files compared", len(expected))
    check.report.add(name, "equal bit for bit", 0 if different else 1, least=1)
    # An error on every machine, also where no target is judged.
    if different:
        raise CommandError("after the resume " + different)


def resume(check, name, deadline):
    """A training that is killed and resumed against an undisturbed one, file by file; and one with CUDA graphs."""
    config = "training/testing/tiny_alternating.textproto"
    undisturbed = check.path("undisturbed")
    check.programs.run(scheduler_words(check, config, undisturbed), deadline)
    expected = campaign.everything(undisturbed)
    if len(expected) <= 10:
        raise CommandError("the undisturbed training has left only %s" % sorted(expected))
    # The CPU has no graphs.
    tested = [resumed_training, graphed_training] if check.device != "cpu" else [resumed_training]
    run_parts(check, name, *[functools.partial(part, check, name, config, expected, deadline) for part in tested])


def batch(check, name, deadline):
    """Features, proposals, detections, losses and gradients of an image alone and in a batch of images of other sizes."""
    # In a rehearsal of one network: the others are among the tests.
    tests = "--gtest_filter=Networks/BatchPaddingTest.*/" + ("*" if check.size.full else "0")
    try:
        output = check.programs.run([check.programs.path(programs.BATCH_TEST), tests], deadline, {"RCNN_TEST_DEVICE": check.device})
    except (CommandError, OutOfTime) as error:
        failed = sorted(set(re.findall(r"^\[  FAILED  \] (Networks/\S+?)(?:,|$)", error.output, re.MULTILINE)))
        check.report.note(name, "%d tests have passed before; failed: %s" % (
            len(re.findall(r"^\[       OK \]", error.output, re.MULTILINE)), " ".join(failed) or "none"))
        raise
    passed = re.search(r"\[  PASSED  \] ([1-9]\d*) test", output)
    if not passed:
        raise CommandError("no test of batches has run")
    check.report.add(name, "tests of an image alone and in a batch, float32, within 1e-4: passed", int(passed.group(1)))


def waits(check, name, deadline):
    """Trainings in which an iteration that waits for the GPU is an error: four steps with cached maps, and R50-FPN."""
    precision = {}
    # The CPU may have none of these.
    if check.device != "cpu":
        precision = {"fast1.train_fast_rcnn": "BFLOAT16", "rpn2.train_rpn": "FLOAT16", "fast2.train_fast_rcnn": "FLOAT16"}
    changes = ["stages.%s.training.precision=%s" % item for item in precision.items()]

    def train(what, config, changes, stages):
        run_dir = check.path("waits_" + re.sub(r"\W+", "_", what.lower()))
        check.programs.run([*scheduler_words(check, config, run_dir, changes), "--forbid_waits"], deadline)
        check.report.add(name, what + ", iterations without a wait", checked_iterations(run_dir, stages))

    run_parts(
        check, name,
        lambda: train("four steps", "training/testing/tiny_alternating.textproto", changes, experiments.VOC07_ITERATIONS),
        lambda: train("R50-FPN, " + check.precision, "configs/coco_resnet50_fpn_joint.textproto",
                      experiments.resnet_changes(experiments.Size(False), check.precision), ["joint"]))


def checked_iterations(run_dir, stages):
    """Of all but the first iteration of each stage. Those of a line of the log count too: the log is read after them."""
    return sum(experiments.metrics(run_dir, stage)[-1]["iteration"] - 1 for stage in stages)


def exported(check, deadline):
    """The folder of R50-FPN's weights and config, which is made once."""
    folder = check.path("resnet50_fpn")
    if not os.path.exists(os.path.join(folder, "DONE")):
        os.makedirs(folder, exist_ok=True)
        check.programs.run_python("time_torch.py", ["export", folder, str(check.size.height), str(check.size.width)], deadline)
        open(os.path.join(folder, "DONE"), "w").close()
    return folder


def need_torch(check):
    """Skips a step without the torch and torchvision that rcnn is compared with."""
    for package, version in (("torch", "2.11"), ("torchvision", "0.26")):
        found = programs.package_version(package)
        if found is None or not (check.any_torch or found.startswith(version + ".")):
            raise Skip("rcnn is not compared with torchvision: %s has %s %s, not %s" % (sys.executable, package, found, version))


def steady_training(check, name, deadline, deterministic):
    """Trains R50-FPN. Returns the steady part of it, and the share of the time in percent in which the GPU was busy there."""
    run_dir = check.path("speed" if deterministic else "speed_not_deterministic")
    sampler = BusySampler(ALWAYS_BUSY if check.device == "cpu" else None)
    try:
        changes = experiments.resnet_changes(check.size, check.precision, deterministic)
        check.programs.run(scheduler_words(check, "configs/coco_resnet50_fpn_joint.textproto", run_dir, changes), deadline)
    finally:
        sampler.stop()
    steady = experiments.SteadyPart(experiments.metrics(run_dir, "joint"))
    busy = sampler.mean(steady.begin, steady.end)
    if busy is None:
        check.report.note(name, "no sample of nvidia-smi within the %.1f s that count, %d outside; its last other line: %s" % (
            steady.end - steady.begin, len(sampler.samples), sampler.other))
    return steady, busy


def timed_training(check, name, deadline):
    """Adds images per second and the busy share of deterministic training. Returns the former, which `check` keeps too."""
    size = check.size
    steady, busy = steady_training(check, name, deadline, deterministic=True)
    images_per_second = check.images_per_second = size.batch / steady.seconds_per_iteration
    check.report.add(name, "training step R50-FPN %d × %d, %d images, %s" % (size.height, size.width, size.batch, check.precision),
                     images_per_second, "images/s", least=150)
    check.report.add(name, "of it waiting for images", steady.data_wait)
    check.report.add(name, "GPU busy" if check.device != "cpu" else "GPU busy (invented)", busy, "%", least=90)
    return images_per_second


def compare_step(check, name, ours, deadline):
    """torchvision's training step, tuned, without a loader."""
    need_torch(check)
    size = check.size
    peer = check.programs.run_python(
        "time_torch.py", ["step", check.device, exported(check, deadline), str(size.height), str(size.width), str(size.batch),
                          str(5 if size.full else 1), *check.compile_flag], deadline)
    check.report.add(name, "torchvision %s, tuned%s" % (peer["torchvision"], ", compiled" if check.compile_flag else ""),
                     peer["images_per_second"], "images/s")
    check.report.add(name, "rcnn / torchvision", ours / peer["images_per_second"], least=2)


def step(check, name, deadline):
    """A training step of R50-FPN: stage_scheduler, with its loader, against torchvision."""
    compare_step(check, name, timed_training(check, name, deadline.within(0.5 * deadline.left())), deadline)


def timed_detection(check, words, deadline):
    """The median milliseconds of time_detector, and the rest of what it printed."""
    found = programs.last_json(check.programs.run(words, deadline))
    times = sorted(found["total"])
    return times[len(times) // 2], found


def graphed_inference(check, name, words, plain_ms, plain, deadline):
    """The same detection with the network as a CUDA graph: the same bits, and the time that it saves."""
    graphed_ms, graphed = timed_detection(check, [*words, "--inference_graphs=1"], deadline)
    equal = graphed["digest"] == plain["digest"]
    check.report.add(name, "the same with a CUDA graph", graphed_ms, "ms")
    check.report.add(name, "without a graph / with it", plain_ms / graphed_ms)
    check.report.add(name, "both give the same bits, %d detections" % plain["detections"], int(equal), least=1)
    # An error on every machine, also where no target is judged.
    if not equal:
        raise CommandError("detections with a CUDA graph are others than those without")


def compare_inference(check, name, folder, repeats, ours, deadline):
    """torchvision's detection, tuned."""
    peer = check.programs.run_python("time_torch.py", ["inference", check.device, folder, repeats, *check.compile_flag], deadline)
    check.report.add(name, "torchvision, tuned", peer["inference_ms"], "ms")
    check.report.add(name, "rcnn / torchvision", ours / peer["inference_ms"])


def inference(check, name, deadline):
    """Detection on one image, from an image on the CPU to detections there."""
    need_torch(check)
    folder, size = exported(check, deadline), check.size
    repeats = str(30 if size.full else 2)
    words = [check.programs.path(programs.TIME_DETECTOR), "--config=" + folder + "/detector.textproto",
             "--weights=" + folder + "/weights.safetensors", "--image=" + folder + "/image.safetensors",
             "--name_map=torchvision_fasterrcnn_fpn", "--device=" + check.device, "--repeats=" + repeats,
             "--precision=" + ("bfloat16" if check.device != "cpu" else "float32")]
    ours, plain = timed_detection(check, words, deadline)
    check.report.add(name, "inference R50-FPN %d × %d, batch 1" % (size.height, size.width), ours, "ms", most=8)
    run_parts(check, name, lambda: compare_inference(check, name, folder, repeats, ours, deadline),
              lambda: graphed_inference(check, name, words, ours, plain, deadline))


def kernels(check, name, deadline):
    """Single operators against torchvision's, in one process."""
    need_torch(check)
    library = check.programs.path(programs.OPERATORS)
    found = check.programs.run_python("time_torch.py", ["operators", check.device, library, "full" if check.size.full else "small"],
                                      deadline)
    nms, align = found["nms"], found["roi_align_gradient"]
    check.report.add(name, "NMS of %d boxes" % nms["boxes"], nms["rcnn_ms"], "ms", most=0.2)
    check.report.add(name, "torchvision's NMS", nms["torchvision_ms"], "ms")
    check.report.add(name, "both keep the same boxes", int(nms["equal"]), least=1)
    check.report.add(name, "gradient of RoIAlign, %d RoIs, float32" % align["rois"], min(align["rcnn_ms"]), "ms")
    check.report.add(name, "the same in bfloat16", align["rcnn_bfloat16_ms"], "ms")
    check.report.add(name, "torchvision's in float32", min(align["torchvision_ms"]), "ms")
    check.report.add(name, "rcnn / torchvision, float32", min(align["rcnn_ms"]) / min(align["torchvision_ms"]), most=0.5)
    # An error on every machine, also where no target is judged.
    if not nms["equal"]:
        raise CommandError("rcnn's NMS keeps other boxes than torchvision's")


def add_iterations(check, name, what, run_dir):
    """The rows of the stages of VOC07 that have finished."""
    for stage, seconds in experiments.finished_iterations(run_dir).items():
        check.report.add(name, "%s, an iteration of %s" % (what, stage), 1e3 * seconds, "ms")


def voc07_times(check, name, precision, deadline, deterministic=True):
    """Times the four steps of VGG16 and adds their rows."""
    what = precision if deterministic else precision + ", deterministic: false"
    run_dir = check.path("voc07_" + re.sub(r"\W+", "_", what.lower()))
    changes = experiments.voc_changes(check.size, precision, deterministic)
    try:
        check.programs.run(scheduler_words(check, "configs/voc07_vgg16_alternating.textproto", run_dir, changes), deadline)
    except (CommandError, OutOfTime) as error:
        # Times of the stages that have finished before. Those of a second run, which resumes the first, are longer.
        if not getattr(error, "ran_again", False):
            add_iterations(check, name, what, run_dir)
        raise
    add_iterations(check, name, what, run_dir)
    times = experiments.Voc07.read(run_dir, 2 * check.size.voc_images)
    check.report.add(name, "%s, one of rpn2 that computes its maps" % what, 1e3 * times.first_pass, "ms")
    check.report.add(name, "%s, proposals of an image" % what, 1e3 * times.proposals[0], "ms")
    check.report.add(name, "%s, evaluation of an image" % what, 1e3 * times.evaluation, "ms")
    return times


def voc07(check, name, deadline):
    """The paper's experiment, extrapolated from a few iterations of each stage; in TF32 too, if there is time."""
    first = check.precision
    times = voc07_times(check, name, first, deadline)
    check.report.add(name, "VOC07, VGG16, four steps, %s, extrapolated, maps cached" % first, times.hours(), "h", most=1)
    check.report.add(name, "the same without cached maps", times.hours_without_cache(), "h")
    # The CPU has no TF32.
    if check.device == "cpu":
        return

    def in_tf32():
        check.report.add(name, "the same in TF32, maps cached", voc07_times(check, name, "TF32", deadline).hours(), "h")

    if_there_is_time(check, name, "the same in TF32", in_tf32, deadline)


def if_there_is_time(check, name, what, function, deadline):
    """Calls a function that adds rows; without the time for it, a note says so."""
    if deadline.left() < LEAST_SECONDS:
        check.report.note(name, "%s: left out" % what)
        return
    try:
        function()
    except OutOfTime as error:
        check.report.note(name, "%s: %s" % (what, error))


def otherwise(check, name, deadline):
    """The trainings of `step` and `voc07` with deterministic: false, which has no target."""
    def training():
        steady, _ = steady_training(check, name, deadline, deterministic=False)
        images_per_second = check.size.batch / steady.seconds_per_iteration
        check.report.add(name, "training step R50-FPN with deterministic: false", images_per_second, "images/s")
        if check.images_per_second is not None:
            check.report.add(name, "deterministic / not deterministic", check.images_per_second / images_per_second)

    def paper():
        times = voc07_times(check, name, check.precision, deadline, deterministic=False)
        check.report.add(name, "VOC07 with deterministic: false, maps cached", times.hours(), "h")

    run_parts(check, name, lambda: if_there_is_time(check, name, "R50-FPN", training, deadline),
              lambda: if_there_is_time(check, name, "VOC07", paper, deadline))


# In this order: what matters most comes first. Name -> function, and its limit in seconds.
STEPS = {
    "operators": (operators, 40),
    "shapes": (shapes, 55),
    "resume": (resume, 35),
    "batch": (batch, 24),
    "waits": (waits, 20),
    "step": (step, 45),
    "inference": (inference, 25),
    "kernels": (kernels, 10),
    "voc07": (voc07, 25),
    "otherwise": (otherwise, 1),
}

# Only where --only names them.
FURTHER_STEPS = {"sanitize": (sanitize, 240)}
