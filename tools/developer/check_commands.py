#!/usr/bin/env python3
"""Fails when the documentation names a target, a flag or an experiment that does not exist.

Reads commands (the lines of fenced blocks without a language, and code spans that begin like
one), and single flags and labels in code spans. Names that begin with `my` (`//my:detector`,
`my_experiment.textproto`) stand for the reader's own and are not looked up.
"""

import functools
import os
import re
import shlex
import subprocess
import sys

import documentation

BAZEL = ("./bazelw", "bazel")
# External programs that the documentation calls.
OTHERS = ("cd", "export", "gdb", "git", "head", "mpiexec", "mpirun", "srun", "sudo", "tensorboard", "torchrun")
LABEL = re.compile(r"(?<![\w@:/])//(?!my|visibility:|conditions:)[\w/.+-]*(?::[\w.+/-]+)?")
FLAG = re.compile(r"--([a-z][a-z0-9_]*)\b")
EXPERIMENT = re.compile(r"(?:shapes|bccd|voc07|voc0712|coco)_[a-z0-9_*]+")
SCHEDULER = "//training:stage_scheduler"
DEFINITION = re.compile(r"\bDEFINE_\w+\(\s*(\w+)\s*,")


def bazel(*arguments):
    result = subprocess.run(["./bazelw", *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    return result.stdout


@functools.lru_cache(maxsize=None)
def targets():
    """Returns the labels of all rules, //ops:nms."""
    return set(bazel("query", "--noshow_progress", "kind(rule, //...)").split())


@functools.lru_cache(maxsize=None)
def bazel_flags(verb):
    return set(re.findall(r"--(?:\[no\])?([a-z]\w*)", bazel("help", verb, "--short")))


@functools.lru_cache(maxsize=None)
def bazel_configs():
    """Returns the configs of .bazelrc, and those that the installer of LibTorch writes into user.bazelrc."""
    with open(".bazelrc", encoding="utf-8") as file:
        configs = set(re.findall(r"^\w+:(\w+) ", file.read(), re.M))
    with open("tools/setup/install_libtorch.sh", encoding="utf-8") as file:
        return configs | set(re.findall(r"^ *config (\w+) [01]$", file.read(), re.M))


def definitions(paths):
    flags = set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            flags.update(DEFINITION.findall(file.read()))
    return flags


@functools.lru_cache(maxsize=None)
def program_flags(label):
    """Returns the flags that a program's own sources and libraries define, and those of all."""
    labels = bazel("query", "--noshow_progress", f"labels(srcs, deps({label})) intersect //...:*")
    sources = [each[2:].replace(":", "/") for each in labels.split() if each.endswith(".cc")]
    common = {"help", "helpfull", "version", "log_dir", "v"}
    if any(path.endswith("_benchmark.cc") for path in sources):
        common.update(("benchmark_filter", "benchmark_repetitions", "benchmark_out"))
    return definitions(sources) | common


@functools.lru_cache(maxsize=None)
def script_flags(path):
    with open(path, encoding="utf-8") as file:
        return set(FLAG.findall(file.read()))


@functools.lru_cache(maxsize=None)
def every_flag():
    """Returns the flags of all programs, scripts, and of Bazel."""
    flags = definitions(documentation.tracked("*.cc"))
    for path in documentation.tracked("*.sh") + documentation.tracked("*.py") + [".bazelrc"]:
        flags |= script_flags(path)
    for verb in ("build", "test", "run"):
        flags |= bazel_flags(verb)
    return flags | {"help", "helpfull", "version", "log_dir", "stderrthreshold", "v"}


@functools.lru_cache(maxsize=None)
def experiments():
    return {os.path.basename(path)[:-len(".textproto")] for path in documentation.tracked("configs/*.textproto")}


def full_label(label):
    """Returns //ops:ops for //ops."""
    return label if ":" in label else f"{label}:{label.rsplit('/', 1)[-1]}"


def defect_of_label(label):
    if label.endswith("/..."):
        package = label[2:-4]
        return None if os.path.isdir(package or ".") else f"no such folder {package}"
    if full_label(label) in targets() or os.path.isfile(label[2:] + "/BUILD"):
        return None
    return f"no such target {label}"


def defect_of_experiment(name):
    if name.startswith("runs/"):  # made by a run
        return None
    name = re.sub(r"^configs/|\.textproto$", "", name)
    if name in experiments() or name.startswith("my") or re.search(r"my_\w+$", name):
        return None
    return f"no such experiment {name}"


def matches_experiment(pattern):
    regex = re.compile(pattern.replace("*", ".*"))
    return any(regex.fullmatch(name) for name in experiments()) or any(
        label.endswith(":" + pattern) for label in targets())


def defects_of_arguments(what, words, flags, experiment):
    """Yields errors in the arguments of a program of this repository."""
    for word in words:
        flag = FLAG.match(word)
        if not flag:
            continue
        name = flag.group(1)
        if name not in flags and not (name.startswith("no") and name[2:] in flags):
            yield f"{what} has no flag --{name}"
        if experiment and word.startswith("--config="):
            yield defect_of_experiment(word[len("--config="):])


def defects_of_bazel(words):
    """Yields errors in `bazel VERB FLAGS... TARGETS... -- ARGUMENTS...`."""
    split = words.index("--") if "--" in words else len(words)
    verb, labels = words[1] if len(words) > 1 else "", []
    if verb not in ("build", "test", "run", "query", "info"):
        yield f"'bazel {verb}' is not known here"
        return
    for word in words[2:split]:
        flag = FLAG.match(word)
        if flag and flag.group(1) not in bazel_flags(verb):
            yield f"bazel {verb} has no flag --{flag.group(1)}"
        if word.startswith("--config=") and word[len("--config="):] not in bazel_configs():
            yield f".bazelrc has no {word}"
        labels += LABEL.findall(word) if not flag else []
    if verb == "run" and labels and full_label(labels[0]) in targets():
        if labels[0].endswith("_fuzz_test"):
            return
        yield from defects_of_arguments(labels[0], words[split + 1:], program_flags(labels[0]),
                                        labels[0] == SCHEDULER)


def defects_of_command(text):
    """Yields errors in a shell line."""
    try:
        tokens = list(shlex.shlex(text, posix=True, punctuation_chars=";&|"))
        words = shlex.split(text)
    except ValueError as error:
        yield f"the shell would not understand '{text}': {error}"
        return
    for separator in ("&&", ";", "||", "|"):
        if separator in tokens and separator in words:
            at = words.index(separator)
            yield from defects_of_command(shlex.join(words[:at]))
            yield from defects_of_command(shlex.join(words[at + 1:]))
            return
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if not words:
        return
    program = words[0]
    if program in BAZEL:
        yield from defects_of_bazel(words)
    elif program.startswith("bazel-bin/"):
        label = "//" + ":".join(program[len("bazel-bin/"):].rsplit("/", 1))
        if label not in targets():
            yield f"no such target {label}"
        else:
            yield from defects_of_arguments(label, words[1:], program_flags(label), label == SCHEDULER)
    elif os.path.isfile(program):
        yield from defects_of_arguments(program, words[1:], script_flags(program), True)
    elif program not in OTHERS:
        yield f"no such program {program}"


def looks_like_command(span):
    words = span.split()
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return len(words) > 1 and (words[0] in BAZEL or words[0] in OTHERS or os.path.isfile(words[0]))


def defects_of_span(span):
    """Yields errors in a code span: a command, or the name of a file, target or flag."""
    if looks_like_command(span):
        yield from defects_of_command(span)
    elif span.startswith("--") and span != "--":
        for name in FLAG.findall(span):
            if name not in every_flag() and name[2:] not in every_flag():
                yield f"nothing has a flag --{name}"
    if EXPERIMENT.fullmatch(span) and not matches_experiment(span):
        yield f"no such experiment {span}"


def defects(document):
    for block in document.blocks:
        for line, command in block.commands():
            foreign = command.startswith("cd examples/")
            for defect in [] if foreign else list(defects_of_command(command)):
                yield line, defect
            for label in [] if foreign else LABEL.findall(command):
                yield line, defect_of_label(label)
    for line, span in document.spans():
        for defect in defects_of_span(span):
            yield line, defect
    for line, text in document.text:
        # The rows of a table that begin with a repository name that repository's targets.
        if text.startswith("| `@"):
            continue
        for span in re.findall(r"`([^`]+)`", text):
            for label in LABEL.findall(span):
                yield line, defect_of_label(label)


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    documents = [documentation.Document(path) for path in documentation.tracked("*.md")]
    if not documents:
        sys.exit("git names no Markdown file here: nothing was checked.")
    found = [f"{document.path}:{line}: {defect}" for document in documents
             for line, defect in defects(document) if defect]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
