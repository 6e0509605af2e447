"""Rehearses check.py on the CPU with small sizes: every step must end well, or be skipped with a notice.

usage: check_rehearsal_test.py FLAG...     flags of check.py; the programs are below the current directory
"""

import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import check


def main():
    with tempfile.TemporaryDirectory() as out:
        code = check.main(["--device=cpu", "--sizes=small", "--programs=.", "--out=" + out, *sys.argv[1:]])
        with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
            steps = json.load(file)["steps"]
        if code != 0:
            with open(os.path.join(out, "check.log"), encoding="utf-8") as file:
                print(file.read()[-20000:])
            sys.exit("the rehearsal ended with %d" % code)
    assert steps, "no step ran"
    for name, step in steps.items():
        assert step["status"] in ("ok", "skipped"), (name, step)
        assert step["status"] == "ok" or any("notice: " in note for note in step["notes"]), (name, step)
        assert step["status"] == "skipped" or step["rows"], (name, step)
        assert all(row["value"] is not None for row in step["rows"]), (name, step)


if __name__ == "__main__":
    main()
