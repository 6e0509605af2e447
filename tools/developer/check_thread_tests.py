#!/usr/bin/env python3
"""Fails where //tools/developer:thread_tests, the tests for --config=tsan, lacks a test whose sources make threads of rcnn's own.

  tools/developer/check_thread_tests.py

The sources of a test are its own and those of the library that it is named after. Each other library that makes threads must be a
dependency of a listed test, or of the library that one is named after. Threads of OpenMP do not count, which runs one, nor do ranks that
tests run in threads (RunRanks) and programs in processes.
"""
import os
import re
import sys

import check_preludes
import documentation

BUILD = "tools/developer/BUILD"
_LISTED = re.compile(r'name = "thread_tests",\n    tests = \[\n(.*?)\n    \]', re.DOTALL)
_MAKES_THREADS = re.compile(r"std::j?thread\b|std::async\b|\bpthread_create\(|\bParallelFor\(")
_COMMENT = re.compile(r"//.*")


class Target:
    """A test or a library: its place, its sources, and the labels that it depends on."""

    def __init__(self, build, line, kind, attributes):
        package = os.path.dirname(build)
        self.place = (build, line)
        self.is_test = kind == "rcnn_cc_test"
        self.label = "//%s:%s" % (package, attributes["name"])
        self.sources = {os.path.join(package, name) for key in ("srcs", "hdrs") for name in attributes.get(key, [])}
        self.deps = {whole_label(package, name) for name in attributes.get("deps", [])}


def whole_label(package, name):
    """"//ops:nms" for ":nms" in ops, "//ops:ops" for "//ops"."""
    if name.startswith(":"):
        return "//%s%s" % (package, name)
    return name if ":" in name else "%s:%s" % (name, name.rsplit("/", 1)[-1])


def read_targets(builds):
    """Returns the tests and libraries by their labels; `builds` has the texts of BUILD files by their paths."""
    found = [Target(build, line, kind, attributes) for build, text in builds.items()
             for line, kind, attributes in check_preludes.targets(text) if kind in ("rcnn_cc_test", "rcnn_cc_library")]
    return {target.label: target for target in found}


def named_after(test, targets):
    """The library that a test is named after; the test itself if there is none."""
    return targets.get(re.sub("_test$", "", test.label), test)


def problems(targets, listed, makes_threads):
    """Yields what is wrong, one sentence each; makes_threads(path) tells whether a source does."""
    for label in sorted(listed - set(targets)):
        yield "%s: thread_tests: %s is not a test" % (BUILD, label)
    reached = set()
    for target in targets.values():
        if not target.is_test:
            continue
        library = named_after(target, targets)
        if target.label in listed:
            for label in {target.label, library.label} | target.deps | library.deps:
                reached |= targets[label].sources if label in targets else set()
            continue
        for source in sorted(filter(makes_threads, target.sources | library.sources))[:1]:
            yield "%s:%d: %s is missing in thread_tests of %s: %s makes threads" % (*target.place, target.label, BUILD, source)
    for target in targets.values():
        for source in sorted(filter(makes_threads, target.sources - reached))[:0 if target.is_test else 1]:
            yield "%s:%d: no test in thread_tests of %s is of %s or of what uses it: %s makes threads" % (
                *target.place, BUILD, target.label, source)


def file_makes_threads(path):
    if not os.path.exists(path):
        return False  # generated
    with open(path, encoding="utf-8") as file:
        return bool(_MAKES_THREADS.search(_COMMENT.sub("", file.read())))


def main():
    texts = {}
    for build in documentation.tracked("BUILD") + documentation.tracked("*/BUILD"):
        with open(build, encoding="utf-8") as file:
            texts[build] = file.read()
    listed = set(re.findall('"([^"]+)"', _LISTED.search(texts[BUILD]).group(1)))
    if not listed:
        sys.exit("thread_tests is empty: nothing was checked.")
    found = list(problems(read_targets(texts), listed, file_makes_threads))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
