"""What all recorded runs of kill.py have done: kill_totals.json, by run, and its sum in docs/reliability.md.

Recorded are only interruptions after which a run was left to end and compared.
"""

import fcntl
import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOTALS = os.path.join(ROOT, "tools/campaign/kill_totals.json")
PAGE = os.path.join(ROOT, "docs/reliability.md")
SUM = re.compile(r"^All recorded interruptions together: .*$", re.MULTILINE)
GOAL = 1000  # kills and power cuts
COUNTS = ("kills", "power_cuts", "undone", "failures")


def read():
    with open(TOTALS, encoding="utf-8") as file:
        return json.load(file)


def replace_file(path, text):
    """Whole or not at all, so that a run may be stopped at any time."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def sum_line(runs):
    """The line of the page."""
    total = {name: sum(run[name] for run in runs) for name in COUNTS}
    return "All recorded interruptions together: %s of %s (%s kills, %s power cuts, which undid %s operations), %s." % (
        format(total["kills"] + total["power_cuts"], ","), format(GOAL, ","), format(total["kills"], ","),
        format(total["power_cuts"], ","), format(total["undone"], ","),
        "1 failure" if total["failures"] == 1 else "%d failures" % total["failures"])


def add(seed, counts):
    """`counts`: by the names of COUNTS. Several runs may add at once: the folder is locked."""
    folder = os.open(os.path.dirname(TOTALS), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        runs = read() + [{"seed": seed, **{name: counts[name] for name in COUNTS}}]
        replace_file(TOTALS, "[\n%s\n]\n" % ",\n".join(" " + json.dumps(run) for run in runs))
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
        replace_file(PAGE, SUM.sub(lambda _: sum_line(runs), page))
    finally:
        os.close(folder)
