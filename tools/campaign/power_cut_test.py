"""Tests of what a simulated power cut may undo, and what it must not, on small programs.

Usage: power_cut_test.py LIBRARY
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import power_cut

LIBRARY = None
# A program does the same in so many folders. What a power cut undoes is drawn for each directory and file, so that one cut shows
# in them what many cuts would show in one.
FOLDERS = 40
MISSING = None

# Executes a program, sys.argv[2], in each folder. What programs may call:
SCRIPT = """
import os, sys
def path(name):
    return os.path.join(folder, name)
def sync(name="."):
    opened = os.open(name, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)
def write(name, text, flags=os.O_APPEND):
    opened = os.open(path(name), os.O_WRONLY | os.O_CREAT | flags, 0o644)
    os.write(opened, text)
    os.close(opened)
for name in os.listdir(sys.argv[1]):
    folder = os.path.join(sys.argv[1], name)
    os.chdir(folder)
    exec(sys.argv[2])
"""


class PowerCutTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.run_dir = os.path.join(self.folder, "run")

    def run_programs(self, *programs, before=""):
        """Runs programs in new folders and returns the disk. `before` is durable."""
        shutil.rmtree(self.run_dir, ignore_errors=True)
        for i in range(FOLDERS):
            os.makedirs(os.path.join(self.run_dir, str(i)))
        disk = power_cut.Disk(LIBRARY, self.folder)
        if before:
            self.execute(before, None)
        disk.begin(self.run_dir)
        for program in programs:
            self.execute(program, disk.environment(self.run_dir))
        return disk

    def execute(self, program, environment):
        subprocess.run(["/usr/bin/python3", "-IS", "-c", SCRIPT, self.run_dir, program], env=environment, check=True)

    def outcomes(self, *programs, before="", name="file"):
        """The contents of the file in each folder after a power cut: MISSING if it is not there. `before` is durable."""
        disk = self.run_programs(*programs, before=before)
        disk.cut_power(self.run_dir, random.Random(1))
        return set(self.contents(name))

    def contents(self, name):
        """Of the file in each folder, in order."""
        return [self.content(os.path.join(self.run_dir, str(i), name)) for i in range(FOLDERS)]

    def content(self, path):
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

    def outcomes_of_run(self, *programs):
        """Whether a run directory that the programs make is there after a power cut, of several. They run in the directory around it."""
        return {self.is_run_left(programs, seed) for seed in range(10)}

    def is_run_left(self, programs, seed):
        shutil.rmtree(self.run_dir, ignore_errors=True)
        run = os.path.join(self.run_dir, "0", "run")
        os.makedirs(os.path.dirname(run))
        disk = power_cut.Disk(LIBRARY, self.folder)
        disk.begin(run)
        for program in programs:
            self.execute(program, disk.environment(run))
        disk.cut_power(run, random.Random(seed))
        return os.path.isdir(run)

    def test_a_run_directory_needs_its_parent(self):
        program = "os.mkdir(path('run')); write('run/file', b'abc'); sync('run/file'); sync('run')"
        self.assertEqual(self.outcomes_of_run(program), {True, False})
        self.assertEqual(self.outcomes_of_run(program + "; sync()"), {True})
        self.assertEqual(self.outcomes_of_run(program, "sync()"), {True})
        self.assertEqual(self.outcomes_of_run(program, "sync('run')"), {True, False})

    def test_a_directory_whose_name_begins_like_that_of_the_run_is_another(self):
        run = os.path.join(self.run_dir, "0", "run")
        os.makedirs(os.path.dirname(run))
        disk = power_cut.Disk(LIBRARY, self.folder)
        disk.begin(run)
        self.execute("os.mkdir(path('run2')); write('run2/file', b'abc'); sync('run2')", disk.environment(run))
        self.assertEqual(disk.operations(), [])
        self.execute("os.mkdir(path('run'))", disk.environment(run))
        self.assertEqual([(kind, path) for kind, _, path in disk.operations()], [("mkdir", run)])

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
        disk = self.run_programs("write('file', b'abc')")
        disk.cut_power(self.run_dir, random.Random(1))
        left = self.contents("file")
        self.assertLess(1, len(set(left)))
        for seed in range(10):
            self.assertEqual(disk.cut_power(self.run_dir, random.Random(seed)), 0)
        self.assertEqual(self.contents("file"), left)


if __name__ == "__main__":
    LIBRARY = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
