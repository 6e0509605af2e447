#!/usr/bin/env python3
"""Fails when one namespace defines a type name twice, or a program could link two definitions of one name.

C++ lets two sources define different types of one name in one namespace, and no compiler or linker has to say so: what
the program then does is undefined. Types in unnamed namespaces and within other types are ignored.

  tools/developer/check_type_names.py [FILE...]    without files: every header and source that git knows
"""
import collections
import re
import subprocess
import sys

# What could hold braces or the word "struct" without being code.
_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)
# A namespace, the definition of a type, or a brace of anything else.
_TOKEN = re.compile(
    r"\b(?:inline\s+)?namespace(?P<namespace>\s+[\w:]+)?\s*\{"
    r"|\b(?P<kind>struct|class|union|enum(?:\s+(?:class|struct))?)\s+"
    r"(?:(?:alignas\([^)]*\)|\[\[[^\]]*\]\]|__attribute__\(\([^)]*\)\))\s*)*"
    r"(?P<name>\w+)(?P<special>\s*<[^;{]*>)?(?:\s+final)?\s*(?::(?!:)[^;{}()]*)?\{"
    r"|(?P<open>\{)|(?P<close>\})")


def types(text):
    """Yields (namespace, name, line) of the types at namespace level."""
    # Every name of the scopes around; None is a scope whose types are its own.
    scopes = []
    text = _NOISE.sub(lambda noise: re.sub(r"[^\n]", " ", noise.group(0)), text)
    for token in _TOKEN.finditer(text):
        if token.group("close"):
            if scopes:
                scopes.pop()
        elif token.group("name"):
            # A specialisation, Planes<float>, defines no other type of that name.
            if None not in scopes and not token.group("special"):
                yield "::".join(scopes), token.group("name"), text.count("\n", 0, token.start()) + 1
            scopes.append(None)
        elif token.group("open"):
            scopes.append(None)
        else:
            name = token.group("namespace")
            scopes.append(name.strip() if name else None)


def main(files):
    if not files:
        files = subprocess.run(["git", "ls-files", "*.h", "*.cc"], check=True, capture_output=True,
                               text=True).stdout.split()
    if not files:
        sys.exit("git names no C++ file here: nothing was checked.")
    places = collections.defaultdict(list)
    for path in files:
        with open(path, encoding="utf-8") as file:
            for namespace, name, line in types(file.read()):
                places[f"{namespace}::{name}"].append(f"{path}:{line}")
    if not places:
        sys.exit("no type was found: nothing was checked.")
    twice = {name: where for name, where in places.items() if len(where) > 1}
    for name, where in sorted(twice.items()):
        print(f"{name} is defined in {' and in '.join(where)}; rename one, or put it in an unnamed namespace.")
    sys.exit(1 if twice else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
