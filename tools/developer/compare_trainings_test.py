"""Tests of compare_trainings.py."""

import contextlib
import io
import json
import math
import os
import struct
import sys
import tempfile
import unittest
import unittest.mock

import compare_trainings


def write_tensors(path, tensors):
    """A safetensors file of float32 tensors {name: values}."""
    header, data = {"__metadata__": {"made": "here"}}, b""
    for name, values in tensors.items():
        begin = len(data)
        data += struct.pack("<%df" % len(values), *values)
        header[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


class Numbers(unittest.TestCase):
    def test_the_distance_is_relative_to_the_larger_norm(self):
        self.assertEqual(compare_trainings.distance((3.0, 4.0), (3.0, 4.0)), 0)
        self.assertAlmostEqual(compare_trainings.distance((3.0, 4.0), (0.0, 0.0)), 1)
        # |(0, 5)| = 5 of |(6, 8)| = 10.
        self.assertAlmostEqual(compare_trainings.distance((6.0, 8.0), (6.0, 3.0)), 0.5)
        self.assertEqual(compare_trainings.distance((), ()), 0)

    def test_tensors_of_different_lengths_are_infinitely_far(self):
        self.assertEqual(compare_trainings.distance((1.0,), (1.0, 0.0)), math.inf)


class Runs(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def write(self, run, losses=(1.0, 0.5), weights=(3.0, 4.0), stage="1_rpn"):
        """A run with one stage; returns its folder."""
        path = os.path.join(self.folder, run, "stages", stage)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "metrics.jsonl"), "w", encoding="utf-8") as file:
            for iteration, loss in enumerate(losses):
                file.write(json.dumps({"iteration": iteration, "time": 9.0 + iteration, "rpn_loss": loss}) + "\n")
        write_tensors(os.path.join(path, "model.safetensors"), {"conv.weight": weights, "conv.bias": (1.0,)})
        return os.path.join(self.folder, run)

    def compare(self, *runs):
        """The exit status, and what was printed."""
        printed = io.StringIO()
        with unittest.mock.patch.object(sys, "argv", ["compare_trainings.py", *runs]), contextlib.redirect_stdout(printed):
            with self.assertRaises(SystemExit) as ended:
                compare_trainings.main()
        code = ended.exception.code
        # Python prints a text and ends with 1.
        return (1, printed.getvalue() + code) if isinstance(code, str) else (int(code), printed.getvalue())

    def test_equal_runs(self):
        status, text = self.compare(self.write("a"), self.write("b"))
        self.assertEqual(status, 0, text)
        self.assertIn("ok: losses differ by up to 0.0e+00", text)
        self.assertIn("ok: weights differ by up to 0.0e+00", text)

    def test_differences_within_the_tolerance(self):
        status, text = self.compare(self.write("a"), self.write("b", (1.0, 0.5004), (3.0, 4.004)))
        self.assertEqual(status, 0, text)
        # 0.0004 of 0.5004, and 0.004 of 5.0032.
        self.assertIn("ok: losses differ by up to 8.0e-04 (tolerance 1e-03): line 1 rpn_loss of stages/1_rpn/metrics.jsonl", text)
        self.assertIn("ok: weights differ by up to 8.0e-04 (tolerance 1e-03): conv.weight of stages/1_rpn/model.safetensors", text)

    def test_stages_without_losses_are_left_out(self):
        runs = self.write("a"), self.write("b")
        for run in runs:
            proposals = os.path.join(run, "stages", "2_proposals")
            os.makedirs(proposals)
            with open(os.path.join(proposals, "metrics.jsonl"), "w", encoding="utf-8") as file:
                file.write(json.dumps({"iteration": 12, "ar_100": 0.5}) + "\n")
        status, text = self.compare(*runs)
        self.assertEqual(status, 0, text)

    def test_a_stage_with_losses_in_one_run_only(self):
        status, text = self.compare(self.write("a"), self.write("b", losses=()))
        self.assertEqual(status, 1)
        self.assertIn("stages/1_rpn/metrics.jsonl: the runs have different names: ['line 0 rpn_loss', 'line 1 rpn_loss']", text)

    def test_runs_without_any_loss(self):
        status, text = self.compare(self.write("a", losses=()), self.write("b", losses=()))
        self.assertEqual(status, 1)
        self.assertIn("metrics.jsonl: neither run has losses", text)

    def test_a_loss_beyond_it(self):
        status, text = self.compare(self.write("a"), self.write("b", (1.0, 0.501)))
        self.assertEqual(status, 1)
        self.assertIn("FAILED: losses differ by up to 2.0e-03 (tolerance 1e-03): line 1 rpn_loss", text)
        self.assertIn("ok: weights", text)

    def test_a_weight_beyond_it(self):
        status, text = self.compare(self.write("a"), self.write("b", weights=(3.0, 4.01)))
        self.assertEqual(status, 1)
        self.assertIn("FAILED: weights differ by up to 2.0e-03", text)

    def test_a_loss_that_is_not_finite_is_a_difference(self):
        # Both runs must be finite.
        for first, second in ((1.0, math.nan), (math.inf, 1.0), (math.nan, math.nan)):
            status, text = self.compare(self.write("a", (1.0, first, 1.0)), self.write("b", (1.0, second, 1.0)))
            self.assertEqual(status, 1, text)
            self.assertIn("FAILED: losses differ by up to inf", text)

    def test_runs_of_different_lengths_or_stages(self):
        ours = self.write("a")
        status, text = self.compare(ours, self.write("shorter", (1.0,)))
        self.assertEqual(status, 1)
        self.assertIn("metrics.jsonl: the runs have different names: ['line 1 rpn_loss']", text)
        status, text = self.compare(ours, self.write("other", stage="1_joint"))
        self.assertEqual(status, 1)
        self.assertIn("the runs have different files", text)
        # Runs without any stage are not equal.
        status, text = self.compare(os.path.join(self.folder, "none"), os.path.join(self.folder, "none"))
        self.assertEqual(status, 1)

    def test_one_run_is_a_wrong_call(self):
        status, text = self.compare(self.folder)
        self.assertEqual(status, 1)
        self.assertIn("usage: compare_trainings.py RUN_DIR RUN_DIR", text)


if __name__ == "__main__":
    unittest.main()
