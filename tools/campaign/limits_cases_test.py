"""Tests of limits.py that run none of its programs."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import limits


class LimitsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_no_contact_sheet_is_left_in_the_current_folder(self):
        self.assertIn("--contact_sheet=", limits.huge_image(self.folder, "programs"))

    def run_without_numpy(self, *flags):
        """Returns the exit code, what was written to stderr, and the cases that were measured."""
        measured, errors = [], io.StringIO()

        def measure(command):
            measured.append(command)
            return mock.Mock(status=0, seconds=1, cpu_seconds=1, megabytes=1), "30000 x 30000 pixels are more than the limit"

        with mock.patch.object(sys, "argv", ["limits.py", "--folder=" + self.folder, *flags]), \
                mock.patch.object(limits.importlib.util, "find_spec", lambda name: None), \
                mock.patch.object(limits, "measured", measure), \
                contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            code = limits.main()
        return code, errors.getvalue(), measured

    def test_without_numpy_it_says_what_to_install(self):
        code, errors, measured = self.run_without_numpy()
        self.assertEqual(code, 1)
        self.assertIn("numpy is missing", errors)
        self.assertIn("python3-numpy", errors)
        self.assertEqual(measured, [])

    def test_data_that_is_there_needs_no_numpy(self):
        for name, folders in limits.EVALUATIONS.items():
            case = os.path.join(self.folder, folders[0])
            os.makedirs(case)
            with open(os.path.join(case, "detections.json"), "w", encoding="utf-8"):
                pass
            code, errors, measured = self.run_without_numpy("--only=" + name)
            self.assertEqual((code, errors, len(measured)), (0, "", 1))

    def test_images_need_no_numpy(self):
        with mock.patch.object(limits, "CASES", {
                "huge_image": (limits.huge_image, {"cpu_s": 5, "mb": 200}, "30000 x 30000")}):
            self.assertEqual(self.run_without_numpy("--only=huge_image")[:2], (0, ""))


if __name__ == "__main__":
    unittest.main()
