#!/usr/bin/env python3
"""Writes compile_commands.json for clangd from Bazel's action graph.

    tools/developer/compile_commands.py [TARGET_PATTERN...]      default: //...

The commands are those that Bazel runs, with its execution root as directory, so
headers resolve once the targets have been built. Sources have the paths at which an
editor opens them. The flag and the precompiled headers of GCC that Clang does not know
are left out.
"""

import json
import os
import pathlib
import subprocess
import sys


def bazel(*arguments):
    """Returns Bazel's output for the arguments, or exits with its message."""
    result = subprocess.run(["./bazelw", *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    return result.stdout


def entry(arguments, root, directory):
    """Returns the entry of one compilation, or None if its source is not ours."""
    source = arguments[arguments.index("-c") + 1]
    if source.startswith(("external/", "bazel-out/")):
        return None
    path = str(root / source)
    arguments = [path if argument == source else argument for argument in arguments
                 if argument != "-fno-canonical-system-headers"]
    return {"directory": directory, "file": path, "arguments": arguments}


def compile_commands(patterns, root):
    """Returns an entry for each of our own source files."""
    graph = json.loads(bazel("aquery", "--define=rcnn_prelude=0", "--output=jsonproto", "--include_artifacts=false",
                             f'mnemonic("CppCompile", {" union ".join(patterns)})'))
    directory = bazel("info", "execution_root").strip()
    entries = [entry(action["arguments"], root, directory) for action in graph.get("actions", [])]
    return list({each["file"]: each for each in entries if each}.values())


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    os.chdir(root)
    commands = compile_commands(sys.argv[1:] or ["//..."], root)
    output = root / "compile_commands.json"
    output.write_text(json.dumps(commands, indent=1))
    print(f"{output}: {len(commands)} files")


if __name__ == "__main__":
    main()
