"""What the scripts of this folder decide, without the peers: orders of processes, and what is made again."""

import contextlib
import io
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare_evaluators
import compare_peers
import detect_throughput

try:
    import torch

    import time_torchvision
except ImportError:
    torch = None


class OrderTest(unittest.TestCase):

    def test_each_round_begins_with_another_kind(self):
        kinds = ["a", "b", "c"]
        rounds = [compare_peers.in_turn(kinds, i) for i in range(4)]
        self.assertEqual([r[0] for r in rounds], ["a", "b", "c", "a"])
        for order in rounds:
            self.assertEqual(sorted(order), kinds)

    def test_two_programs_alternate_in_throughput(self):
        measured = []

        def measure(python, kind, folder, paths, cache):
            measured.append(kind)
            return float(len(paths)), 100.0, 7

        with mock.patch.object(detect_throughput, "measure", measure), contextlib.redirect_stderr(io.StringIO()):
            results = detect_throughput.measure_all("python", "folder", ["1", "2", "3"], ["rcnn", "latency"], 2, "cache")
        ours, theirs = ["rcnn", "rcnn", "rcnn_uncached"], ["latency", "latency"]
        self.assertEqual(measured, ours + theirs + theirs + ours)
        self.assertEqual(results["rcnn"]["rate"], [1.0, 1.0])
        self.assertEqual(results["latency"]["start"], [0.0, 0.0])


class Bfloat16Test(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.program = f"{folder.name}/detect"
        with open(self.program, "w") as f:
            f.write('#!/bin/sh\necho "cpu features: avx2 avx512_bf16"\necho "instructions: ${RCNN_INSTRUCTIONS:-avx512_bf16}"\n')
        os.chmod(self.program, 0o755)

    def kinds(self, level):
        with mock.patch.dict(os.environ):
            os.environ.pop("RCNN_INSTRUCTIONS", None)
            if level:
                os.environ["RCNN_INSTRUCTIONS"] = level
            return detect_throughput.choose_kinds(self.program)

    def test_is_timed_where_rcnn_computes_in_it(self):
        self.assertEqual(self.kinds(""), [*detect_throughput.RCNN, *detect_throughput.PEERS])

    def test_is_left_out_at_a_lower_level(self):
        self.assertEqual(self.kinds("avx512"), ["rcnn", "throughput", "latency"])


class RecordTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_is_made_again_for_another_origin(self):
        made = []
        for origin in ("1", "1", "2"):
            compare_peers.make_unless_current(f"{self.folder}/record", origin, lambda origin=origin: made.append(origin))
        self.assertEqual(made, ["1", "2"])

    def test_an_interruption_leaves_no_record(self):
        compare_peers.make_unless_current(f"{self.folder}/record", "1", lambda: None)

        def fail():
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            compare_peers.make_unless_current(f"{self.folder}/record", "2", fail)
        made = []
        compare_peers.make_unless_current(f"{self.folder}/record", "1", lambda: made.append("1"))
        self.assertEqual(made, ["1"])

    def test_the_origin_of_exports_depends_on_their_scripts(self):
        script = f"{self.folder}/script.py"
        origins = {compare_peers.origin_of_exports()}
        for text in ("a", "b"):
            with open(script, "w") as f:
                f.write(text)
            origins.add(compare_peers.origin_of_exports(script))
        self.assertEqual(len(origins), 3)


class PrepareTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.args = types.SimpleNamespace(folder=folder.name, model="vgg16", images=2)
        os.makedirs(f"{folder.name}/environment")
        os.makedirs(f"{folder.name}/vgg16")
        for name in ("detector.textproto", "throughput.onnx"):
            open(f"{folder.name}/vgg16/{name}", "w").close()

    def prepare(self):
        """The parts that were made."""
        made = []

        def check_call(words, **kwargs):
            if "--write_images" in words:
                os.makedirs(words[-2])
                for i in range(int(words[-1])):
                    open(f"{words[-2]}/{i:04}.jpg", "w").close()
            made.append(words[2] if words[1].endswith(".py") else os.path.basename(words[0]))

        with mock.patch.object(compare_peers, "make_environment", lambda folder: "python"), \
                mock.patch.object(compare_peers, "export", lambda python, model, folder: None), \
                mock.patch.object(detect_throughput.subprocess, "check_call", check_call), \
                mock.patch.object(detect_throughput.time, "sleep", lambda seconds: None):
            _, _, paths = detect_throughput.prepare(self.args)
        self.assertEqual([os.path.basename(path) for path in paths], ["0000.jpg", "0001.jpg"])
        return made

    def test_an_export_of_unknown_or_other_origin_is_made_again(self):
        self.assertEqual(self.prepare(), ["python", "--export", "--write_images", "convert_weights"])
        self.assertEqual(self.prepare(), ["convert_weights"])
        with mock.patch.object(compare_peers, "PACKAGES", ("torch==3",)):
            self.assertEqual(self.prepare(), ["--export", "--write_images", "convert_weights"])


class EvaluatorsTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.script = f"{self.folder}/make_case.py"
        self.write_script("1")

    def write_script(self, text):
        with open(self.script, "w") as f:
            f.write(text)

    def prepare(self):
        """What was made, and the files of the case."""
        made = []

        def check_call(words, **kwargs):
            made.append("case" if self.script in words else words[2])
            if "venv" in words or self.script in words:
                os.makedirs(words[2] if self.script in words else words[-1], exist_ok=True)

        with mock.patch.object(compare_evaluators, "MAKE_CASE", self.script), \
                mock.patch.object(compare_peers.subprocess, "check_call", check_call):
            python = compare_evaluators.make_environment(self.folder)
            case = compare_evaluators.make_case(python, self.folder, "bbox")
        return made, os.listdir(case), case

    def test_environment_and_case_are_made_again_for_other_versions(self):
        made, _, case = self.prepare()
        self.assertEqual(made, ["venv", "pip", "case"])
        open(f"{case}/other.json", "w").close()
        self.assertEqual(self.prepare(), ([], ["other.json"], case))
        self.write_script("2")
        self.assertEqual(self.prepare(), (["case"], [], case))
        with mock.patch.object(compare_evaluators, "PACKAGES", ("numpy==3",)):
            self.assertEqual(self.prepare()[0], ["venv", "pip", "case"])


@unittest.skipUnless(torch, "needs torch and torchvision")
class CountTest(unittest.TestCase):

    # Of an image of 8 x 8: the multiply-adds of a pixel, and the pixels or rows.
    FIRST, SECOND, LAST = 9 * 3 * 4 * 64, 4 * 5 * 64, 5 * 7 * 64

    def count(self, frozen=(), gradients=True):
        """Multiply-adds by part."""
        convolutions = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 5, 1))
        linear = torch.nn.Linear(5, 7)
        for i in frozen:
            convolutions[i].requires_grad_(False)
        model = torch.nn.ModuleList([convolutions, linear])
        parts = {"convolutions": convolutions, "linear": linear}
        with time_torchvision.counting(model, parts) as counts, torch.set_grad_enabled(gradients):
            linear(convolutions(torch.zeros(1, 3, 8, 8)).permute(0, 2, 3, 1))
        return {part: round(gflop * 1e9 / 2) for part, gflop in counts.items()}

    def test_inference_has_one_product_of_each_layer(self):
        self.assertEqual(self.count(gradients=False), {"convolutions": self.FIRST + self.SECOND, "linear": self.LAST})

    def test_the_image_needs_no_gradient(self):
        self.assertEqual(self.count(), {"convolutions": 2 * self.FIRST + 3 * self.SECOND, "linear": 3 * self.LAST})

    def test_frozen_layers_have_gradients_only_above_trained_ones(self):
        self.assertEqual(self.count([0]), {"convolutions": self.FIRST + 2 * self.SECOND, "linear": 3 * self.LAST})
        self.assertEqual(self.count([1]), {"convolutions": 2 * self.FIRST + 2 * self.SECOND, "linear": 3 * self.LAST})
        self.assertEqual(self.count([0, 1]), {"convolutions": self.FIRST + self.SECOND, "linear": 2 * self.LAST})


if __name__ == "__main__":
    unittest.main()
