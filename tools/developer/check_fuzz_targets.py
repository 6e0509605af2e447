#!/usr/bin/env python3
"""Fails where docs/reliability.md's table of readers lacks a fuzz target of the tree, or names one that the tree lacks.

  tools/developer/check_fuzz_targets.py

Targets that one rule of a BUILD file makes, such as one for each format of images, may have one of them stand for all.
"""
import os
import re
import sys

import check_preludes
import documentation

PAGE = "docs/reliability.md"
SECTION = "Readers of bytes from outside"
_LABEL = re.compile(r"`(//[\w/]+:\w+_fuzz_test)`")


def defined(builds):
    """Returns {label: (file, line)} of the fuzz targets; `builds` has the texts of BUILD files by their paths."""
    found = {}
    for build, text in builds.items():
        for line, kind, attributes in check_preludes.targets(text):
            if kind == "rcnn_cc_fuzz_test":
                found["//%s:%s" % (os.path.dirname(build), attributes["name"])] = (build, line)
    return found


def listed(page):
    """Returns the targets of the table: those of the section's rows."""
    section = page.split("\n## %s\n" % SECTION)[1].split("\n## ")[0]
    return {label for line in section.split("\n") if line.startswith("|") for label in _LABEL.findall(line)}


def problems(page, targets):
    """Yields what is wrong, one sentence each."""
    names = listed(page)
    places = {targets[name] for name in names if name in targets}
    for name in sorted(names - set(targets)):
        yield "%s: %s is not a fuzz target" % (PAGE, name)
    for name, place in sorted(targets.items()):
        if place not in places:
            yield "%s:%d: %s is missing in the table \"%s\" of %s" % (*place, name, SECTION, PAGE)


def main():
    texts = {}
    for build in documentation.tracked("BUILD") + documentation.tracked("*/BUILD"):
        with open(build, encoding="utf-8") as file:
            texts[build] = file.read()
    targets = defined(texts)
    if not targets:
        sys.exit("no fuzz target was found: nothing was checked.")
    with open(PAGE, encoding="utf-8") as file:
        found = list(problems(file.read(), targets))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
