"""Tests of process_cost.py."""

import subprocess
import sys
import unittest

import process_cost

WASTE = "x = b'1' * (200 << 20)"


class ProcessCostTest(unittest.TestCase):

    def test_memory_of_this_process_does_not_count(self):
        waste = b"1" * (200 << 20)
        cost = process_cost.run([sys.executable, "-S", "-c", "pass"])
        self.assertEqual(len(waste), 200 << 20)
        self.assertEqual(cost.status, 0)
        self.assertLess(cost.megabytes, 50)

    def test_memory_of_the_command_counts(self):
        cost = process_cost.run([sys.executable, "-S", "-c", WASTE])
        self.assertGreater(cost.megabytes, 200)
        self.assertLess(cost.megabytes, 250)

    def test_time_is_that_of_the_command(self):
        cost = process_cost.run([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"])
        self.assertGreater(cost.seconds, 0.5)
        self.assertLess(cost.cpu_seconds, cost.seconds)

    def test_status_and_output_are_those_of_the_command(self):
        self.assertEqual(process_cost.run([sys.executable, "-c", "raise SystemExit(3)"]).status, 3)
        self.assertEqual(process_cost.run(["sh", "-c", "kill -9 $$"]).status, -9)
        with self.assertRaises(SystemExit):
            process_cost.require(["false"])

    def test_a_missing_program_is_an_error(self):
        with self.assertRaises(OSError):
            process_cost.run(["/no/such/program"], stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    unittest.main()
