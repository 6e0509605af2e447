#!/usr/bin/env python3
"""Finds retired words in comments, messages, names and documentation.

Reads all tracked text files, prints "file:line: word: what to write instead" for each, and exits with 1 if there is one.
CONTRIBUTING.md has the glossary. A new entry goes into RETIRED, with a word for its place.
"""

import re
import sys

import documentation

# Files that have to name retired words, and files whose words are not ours.
EXEMPT = re.compile(r"(^|/)(testdata|images)/|^LICENSE$|^base/retired_flags|^tools/developer/(check_words|documentation_checks_test)\.py$")

# Retired word, and what to write instead. A word after "-" or "/" is a flag or a path.
RETIRED = [(re.compile(pattern), instead) for pattern, instead in (
    (r"(?<![-\w/])[Pp]ictures?\b", "image"),
    (r"\b[Dd]ata sets?\b(?! (to|by)\b)", "dataset"),
    (r"(?<![\w\"'/])things?\b(?![\"'])", "object, or the name of what it is"),
    (r"\b(goes|go|going) on (at|from|with|there|where|after)\b", "resumes at, starts from"),
    (r"\bthere twice\b", "duplicate"),
    (r"(?<!there )(?<!There )\b(is|are) no (?!longer\b|more\b)[a-z]+", "is not a ..."),
    (r"\bthere is no \w+ that could be read\b", "missing file: ..."),
    (r"\bthere is no such\b", "no such ..."),
    (r"\b[Aa]nd besides\b", "Other ..."),
    (r"\bWhere to read on\b", "Further reading"),
    (r"\banew\b", "again, or a verb with re-"),
    (r"\bfrom nothing\b", "from random weights, from scratch"),
    (r"\bstays? as (it is|they are)\b", "is unchanged, is frozen"),
    (r"\bstands? in for\b", "replaces, represents"),
    (r"\bsticks? out\b", "extends beyond"),
    (r"\bto be had\b", "available"),
    (r"\b[Ww]hoever\b", "the subject itself"),
    (r"\b(by|in) turns\b", "alternately"),
    (r"\bas it comes\b", "unmodified"),
    (r"\bpassed over\b", "skipped"),
    (r"\bin its head\b(?=.*deviat)", "at its top"),
    (r"\bfor want of\b", "if ... runs out"),
)]

# A C++ function whose name ends in "Of", other than GoogleMock's matchers.
NAME = re.compile(r"\b(?!(?:AllOf|AnyOf|NoneOf|EachOf|IsSupersetOf|IsSubsetOf)\()(\w*[a-z0-9])?Of\(")

# A name, such as that of a test, with a retired phrase.
RETIRED_NAME = re.compile(r"\b\w*(?:(?<!There)IsNo(?=[A-Z])|OfNothing|StandsInFor|Anew|PassedOver)\w*")

# Any of them, to skip files without one.
ANY = re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _ in RETIRED))

# What begins a comment, and continues a paragraph.
MARKER = re.compile(r"^\s*(//|#|\*|-)*\s*")


def words_of_line(line, following, is_source):
    """Yields (retired word, instead) of a line. Words may be wrapped over it and the following one."""
    both = f"{line.rstrip()} {following}"
    for pattern, instead in RETIRED:
        for match in pattern.finditer(both):
            if match.start() < len(line):
                yield match.group(0), instead
    if is_source:
        for match in NAME.finditer(line):
            yield match.group(0)[:-1], "a verb or a noun"
        for match in RETIRED_NAME.finditer(line):
            yield match.group(0), "the phrase for it in CONTRIBUTING.md"


def words(path, text):
    """Yields (line number, retired word, instead) of a file."""
    is_source = path.endswith((".h", ".cc"))
    has_name = is_source and (NAME.search(text) or RETIRED_NAME.search(text))
    if not has_name and not ANY.search(re.sub(r"\n\s*(?://|#|\*|-)*\s*", " ", text)):
        return
    lines = text.split("\n")
    glossary = False
    for number, line in enumerate(lines, 1):
        if path == "CONTRIBUTING.md" and line.startswith("## "):
            glossary = line == "## Words"
        if glossary:
            continue
        following = MARKER.sub("", lines[number]) if number < len(lines) else ""
        for word, instead in words_of_line(line, following, is_source):
            yield number, word, instead


def main():
    found = 0
    for path in documentation.tracked("*"):
        if EXEMPT.search(path):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (UnicodeDecodeError, IsADirectoryError, FileNotFoundError):
            continue  # binary, a submodule, or deleted but not committed
        for number, word, instead in words(path, text):
            print(f"{path}:{number}: {word}: write {instead} (CONTRIBUTING.md, Words)")
            found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
