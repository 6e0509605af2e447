"""Totals of recorded runs: a JSON file, and their sum in one line of a page."""

import fcntl
import json
import os


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def replace_file(path, text):
    """Whole or not at all, so that a run may be stopped at any time."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def update(path, change, as_text, page, line, sum_line):
    """Replaces the totals by change(totals), and what `line` matches in the page by sum_line(totals).

    `as_text` is how the file has the totals. Several runs may do so at once: the file's folder is locked.
    """
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        totals = change(read(path))
        replace_file(path, as_text(totals))
        with open(page, encoding="utf-8") as file:
            before = file.read()
        replace_file(page, line.sub(lambda _: sum_line(totals), before))
    finally:
        os.close(folder)
