"""Shared code of the scripts that compare experiments: running the scheduler and parsing its output."""
import re
import subprocess
import sys


def run(command, stdout=subprocess.PIPE):
    """Returns a program's output, or with stdout=None lets it print. Ends the script if the program fails."""
    try:
        result = subprocess.run(command, stdout=stdout, text=True)
    except OSError as error:
        sys.exit("%s: %s; is it built? The script's first lines say how" % (command[0], error.strerror))
    if result.returncode != 0:
        sys.exit("%s ended with exit status %d" % (" ".join(command), result.returncode))
    return result.stdout


def printed(scheduler, config, data_root, overrides):
    """An experiment as --print_config shows it, with every default written out."""
    return run([scheduler, "--print_config", "--config=" + config, "--data_root=" + data_root] +
               ["--set=" + override for override in overrides])


def stage(text, name):
    """The text of stage `name` in the result of printed()."""
    for match in re.finditer(r"^stages \{\n.*?^\}\n", text, re.S | re.M):
        if 'name: "%s"' % name in match.group(0):
            return match.group(0)
    sys.exit("the experiment has no stage %s" % name)
