#!/usr/bin/env python3
"""Fails when an example in a header's comment, or C++ in the documentation, is not compiled.

A header with a "// Example:" is listed in an rcnn_header_examples of its package (tools/build/header_examples.bzl),
and no comment of a header has statements outside of an example. The lines of a ```cpp block of a Markdown page stand,
in this order and one after another, in a source, a header or a header's example that git knows; indentation and empty
lines do not count.

  tools/developer/check_header_examples.py [FILE...]    without files: every header and page that git knows
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build"))

import documentation  # noqa: E402
import header_examples  # noqa: E402

# Documents end a fence's language before "++".
CPP = ("c", "cc", "cpp", "cxx")
_RULE = re.compile(r"^rcnn_header_examples\($(.*?)^\)$", re.MULTILINE | re.DOTALL)
_LISTED = re.compile(r'^ {8}"([\w.]+\.h)": \[', re.MULTILINE)
# A member's declaration, which ends in "const;", describes an interface.
_STATEMENT = re.compile(r"\s*//   +\S.*[(=].*(?<!const);$")


def listed_headers(build):
    """Returns the headers that the rcnn_header_examples of a BUILD file's text list."""
    return {header for rule in _RULE.findall(build) for header in _LISTED.findall(rule)}


def header_defects(text, is_listed):
    """Yields (line, defect) of the text of a header."""
    try:
        found = list(header_examples.examples(text))
    except header_examples.ExampleError as error:
        yield 1, str(error)
        return
    if found and not is_listed:
        yield found[0][0], "this example is not compiled: list the header in rcnn_header_examples of its BUILD file"
    if is_listed and not found:
        yield 1, "rcnn_header_examples lists this header, which has no example"
    compiled = {line + i for line, code in found for i in range(len(code))}
    for number, line in enumerate(text.split("\n"), 1):
        if number not in compiled and _STATEMENT.match(line):
            yield number, f'"{line.strip()}" is not in an example: put "// Example:" before it'


def _joined(text):
    """Returns the lines of code without indentation and empty lines, each between line breaks."""
    return "\n" + "".join(line.strip() + "\n" for line in text.split("\n") if line.strip())


def page_defects(page, sources):
    """Yields (line, defect) of the C++ blocks of a page; each is looked for in `sources`, which are joined lines."""
    for block in page.blocks:
        code = _joined("\n".join(block.lines))
        if block.language in CPP and not any(code in source for source in sources):
            yield block.line, "this C++ stands in no source or header: take it from one that is compiled"


def searched(path, text):
    """Returns what pages may copy from a source: its lines and, of a header, those of its examples; joined."""
    found = [_joined(text)]
    if path.endswith(".h"):
        found += [_joined("\n".join(code)) for _, code in header_examples.examples(text)]
    return "\n".join(found)


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _check_headers(files):
    """Yields (path, line, defect), and None for each header that is right."""
    listed = {}
    for path in files:
        folder, name = os.path.split(path)
        if folder not in listed:
            build = os.path.join(folder, "BUILD")
            listed[folder] = listed_headers(_read(build)) if os.path.exists(build) else set()
        defects = [(path, *defect) for defect in header_defects(_read(path), name in listed[folder])]
        yield from defects or [None]


def _check_pages(files):
    pages = [documentation.Document(path) for path in files]
    sources = []
    if any(block.language in CPP for page in pages for block in page.blocks):
        paths = documentation.tracked("*.cc") + documentation.tracked("*.h") + documentation.tracked("*.cu")
        sources = [searched(path, _read(path)) for path in paths]
    for page in pages:
        defects = [(page.path, *defect) for defect in page_defects(page, sources)]
        yield from defects or [None]


def main(files):
    files = files or documentation.tracked("*.h") + documentation.tracked("*.md")
    results = list(_check_headers([path for path in files if path.endswith(".h")]))
    results += _check_pages([path for path in files if path.endswith(".md")])
    if not results:
        sys.exit("no header and no page: nothing was checked.")
    defects = [result for result in results if result]
    for path, line, defect in defects:
        print(f"{path}:{line}: {defect}")
    sys.exit(1 if defects else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
