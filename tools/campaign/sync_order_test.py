"""Tests of what a run makes durable before what, from the operations on files that libpower_cut.so records.

The folder stages/ is synced after a stage's folder is made in it, before any file is written there. The lines of
metrics.jsonl that a checkpoint covers are synced before the checkpoint gets its name.

Usage: sync_order_test.py STAGE_SCHEDULER EXPERIMENT LIBRARY
"""

import json
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import campaign  # which finds scheduler_process
import power_cut
import scheduler_process

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
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


if __name__ == "__main__":
    program, experiment, library = sys.argv[1:4]
    SCHEDULER = scheduler_process.Scheduler(program, experiment)
    LIBRARY = os.path.abspath(library)
    unittest.main(argv=sys.argv[:1])
