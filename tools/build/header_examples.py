#!/usr/bin/env python3
"""Collects the examples in the comments of headers into one C++ source, for rcnn_header_examples (header_examples.bzl).

An example is a block of a comment that is indented by at least three spaces and follows a line "// Example:" or
"// Example, <what it shows>:". Each becomes a function that returns absl::Status, in its own namespace within that of
the header. The function is inline and never called, so the compiler checks it and makes no code for it. An example that
begins with a definition (a function, a class, a flag, a test) stays outside of a function. Compiler errors name the line of
the header.

  header_examples.py --out=examples.cc --include='<cmath>' -- base/file_io.h 'extern const std::string path;' ...

After the options come pairs: a header, and the declarations of what its examples use but do not declare.
"""
import argparse
import re
import sys

_MARK = re.compile(r"\s*// Example\b")
_COMPLETE_MARK = re.compile(r"\s*// Example(?:, [^.:]+)?:$")
_CODE = re.compile(r"\s*//(?:   ( *\S.*))?$")
_DEFINITION = re.compile(r"(?:class|struct|template|DEFINE_\w+|TEST|TORCH_LIBRARY\w*)\b")
_STATUS_MACRO = re.compile(r"//.*\bRCNN_(?:RETURN_IF_ERROR|ASSIGN_OR_RETURN)\(")
_STATEMENT = re.compile(r"(?:for|if|while|switch|do|static)\b")

_HEAD = """// Generated from the comments of headers by tools/build/header_examples.py.

#include "absl/status/status.h"
"""
# What an example declares and does not use is part of what it shows. A status that is dropped stays an error.
_BODY = """
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-local-typedefs"
#pragma GCC diagnostic ignored "-Wunused-value"
#pragma GCC diagnostic ignored "-Wunused-variable"

// Stands in an example for what its reader does with values.
template <typename... Values>
void Use(const Values&...);
"""


class ExampleError(Exception):
    """A comment that says "Example" and has no block of code."""


def examples(text):
    """Yields (line number, lines of code) of the examples in the text of a header."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not _MARK.match(line):
            continue
        if not _COMPLETE_MARK.match(line):
            raise ExampleError(f'line {number}: "{line.strip()}" is not "// Example:" or '
                               '"// Example, <what it shows>:"')
        code = []
        for following in lines[number:]:
            match = _CODE.match(following)
            if not match:
                break
            code.append(match.group(1) or "")
        while code and not code[-1]:
            code.pop()
        if not code:
            raise ExampleError(f"line {number}: no code indented by three spaces follows")
        yield number + 1, code


def _first_statement(code):
    """Returns the text before the first ; or { that is in no parentheses, and that character."""
    text = re.sub(r'//[^\n]*|"(?:\\.|[^"\\])*"', lambda match: "" if match.group(0)[0] == "/" else '""', code)
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0 and letter in ";{":
            return text[:place].strip(), letter
    return text.strip(), ""


def begins_with_definition(code):
    """Tells whether code begins with a definition that may stand outside of functions only, or is a type."""
    head, end = _first_statement(code)
    if _DEFINITION.match(head):
        return True
    return end == "{" and bool(re.search(r"\)(?: const)?$", head)) and "=" not in head and not _STATEMENT.match(head)


def _namespace(text):
    found = re.search(r"^namespace (rcnn[\w:]*) \{", text, re.MULTILINE)
    return found.group(1) if found else "rcnn"


def _example(path, namespace, index, declarations, line, code):
    body = "\n".join([f'#line {line} "{path}"'] + code)
    if not begins_with_definition("\n".join(code)):
        body = f"inline absl::Status Example() {{\n{body}\nreturn absl::OkStatus();\n}}"
    given = f"{declarations}\n" if declarations else ""
    return f"\nnamespace {namespace}::example_{index} {{\n{given}{body}\n}}\n"


def source(headers, includes):
    """Returns the C++ source for headers, a list of (path, text, declarations)."""
    names = [include if include[0] == "<" else f'"{include}"' for include in includes]
    names += [f'"rcnn/{path}"' for path, _, _ in headers]
    if any(_STATUS_MACRO.search(text) for _, text, _ in headers):
        names.append('"rcnn/base/status_macros.h"')
    parts = [_HEAD] + [f"#include {name}\n" for name in names] + [_BODY]
    index = 0
    for path, text, declarations in headers:
        try:
            found = list(examples(text))
        except ExampleError as error:
            raise ExampleError(f"{path}: {error}") from error
        if not found:
            raise ExampleError(f"{path}: no example; take it out of rcnn_header_examples")
        for line, code in found:
            index += 1
            parts.append(_example(path, _namespace(text), index, declarations, line, code))
    return "".join(parts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("pairs", nargs="+")
    arguments = parser.parse_args()
    headers = []
    for path, declarations in zip(arguments.pairs[::2], arguments.pairs[1::2]):
        with open(path, encoding="utf-8") as file:
            headers.append((path, file.read(), declarations))
    try:
        text = source(headers, arguments.include)
    except ExampleError as error:
        sys.exit(str(error))
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
