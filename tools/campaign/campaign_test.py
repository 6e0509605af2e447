"""Tests of campaign.py, and of the calls that faults.py chooses."""

import argparse
import contextlib
import io
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

import campaign
import faults
import tensorboard_events

PLACES = {
    "nothing": [faults.Place("open", "a1", 5), faults.Place("open", "a2", 1), faults.Place("read", "b1", 4)],
    "unfinished": [faults.Place("open", "a1", 2), faults.Place("mmap", "c1", 1)],
    "finished": [faults.Place("rename", "d1", 3)],
}


def arguments(**changes):
    return types.SimpleNamespace(**{
        "scheduler": "scheduler", "experiment": "experiment", "seed": 28, "seconds": 60, "tries": 100, **changes})


class RunTest(unittest.TestCase):
    def run_tries(self, one_try, **changes):
        """Returns the exit code and what was printed."""
        self.campaign = campaign.Campaign(arguments(**changes))
        printed = io.StringIO()
        with mock.patch.object(self.campaign, "prepare"), contextlib.redirect_stdout(printed):
            code = self.campaign.run(one_try)
        self.assertFalse(os.path.exists(self.campaign.directory))
        return code, printed.getvalue()

    def test_stops_after_the_tries(self):
        code, printed = self.run_tries(lambda: ("no harm", None), tries=3)
        self.assertEqual(code, 0)
        self.assertIn("3 tries with seed 28, 0 failures", printed)

    def test_tries_at_least_once(self):
        self.assertIn("1 tries with seed 28", self.run_tries(lambda: ("no harm", None), seconds=0)[1])

    def test_an_interruption_keeps_what_was_done(self):
        one_try = mock.Mock(side_effect=[("no harm", None), ("failure", "a stage was lost"), KeyboardInterrupt])
        code, printed = self.run_tries(one_try)
        self.assertEqual(code, 1)
        self.assertIn("stopped by hand", printed)
        self.assertIn("2 tries with seed 28, 1 failures", printed)

    def test_an_interruption_without_failures_is_no_success(self):
        code, printed = self.run_tries(mock.Mock(side_effect=[("no harm", None), KeyboardInterrupt]))
        self.assertEqual(code, 130)
        self.assertIn("1 tries with seed 28, 0 failures", printed)

    def test_a_second_signal_does_not_disturb_the_cleaning_up(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        remove = shutil.rmtree

        def remove_disturbed(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGINT)
            remove(*args, **kwargs)

        def one_try():
            if self.campaign.outcomes:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            return "no harm", None

        with mock.patch.object(campaign.shutil, "rmtree", remove_disturbed):
            self.assertEqual(self.run_tries(one_try)[0], 130)

    def test_an_interrupted_preparation_leaves_no_program(self):
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.PIPE)
        with mock.patch.object(campaign.glob, "glob", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            campaign.stop_at(process, "none")
        self.assertEqual(process.returncode, -signal.SIGKILL)

    def test_an_interrupted_program_does_not_run_on(self):
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.PIPE)
        with mock.patch.object(process, "communicate", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            campaign.scheduler_process.wait(process)
        self.assertLess(process.poll(), 0)
        process.stdout.close()

    def test_a_scheduler_ends_with_a_campaign_that_is_killed(self):
        # In place of a scheduler a shell, which prints its process id.
        start = "import campaign, time; program = campaign.Scheduler('/bin/sh', '/dev/null'); " \
            "program.command = lambda run_dir: ['/bin/sh', '-c', 'echo $$; exec sleep 60']; " \
            "print(program.start('run').stdout.readline(), flush=True); time.sleep(60)"
        killed = subprocess.Popen(
            [sys.executable, "-c", start], cwd=os.path.dirname(os.path.abspath(campaign.__file__)), stdout=subprocess.PIPE)
        scheduler = os.pidfd_open(int(killed.stdout.readline()))
        self.addCleanup(os.close, scheduler)
        killed.kill()
        killed.wait()
        killed.stdout.close()
        ended = select.select([scheduler], [], [], 10)[0]
        if not ended:
            signal.pidfd_send_signal(scheduler, signal.SIGKILL)
        self.assertTrue(ended)


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def event_record(step, **values):
    """A record of TensorBoard's file with values of the stage "rpn1"."""
    payload = b"".join(field(1, field(1, b"rpn1/" + name.encode()) + b"\x15" + struct.pack("<f", value)) for name, value in values.items())
    payload = bytes([2 << 3, step]) + field(5, payload)
    size = struct.pack("<Q", len(payload))
    checksums = [struct.pack("<I", tensorboard_events.masked(data)) for data in (size, payload)]
    return size + checksums[0] + payload + checksums[1]


class EventsTest(unittest.TestCase):
    def shown(self, *files):
        """What TensorBoard shows of these contents of its files."""
        with tempfile.TemporaryDirectory() as folder:
            for number, contents in enumerate(files):
                with open(os.path.join(folder, "events.out.tfevents.%d.host.1.0.rpn1" % number), "wb") as file:
                    file.write(contents)
            return campaign.shown_events(folder)

    def test_neither_the_files_nor_times_nor_repeated_records_matter(self):
        first, second = event_record(1, loss=0.5, data_wait=0.1), event_record(2, loss=0.25)
        one = self.shown(first + second)
        self.assertEqual(list(one), ["TensorBoard's values of rpn1"])
        self.assertEqual(set(one["TensorBoard's values of rpn1"]), {(1, "loss"), (2, "loss")})
        self.assertEqual(self.shown(event_record(1, loss=0.5, data_wait=0.2), first + second, b""), one)

    def test_a_lost_and_another_value_are_a_difference(self):
        first, second = event_record(1, loss=0.5), event_record(2, loss=0.25)
        for other in (first, first + event_record(2, loss=0.125), first + second + event_record(2, loss=0.125)):
            self.assertEqual(campaign.difference(self.shown(first + second), self.shown(other)), "TensorBoard's values of rpn1 differs")

    def test_a_torn_and_a_damaged_record_are_named(self):
        record = event_record(1, loss=0.5)
        for damaged, problem in ((record[:-1], "torn record at byte 0"), (record[:-5] + b"!" + record[-4:], "wrong checksum")):
            self.assertIn(problem, campaign.difference({}, self.shown(damaged)))


class EveryTest(unittest.TestCase):
    def make(self, begin, places=None):
        made = faults.Faults(arguments(), "library")
        self.addCleanup(os.rmdir, made.directory)
        made.begin_every = begin
        with mock.patch.object(campaign.Campaign, "prepare"), \
                mock.patch.object(made, "list_places", (places or PLACES).__getitem__), \
                contextlib.redirect_stdout(io.StringIO()):
            made.prepare()
        return made

    def take_all(self, made):
        taken = []
        while not made.is_done(0):
            taken.append(made.next_fault())
            made.outcomes["no harm"] += 1
        return taken

    def test_each_place_fails_with_each_error_and_each_other_call_once(self):
        made = self.make(0)
        taken = self.take_all(made)
        expected = [(state, call, place, error) for state, of_state in PLACES.items()
                    for call, place, _ in of_state for error in faults.ERRORS[call]]
        at_places = taken[:made.at_places]
        self.assertCountEqual([(one.state, one.call, one.place, one.error) for one in at_places], expected)
        for state, of_state in PLACES.items():
            for call, place, count in of_state:
                numbers = {one.nth for one in at_places if one[:3] == (state, call, place)}
                self.assertTrue(numbers <= set(range(1, count + 1)), numbers)
        others = taken[made.at_places:]
        self.assertEqual({one.state for one in others}, {"nothing"})
        self.assertEqual(len({one[:4] for one in others}), len(others))
        of_nothing = {one[1:4] for one in taken if one.state == "nothing"}
        self.assertEqual(of_nothing, {
            (call, place, nth) for call, place, count in PLACES["nothing"] for nth in range(1, count + 1)})
        self.assertEqual(made.how_to_continue(), "every call has failed once, and every place with every error")

    def test_each_place_fails_once_before_one_fails_again(self):
        number = sum(map(len, PLACES.values()))
        self.assertEqual(len({one[:3] for one in self.make(0).left[:number]}), number)

    def test_a_later_run_continues(self):
        first = self.make(0)
        done = [first.next_fault() for _ in range(10)]
        first.outcomes["no harm"] = 10
        self.assertRegex(
            first.how_to_continue(), "^left: %d faults at places, [2-9] other calls; to continue: --seed=28 --every=10$" % (
                first.at_places - 10))
        self.assertEqual(self.make(10).left, first.left)
        self.assertFalse(set(done) & set(first.left))

    def test_when_all_places_are_done(self):
        made = self.make(0)
        made.outcomes["no harm"] = made.at_places
        self.assertRegex(
            made.how_to_continue(),
            "^every place has failed with every error; left: [2-9] other calls; to continue: --seed=28 --every=%d$" % made.at_places)
        made.outcomes["no harm"] = made.all_faults - 1
        self.assertIn("left: 1 other call;", made.how_to_continue())

    def test_an_interruption_before_the_calls_are_counted(self):
        made = faults.Faults(arguments(), "library")
        self.addCleanup(os.rmdir, made.directory)
        made.begin_every = 10
        self.assertEqual(made.how_to_continue(), "nothing has failed yet; to continue: --seed=28 --every=10")

    def outcome(self, output):
        """What becomes of a run that prints this and ends well, as does the next one."""
        made = self.make(0)
        made.expected = {}
        with mock.patch.object(made, "run_with", return_value=(0, output, {"failed": 1})), \
                mock.patch.object(made.scheduler, "run", return_value=(0, "")), \
                mock.patch.object(campaign, "everything", return_value={}), \
                mock.patch.object(campaign.shutil, "copytree"):
            return made.one_try()

    def test_a_file_that_cannot_be_read_now_is_not_damaged(self):
        self.assertIsNone(self.outcome("everything is up to date\n")[1])
        for notice in ("x/DONE is damaged: it has 3 bytes; an intact copy is x/copies/DONE", "checkpoint 3 cannot be used: it is torn"):
            outcome, failure = self.outcome(notice)
            self.assertEqual(outcome, "taken for damage")
            self.assertIn(notice, failure)

    def test_a_number_behind_the_end_of_the_list_is_an_error(self):
        number = self.make(0).all_faults
        self.assertEqual(len(self.make(number - 1).left), 1)
        with self.assertRaisesRegex(SystemExit, "--every=%d: the list has %d faults" % (number, number)):
            self.make(number)

    def test_the_flag_is_a_number_from_0_on(self):
        self.assertEqual(faults.index("12"), 12)
        for text in ("-1", "x", "", "1.5"):
            self.assertRaises(argparse.ArgumentTypeError, faults.index, text)

    def test_a_program_that_wrote_no_numbers_has_none(self):
        self.assertEqual(faults.read_lines("/nonexistent/counts"), [])

    def test_an_error_names_a_path_itself(self):
        made = self.make(0)
        first_line = "tiny in %s/run\n" % made.directory
        self.assertFalse(made.names_a_path(first_line))
        self.assertFalse(made.names_a_path(first_line + "error: stage rpn1: Input/output error\n"))
        self.assertTrue(made.names_a_path(first_line + "error: cannot open %s/run/LOCK\n" % made.directory))


if __name__ == "__main__":
    unittest.main()
