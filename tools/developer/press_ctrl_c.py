#!/usr/bin/env python3
"""Presses Ctrl-C: runs a command, interrupts it as a terminal does, and finds what goes on. For tests of scripts.

usage: press_ctrl_c.py FILE COMMAND...

The command gets a session of its own. Once FILE exists, every process of the command's process group is sent SIGINT. Exits with
the status of the command, or with 99 if the command or another process of its session has not ended 10 s later.
"""

import os
import signal
import subprocess
import sys
import time

SECONDS = 10


def wait_until(condition):
    """Returns whether the condition has become true within SECONDS."""
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def session(pid):
    """The session of a process; None if it has ended."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            state, _, _, number = file.read().rsplit(")", 1)[1].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(number)


def left(leader):
    """The processes of a session."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if session(pid) == leader]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    # A shell that starts a program in the background lets it ignore the signal.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(sys.argv[2:], start_new_session=True)
    begun = wait_until(lambda: os.path.exists(sys.argv[1]))
    os.killpg(process.pid, signal.SIGINT)
    ended = wait_until(lambda: process.poll() is not None)
    if begun and ended and wait_until(lambda: not left(process.pid)):
        sys.exit(process.returncode if process.returncode >= 0 else 128 - process.returncode)
    for pid in left(process.pid):
        os.kill(pid, signal.SIGKILL)
    print("the command %s" % ("has left processes" if ended else "has not ended") if begun else "%s is missing" % sys.argv[1])
    sys.exit(99)


if __name__ == "__main__":
    main()
