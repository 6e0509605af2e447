#!/usr/bin/env python3
"""Fails where a target's precompiled header is larger or smaller than the includes of its sources need.

A larger one costs every source seconds, a smaller one lets it parse the headers itself. A source also needs what the
headers include that it includes. tools/build/prelude.bzl says which levels there are and which is the default.

  tools/developer/check_preludes.py [--fix] [BUILD...]    without files: every BUILD file that git knows

--fix writes the right level into the BUILD files.
"""
import argparse
import builtins
import functools
import os
import re
import sys

import documentation

_RULES = ("rcnn_cc_benchmark", "rcnn_cc_binary", "rcnn_cc_fuzz_test", "rcnn_cc_library", "rcnn_cc_test",
          "rcnn_header_examples")
# Buildifier puts these attributes first and "deps" last; the others are sorted.
_FIRST = ("name", "size", "timeout", "testonly", "src", "srcs", "hdrs")
_INCLUDE = re.compile(r'^ *# *include *[<"]([^>"]+)[>"]', re.MULTILINE)

# Level -> the headers of libraries that need it, from the most expensive level down; all others are in "core" or cheap.
_HEADERS = {
    "model": r"torch/(?:data|jit|nn|optim|serialize)\b",
    # Those that include every operator.
    "tensor": r"ATen/(?:ATen|Functions|TensorIndexing|TensorOperators|autocast_mode)\.h"
              r"|torch/csrc/autograd/(?:custom_)?function\.h|torch/csrc/distributed/c10d/ProcessGroup",
    "tensor_core": r"ATen/(?!core/grad_mode\.h|Version\.h)|torch/library\.h|torch/csrc/(?!api/include/torch/version\.h)",
    "message": r"google/protobuf/|.*\.pb\.h$",
}


class _Anything:
    """What a BUILD file may call, add, index or iterate over without an effect here."""

    def __call__(self, *_, **__):
        return self

    def __getattr__(self, _):
        return self

    def __getitem__(self, _):
        return self

    def __add__(self, _):
        return self

    def __radd__(self, other):
        return other

    def __iter__(self):
        return iter(())


class _Names(dict):
    def __missing__(self, name):
        return getattr(builtins, name, _Anything())


def default_prelude(root="."):
    """Returns the function of prelude.bzl, which is Python but for the name of a type."""
    names = {"type": lambda value: type(value).__name__}
    path = os.path.join(root, "tools/build/prelude.bzl")
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), names)
    return names["default_prelude"]


def targets(text):
    """Yields (line, kind, attributes) of the C++ targets of a BUILD file, which is Python enough to be run."""
    found = []

    def rule(kind):
        return lambda **attributes: found.append((sys._getframe(1).f_lineno, kind, attributes))

    names = _Names({kind: rule(kind) for kind in _RULES})
    exec(compile(text, "BUILD", "exec"), names)
    return found


def sources(package, kind, attributes):
    """Returns what the sources of a target include: their own paths as "rcnn/ops/nms.cc", or the headers of examples."""
    if kind == "rcnn_header_examples":
        return [f"rcnn/{package}/{header}" for header in attributes["hdrs"]] + \
            [name.strip("<>") for name in attributes.get("includes", [])]
    names = [name for name in attributes.get("srcs", []) if name.endswith((".cc", ".cpp"))]
    return ["rcnn/" + (name[2:].replace(":", "/") if name.startswith("//") else os.path.join(package, name.lstrip(":")))
            for name in names]


@functools.lru_cache(maxsize=None)
def _read_includes(path):
    if not os.path.exists(path):
        return ()
    with open(path, encoding="utf-8") as file:
        return tuple(_INCLUDE.findall(file.read()))


def library_headers(names, includes=_read_includes):
    """Returns the headers of libraries, and of messages, that `names` are or include.

    includes: from the path of a file of ours to what it includes; nothing for a generated file.
    """
    found, own, waiting = set(), set(), list(names)
    while waiting:
        name = waiting.pop()
        if not name.startswith("rcnn/") or name.endswith(".pb.h"):
            found.add(name)
        elif name not in own:
            own.add(name)
            waiting += includes(name[len("rcnn/"):])
    return found


def needed(headers):
    """Returns the level for headers of libraries."""
    for level, pattern in _HEADERS.items():
        if any(re.match(pattern, header) for header in headers):
            return level
    return "core"


def changes(text, package, default, includes=_read_includes):
    """Yields (line, name, level now, right level, whether it is the default) of the targets to change."""
    for line, kind, attributes in targets(text):
        names = sources(package, kind, attributes)
        usual = default(attributes.get("deps", []))
        given = attributes.get("prelude")
        right = needed(library_headers(names, includes)) if names else usual
        if (given or usual) != right or given == usual or (given and not names):
            yield line, attributes["name"], given or usual, right, right == usual


def changed(text, line, level):
    """Returns a BUILD file's text with another `prelude` in the rule that begins at `line`, or without one for None."""
    lines = text.split("\n")
    indent = re.match(" *", lines[line - 1]).group(0)
    end = next(i for i in range(line, len(lines)) if lines[i].rstrip(",") == indent + ")")
    found = [(re.match(indent + r" {4}(\w+) = ", lines[i]), i) for i in range(line, end)]
    places = [(match.group(1), i) for match, i in found if match]
    for i in [i for name, i in places if name == "prelude"]:
        del lines[i]
        places = [(name, place - (place > i)) for name, place in places if name != "prelude"]
        end -= 1
    if level:
        after = [i for name, i in places if name == "deps" or name > "prelude" and name not in _FIRST]
        lines.insert(min(after, default=end), f'{indent}    prelude = "{level}",')
    return "\n".join(lines)


def check(build, default, fix):
    """Prints, or mends, what is wrong in a BUILD file; returns its number of targets and of defects."""
    with open(build, encoding="utf-8") as file:
        text = file.read()
    found = sorted(changes(text, os.path.dirname(build), default))
    for line, name, now, right, is_default in found if not fix else []:
        advice = "remove its `prelude`" if is_default else f'write `prelude = "{right}"`'
        print(f"{build}:{line}: {name} is compiled with {now}, and its sources need {right}: {advice}")
    mended = text
    # From the last line up, so that the lines of the others stay right. One rule may make several targets.
    for line, level in sorted({(line, None if is_default else right) for line, _, _, right, is_default in found},
                              key=lambda change: -change[0]) if fix else []:
        mended = changed(mended, line, level)
    if mended != text:
        with open(build, "w", encoding="utf-8") as file:
            file.write(mended)
    return len(targets(text)), len(found)


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--fix", action="store_true", help="write the right levels into the BUILD files")
    parser.add_argument("builds", nargs="*", metavar="BUILD")
    options = parser.parse_args(arguments)
    default = default_prelude()
    builds = options.builds or documentation.tracked("BUILD") + documentation.tracked("*/BUILD")
    results = [check(build, default, options.fix) for build in sorted(set(builds))]
    if not sum(count for count, _ in results):
        sys.exit("no C++ target was found: nothing was checked.")
    sys.exit(1 if sum(wrong for _, wrong in results) and not options.fix else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
