#!/usr/bin/env python3
"""Writes compile_commands.json for clangd from Bazel's action graph.

    tools/developer/compile_commands.py [TARGET_PATTERN...]      default: //...

The commands are those that Bazel runs, with its execution root as directory, so
headers resolve once the targets have been built.
"""

import json
import os
import pathlib
import subprocess
import sys


def bazel(*arguments):
    """Returns what Bazel prints for the arguments, or exits with its message."""
    result = subprocess.run(["./bazelw", *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    return result.stdout


def compile_commands(patterns):
    """Returns an entry for each of our own source files."""
    graph = json.loads(bazel("aquery", "--output=jsonproto", "--include_artifacts=false",
                             f'mnemonic("CppCompile", {" union ".join(patterns)})'))
    directory = bazel("info", "execution_root").strip()
    commands = {}
    for action in graph.get("actions", []):
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        if not source.startswith(("external/", "bazel-out/")):
            commands[source] = {"directory": directory, "file": source, "arguments": arguments}
    return list(commands.values())


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    os.chdir(root)
    commands = compile_commands(sys.argv[1:] or ["//..."])
    output = root / "compile_commands.json"
    output.write_text(json.dumps(commands, indent=1))
    print(f"{output}: {len(commands)} files")


if __name__ == "__main__":
    main()
