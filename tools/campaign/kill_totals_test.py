"""Tests of kill_totals.py, and of what kill.py counts."""

import os
import signal
import tempfile
import threading
import types
import unittest
from unittest import mock

import kill
import kill_totals


class TotalsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, value in (("TOTALS", "totals.json"), ("PAGE", "page.md")):
            patch = mock.patch.object(kill_totals, name, os.path.join(folder.name, value))
            patch.start()
            self.addCleanup(patch.stop)
        kill_totals.replace_file(kill_totals.TOTALS, "[]\n")
        kill_totals.replace_file(kill_totals.PAGE, "before\nAll recorded interruptions together: none.\nafter\n")

    def test_runs_add_up(self):
        kill_totals.add(1, {"kills": 600, "power_cuts": 500, "undone": 2000, "failures": 1})
        kill_totals.add(2, {"kills": 1, "power_cuts": 0, "undone": 0, "failures": 0})
        self.assertEqual([run["seed"] for run in kill_totals.read()], [1, 2])
        with open(kill_totals.PAGE, encoding="utf-8") as file:
            self.assertEqual(file.read(), (
                "before\nAll recorded interruptions together: 1,101 of 1,000 (601 kills, 500 power cuts, which undid 2,000 "
                "operations), 1 failure.\nafter\n"))

    def test_runs_at_once_add_up(self):
        counts = {"kills": 1, "power_cuts": 0, "undone": 0, "failures": 0}
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

    def make_kill(self, codes):
        arguments = types.SimpleNamespace(scheduler="scheduler", experiment="experiment", seed=1, seconds=60, tries=100)
        killing = kill.Kill(arguments, "library", [])
        self.addCleanup(os.rmdir, killing.directory)
        killing.runs = [(mock.Mock(run=lambda *_: (0, "")), {}, 1.0, 100)]
        killing.disk = mock.Mock(cut_power=lambda *_: 5)
        executions = iter(codes)
        killing.execute = lambda *_: mock.Mock(kill_after=lambda _: (next(executions), ""))
        return killing

    def test_only_what_was_compared_counts(self):
        killing = self.make_kill([-signal.SIGKILL] * 3 + [0])
        killing.draw = mock.Mock(
            choice=lambda runs: runs[0], randint=lambda *_: 4, uniform=lambda *_: 0.1,
            random=mock.Mock(side_effect=[0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]))
        with mock.patch.object(kill.campaign, "everything", lambda _: {}), \
                mock.patch.object(kill.scheduler_process, "leftovers", lambda _: []):
            for _ in range(3):
                self.assertIsNone(killing.one_try()[1])
                self.assertEqual(killing.counts["kills"], 0)
            self.assertEqual(killing.one_try(), ("the run was done before", None))
        self.assertEqual(killing.counts, {"kills": 2, "power_cuts": 1, "undone": 5, "failures": 0})
        self.assertFalse(killing.is_enough(4))
        self.assertTrue(killing.is_enough(3))


if __name__ == "__main__":
    unittest.main()
