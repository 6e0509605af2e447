#!/usr/bin/env python3
"""Fails when docs/troubleshooting.md quotes a message that no program prints.

A message is a line of a block fenced as `message`; `…` stands for what changes. The text
after the block, up to the next block or heading, links the source that prints it. Every
part between two `…` must stand in one string of that source (of one of them).
"""

import ast
import os
import re
import sys

import documentation

PAGE = "docs/troubleshooting.md"
LITERAL = r'"(?:[^"\\\n]|\\.)*"'
# Shorter strings, such as "" or ": ", occur everywhere.
SHORTEST = 8


def strings(path):
    """Returns the string literals of a source; adjacent ones are concatenated, as in C++."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".sh"):
        return [text]
    joint = r"[\s+]*" if path.endswith(".bzl") else r"\s*"
    return ["".join(ast.literal_eval(part) for part in re.findall(LITERAL, group))
            for group in re.findall(f"{LITERAL}(?:{joint}{LITERAL})*", text)]


def messages(document):
    """Yields (line number, message, linked sources)."""
    links = list(document.links())
    headings = [number for number, line in document.text if line.startswith("#")]
    starts = sorted([block.line - 1 for block in document.blocks] + headings) + [sys.maxsize]
    for block in document.blocks:
        if block.language != "message":
            continue
        end = next(start for start in starts if start > block.line)
        sources = [target[len("../"):] for line, target in links
                   if block.line < line < end and re.match(r"\.\./(.*\.(cc|sh|bzl)|bazelw)$", target)]
        for number, line in enumerate(block.lines, block.line):
            yield number, line.strip(), sources


def defect_of_message(message, sources):
    """Returns the error of a quotation, or None."""
    if not sources:
        return "no source is linked below"
    parts = [part.strip() for part in message.split("…") if part.strip()]
    if not any(len(part) >= SHORTEST for part in parts):
        return f"'{message}' is too short to be looked for"
    texts = [text for source in sources for text in strings(source)]
    for part in parts:
        if not any(part in text for text in texts):
            return f"'{part}' stands in no string of {', '.join(sources)}"
    return None


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    quoted = list(messages(documentation.Document(PAGE)))
    if not quoted:
        sys.exit(f"{PAGE} quotes no message: nothing was checked.")
    found = [f"{PAGE}:{line}: {defect}" for line, message, sources in quoted
             for defect in [defect_of_message(message, sources)] if defect]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
