#!/usr/bin/env python3
"""Fails unless the drawing of rooms in docs/architecture.md shows what tools/build/layers.bzl allows, without a cycle.

    tools/developer/check_drawing.py

Each room must be drawn, each arrow allowed, and each room that another may include reachable from it by arrows.
"""

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def allowed():
    """Returns folder -> room -> the rooms that it may include, as layers.bzl says; "" is the folder itself."""
    text = (ROOT / "tools/build/layers.bzl").read_text()
    return ast.literal_eval(re.search(r"^_ROOMS = (\{.*?^\})", text, re.MULTILINE | re.DOTALL).group(1))


def drawn():
    """Returns folder -> room -> the rooms at the ends of its arrows, from the first drawing of the page."""
    text = (ROOT / "docs/architecture.md").read_text()
    text = text[text.index("```mermaid"):]
    text = text[:text.index("```", 3)]
    rooms = {}
    for folder, body in re.findall(r"^  subgraph (\w+)\n(.*?)^  end", text, re.MULTILINE | re.DOTALL):
        arrows = rooms.setdefault(folder, {})
        for room in re.findall(r"^ +(\w+)$", body, re.MULTILINE):
            arrows[room] = set()
        for source, target in re.findall(r"^ +(\w+) --> (\w+)", body, re.MULTILINE):
            arrows.setdefault(source, set()).add("" if target == "itself_" + folder else target)
    return rooms


def reachable(arrows, room):
    """Returns the rooms that arrows lead to from `room`."""
    found, waiting = set(), [room]
    while waiting:
        for target in arrows.get(waiting.pop(), ()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def problems(folder, rooms, arrows):
    shown = set(arrows).union(*arrows.values())
    for room in sorted(set(rooms) - shown):
        yield f"{folder}: room {room} is not drawn"
    for room in sorted(set(rooms) | set(arrows)):
        may = set(rooms.get(room, ()))
        reached = reachable(arrows, room)
        if room in reached:
            yield f"{folder}: the arrows lead from {room} back to itself"
        for target in sorted(arrows.get(room, set()) - may):
            yield f"{folder}: {room} --> {target or 'the folder itself'} is drawn but not allowed"
        for target in sorted(may - reached):
            yield f"{folder}: {room} may include {target or 'the folder itself'}, but no arrows lead there"


def main():
    rooms, drawing = allowed(), drawn()
    found = [line for folder in sorted(set(rooms) | set(drawing))
             for line in problems(folder, rooms.get(folder, {}), drawing.get(folder, {}))]
    for line in found:
        print("docs/architecture.md: " + line, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
