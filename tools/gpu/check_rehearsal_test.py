"""Rehearses check.py on the CPU with small sizes: every step must end well. One that compares with torchvision may be skipped, with a
notice, where that is not installed.

usage: check_rehearsal_test.py FLAG...     flags of check.py; the programs are below the current directory
"""

import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import check
import device_programs

# Those that compare with torchvision.
PEER_STEPS = ("step", "inference", "kernels")


def lacks_torchvision():
    return any(device_programs.package_version(package) is None for package in ("torch", "torchvision"))


def main():
    with tempfile.TemporaryDirectory() as out:
        code = check.main(["--device=cpu", "--sizes=small", "--programs=.", "--out=" + out, *sys.argv[1:]])
        with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
            steps = json.load(file)["steps"]
        if code != 0:
            with open(os.path.join(out, "check.log"), encoding="utf-8", errors="replace") as file:
                print(file.read()[-20000:])
            sys.exit("the rehearsal ended with %d" % code)
    assert steps, "no step ran"
    for name, step in steps.items():
        if name in PEER_STEPS and lacks_torchvision():
            assert step["status"] == "skipped" and any("notice: " in note for note in step["notes"]), (name, step)
            continue
        assert step["status"] == "ok", (name, step)
        assert step["rows"], (name, step)
        assert all(row["value"] is not None for row in step["rows"]), (name, step)


if __name__ == "__main__":
    main()
