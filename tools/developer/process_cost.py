"""What a command takes: seconds, the processor's seconds, and peak memory.

    import process_cost
    cost = process_cost.run(["bazel-bin/eval/evaluate", "--help"])
    print(cost.seconds, cost.megabytes)

Linux counts the memory of the process that starts a program as the program's own. A script that has read a large file would be
measured in place of what it starts. So this file, run as a program, starts the command: itself it takes some 10 MB, the least
that can be measured.
"""

import collections
import json
import os
import subprocess
import sys
import time

# status: the exit status, or minus a signal's number. megabytes: of 1024 KiB.
Cost = collections.namedtuple("Cost", "status seconds cpu_seconds megabytes")


def run(command, **options):
    """Runs `command`, a list, and returns its Cost. `options` (stdout, env, ...) are those of subprocess.Popen."""
    reader, writer = os.pipe()
    try:
        starter = subprocess.Popen([sys.executable, "-S", "-E", os.path.abspath(__file__), str(writer), *command], pass_fds=[writer],
                                   **options)
    finally:
        os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    starter.wait()
    if not text:
        raise OSError("cannot be started: " + " ".join(command))
    return Cost(*json.loads(text))


def require(command, **options):
    """As run, but exits with a message if the command fails."""
    cost = run(command, **options)
    if cost.status != 0:
        sys.exit("%s failed with status %d" % (" ".join(command), cost.status))
    return cost


def start(writer, command):
    """Starts the command in this small process and writes its cost to the descriptor `writer`."""
    os.set_inheritable(writer, False)
    begin = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds = time.monotonic() - begin
    cost = (os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    os.write(writer, json.dumps(cost).encode())


if __name__ == "__main__":
    start(int(sys.argv[1]), sys.argv[2:])
