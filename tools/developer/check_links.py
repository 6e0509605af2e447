#!/usr/bin/env python3
"""Fails when a link of a Markdown file points to a missing file of the repository.

Checked: relative links and images, their anchors, paths of the repository in code
spans (`base/file_io.h`), and test cases that are named with their target, as in
`KeepsTheFile` (`//base:file_io_test`). Web addresses are not checked.
"""

import glob
import os
import re
import sys

import documentation

# A code span is a path if it starts with a folder of the repository.
FOLDERS = ("base", "configs", "data", "detection", "docs", "eval", "examples", "ops", "third_party",
           "tools", "training", ".ci")
PATH = re.compile(r"(?:%s)/[\w.*/-]+" % "|".join(map(re.escape, FOLDERS)))

CASES = re.compile(r"((?:`\w+`(?:, | and )?)+) \(`//([\w/]+):(\w+_test)`\)")


def missing_cases(text):
    """Yields the cases of tests in a line of a page that their sources do not have."""
    for names, package, target in CASES.findall(text):
        source = f"{package}/{target}.cc"
        try:
            with open(source, encoding="utf-8") as file:
                found = set(re.findall(r"\w+", file.read()))
        except FileNotFoundError:
            found = set()
        for name in re.findall(r"\w+", names.replace(" and ", " ")):
            if name not in found:
                yield f"`{name}`: no such test in {source}"


def defect_of_link(document, target, find_anchors):
    """Returns the error of a link target, or None."""
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    file = os.path.normpath(os.path.join(os.path.dirname(document.path), path)) if path else document.path
    if not os.path.exists(file):
        return f"{target}: missing file {file}"
    if anchor and (not file.endswith(".md") or anchor not in find_anchors(file)):
        return f"{target}: {file} has no heading #{anchor}"
    return None


def defects(document, find_anchors):
    for line, target in document.links():
        defect = defect_of_link(document, target, find_anchors)
        if defect:
            yield line, defect
    for line, span in document.spans():
        if PATH.fullmatch(span) and not glob.glob(span):
            yield line, f"`{span}`: no such file"
    for line, text in document.text:
        for defect in missing_cases(text):
            yield line, defect


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    documents = {path: documentation.Document(path) for path in documentation.tracked("*.md")}
    if not documents:
        sys.exit("git names no Markdown file here: nothing was checked.")

    def find_anchors(file):
        if file not in documents:
            documents[file] = documentation.Document(file)
        return documents[file].anchors()

    found = [f"{document.path}:{line}: {defect}" for document in list(documents.values())
             for line, defect in defects(document, find_anchors)]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
