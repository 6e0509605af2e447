"""Tests of fuzz.py: how runs add up, and what is read from the output of a target."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

import fuzz
import recorded_totals

OUTPUT = """#!/bin/sh
echo 'INFO: seed corpus'
python3 -c 'sum(range(30000000))'
echo 'stat::number_of_executed_units: 1234'
echo 'stat::average_exec_per_sec:     617'
exit %d
"""


class TotalsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, value in (("TOTALS", "totals.json"), ("PAGE", "page.md")):
            patch = mock.patch.object(fuzz, name, os.path.join(self.folder, value))
            patch.start()
            self.addCleanup(patch.stop)
        recorded_totals.replace_file(fuzz.TOTALS, "{}\n")
        recorded_totals.replace_file(fuzz.PAGE, "before\nAll recorded fuzzing together: nothing.\nafter\n")

    def page(self):
        with open(fuzz.PAGE, encoding="utf-8") as file:
            return file.read()

    def test_runs_add_up(self):
        fuzz.add_to_totals("//a:x_fuzz_test", 1800, 10)
        fuzz.add_to_totals("//b:y_fuzz_test", 3600, 5000)
        fuzz.add_to_totals("//a:x_fuzz_test", 1800.04, 7)
        self.assertEqual(fuzz.read_totals(), {
            "//a:x_fuzz_test": {"cpu_seconds": 3600.0, "inputs": 17},
            "//b:y_fuzz_test": {"cpu_seconds": 3600.0, "inputs": 5000},
        })
        self.assertEqual(self.page(), "before\nAll recorded fuzzing together: 5,017 inputs in 2.00 of 24 CPU hours.\nafter\n")

    def test_runs_at_once_add_up(self):
        threads = [threading.Thread(target=fuzz.add_to_totals, args=("//a:x_fuzz_test", 1, 1)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(fuzz.read_totals(), {"//a:x_fuzz_test": {"cpu_seconds": 20.0, "inputs": 20}})

    def fuzz_once(self, code):
        program = os.path.join(self.folder, "target")
        with open(program, "w", encoding="utf-8") as file:
            file.write(OUTPUT % code)
        os.chmod(program, 0o755)
        arguments = argparse.Namespace(bazel="unused", seed=28, found=self.folder, seconds=1, corpus=None, record=True, until_goal=False)
        fuzzing = fuzz.Fuzzing(arguments)
        with mock.patch.object(fuzzing, "command", lambda target: [program]):
            fuzzing.run_target("//a:x_fuzz_test")
        return fuzzing

    def test_the_time_and_the_inputs_of_a_target_are_recorded(self):
        self.fuzz_once(0)
        fuzzing = self.fuzz_once(0)
        total = fuzz.read_totals()["//a:x_fuzz_test"]
        self.assertEqual(total["inputs"], 2 * 1234)
        self.assertGreater(total["cpu_seconds"], 0)
        self.assertEqual(fuzzing.failed, [])

    def test_runs_go_on_to_the_goal_with_the_least_time_first(self):
        targets = ["//a:%d_fuzz_test" % number for number in range(6)]
        fuzz.add_to_totals(targets[5], 3600.0 * (fuzz.GOAL_HOURS - 1), 1)
        fuzzing = fuzz.Fuzzing(argparse.Namespace(bazel="unused", seed=28, found=self.folder))
        seeds = []

        def run_target(target):
            seeds.append(fuzzing.seed)
            fuzz.add_to_totals(target, 600.0, 1)

        with mock.patch.object(fuzzing, "run_target", run_target):
            fuzzing.run_to_the_goal(targets)
        times = [fuzz.read_totals().get(target, {"cpu_seconds": 0})["cpu_seconds"] for target in targets]
        self.assertEqual(sum(times[:5]), 3600)
        self.assertEqual(times[5], 3600 * (fuzz.GOAL_HOURS - 1))
        self.assertEqual(seeds, list(range(28, 34)))

    def test_an_interruption_without_failures_is_no_success(self):
        fuzzing = fuzz.Fuzzing(argparse.Namespace(
            bazel="unused", seed=28, found=self.folder, build_only=False, until_goal=False))
        with mock.patch.object(fuzzing, "list_targets", return_value=["//a:x_fuzz_test"]), \
                mock.patch.object(fuzzing, "build"), \
                mock.patch.object(fuzzing, "run_target", side_effect=KeyboardInterrupt):
            self.assertEqual(fuzzing.run(), 130)

    def test_a_target_that_fails_is_not_run_again(self):
        fuzzing = fuzz.Fuzzing(argparse.Namespace(bazel="unused", seed=28, found=self.folder))
        with mock.patch.object(fuzzing, "run_target", fuzzing.failed.append):
            fuzzing.run_to_the_goal(["//a:x_fuzz_test", "//b:y_fuzz_test"])
        self.assertCountEqual(fuzzing.failed, ["//a:x_fuzz_test", "//b:y_fuzz_test"])

    def test_a_failing_target_is_recorded_and_fails(self):
        fuzzing = self.fuzz_once(77)
        self.assertEqual(fuzz.read_totals()["//a:x_fuzz_test"]["inputs"], 1234)
        self.assertEqual(fuzzing.failed, ["//a:x_fuzz_test"])

    def test_targets_are_those_of_the_folders(self):
        self.assertEqual(
            fuzz.query(["base", "data/csv"]), "attr(name, '_fuzz_test$', kind(cc_test, //base/... + //data/csv/...))")

    def test_building_runs_no_target(self):
        arguments = argparse.Namespace(bazel="unused", seed=28, found=self.folder, build_only=True)
        fuzzing = fuzz.Fuzzing(arguments)
        with mock.patch.object(fuzzing, "list_targets", lambda: ["//a:x_fuzz_test"]), \
                mock.patch.object(fuzzing, "build") as build, mock.patch.object(fuzzing, "run_target") as run_target:
            self.assertEqual(fuzzing.run(), 0)
        build.assert_called_once_with(["//a:x_fuzz_test"])
        run_target.assert_not_called()

    def test_an_interrupted_build_is_interrupted_too(self):
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.addCleanup(process.kill)
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        wait = process.wait

        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)
            return wait()

        fuzzing = fuzz.Fuzzing(argparse.Namespace(bazel="unused", seed=28, found=self.folder))
        with mock.patch.object(fuzz.subprocess, "Popen", return_value=process), \
                mock.patch.object(process, "wait", interrupted), \
                mock.patch.object(process, "send_signal", wraps=process.send_signal) as send, \
                self.assertRaises(KeyboardInterrupt):
            fuzzing.build(["//a:x_fuzz_test"])
        send.assert_called_once_with(signal.SIGINT)
        self.assertIsNotNone(process.returncode)

    def test_turns_go_through_all_targets(self):
        chosen = set()
        for number in (100, 102, 104):  # CI may have no time to fuzz at the others
            answers = {"rev-parse": "false", "rev-list": str(number)}
            with mock.patch.object(fuzz, "git", lambda command, *_: answers[command]):
                chosen.update(fuzz.of_turn(["a", "b", "c"]))
        self.assertEqual(chosen, {"a", "b", "c"})


class PageTest(unittest.TestCase):
    def test_the_page_has_the_sum_of_the_totals(self):
        with open(fuzz.PAGE, encoding="utf-8") as file:
            self.assertEqual(fuzz.SUM.findall(file.read()), [fuzz.sum_line(fuzz.read_totals())])


if __name__ == "__main__":
    unittest.main()
