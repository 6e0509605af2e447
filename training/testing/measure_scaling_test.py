"""Tests measure_scaling.py: its table of accuracies on made-up numbers, and all of it on an experiment that takes seconds.

Usage: measure_scaling_test.py MEASURE_SCALING STAGE_SCHEDULER EXPERIMENT
"""

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile

_SHORT = [
    "--set=stages.%s.training.solver.iterations=2" % training
    for training in ("rpn1.train_rpn", "fast1.train_fast_rcnn", "rpn2.train_rpn", "fast2.train_fast_rcnn")]


def load(path):
    specification = importlib.util.spec_from_file_location("measure_scaling", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def table(measure_scaling, accuracies, seeds):
    """Returns the verdict and the rows of print_accuracy, of ways with (AP, AP50) of each seed."""
    found = {way: [(1.0, {}, {"ap": ap, "ap50": ap50}) for ap, ap50 in runs] for way, runs in accuracies.items()}
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        is_within = measure_scaling.print_accuracy(found, seeds)
    return is_within, output.getvalue()


def test_table(measure_scaling):
    alone = [(0.50, 0.80), (0.53, 0.84), (0.47, 0.82)]
    near = [(0.55, 0.83), (0.51, 0.81), (0.56, 0.82)]
    is_within, text = table(measure_scaling, {(1, 1): alone, (2, 1): near}, [1, 2, 3])
    assert is_within and "no more than" in text, text
    assert "| AP, 1 x 1 | 0.5000 | 0.5300 | 0.4700 | 0.5000 | 0.0600 |" in text, text
    assert "| AP50, 2 x 1 | 0.8300 | 0.8100 | 0.8200 | 0.8200 | 0.0200 |" in text, text
    # AP is near, AP50 is lower by 0.05, and the seeds differ by 0.04.
    far = [(ap, ap50 - 0.05) for ap, ap50 in alone]
    is_within, text = table(measure_scaling, {(1, 1): alone, (2, 1): far}, [1, 2, 3])
    assert not is_within and "MORE than" in text, text


def test_run(path, scheduler, experiment):
    with tempfile.TemporaryDirectory() as directory:
        command = [
            sys.executable, path, "--work=" + directory, "--scheduler=" + os.path.abspath(scheduler),
            "--config=" + os.path.abspath(experiment), "--ways=1x1,2x1"]
        result = subprocess.run([*command, "--seeds=1,2", "--", *_SHORT], capture_output=True, text=True)
        assert result.returncode == (1 if "MORE than" in result.stdout else 0), result
        for line in (r"^\| 1_rpn1 \| \d", r"^\| all \| \d", r"^\| AP, 1 x 1 \| \d", r"^\| AP50, 2 x 1 \| \d"):
            assert re.search(line, result.stdout, re.MULTILINE), (line, result)
        runs = sorted(os.listdir(directory))
        assert runs == ["1x1_0", "1x1_1", "2x1_0", "2x1_1"], runs
        wrong = (("--seeds=1", "--seeds: '1' is not two seeds"), ("--seeds=1,b", "--seeds: '1,b'"), ("--ways=2", "--ways: '2'"))
        for flag, words in wrong:
            result = subprocess.run([*command, flag], capture_output=True, text=True)
            assert result.returncode == 1 and words in result.stderr, (flag, result)


def main():
    test_table(load(sys.argv[1]))
    test_run(*sys.argv[1:4])


if __name__ == "__main__":
    main()
