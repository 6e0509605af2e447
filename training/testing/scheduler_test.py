"""Tests stage_scheduler as a program: what it skips and reruns, interruptions, errors for bad input.

Usage: scheduler_test.py STAGE_SCHEDULER EXPERIMENT [TEST ...]
"""

import glob
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scheduler_process

_SCHEDULER = None


def override_flags(*changes):
    return ["--rehearse=false"] + ["--set=" + change for change in changes]


def limit_file_size():
    """Simulates a full disk: no file can grow beyond 20 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


def wait_for(happened, process):
    """Waits until `happened()`, long enough for a busy machine; AssertionError if the process ends first."""
    while not happened():
        if process.poll() is not None:
            raise AssertionError("it ended before:\n%s" % process.communicate()[0])
        time.sleep(0.01)


class SchedulerTest(unittest.TestCase):
    """Shares one finished run; every test gets a copy of it."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp()
        cls.finished = os.path.join(cls.directory, "finished")
        code, output = _SCHEDULER.run(cls.finished)
        assert code == 0, output
        cls.expected = scheduler_process.results(cls.finished)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.directory)

    def setUp(self):
        self.run_dir = os.path.join(self.directory, self.id().split(".")[-1])

    def copy(self):
        shutil.copytree(self.finished, self.run_dir)

    def run_scheduler(self, *changes, **options):
        return _SCHEDULER.run(self.run_dir, *override_flags(*changes), **options)

    def check_refused(self, code, output, *parts):
        """Expects one paragraph with `parts` and no other text that looks like an error."""
        self.assertEqual(code, 1, output)
        errors = [line for line in output.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(errors), 1, output)
        self.assertLess(len(errors[0]), 1500, output)
        for part in parts:
            self.assertIn(part, errors[0])
        for ugly in ("terminate called", "c10::Error", "Exception raised from", "Check failed"):
            self.assertNotIn(ugly, output)

    def check_untouched(self):
        self.assertEqual(sorted(scheduler_process.results(self.run_dir)), sorted(self.expected))
        self.assertTrue(scheduler_process.results(self.run_dir) == self.expected)

    def refuse(self, changes, *parts):
        """Expects an error in a directory with finished results, which must not change."""
        self.copy()
        self.check_refused(*self.run_scheduler(*changes), *parts)
        self.check_untouched()

    def decisions(self, *changes):
        code, output = _SCHEDULER.run(self.run_dir, "--dry_run", *override_flags(*changes))
        self.assertEqual(code, 0, output)
        rows = [line.split(None, 2) for line in output.splitlines() if line.startswith("  ")]
        return {name: rest for number, name, rest in rows}

    # What runs.

    def test_a_dry_run_changes_nothing(self):
        rows = self.decisions()
        self.assertEqual(len(rows), 7)
        self.assertTrue(all(row.startswith("run ") for row in rows.values()), rows)
        self.assertFalse(os.path.exists(self.run_dir))

    def test_finished_stages_are_skipped(self):
        self.copy()
        self.assertTrue(all(row.startswith("done ") for row in self.decisions().values()))
        times = {path: os.stat(path).st_mtime_ns for path in glob.glob(self.run_dir + "/stages/*/*")}
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.assertEqual(times, {path: os.stat(path).st_mtime_ns for path in glob.glob(self.run_dir + "/stages/*/*")})

    def test_an_edit_reruns_what_it_touches_and_says_why(self):
        self.copy()
        change = "stages.fast2.train_fast_rcnn.training.solver.learning_rate=0.0005"
        rows = self.decisions(change)
        self.assertEqual([name for name, row in rows.items() if not row.startswith("done ")], ["fast2", "final"])
        self.assertIn("learning_rate 0.001 -> 0.0005", rows["fast2"])
        self.assertIn("reads fast2", rows["final"])
        code, output = self.run_scheduler(change)
        self.assertEqual(code, 0, output)
        results = scheduler_process.results(self.run_dir)
        same = [name for name in self.expected if results[name] == self.expected[name]]
        self.assertEqual(
            sorted(set(self.expected) - set(same)),
            sorted(name for name in self.expected if "/6_fast2/" in name or "/7_final/" in name and name not in same),
        )
        self.assertNotIn("stages/6_fast2/model.safetensors", same)
        # And back again.
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.check_untouched()

    def test_a_damaged_result_is_made_again(self):
        self.copy()
        for path in ("stages/4_rpn2/model.safetensors", "stages/4_rpn2/copies/model.safetensors"):
            with open(os.path.join(self.run_dir, path), "r+b") as file:
                file.truncate(100)
        self.assertIn("model.safetensors is damaged: it has 100 bytes", self.decisions()["rpn2"])
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.check_untouched()

    def test_a_flipped_bit_is_noticed_and_never_published(self):
        self.copy()
        for name in ("detections.json", "metrics.json", "model.safetensors"):
            published = os.path.join(self.run_dir, name)
            path = os.path.join(self.run_dir, "stages/7_final", name)
            with open(path, "rb") as file:
                whole = file.read()
            with open(path, "r+b") as file:
                file.seek(len(whole) // 2)
                file.write(bytes([whole[len(whole) // 2] ^ 4]))
            code, output = _SCHEDULER.run(self.run_dir, "--verify")
            self.assertEqual(code, 1, output)
            self.assertIn("%s is damaged" % name, output)
            code, output = self.run_scheduler()
            self.assertEqual(code, 0, output)
            self.assertIn("an intact copy is", output)
            for repaired in (path, published):
                with open(repaired, "rb") as file:
                    self.assertTrue(file.read() == whole, repaired)
            code, output = _SCHEDULER.run(self.run_dir, "--verify")
            self.assertEqual(code, 0, output)
            self.assertNotIn("a scheduler is working", output)
        self.check_untouched()

    def test_a_damaged_record_of_the_experiment_is_written_again(self):
        self.copy()
        path = os.path.join(self.run_dir, "experiment.textproto")
        copies = os.path.join(self.run_dir, "copies")
        with open(path) as file:
            whole = file.read()
        name = "tiny_alternating"
        for damaged, has_copy in (
                (whole.replace(name, name[:-1] + "G"), True), ("nonsense", True), (None, True),
                (whole.replace(name, name[:-1] + "G"), False), ("nonsense", False), (None, False)):
            os.remove(path)
            if damaged is not None:
                with open(path, "w") as file:
                    file.write(damaged)
            if not has_copy:
                shutil.rmtree(copies)
            code, output = _SCHEDULER.run(self.run_dir, "--verify")
            # Without a second copy, as in runs of earlier versions, a changed name is not noticed.
            self.assertEqual(code, 0 if damaged and name[:-1] + "G" in damaged and not has_copy else 1, output)
            code, output = self.run_scheduler()
            self.assertEqual(code, 0, output)
            self.assertIn("experiment.textproto", output)
            self.assertIn("written again", output)
            with open(path) as file:
                self.assertEqual(file.read(), whole)
            code, output = _SCHEDULER.run(self.run_dir, "--verify")
            self.assertEqual(code, 0, output)
        self.check_untouched()

    def test_a_file_that_cannot_be_read_now_stops_the_run_and_changes_nothing(self):
        self.copy()
        times = {path: os.stat(path).st_mtime_ns for path in glob.glob(self.run_dir + "/stages/*/*")}
        for name in ("model.safetensors", "DONE"):
            path = os.path.join(self.run_dir, "stages/4_rpn2", name)
            aside = os.path.join(self.directory, "aside")
            os.rename(path, aside)
            os.symlink(path, path)  # ELOOP, for root too
            self.check_refused(*self.run_scheduler(), path)
            os.remove(path)
            os.rename(aside, path)
        self.assertEqual(times, {path: os.stat(path).st_mtime_ns for path in glob.glob(self.run_dir + "/stages/*/*")})
        self.check_untouched()

    def test_an_unreadable_line_of_metrics_costs_only_itself(self):
        process = _SCHEDULER.start(self.run_dir, "--rehearse=false")
        self.wait_for_file("stages/3_fast1/checkpoint-*/manifest.json", process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=300)
        path = os.path.join(self.run_dir, "stages/3_fast1/metrics.jsonl")
        with open(path, "rb") as file:
            lines = file.readlines()
        with open(path, "wb") as file:
            file.writelines([b"\0" * len(lines[0]), b"\n"] + lines)
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.check_untouched()

    def test_prints_the_config_with_defaults(self):
        code, output = _SCHEDULER.run(self.run_dir, "--print_config", "--set=seed=77")
        self.assertEqual(code, 0, output)
        self.assertIn("seed: 77", output)
        self.assertIn("feature_cache_mib: 2048", output)
        self.assertFalse(os.path.exists(self.run_dir))

    # Interruptions.

    def wait_for_file(self, pattern, process):
        wait_for(lambda: glob.glob(os.path.join(self.run_dir, pattern)), process)

    def lock(self):
        path = os.path.join(self.run_dir, "LOCK")
        if not os.path.exists(path):
            return ""
        with open(path) as file:
            return file.read()

    def interrupt(self, number):
        process = _SCHEDULER.start(self.run_dir, *override_flags(
            "resources.checkpoint_iterations=1000", "stages.fast1.train_fast_rcnn.training.solver.iterations=100000"))
        self.wait_for_file("stages/3_fast1/metrics.jsonl", process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 128 + number, output)
        self.assertIn("the same command resumes", output)
        self.assertTrue(glob.glob(self.run_dir + "/stages/3_fast1/checkpoint-*/manifest.json"), output)

    def test_sigint_writes_a_checkpoint(self):
        self.interrupt(signal.SIGINT)

    def test_sigterm_writes_a_checkpoint(self):
        self.interrupt(signal.SIGTERM)

    def test_an_interrupted_run_ends_with_the_same_results(self):
        for _ in range(2):
            process = _SCHEDULER.start(self.run_dir, "--rehearse=false")
            wait_for(lambda: "process %d on" % process.pid in self.lock(), process)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 143, output)
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.check_untouched()

    def test_a_second_scheduler_is_refused(self):
        first = _SCHEDULER.start(self.run_dir, *override_flags("stages.rpn1.train_rpn.training.solver.iterations=100000"))
        self.wait_for_file("stages/1_rpn1/metrics.jsonl", first)
        self.check_refused(*self.run_scheduler(), "process %d on" % first.pid, "--run_dir")
        code, output = _SCHEDULER.run(self.run_dir, "--dry_run")
        self.assertEqual(code, 0, output)
        code, output = _SCHEDULER.run(self.run_dir, "--verify")
        self.assertEqual(code, 0, output)
        self.assertIn("a scheduler is working in %s (process %d on" % (self.run_dir, first.pid), output)
        self.assertIsNone(first.poll())
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(300), 143)
        first.stdout.close()

    def test_a_deleted_lock_lets_nobody_in(self):
        first = _SCHEDULER.start(self.run_dir, *override_flags("stages.rpn1.train_rpn.training.solver.iterations=100000"))
        self.wait_for_file("stages/1_rpn1/metrics.jsonl", first)
        os.remove(os.path.join(self.run_dir, "LOCK"))
        self.check_refused(*self.run_scheduler(), "another scheduler is running in %s" % self.run_dir)
        self.assertIsNone(first.poll())
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(300), 143)
        first.stdout.close()

    def test_a_copy_in_the_place_of_the_directory_is_not_written_to(self):
        flags = override_flags(
            "resources.checkpoint_iterations=1", "resources.log_every=1",
            "stages.rpn1.train_rpn.training.solver.iterations=100000")

        def start():
            process = _SCHEDULER.start(self.run_dir, *flags)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            return process

        def checkpoints():
            return set(glob.glob(os.path.join(self.run_dir, "stages/1_rpn1/checkpoint-*/manifest.json")))

        first = start()
        wait_for(checkpoints, first)
        moved = self.run_dir + ".moved"
        os.rename(self.run_dir, moved)
        shutil.copytree(moved, self.run_dir)
        output = first.communicate(timeout=300)[0]
        self.check_refused(first.returncode, output, self.run_dir, "was moved, deleted or replaced")
        second = start()
        copied = checkpoints()
        wait_for(lambda: checkpoints() - copied, second)
        second.send_signal(signal.SIGTERM)
        output = second.communicate(timeout=300)[0]
        self.assertEqual(second.returncode, 143, output)
        self.assertNotIn("damaged", output)
        code, output = _SCHEDULER.run(self.run_dir, "--verify")
        self.assertEqual(code, 0, output)

    def test_a_full_disk_keeps_earlier_results(self):
        process = _SCHEDULER.start(self.run_dir, "--rehearse=false")
        self.wait_for_file("stages/3_fast1/key.txt", process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
        before = scheduler_process.results(self.run_dir)
        self.assertIn("stages/1_rpn1/model.safetensors", before)
        code, output = self.run_scheduler(preexec_fn=limit_file_size)
        self.check_refused(code, output, "free some space", self.run_dir, "stage fast1")
        after = scheduler_process.results(self.run_dir)
        for name in before:
            if "1_rpn1" in name or "2_proposals1" in name:
                self.assertTrue(before[name] == after[name], name)
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.check_untouched()

    def test_divergence_names_what_led_to_it(self):
        self.copy()
        code, output = self.run_scheduler("stages.fast2.train_fast_rcnn.training.solver.learning_rate=1e30")
        self.check_refused(code, output, "stage fast2", "iteration", "images", "checkpoint", "learning_rate")
        # Undoing the edit restores the earlier result.
        code, output = self.run_scheduler()
        self.assertEqual(code, 0, output)
        self.check_untouched()

    # Bad input.

    def test_a_missing_data_root(self):
        self.copy()
        code, output = _SCHEDULER.run(
            self.run_dir, "--data_root=/nowhere", *override_flags("data.train={ voc { split: \"trainval\" } }"))
        self.check_refused(code, output, "data.train", "/nowhere")
        self.check_untouched()

    def test_classes_that_do_not_match(self):
        self.refuse(["data.test.shapes.num_classes=3"], "data.test has the classes", "data.train has")

    def test_a_class_list_where_the_data_chooses(self):
        self.refuse(["data.train.classes=[\"disc\", \"dragon\"]"], "data.train", "num_classes")

    def test_images_without_objects(self):
        self.refuse(["data.train={ shapes { num_images: 3 num_classes: 2 min_objects: 0 max_objects: 0 } }"], "object")

    def test_a_batch_larger_than_the_data(self):
        self.refuse(
            ["stages.rpn2.train_rpn.training.batching.images_per_batch=13"], "stage rpn2", "images_per_batch is 13", "12")

    def test_one_image(self):
        changes = ["data.train.shapes.num_images=1", "data.test.shapes.num_images=1"]
        self.check_refused(*self.run_scheduler(*changes), "images_per_batch is 2", "only 1")
        changes += [
            "stages.%s.training.batching.images_per_batch=1" % stage
            for stage in ("rpn1.train_rpn", "fast1.train_fast_rcnn", "rpn2.train_rpn", "fast2.train_fast_rcnn")
        ]
        code, output = self.run_scheduler(*changes)
        self.assertEqual(code, 0, output)

    def test_one_image_where_the_last_batch_is_dropped(self):
        code, output = self.run_scheduler(
            "data.train.shapes.num_images=1",
            "data.transform.flip=NEVER",
            *("stages.%s.training.batching={ images_per_batch: 1 tail: DROP_LAST_BATCH }" % stage
              for stage in ("rpn1.train_rpn", "fast1.train_fast_rcnn", "rpn2.train_rpn", "fast2.train_fast_rcnn")))
        self.assertEqual(code, 0, output)

    def test_a_reference_to_a_later_stage(self):
        self.refuse(["stages.proposals1.generate_proposals.rpn=rpn2"], "stage \"proposals1\"", "\"rpn2\" comes later")

    def test_an_unknown_field(self):
        self.refuse(["stages.rpn1.train_rpn.training.solver.learning_rte=1"], "learning_rate")

    def test_the_directory_of_another_experiment(self):
        self.refuse(["name=other"], "is the run directory of the experiment \"tiny_alternating\"", "--run_dir")

    def test_a_directory_of_other_files(self):
        os.makedirs(self.run_dir)
        path = os.path.join(self.run_dir, "thesis.tex")
        with open(path, "w") as file:
            file.write("years of work")
        self.check_refused(*self.run_scheduler(), "thesis.tex", "not a run directory")
        self.assertEqual(os.listdir(self.run_dir), ["thesis.tex"])

    def test_a_damaged_experiment_file(self):
        config = os.path.join(self.directory, "damaged.textproto")
        with open(config, "w") as file:
            file.write("name: \"x\"\nstages {\n  nme: \"a\"\n}\n")
        scheduler = scheduler_process.Scheduler(_SCHEDULER.program, config)
        self.check_refused(*scheduler.run(self.run_dir), "damaged.textproto:3:", "name, ")

    def test_missing_pretrained_weights(self):
        self.refuse(
            ["pretrained={ file: \"vgg.pth\" hint: \"available at the library\" }", "stages.rpn1.init={ pretrained: true }"],
            "vgg.pth", "available at the library")

    def test_a_directory_that_cannot_be_written(self):
        self.run_dir = "/proc/nowhere"
        self.check_refused(*self.run_scheduler(), "/proc/nowhere")

    def test_an_unknown_flag(self):
        code, output = _SCHEDULER.run(self.run_dir, "--iterations=3")
        self.assertEqual(code, 2, output)


if __name__ == "__main__":
    _SCHEDULER = scheduler_process.Scheduler(sys.argv[1], sys.argv[2])
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
