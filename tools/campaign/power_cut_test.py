"""Tests of what a simulated power cut may undo, and what it must not, on small programs.

Usage: power_cut_test.py LIBRARY
"""

import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import power_cut

LIBRARY = None
CUTS = 40
MISSING = None

# What the programs below may call.
FUNCTIONS = """
import os, sys
os.chdir(sys.argv[1])
def path(name):
    return os.path.join(sys.argv[1], name)
def sync(name="."):
    opened = os.open(name, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)
def write(name, text, flags=os.O_APPEND):
    opened = os.open(path(name), os.O_WRONLY | os.O_CREAT | flags, 0o644)
    os.write(opened, text)
    os.close(opened)
"""


class PowerCutTest(unittest.TestCase):
    def outcomes(self, *programs, before="", name="file"):
        """The contents of the file after each of many power cuts: MISSING if it is not there. `before` is durable."""
        found = set()
        for seed in range(CUTS):
            with tempfile.TemporaryDirectory() as folder:
                run_dir = os.path.join(folder, "run")
                os.mkdir(run_dir)
                disk = power_cut.Disk(LIBRARY, folder)
                self.execute(before, run_dir, None)
                disk.begin(run_dir)
                for program in programs:
                    self.execute(program, run_dir, disk.environment(run_dir))
                disk.cut_power(run_dir, random.Random(seed))
                found.add(self.contents(os.path.join(run_dir, name)))
        return found

    def execute(self, program, run_dir, environment):
        subprocess.run(["/usr/bin/python3", "-IS", "-c", FUNCTIONS + program, run_dir], env=environment, check=True)

    def contents(self, path):
        if not os.path.exists(path):
            return MISSING
        with open(path, "rb") as file:
            return file.read()

    def test_a_synced_file_in_a_synced_directory_is_durable(self):
        self.assertEqual(self.outcomes("write('file', b'abc'); sync('file'); sync()"), {b"abc"})

    def test_a_synced_file_needs_its_directory(self):
        self.assertEqual(self.outcomes("write('file', b'abc'); sync('file')"), {b"abc", MISSING})

    def test_a_synced_directory_needs_the_file(self):
        found = self.outcomes("write('file', b'abc'); sync()")
        self.assertLessEqual({b"abc", b"", b"\0\0\0"}, found)
        self.assertNotIn(MISSING, found)

    def test_a_synced_directory_needs_its_parent(self):
        program = "os.mkdir(path('new')); write('new/file', b'abc'); sync('new/file'); sync('new')"
        self.assertEqual(self.outcomes(program, name="new/file"), {b"abc", MISSING})
        self.assertEqual(self.outcomes(program + "; sync()", name="new/file"), {b"abc"})

    def test_what_was_appended_before_a_sync_stays(self):
        found = self.outcomes("write('file', b'abc'); sync('file'); sync(); write('file', b'def')")
        self.assertLessEqual({b"abcdef", b"abc"}, found)
        self.assertTrue(all(contents.startswith(b"abc") for contents in found), found)

    def test_a_rename_is_the_old_file_or_the_new_one(self):
        old = "write('file', b'old')"
        new = "write('temporary', b'new'); sync('temporary'); os.rename(path('temporary'), path('file'))"
        self.assertEqual(self.outcomes(new, before=old), {b"old", b"new"})
        self.assertEqual(self.outcomes(new + "; sync()", before=old), {b"new"})

    def test_a_rename_of_a_file_that_is_not_synced_may_be_empty(self):
        found = self.outcomes(
            "write('temporary', b'new'); os.rename(path('temporary'), path('file')); sync()", before="write('file', b'old')")
        self.assertIn(b"", found)
        self.assertNotIn(b"old", found)

    def test_a_deleted_file_may_be_back(self):
        self.assertEqual(self.outcomes("os.unlink(path('file'))", before="write('file', b'old')"), {b"old", MISSING})
        self.assertEqual(self.outcomes("os.unlink(path('file')); sync()", before="write('file', b'old')"), {MISSING})

    def test_a_file_that_is_written_anew_is_not_durable(self):
        for program in (
                "write('file', b'new', os.O_TRUNC)",
                "os.truncate(os.open(path('file'), os.O_WRONLY), 0); write('file', b'new')"):
            self.assertIn(b"", self.outcomes(program, before="write('file', b'old')"), program)

    def test_what_an_earlier_process_has_not_synced_is_not_durable(self):
        found = self.outcomes("write('file', b'abc'); sync()", "pass")
        self.assertLessEqual({b"abc", b"", b"\0\0\0"}, found)
        self.assertEqual(self.outcomes("write('file', b'abc'); sync()", "sync('file')"), {b"abc"})
        self.assertEqual(self.outcomes("write('file', b'abc'); sync('file')", "pass"), {b"abc", MISSING})
        self.assertEqual(self.outcomes("write('file', b'abc'); sync('file')", "sync()"), {b"abc"})

    def test_what_a_power_cut_leaves_is_durable(self):
        with tempfile.TemporaryDirectory() as folder:
            run_dir = os.path.join(folder, "run")
            os.mkdir(run_dir)
            disk = power_cut.Disk(LIBRARY, folder)
            disk.begin(run_dir)
            self.execute("write('file', b'abc')", run_dir, disk.environment(run_dir))
            disk.cut_power(run_dir, random.Random(1))
            left = self.contents(os.path.join(run_dir, "file"))
            for seed in range(CUTS):
                self.assertEqual(disk.cut_power(run_dir, random.Random(seed)), 0)
            self.assertEqual(self.contents(os.path.join(run_dir, "file")), left)


if __name__ == "__main__":
    LIBRARY = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
