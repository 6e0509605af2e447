"""Tests of what a run makes durable before what, from the operations on files that libpower_cut.so records.

The folder stages/ is synced after a stage's folder is made in it, before any file is written there. The lines of
metrics.jsonl that a checkpoint covers are synced before the checkpoint gets its name. So are TensorBoard's file and its name, and the
whole file before the stage is finished. The names of the run directory and of stages/ are synced by each process, because one that was
killed may have made them and synced nothing. Temporary files have names by which a later process finds them.

Usage: sync_order_test.py STAGE_SCHEDULER EXPERIMENT LIBRARY
"""

import collections
import glob
import json
import os
import re
import signal
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import campaign  # which finds scheduler_process
import power_cut
import scheduler_process

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
KILLED_AT = 60  # an operation of a run's first stage
SCHEDULER = None
LIBRARY = None


def covered_bytes(path, iteration):
    """Where the last line before that iteration ends."""
    end = size = 0
    with open(path, "rb") as file:
        for line in file:
            size += len(line)
            if json.loads(line)["iteration"] < iteration:
                end = size
    return end


class SyncOrderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_dir = os.path.join(cls.folder.name, "run")
        disk = power_cut.Disk(LIBRARY, cls.folder.name)
        disk.begin(cls.run_dir)
        code, output = SCHEDULER.run(cls.run_dir, "--rehearse=false", env=disk.environment(cls.run_dir))
        assert code == 0, output
        cls.operations = disk.operations()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_the_folder_of_a_stage_is_durable_before_its_files(self):
        stages = os.path.join(self.run_dir, "stages")
        made = [index for index, (kind, _, *paths) in enumerate(self.operations)
                if kind == "mkdir" and os.path.dirname(paths[0]) == stages]
        self.assertGreaterEqual(len(made), 7)
        for index in made:
            _, parent, path = self.operations[index]
            for kind, inode, *paths in self.operations[index + 1:]:
                if kind == "syncdir" and inode == parent:
                    break
                self.assertFalse(
                    paths and paths[0].startswith(path + "/"), "%s of %s before stages/ is synced" % (kind, paths))
            else:
                self.fail("stages/ is not synced after %s was made" % path)

    def test_a_checkpoint_is_named_after_its_metrics_are_durable(self):
        checked = 0
        for index, (kind, _, *paths) in enumerate(self.operations):
            name = CHECKPOINT.fullmatch(os.path.basename(paths[1])) if kind == "rename" else None
            if not name:
                continue
            metrics = os.path.join(os.path.dirname(paths[1]), "metrics.jsonl")
            needed = covered_bytes(metrics, int(name.group(1)))
            inode = str(os.stat(metrics).st_ino)
            synced = [int(size[0]) for other, file, *size in self.operations[:index] if other == "sync" and file == inode]
            self.assertTrue(synced and max(synced) >= needed, "%s: %d bytes of metrics synced, %d are covered" % (
                paths[1], max(synced, default=0), needed))
            checked += needed > 0
        self.assertGreater(checked, 0)

    def test_temporary_files_have_names_by_which_they_are_deleted(self):
        # As temporary_files.cc knows them. Checkpoints are deleted as a whole, journals are known by their stage.
        temporary = re.compile(r".*/checkpoint-\d+\.tmp/.*|.*\.tmp-\d+-\d+|.*\.partial")
        made = [paths[0] for kind, _, *paths in self.operations if kind == "create" and not os.path.exists(paths[0])]
        self.assertTrue([path for path in made if os.path.basename(path).startswith("proposals.")], made)
        self.assertEqual([path for path in made if not temporary.fullmatch(path)], [])

    def event_files(self, stage):
        """(index, path) of the operations that make files for TensorBoard."""
        return [(index, paths[0]) for index, (kind, _, *paths) in enumerate(self.operations)
                if kind == "create" and os.path.basename(paths[0]).startswith("events.out.tfevents.")
                and paths[0].endswith("." + stage)]

    def test_tensorboards_file_is_durable_before_what_covers_it(self):
        run = str(os.stat(self.run_dir).st_ino)
        checked = collections.Counter()
        for index, (kind, _, *paths) in enumerate(self.operations):
            folder, name = os.path.split(paths[1]) if kind == "rename" else ("", "")
            is_done = name == "DONE"
            if os.path.dirname(folder) != os.path.join(self.run_dir, "stages") or not (is_done or CHECKPOINT.fullmatch(name)):
                continue
            files = self.event_files(os.path.basename(folder).split("_", 1)[1])
            self.assertTrue(files, folder)
            for made, path in files:
                self.assertIn(["syncdir", run], self.operations[made:index], "%s before %s" % (path, paths[1]))
                inode = str(os.stat(path).st_ino)
                synced = [int(size[0]) for other, file, *size in self.operations[made:index] if other == "sync" and file == inode]
                needed = os.path.getsize(path) if is_done else 1
                self.assertGreaterEqual(max(synced, default=0), needed, "%s before %s" % (path, paths[1]))
            checked["finished" if is_done else "checkpoint"] += 1
        self.assertGreaterEqual(checked["finished"], 7)
        self.assertGreaterEqual(checked["checkpoint"], 7)

    def test_directories_of_a_killed_process_are_synced_by_the_next_one(self):
        with tempfile.TemporaryDirectory() as folder:
            run_dir = os.path.join(folder, "run")
            disk = power_cut.Disk(LIBRARY, folder)
            disk.begin(run_dir)
            before = 0
            for _ in range(2):
                code, output = SCHEDULER.run(run_dir, "--rehearse=false", env=disk.environment(run_dir, cut_at=KILLED_AT))
                self.assertEqual(code, -signal.SIGKILL, output)
                operations = disk.operations()[before:]
                before += len(operations)
            stages = os.path.join(run_dir, "stages")
            self.assertTrue(glob.glob(os.path.join(stages, "*", "key.txt")), "it is killed too early")
            begun = next(
                index for index, (_, _, *paths) in enumerate(operations) if any(path.startswith(stages + "/") for path in paths))
            synced = [inode for kind, inode, *_ in operations[:begun] if kind == "syncdir"]
            for directory in (folder, run_dir):
                self.assertIn(str(os.stat(directory).st_ino), synced, directory)


if __name__ == "__main__":
    program, experiment, library = sys.argv[1:4]
    SCHEDULER = scheduler_process.Scheduler(program, experiment)
    LIBRARY = os.path.abspath(library)
    unittest.main(argv=sys.argv[:1])
