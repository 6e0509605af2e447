"""Tests of kill_totals.py, and of what kill.py counts."""

import os
import shutil
import signal
import tempfile
import threading
import types
import unittest
from unittest import mock

import kill
import kill_totals
import recorded_totals


class TotalsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, value in (("TOTALS", "totals.json"), ("PAGE", "page.md")):
            patch = mock.patch.object(kill_totals, name, os.path.join(folder.name, value))
            patch.start()
            self.addCleanup(patch.stop)
        recorded_totals.replace_file(kill_totals.TOTALS, "[]\n")
        recorded_totals.replace_file(kill_totals.PAGE, "before\nAll recorded interruptions together: none.\nafter\n")

    def test_runs_add_up(self):
        kill_totals.add(1, {"kills": 600, "power_cuts": 500, "wiped": 3, "undone": 2000, "failures": 1})
        kill_totals.add(2, {"kills": 1, "power_cuts": 0, "wiped": 1, "undone": 0, "failures": 0})
        self.assertEqual([run["seed"] for run in kill_totals.read()], [1, 2])
        with open(kill_totals.PAGE, encoding="utf-8") as file:
            self.assertEqual(file.read(), (
                "before\nAll recorded interruptions together: 1,101 of 1,000 (601 kills, 500 power cuts, which undid 2,000 "
                "operations), 1 failure. Not counted: 4 power cuts that left no run directory, 0 power cuts by the first simulation.\n"
                "after\n"))

    def test_power_cuts_by_the_first_simulation_do_not_count(self):
        recorded_totals.replace_file(
            kill_totals.TOTALS, '[{"seed": 1, "kills": 3, "failures": 0, "uncounted": {"power_cuts": 2000, "undone": 9}}]\n')
        kill_totals.add(2, {"kills": 1, "power_cuts": 5, "wiped": 0, "undone": 1, "failures": 0})
        self.assertEqual(kill_totals.read()[0]["uncounted"], {"power_cuts": 2000, "undone": 9})
        self.assertEqual(kill_totals.sum_line(kill_totals.read()), (
            "All recorded interruptions together: 9 of 1,000 (4 kills, 5 power cuts, which undid 1 operation), 0 failures. "
            "Not counted: 0 power cuts that left no run directory, 2,000 power cuts by the first simulation."))

    def test_runs_at_once_add_up(self):
        counts = {**dict.fromkeys(kill_totals.COUNTS, 0), "kills": 1}
        threads = [threading.Thread(target=kill_totals.add, args=(seed, counts)) for seed in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(run["seed"] for run in kill_totals.read()), list(range(20)))


class PageTest(unittest.TestCase):
    def test_the_page_has_the_sum_of_the_totals(self):
        with open(kill_totals.PAGE, encoding="utf-8") as file:
            self.assertEqual(kill_totals.SUM.findall(file.read()), [kill_totals.sum_line(kill_totals.read())])


class CountTest(unittest.TestCase):
    """A run that is killed twice, its power cut once, and that then is left to end."""

    def make_kill(self, codes, keeps_directory):
        arguments = types.SimpleNamespace(scheduler="scheduler", experiment="experiment", seed=1, seconds=60, tries=100)
        killing = kill.Kill(arguments, "library", [])
        self.addCleanup(shutil.rmtree, killing.directory)
        killing.runs = [(mock.Mock(run=lambda *_: (0, "")), {}, 1.0, 100)]

        def cut_power(run_dir, _):
            if keeps_directory:
                os.mkdir(run_dir)
            return 5

        killing.disk = mock.Mock(cut_power=cut_power)
        executions = iter(codes)
        killing.execute = lambda *_: mock.Mock(kill_after=lambda _: (next(executions), ""))
        return killing

    def count(self, keeps_directory):
        killing = self.make_kill([-signal.SIGKILL] * 3 + [0], keeps_directory)
        killing.draw = mock.Mock(
            choice=lambda runs: runs[0], randint=lambda *_: 4, uniform=lambda *_: 0.1,
            random=mock.Mock(side_effect=[0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]))
        with mock.patch.object(kill.campaign, "everything", lambda _: {}), \
                mock.patch.object(kill.scheduler_process, "leftovers", lambda _: []):
            for _ in range(3):
                self.assertIsNone(killing.one_try()[1])
                self.assertEqual(killing.counts["kills"], 0)
            self.assertEqual(killing.one_try(), ("the run was done before", None))
        return killing

    def test_only_what_was_compared_counts(self):
        killing = self.count(keeps_directory=True)
        self.assertEqual(killing.counts, {"kills": 2, "power_cuts": 1, "wiped": 0, "undone": 5, "failures": 0})
        self.assertFalse(killing.is_enough(4))
        self.assertTrue(killing.is_enough(3))

    def test_a_power_cut_that_leaves_no_run_directory_counts_apart(self):
        killing = self.count(keeps_directory=False)
        self.assertEqual(killing.counts, {"kills": 2, "power_cuts": 0, "wiped": 1, "undone": 0, "failures": 0})
        self.assertFalse(killing.is_enough(3))
        self.assertTrue(killing.is_enough(2))


if __name__ == "__main__":
    unittest.main()
