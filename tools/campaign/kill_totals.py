"""What all recorded runs of kill.py have done: kill_totals.json, by run, and its sum in docs/reliability.md.

Recorded are only interruptions after which a run was left to end and compared. Counted are kills, and power cuts that left a run
directory. Runs by the first simulation of power cuts have theirs in "uncounted": it lost the whole run directory at any time, even
after its parent had been synced, and how often it did is not known.
"""

import json
import os
import re

import recorded_totals

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOTALS = os.path.join(ROOT, "tools/campaign/kill_totals.json")
PAGE = os.path.join(ROOT, "docs/reliability.md")
SUM = re.compile(r"^All recorded interruptions together: .*$", re.MULTILINE)
GOAL = 1000  # kills and power cuts
COUNTS = ("kills", "power_cuts", "wiped", "undone", "failures")


def read():
    return recorded_totals.read(TOTALS)


def counted(number, what):
    return "%s %s%s" % (format(number, ","), what, "" if number == 1 else "s")


def describe(counts):
    """What was checked, in words."""
    return "%s, %s, which undid %s" % (
        counted(counts["kills"], "kill"), counted(counts["power_cuts"], "power cut"), counted(counts["undone"], "operation"))


def sum_line(runs):
    """The line of the page."""
    total = {name: sum(run.get(name, 0) for run in runs) for name in COUNTS}
    uncounted = sum(run["uncounted"]["power_cuts"] for run in runs if "uncounted" in run)
    return (
        "All recorded interruptions together: %s of %s (%s), %s. Not counted: %s that left no run directory, %s by the first "
        "simulation." % (
            format(total["kills"] + total["power_cuts"], ","), format(GOAL, ","), describe(total), counted(total["failures"], "failure"),
            counted(total["wiped"], "power cut"), counted(uncounted, "power cut")))


def as_text(runs):
    return "[\n%s\n]\n" % ",\n".join(" " + json.dumps(run) for run in runs)


def add(seed, counts):
    """`counts`: by the names of COUNTS. Several runs may add at once."""
    run = {"seed": seed, **{name: counts[name] for name in COUNTS}}
    recorded_totals.update(TOTALS, lambda runs: runs + [run], as_text, PAGE, SUM, sum_line)
