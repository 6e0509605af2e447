"""Names from files that would give orders to a terminal, a spreadsheet or a browser, given to the programs.

Classes, images, tensors and an annotation file have names with control sequences, line breaks that look like messages,
marks that turn the direction of text, formulas and markup. Nothing of that may reach standard output, standard error, a
log or a written file unescaped; and the names must be there, escaped.

  hostile_names_test.py INSPECT WRITE_DATASET EVALUATE REPORT CONVERT_WEIGHTS DETECT STAGE_SCHEDULER EXPERIMENT
    TENSORBOARD_EVENTS
"""

import csv
import glob
import importlib.util
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

# Training refuses control characters of ASCII in classes; evaluation takes what a file has.
TRAINED = ["\u202egod", "@SUM(1)", "\u009b31mcow", "<script>alert(1)</script>"]
CLASSES = ["\x1b[2Jcat", "dog\nerror: all is lost", *TRAINED]
IMAGES = ["\x1b]0;title\x07.png", "b\nwarning: all is lost.png", "c\u2066\u061c.png", "=HYPERLINK(1).png", "<img src=x>\r.png"]
ANNOTATIONS = "instances\x1b[31m\n.json"
# What the first class must look like, so that a program that prints no names does not pass.
SHOWN = "\\x1b[2Jcat"
SHOWN_TRAINED = "\\u202egod"
# Controls (but line breaks and tabs), C1, line separators and marks of direction.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
FORGED = re.compile("^(error|warning): all is lost", re.MULTILINE)
# Where a spreadsheet may begin a cell, in any language.
FORMULA = re.compile("(?:^|[;\t\r\n])[=+@\uff1d\uff0b\uff0d\uff20-]")

# Two iterations and an evaluation; the model is that of the experiment that the test is given.
TRAINING = """
name: "hostile_names"
seed: 1
data {
  train %(part)s
  test %(part)s
}
%(model)s
stages {
  name: "joint"
  train_joint {
    training { solver { sgd {} learning_rate: 0.01 iterations: 2 } batching { images_per_batch: 2 } }
  }
}
stages { name: "final" evaluate { rpn: "joint" detector: "joint" } }
resources { log_every: 1 }
"""

failures = []


def check(what, data, needed=(SHOWN,), forbidden=(FORBIDDEN,)):
    """`data`: what a program has printed or written, as bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        failures.append("%s: not UTF-8: %s" % (what, error))
        return
    for pattern in forbidden:
        for match in pattern.finditer(text):
            failures.append("%s: %r in %r" % (what, match.group(), text[max(0, match.start() - 40):match.end() + 40]))
    for word in needed:
        if word not in text:
            failures.append("%s: no %r in %r" % (what, word, text[:2000]))


def run(what, program, *arguments, code=0, needed=(SHOWN,)):
    """Runs a program, checks what it prints, both streams together."""
    process = subprocess.run(
        [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if process.returncode != code:
        failures.append("%s: exit code %d, not %d: %r" % (what, process.returncode, code, process.stdout[-2000:]))
    check(what, process.stdout, needed, (FORBIDDEN, FORGED))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x40\x80\xc0" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_images(folder, are_whole):
    """The first one is cut off unless they are whole."""
    os.mkdir(folder)
    for i, name in enumerate(IMAGES):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(png(64, 48)[:None if i > 0 or are_whole else -60])


def write_dataset(folder, classes):
    """Returns the annotations and the results for them. One object has no size."""
    os.mkdir(folder)
    images = [{"id": i + 1, "file_name": name, "width": 64, "height": 48} for i, name in enumerate(IMAGES)]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
    annotations = []
    for i in range(len(images)):
        for k in range(len(categories)):
            annotations.append({"id": len(annotations) + 1, "image_id": i + 1, "category_id": k + 1, "iscrowd": 0,
                                "bbox": [4 + k, 5, 20, 0 if i + k == 0 else 20], "area": 400})
    path = os.path.join(folder, ANNOTATIONS)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"images": images, "categories": categories, "annotations": annotations}, file)
    results = os.path.join(folder, "results.json")
    with open(results, "w", encoding="utf-8") as file:
        json.dump([{"image_id": one["image_id"], "category_id": one["category_id"], "bbox": [4, 5, 20, 18], "score": 0.75}
                   for one in annotations[1:]], file)
    return path, results


def write_tensors(path):
    entries = {"__metadata__": {name: name for name in CLASSES}}
    for k, name in enumerate(CLASSES):
        entries[name] = {"dtype": "F32", "shape": [1], "data_offsets": [4 * k, 4 * k + 4]}
    header = json.dumps(entries, ensure_ascii=False).encode("utf-8")
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + bytes(4 * len(CLASSES)))


def check_json(path, names, classes, needed="\\u001b[2Jcat"):
    """JSON that any reader takes, with the names as they are."""
    check(os.path.basename(path), read(path), needed=(needed,))
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    found = [one["name"] for one in content[names]]
    if found != classes:
        failures.append("%s: names %r" % (path, found))


def check_html(path, needed=SHOWN):
    page = read(path)
    check(os.path.basename(path), page, needed=(needed,))
    for markup in (b"<script>alert", b"<img src=x>"):
        if markup in page:
            failures.append("%s: %r" % (path, markup))
    if b"&lt;script&gt;alert(1)&lt;/script&gt;" not in page:
        failures.append("%s: no escaped class" % path)


def write_shards(write_dataset, dataset, images):
    """Their index has the names; a list of VOC, one name a line, cannot have them."""
    flags = ("--dataset=coco:%s:%s" % (dataset, images), "--split=train", "--allow_defects")
    run("write_dataset", write_dataset, *flags, "--shards=1", "--out=shards", needed=("instances\\x1b[31m\\n.json", "wrote 5 images"))
    index = os.path.join("shards", "train.shards.jsonl")
    check(index, read(index), needed=("\\u001b]0;title\\u0007.png", "\\u202egod"))
    found = [json.loads(line).get("file_name") for line in read(index).decode("utf-8").splitlines()]
    for name in IMAGES:
        if name not in found:
            failures.append("%s: no %r in %r" % (index, name, found))
    run("write_dataset refuses", write_dataset, *flags, "--format=voc", "--out=voc", code=1, needed=("cannot hold the image name",))


def unescaped(cell):
    """The name in a cell, without what has been put before a formula."""
    def character(match):
        code = match.group(1)
        if code[:1] == b"u":
            return chr(int(code[1:], 16)).encode("utf-8")
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        return {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}[code]

    text = re.sub("^'", "", cell).encode("utf-8")
    return re.sub(rb"\\(\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})", character, text).decode("utf-8")


def check_csv(path):
    """A line for each detection, that a terminal shows, and no cell that a spreadsheet runs."""
    check(os.path.basename(path), read(path), needed=("\\x1b]0;title\\x07.png",), forbidden=(FORBIDDEN, FORGED))
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for cell in (row["file"], row["class"]):
            if FORMULA.search(cell):
                failures.append("%s: %r" % (path, cell))
    classes = {unescaped(row["class"]) for row in rows}
    files = {unescaped(row["file"]) for row in rows}
    if not rows or not classes <= set(TRAINED) or files != set(IMAGES):
        failures.append("%s: %d rows, classes %r, files %r" % (path, len(rows), classes, files))


def check_events(directory, module):
    """The files of TensorBoard, which shows tags and texts in a browser."""
    spec = importlib.util.spec_from_file_location("tensorboard_events", module)
    tensorboard_events = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tensorboard_events)
    tags = []
    for path in glob.glob(os.path.join(directory, "events.out.tfevents.*")):
        for event in tensorboard_events.read(path):
            for value in event.values:
                tags.append(value.tag)
                check("tag", value.tag.encode("utf-8"), needed=())
                check("text of " + value.tag, (value.text or "").encode("utf-8"), needed=())
    for name in (SHOWN_TRAINED, "@SUM(1)", "\\u009b31mcow", "<script>alert(1)</script>"):
        if "final/precision_recall/" + name not in tags:
            failures.append("no curve of %r in %r" % (name, tags))


def check_text_files(directory):
    """Experiments, keys, logs of metrics and results."""
    count = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            if name.endswith((".txt", ".textproto", ".json", ".jsonl", ".html")):
                check(os.path.join(folder, name), read(os.path.join(folder, name)), needed=())
                count += 1
    if count < 3:
        failures.append("%s has only %d text files" % (directory, count))


def check_training(scheduler, detect, experiment, events, dataset, images):
    """Trains a detector on the names, evaluates it, and detects with it."""
    with open(experiment, encoding="utf-8") as file:
        text = file.read()
    begin = text.index("\nmodel {")
    model = text[begin:text.index("\n}\n", begin) + 3]
    with open("hostile.textproto", "w", encoding="utf-8") as file:
        file.write(TRAINING % {"part": part(dataset, images), "model": model})
    run("training", scheduler, "--config=hostile.textproto", "--run_dir=trained_run", "--norehearse",
        "--log_dir=" + os.getcwd(), needed=(SHOWN_TRAINED, "report.html"))
    check_events("trained_run", events)
    check_json(os.path.join("trained_run", "metrics.json"), "classes", TRAINED, "\\u202egod")
    check_html(os.path.join("trained_run", "report.html"), SHOWN_TRAINED)
    for stage in ("1_joint", "2_final"):
        check("metrics of " + stage, read(os.path.join("trained_run", "stages", stage, "metrics.jsonl")), needed=('"iteration"',))
    check_text_files("trained_run")

    run("detect", detect, "--model=trained_run", "--input=" + images, "--output=found", "--score_threshold=0", "--nopacked_cache",
        needed=(SHOWN_TRAINED, "\\x1b]0;title\\x07.png"))
    check_csv(os.path.join("found", "detections.csv"))
    check_json(os.path.join("found", "images.json"), "categories", TRAINED, "\\u202egod")
    check_text_files("found")


def part(dataset, images):
    """A dataset of an experiment."""
    return "{ coco {} paths { annotations: %s images: %s } }" % (quoted(dataset), quoted(images))


def quoted(text):
    """A string of protobuf's text format."""
    return '"%s"' % "".join("\\%03o" % byte for byte in text.encode("utf-8"))


def main():
    inspect, writer, evaluate, report, convert_weights, detect, scheduler, experiment, events = map(os.path.abspath, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        dataset, results = write_dataset(os.path.join(folder, "evaluated"), CLASSES)
        trained, _ = write_dataset(os.path.join(folder, "trained"), TRAINED)
        images, whole_images = os.path.join(folder, "images"), os.path.join(folder, "whole_images")
        write_images(images, are_whole=False)
        write_images(whole_images, are_whole=True)

        run("inspect", inspect, "--dataset=coco:%s:%s" % (trained, images), "--shortest_side=0", "--anchor_sizes=16",
            "--decode_images", "--allow_defects", needed=(SHOWN_TRAINED, "\\x1b]0;title\\x07.png", "\\u009b31mcow"))
        run("inspect refuses", inspect, "--dataset=coco:%s:%s" % (dataset, images), "--contact_sheet=", code=1,
            needed=("is not a class name",))
        write_shards(writer, trained, images)

        run("evaluate", evaluate, "--dataset=" + dataset, "--detections=" + results, "--metrics=coco,voc07",
            "--images=" + images, "--out=metrics.json", "--report=report.html", "--export_errors=errors.json",
            "--export_suspects=suspects.json")
        check_json("metrics.json", "classes", CLASSES)
        check_json("errors.json", "classes", CLASSES)
        check_json("suspects.json", "categories", CLASSES)
        check_html("report.html")
        run("report", report, results, "--dataset=" + dataset, "--images=" + images, "--out=one.html", needed=("one.html",))
        check_html("one.html")
        run("report --compare", report, "--compare", results, results, "--dataset=" + dataset, "--resamples=20",
            "--images=" + images, "--out=two.html")
        check_html("two.html")

        tensors = os.path.join(folder, "tensors.safetensors")
        write_tensors(tensors)
        run("convert_weights --list", convert_weights, "--input=" + tensors, "--list")
        run("convert_weights", convert_weights, "--input=" + tensors, "--output=out.safetensors",
            "--map=torchvision_resnet", code=1)

        data = part(trained, images)
        run("stage_scheduler", scheduler, "--config=" + experiment, "--set=data.train=" + data, "--set=data.test=" + data,
            "--run_dir=" + os.path.join(folder, "run"), "--dry_run", "--log_dir=" + folder, needed=(SHOWN_TRAINED,))
        check_training(scheduler, detect, experiment, events, trained, whole_images)
        for name in os.listdir(folder):
            if ".log." in name and os.path.isfile(name):
                check("log " + name, read(name), needed=(), forbidden=(FORBIDDEN, FORGED))
    print("\n".join(failures) if failures else "passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
