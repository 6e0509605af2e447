"""Tests the parts of check.py that need no program of rcnn."""

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import check
import device_experiments
import device_programs
import device_report
import device_steps


class Folder(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        self.addCleanup(self.temporary.cleanup)

    def path(self, name):
        return os.path.join(self.folder, name)


class Reports(Folder):
    def report(self, device="cuda", sizes="full"):
        return device_report.Report(self.folder, {"device": device, "sizes": sizes})

    def stored(self):
        with open(self.path("report.json"), encoding="utf-8") as file:
            return json.load(file)

    def test_a_step_that_never_ends_is_stored_as_cut_with_its_rows(self):
        report = self.report()
        report.begin("kernels")
        report.add("kernels", "NMS", 0.15, "ms", most=0.2)
        stored = self.stored()["steps"]["kernels"]
        self.assertEqual(stored["status"], "out of time")
        self.assertEqual([(row["what"], row["value"], row["met"]) for row in stored["rows"]], [("NMS", 0.15, True)])
        self.assertEqual(report.defects(), ["kernels: out of time"])

    def test_targets(self):
        report = self.report()
        report.begin("step")
        for value, most, least in ((0.2, 0.2, None), (0.3, 0.2, None), (90, None, 90), (89, None, 90), (None, None, 90),
                                   (float("nan"), 1, None)):
            report.add("step", "x", value, most=most, least=least)
        self.assertEqual([row["met"] for row in self.stored()["steps"]["step"]["rows"]],
                         [True, False, True, False, False, False])
        report.end("step", "ok", 3)
        self.assertEqual(len(report.defects()), 4)

    def test_a_rehearsal_judges_no_target(self):
        for device, sizes in (("cpu", "full"), ("cuda", "small")):
            report = self.report(device, sizes)
            report.begin("step")
            report.add("step", "x", 3, most=1)
            report.end("step", "ok", 1)
            self.assertEqual(report.defects(), [])
            self.assertIn("The targets are not judged", report.table())

    def test_a_skipped_step_is_a_defect_where_targets_are_judged(self):
        for device, sizes, defects in (("cuda", "full", ["kernels: skipped"]), ("cuda", "small", []), ("cpu", "full", [])):
            report = self.report(device, sizes)
            report.begin("kernels")
            report.end("kernels", "skipped", 0)
            self.assertEqual(report.defects(), defects)

    def test_the_table_begins_with_the_machine_and_the_commit(self):
        report = self.report()
        report.state("machine", "H200")
        report.state("commit", "abc")
        lines = report.table().split("\n")
        self.assertTrue(lines[0].startswith("cuda, sizes full, "), lines[0])
        self.assertEqual(lines[1:6], ["", "machine: H200", "", "commit: abc", ""])
        self.assertTrue(lines[6].startswith("| step |"), lines[6])
        self.assertEqual(self.stored()["machine"], "H200")

    def test_a_note_that_is_not_text_is_stored(self):
        report = self.report()
        report.begin("step")
        report.note("step", "cannot read " + os.fsdecode(b"\xff"))
        report.end("step", "failed", 1)
        with open(self.path("report.md"), encoding="utf-8") as file:
            self.assertIn("cannot read \\udcff", file.read())
        self.assertEqual(self.stored()["steps"]["step"]["status"], "failed")

    def test_the_table_has_a_line_for_each_row_and_note(self):
        report = self.report()
        report.begin("step")
        report.add("step", "speed", 151.25, "images/s", least=150)
        report.add("step", "busy", None, "%", least=90)
        report.note("step", "a | b\nc")
        report.end("step", "ok", 12.4)
        lines = report.table().split("\n")
        self.assertIn("| step | | ok | | 12 s |", lines)
        self.assertIn("| | speed | 151.2 images/s | ≥ 150 | yes |", lines)
        self.assertIn("| | busy | not measured | ≥ 90 | NO |", lines)
        self.assertIn("| | a / b c | | | |", lines)


class Runs(Folder):
    def programs(self):
        return device_programs.Programs(self.folder, self.path("log"), bundled=False)

    def test_output_and_log(self):
        programs = self.programs()
        self.assertEqual(programs.run(["sh", "-c", "echo out; echo err >&2"], device_programs.Deadline(10)), "out\n")
        with open(self.path("log"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("\nout\n", text)
        self.assertIn("\nerr\n", text)

    def test_errors_are_in_the_log_before_the_program_ends(self):
        programs = self.programs()
        started = programs.start(["sh", "-c", "echo err >&2; sleep 60"])
        end = time.monotonic() + 30
        while programs.log_from(started[2]) != "err\n" and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(programs.log_from(started[2]), "err\n")
        device_programs.kill_group(started[0])
        started[1].close()

    def bundled(self, own, script=""):
        """Programs of a bundle, one of which is this script, on a machine with this LD_LIBRARY_PATH."""
        os.makedirs(self.path("ops/cuda"), exist_ok=True)
        with open(self.path(device_programs.COMPARE_DEVICES), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(self.path(device_programs.COMPARE_DEVICES), 0o755)
        environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
        with unittest.mock.patch.dict(os.environ, {**environment, **own}, clear=True):
            return device_programs.Programs(self.folder, self.path("log"), bundled=True)

    def test_the_folders_of_the_machines_libraries_come_last(self):
        programs = self.bundled({"LD_LIBRARY_PATH": "/driver:/more"})
        folders = programs.environment["LD_LIBRARY_PATH"].split(":")
        self.assertEqual((folders[0], folders[-2:]), (self.path("lib"), ["/driver", "/more"]))

    def test_without_such_folders_none_is_empty(self):
        # An empty one is the current directory.
        for own in ({}, {"LD_LIBRARY_PATH": ""}):
            self.assertNotIn("", self.bundled(own).environment["LD_LIBRARY_PATH"].split(":"))

    def test_python_gets_no_library_of_the_bundle(self):
        for own in ({}, {"LD_LIBRARY_PATH": "/driver"}):
            found = self.bundled(own).python_environment.get("LD_LIBRARY_PATH")
            self.assertEqual(found, own.get("LD_LIBRARY_PATH"))

    def test_a_failure_has_the_last_errors_and_the_output(self):
        with self.assertRaisesRegex(device_programs.CommandError, "sh ended with 3: why") as raised:
            self.programs().run(["sh", "-c", "echo out; echo why >&2; exit 3"], device_programs.Deadline(10))
        self.assertEqual(raised.exception.output, "out\n")

    def test_a_program_and_its_children_are_killed_at_the_limit(self):
        start = time.monotonic()
        with self.assertRaisesRegex(device_programs.OutOfTime, "killed at its limit"):
            self.programs().run(["sh", "-c", "sleep 60 & sleep 60"], device_programs.Deadline(0.3))
        self.assertLess(time.monotonic() - start, 30)

    def test_a_process_that_cannot_be_killed_holds_nothing_up(self):
        # One of another process group keeps standard output and standard error.
        start = time.monotonic()
        with self.assertRaises(device_programs.OutOfTime) as raised:
            self.programs().run(["sh", "-c", "setsid sleep 60 & echo $!; sleep 60"], device_programs.Deadline(3))
        self.assertLess(time.monotonic() - start, 30)
        os.kill(int(raised.exception.output), signal.SIGKILL)

    def failure(self, script, **options):
        with self.assertRaises(device_programs.CommandError) as raised:
            self.programs().run(["sh", "-c", script], device_programs.Deadline(30), **options)
        return str(raised.exception)

    def test_a_program_with_an_error_of_cuda_runs_again_and_waits_for_each_launch(self):
        script = 'echo "CUDA error: %s; blocking=$CUDA_LAUNCH_BLOCKING" >&2; exit 1'
        message = self.failure(script % "an illegal memory access was encountered")
        self.assertRegex(message, "blocking=; with CUDA_LAUNCH_BLOCKING=1: sh ended with 1: CUDA error: .*; blocking=1$")
        self.assertNotIn("blocking=1", self.failure(script % "an illegal memory access was encountered", waiting=False))
        self.assertNotIn("blocking=1", self.failure(script % "out of memory"))
        for own in ("nms: a launch failed: an illegal memory access was encountered", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"):
            self.assertRegex(self.failure('echo "%s; blocking=$CUDA_LAUNCH_BLOCKING" >&2; exit 1' % own), "blocking=1$")
        self.assertNotIn("CUDA_LAUNCH_BLOCKING", self.failure("echo other >&2; exit 1"))

    def test_an_error_says_whether_the_program_ran_again(self):
        for printed, ran_again in (("CUDA error: x", True), ("other", False)):
            with self.assertRaises(device_programs.CommandError) as raised:
                self.programs().run(["sh", "-c", "echo '%s' >&2; exit 1" % printed], device_programs.Deadline(30))
            self.assertEqual(raised.exception.ran_again, ran_again)

    def test_a_program_that_crashed_has_a_backtrace(self):
        debugger = self.path("debugger")
        with open(debugger, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "other"\necho "#0  LD_LIBRARY_PATH=$LD_LIBRARY_PATH, $*"\n')
        os.chmod(debugger, 0o755)
        programs = self.programs()
        programs.environment["LD_LIBRARY_PATH"] = "/bundle"
        with unittest.mock.patch.object(device_programs, "find_tool", return_value=debugger), \
                unittest.mock.patch.dict(os.environ, {"LD_LIBRARY_PATH": "/driver"}), \
                self.assertRaises(device_programs.CommandError) as raised:
            programs.run(["sh", "-c", "kill -SEGV $$"], device_programs.Deadline(30), {"RCNN_X": "y"})
        self.assertEqual(raised.exception.code, -signal.SIGSEGV)
        self.assertIn("; with a debugger: #0  LD_LIBRARY_PATH=/driver, --batch", str(raised.exception))
        for words in ("set environment LD_LIBRARY_PATH /bundle", "set environment RCNN_X y", "--args sh -c kill -SEGV $$"):
            self.assertIn(words, str(raised.exception))

    def test_programs_that_do_not_start_are_an_error_with_the_loaders_words(self):
        with self.assertRaisesRegex(device_programs.CommandError, "do not start here: .*libfoo.so: cannot open"):
            self.bundled({}, "echo 'error while loading shared libraries: libfoo.so: cannot open' >&2; exit 127")

    def test_programs_that_start_too_slowly_are_an_error(self):
        with unittest.mock.patch.object(device_programs, "START_SECONDS", 1), \
                self.assertRaisesRegex(device_programs.CommandError, "do not start here within 1 s"):
            self.bundled({}, "sleep 60")

    def test_the_machine_is_described_by_nvidia_smi(self):
        with open(self.path("nvidia-smi"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho 'NVIDIA H200, 580.1, 143771 MiB, 0 MiB'; printf '\\377\\n'; sleep $SLEEP\n")
        os.chmod(self.path("nvidia-smi"), 0o755)
        path = {"PATH": self.folder + os.pathsep + os.environ["PATH"]}
        with unittest.mock.patch.dict(os.environ, {**path, "SLEEP": "0"}):
            self.assertRegex(device_programs.describe_machine(), "^NVIDIA H200, 580.1, 143771 MiB, 0 MiB; \ufffd; torch .* cores$")
        with unittest.mock.patch.dict(os.environ, {**path, "SLEEP": "60"}), \
                unittest.mock.patch.object(device_programs, "LISTING_SECONDS", 0.2):
            self.assertIn("no nvidia-smi (nvidia-smi was killed after 0.2 s)", device_programs.describe_machine())
        with unittest.mock.patch.dict(os.environ, {"PATH": self.path("nowhere")}):
            self.assertIn("no nvidia-smi", device_programs.describe_machine())

    def test_the_commit_is_that_of_the_bundle(self):
        self.assertEqual(self.programs().commit(), "not known")
        with open(self.path(device_programs.COMMIT), "w", encoding="utf-8") as file:
            file.write("abc\n")
        self.assertEqual(self.programs().commit(), "abc")

    def test_what_a_killed_program_has_printed_is_kept(self):
        with self.assertRaises(device_programs.OutOfTime) as raised:
            self.programs().run(["sh", "-c", "echo out; sleep 60"], device_programs.Deadline(0.5))
        self.assertEqual(raised.exception.output, "out\n")

    def test_parts_of_a_step_end_with_it(self):
        self.assertLessEqual(device_programs.Deadline(1).within(60).left(), 1)
        self.assertLessEqual(device_programs.Deadline(60).within(1).left(), 1)

    def test_the_json_may_stand_between_other_lines(self):
        self.assertEqual(device_programs.last_json('====== COMPUTE-SANITIZER\n{"a": 1}\n====== ERROR SUMMARY: 0 errors\n'), {"a": 1})
        self.assertEqual(device_programs.last_json("crashed\n"), {})
        self.assertEqual(device_programs.last_json('{"a": 1}\n{"a": 2, "b"'), {"a": 1})

    def test_busy_time_is_the_mean_between_two_moments(self):
        begin = time.time()
        sampler = device_programs.BusySampler(
            [sys.executable, "-c", "print('N/A'); print(100, flush=True); print(50, flush=True); import time; time.sleep(60)"])
        end = time.monotonic() + 30
        while len(sampler.samples) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        sampler.stop()
        self.assertEqual(sampler.mean(begin, time.time()), 75)
        self.assertIsNone(sampler.mean(begin - 10, begin - 5))

    def test_samples_of_a_program_that_does_not_flush_are_read_at_once(self):
        try:
            for end in pty.openpty():
                os.close(end)
        except OSError:
            self.skipTest("no terminal")
        sampler = device_programs.BusySampler([sys.executable, "-c", "print(70); print('[N/A]'); import time; time.sleep(60)"])
        end = time.monotonic() + 30
        while not (sampler.samples and sampler.other) and time.monotonic() < end:
            time.sleep(0.01)
        sampler.stop()
        self.assertEqual([percent for _, percent in sampler.samples], [70])
        self.assertEqual(sampler.other, "[N/A]")

    def test_without_its_program_the_busy_time_is_not_known(self):
        sampler = device_programs.BusySampler(["/nowhere/nvidia-smi"])
        sampler.stop()
        self.assertIn("/nowhere/nvidia-smi", sampler.other)
        self.assertIsNone(sampler.mean(0, time.time()))


class Steps(Folder):
    def run_steps(self, **functions):
        """Runs functions as steps and returns the stored statuses and notes."""
        before = dict(check.ALL_STEPS)
        check.ALL_STEPS.update({name: (function, 1) for name, function in functions.items()})
        self.addCleanup(lambda: (check.ALL_STEPS.clear(), check.ALL_STEPS.update(before)))
        arguments = check.parse(["--device=cpu", "--sizes=small", "--programs=" + self.folder, "--out=" + self.folder])
        checked = check.Check(arguments, self.folder)
        with contextlib.redirect_stdout(io.StringIO()):
            for name in functions:
                check.run_step(checked, name, 1)
        return {name: (step["status"], step["notes"]) for name, step in checked.report.record["steps"].items()}

    def test_what_happens_in_a_step_is_recorded_and_the_next_one_runs(self):
        def raising(error):
            def step(*_):
                raise error
            return step

        found = self.run_steps(
            skipped=raising(device_steps.Skip("no torch")), cut=raising(device_programs.OutOfTime("killed")),
            failed=raising(ValueError("nothing")), fine=lambda *_: None)
        self.assertEqual(found, {
            "skipped": ("skipped", ["notice: no torch"]), "cut": ("out of time", ["killed"]),
            "failed": ("failed", ["ValueError: nothing"]), "fine": ("ok", [])})

    def test_all_steps_fit_into_five_minutes(self):
        # Twenty seconds are for the bundle, which is unpacked, and whose programs are tried.
        self.assertLessEqual(check.parse([]).seconds, 5 * 60 - 20)
        self.assertLessEqual(sum(limit for _, limit in device_steps.STEPS.values()), check.parse([]).seconds)

    def checked(self, step):
        """A rehearsal in which `step` has begun."""
        arguments = check.parse(["--device=cpu", "--sizes=small", "--programs=" + self.folder, "--out=" + self.folder])
        checked = check.Check(arguments, self.folder)
        checked.report.begin(step)
        return checked

    def test_a_resume_that_is_not_bit_equal_fails_on_every_machine(self):
        files = {"file%d" % i: "" for i in range(11)}
        for different, error in (("file3 differs", "after the resume file3 differs"), ("", None)):
            checked = self.checked("resume")
            checked.programs.run = lambda *_: ""
            with unittest.mock.patch.object(device_steps, "kill_in_third_stage"), \
                    unittest.mock.patch.object(device_steps.campaign, "everything", return_value=files), \
                    unittest.mock.patch.object(device_steps.campaign, "difference", return_value=different):
                self.assert_fails(lambda: device_steps.resume(checked, "resume", device_programs.Deadline(10)), error)
            self.assertEqual([row["value"] for row in checked.report.record["steps"]["resume"]["rows"]], [11, 0 if error else 1])

    def test_other_weights_with_graphs_fail_on_every_machine(self):
        expected = {"stages/1_rpn1/model.safetensors": b"weights", "stages/1_rpn1/stage.json": b"{}"}
        for weights, printed, error in ((b"weights", "", None), (b"weights", "no graphs for the training of a tensor", "no CUDA graphs"),
                                        (b"others", "", "with CUDA graphs stages/1_rpn1/model.safetensors differs")):
            checked = self.checked("resume")
            called = []
            checked.programs.run = lambda words, _: called.append(words)  # pylint: disable=cell-var-from-loop
            checked.programs.last_errors = printed
            found = {"stages/1_rpn1/model.safetensors": weights, "stages/1_rpn1/stage.json": b"{ }"}
            with unittest.mock.patch.object(device_steps.campaign, "everything", return_value=found):
                self.assert_fails(lambda: device_steps.graphed_training(  # pylint: disable=cell-var-from-loop
                    checked, "resume", "tiny.textproto", expected, None), error)
            self.assertIn("--set=resources.training_graphs=4", called[0])
            stored = checked.report.record["steps"]["resume"]
            self.assertEqual([row["value"] for row in stored["rows"]], [1 if weights == b"weights" else 0])

    def test_iterations_that_may_not_wait_are_counted(self):
        for device, precisions in (("cpu", 0), ("cuda", 3)):
            checked = self.checked("waits")
            checked.device = device
            called = []
            checked.programs.run = lambda words, _: called.append(words)  # pylint: disable=cell-var-from-loop
            with unittest.mock.patch.object(device_experiments, "metrics", return_value=[{"iteration": 1}, {"iteration": 8}]):
                device_steps.waits(checked, "waits", None)
            self.assertEqual(len(called), 2)
            self.assertTrue(all("--forbid_waits" in words for words in called))
            self.assertEqual(sum(".precision=" in word for word in called[0]), precisions)
            # Seven of each stage.
            self.assertEqual([row["value"] for row in checked.report.record["steps"]["waits"]["rows"]], [4 * 7, 7])

    def test_nms_that_keeps_other_boxes_fails_on_every_machine(self):
        for equal, error in ((False, "NMS keeps other boxes"), (True, None)):
            checked = self.checked("kernels")
            checked.programs.run_python = lambda *_: {  # pylint: disable=cell-var-from-loop
                "nms": {"boxes": 9, "rcnn_ms": 1, "torchvision_ms": 1, "equal": equal},
                "roi_align_gradient": {"rois": 9, "rcnn_ms": [1], "rcnn_bfloat16_ms": 1, "torchvision_ms": [1]}}
            with unittest.mock.patch.object(device_steps, "need_torch"):
                self.assert_fails(lambda: device_steps.kernels(checked, "kernels", device_programs.Deadline(10)), error)
            rows = {row["what"]: row["value"] for row in checked.report.record["steps"]["kernels"]["rows"]}
            self.assertEqual(rows["both keep the same boxes"], int(equal))

    def test_other_detections_with_a_graph_fail_on_every_machine(self):
        plain = {"digest": 7, "detections": 3}
        for digest, error in ((7, None), (8, "CUDA graph are others")):
            checked = self.checked("inference")
            called = []
            printed = json.dumps({"total": [3.0, 1.0, 2.0], "digest": digest, "detections": 3})
            checked.programs.run = lambda words, _: (called.append(words), printed)[1]  # pylint: disable=cell-var-from-loop
            self.assert_fails(lambda: device_steps.graphed_inference(
                checked, "inference", ["time_detector"], 4.0, plain, None), error)
            self.assertEqual(called, [["time_detector", "--inference_graphs=1"]])
            rows = [row["value"] for row in checked.report.record["steps"]["inference"]["rows"]]
            self.assertEqual(rows, [2.0, 2.0, 0 if error else 1])

    def test_without_torchvisions_detection_that_with_a_graph_is_measured(self):
        checked = self.checked("inference")
        checked.programs.run = lambda *_: json.dumps({"total": [3.0, 1.0, 2.0], "digest": 7, "detections": 3})
        checked.programs.run_python = unittest.mock.Mock(side_effect=device_programs.CommandError("no CUDA in torchvision"))
        with unittest.mock.patch.object(device_steps, "need_torch"), \
                unittest.mock.patch.object(device_steps, "exported", return_value=self.folder):
            self.assert_fails(lambda: device_steps.inference(checked, "inference", None), "no CUDA in torchvision")
            rows = [row["what"] for row in checked.report.record["steps"]["inference"]["rows"]]
            self.assertIn("the same with a CUDA graph", rows)
            # If that fails too, both are in the report.
            with unittest.mock.patch.object(device_steps, "graphed_inference", side_effect=device_programs.CommandError("no graphs")):
                self.assert_fails(lambda: device_steps.inference(checked, "inference", None), "no CUDA in torchvision")
        self.assertEqual(checked.report.record["steps"]["inference"]["notes"], ["CommandError: no graphs"])

    def test_all_parts_of_a_step_run_whatever_one_finds(self):
        steps = {"operators": ["cuda_test", "--device=cuda"], "resume": ["undisturbed", "killed", "graphed"],
                 "waits": ["four_steps", "r50_fpn"]}
        for name, expected in steps.items():
            checked = self.checked(name)
            checked.device = "cuda"
            called = []

            def run(words, *_, **__):
                called.append(" ".join(words))  # pylint: disable=cell-var-from-loop
                if "undisturbed" in called[-1]:
                    return ""
                raise device_programs.CommandError("failure %d" % len(called))  # pylint: disable=cell-var-from-loop

            checked.programs.run = run
            with unittest.mock.patch.object(device_steps, "kill_in_third_stage"), \
                    unittest.mock.patch.object(device_steps.campaign, "everything", return_value={i: "" for i in range(11)}):
                first = 2 if name == "resume" else 1
                self.assert_fails(lambda: getattr(device_steps, name)(  # pylint: disable=cell-var-from-loop
                    checked, name, device_programs.Deadline(60)), "^failure %d$" % first)  # pylint: disable=cell-var-from-loop
            self.assertEqual(len(called), len(expected), called)
            for words, part in zip(called, expected):
                self.assertIn(part, words)
            self.assertIn("CommandError: failure %d" % (first + 1), checked.report.record["steps"][name]["notes"])

    def assert_fails(self, function, error):
        """Calls a function that must raise CommandError, unless `error` is None."""
        if error is None:
            function()
            return
        with self.assertRaisesRegex(device_programs.CommandError, error):
            function()

    def test_the_operators_of_a_failed_comparison_are_rows(self):
        checked = self.checked("operators")
        record = {"operators": [{"name": "nms", "cases": 3, "largest": 1.0, "tolerance": 0.0, "problem": "round 2: differs"}]}
        with self.assertRaises(device_programs.CommandError):
            device_steps.compare_operators(checked, "operators", ["sh", "-c", "echo '%s'; exit 1" % json.dumps(record)],
                                           device_programs.Deadline(10))
        step = checked.report.record["steps"]["operators"]
        self.assertEqual([row["what"] for row in step["rows"]], ["nms, 3 cases, largest difference"])
        self.assertEqual(step["notes"], ["nms: round 2: differs"])

    def test_so_are_those_of_one_that_was_killed(self):
        checked = self.checked("operators")
        record = {"operators": [{"name": "nms", "cases": 2, "largest": 0.0, "tolerance": 0.0, "problem": ""}]}
        with self.assertRaises(device_programs.OutOfTime):
            device_steps.compare_operators(checked, "operators", ["sh", "-c", "echo '%s'; sleep 60" % json.dumps(record)],
                                           device_programs.Deadline(0.5))
        rows = checked.report.record["steps"]["operators"]["rows"]
        self.assertEqual([row["what"] for row in rows], ["nms, 2 cases, largest difference"])

    def test_after_an_error_inside_a_kernel_the_other_operators_are_compared_again(self):
        def record(problem):
            return json.dumps({"operators": [
                {"name": "clip", "cases": 9, "largest": 0.0, "tolerance": 0.0, "problem": problem}]})

        broken = "CUDA error: an illegal memory access was encountered"
        script = ("case \"$*\" in *--skip=*) echo \"$*\" >&2; echo '%s';; *) echo 'soft_nms, vote_boxes: round 1: %s' >&2; "
                  "echo 'clip: round 1: %s' >&2; echo '%s'; exit 1;; esac" % (record(""), broken, broken, record(broken)))
        checked = self.checked("operators")
        with self.assertRaisesRegex(device_programs.CommandError, "soft_nms, vote_boxes: round 1: CUDA error"):
            device_steps.compare_operators(checked, "operators", ["sh", "-c", script, "compare_devices"],
                                           device_programs.Deadline(60))
        step = checked.report.record["steps"]["operators"]
        self.assertEqual([(row["what"], row["value"]) for row in step["rows"]], [("clip, 9 cases, largest difference", 0.0)])
        self.assertEqual(step["notes"], [
            "soft_nms, vote_boxes: round 1: %s; the others are compared again without it" % broken])
        with open(self.path("check.log"), encoding="utf-8") as file:
            self.assertIn("--skip=soft_nms, vote_boxes\n", file.read())

    def test_the_operator_with_the_error_is_left_out_though_another_differs_before_it(self):
        # As rcnn's own kernels say it; what follows in the same process is LibTorch's.
        broken = "clip: round 1: clip_boxes: a launch failed: an illegal memory access was encountered"
        script = ("case \"$*\" in *--skip=*) exit 1;; *) echo 'nms: round 0: differs by 1' >&2; echo '%s' >&2; "
                  "echo 'roi_pool: round 1: CUDA error: x' >&2; exit 1;; esac")
        checked = self.checked("operators")
        self.assert_fails(lambda: device_steps.compare_operators(
            checked, "operators", ["sh", "-c", script % broken, "compare_devices"], device_programs.Deadline(60)), "a launch failed")
        self.assertEqual(checked.report.record["steps"]["operators"]["notes"], [
            broken + "; the others are compared again without it"])

    def test_a_second_comparison_that_prints_nothing_leaves_the_rows_of_the_first(self):
        record = json.dumps({"operators": [{"name": "nms", "cases": 2, "largest": 0.0, "tolerance": 0.0, "problem": ""}]})
        script = ("case \"$*\" in *--skip=*) exit 1;; *) echo 'clip: round 1: CUDA error: x' >&2; echo '%s'; exit 1;; esac" % record)
        checked = self.checked("operators")
        self.assert_fails(lambda: device_steps.compare_operators(
            checked, "operators", ["sh", "-c", script, "compare_devices"], device_programs.Deadline(60)), "CUDA error")
        rows = checked.report.record["steps"]["operators"]["rows"]
        self.assertEqual([row["what"] for row in rows], ["nms, 2 cases, largest difference"])

    def test_all_tools_of_the_sanitizer_run_whatever_one_finds(self):
        checked = self.checked("sanitize")
        checked.device = "cuda"
        results = [device_programs.CommandError("out of bounds"), "", self.sanitized % ("Uninitialized read", "at x"), ""]
        with unittest.mock.patch.object(device_steps.programs, "find_tool", return_value="compute-sanitizer"), \
                unittest.mock.patch.object(device_steps, "compare_operators", side_effect=results) as compared:
            self.assert_fails(lambda: device_steps.sanitize(checked, "sanitize", None), "errors of memcheck, initcheck")
        self.assertEqual([call.args[2][1] for call in compared.call_args_list],
                         ["--tool=memcheck", "--tool=racecheck", "--tool=initcheck", "--tool=synccheck"])
        notes = checked.report.record["steps"]["sanitize"]["notes"]
        self.assertEqual((notes[0], notes[1], notes[3]), ("memcheck: out of bounds", "racecheck: no error", "synccheck: no error"))
        self.assertRegex(notes[2], "^initcheck: 1 reports, the first: .*RunPhases")

    def test_a_training_that_does_not_end_leaves_the_times_of_its_finished_stages(self):
        stage = self.path("voc07_bfloat16/stages/1_rpn1")
        os.makedirs(stage)
        os.makedirs(self.path("voc07_bfloat16/stages/3_fast1"))
        open(os.path.join(stage, "DONE"), "w").close()
        with open(os.path.join(stage, "metrics.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"iteration": i, "time": 0.02 * i}) + "\n" for i in (20, 40))
        for error, left in ((device_programs.OutOfTime("killed"), 1), (device_programs.CommandError("other"), 1),
                            (device_programs.CommandError("CUDA error", ran_again=True), 0)):
            checked = self.checked("voc07")
            checked.programs.run = unittest.mock.Mock(side_effect=error)
            with self.assertRaises(type(error)):
                device_steps.voc07_times(checked, "voc07", "BFLOAT16", None)
            rows = checked.report.record["steps"]["voc07"]["rows"]
            self.assertEqual([row["what"] for row in rows], ["BFLOAT16, an iteration of rpn1"] * left)
            self.assertEqual([round(row["value"], 6) for row in rows], [20] * left)

    def test_a_busy_time_that_is_not_known_has_a_note(self):
        checked = self.checked("step")
        checked.programs.run = lambda *_: ""
        sampler = unittest.mock.Mock(samples=[], other="[N/A]", mean=lambda *_: None)
        lines = [{"iteration": 5, "time": 1.0}, {"iteration": 10, "time": 2.0}]
        with unittest.mock.patch.object(device_steps, "BusySampler", return_value=sampler), \
                unittest.mock.patch.object(device_experiments, "metrics", return_value=lines):
            device_steps.steady_training(checked, "step", None, True)
        (note,) = checked.report.record["steps"]["step"]["notes"]
        self.assertIn("[N/A]", note)

    times = device_experiments.Voc07({"rpn1": 0.02, "fast1": 0.02, "rpn2": 0.004, "fast2": 0.006}, 0.01, [0.2, 0.1], 0.05)

    def timed_voc07(self, results):
        """The names of the rows, the settings that were timed and the notes of voc07 on a GPU whose runs have these results."""
        checked = self.checked("voc07")
        checked.device, checked.precision = "cuda", "BFLOAT16"
        with unittest.mock.patch.object(device_steps, "voc07_times", side_effect=results) as timed:
            device_steps.voc07(checked, "voc07", device_programs.Deadline(60))
        step = checked.report.record["steps"]["voc07"]
        settings = [(call.args[2], *call.args[4:]) for call in timed.call_args_list]
        return [row["what"] for row in step["rows"]], settings, step["notes"]

    def test_the_paper_is_timed_in_two_precisions(self):
        rows, settings, notes = self.timed_voc07([self.times] * 2)
        self.assertEqual(settings, [("BFLOAT16",), ("TF32",)])
        self.assertEqual(rows, ["VOC07, VGG16, four steps, BFLOAT16, extrapolated, maps cached", "the same without cached maps",
                                "the same in TF32, maps cached"])
        self.assertEqual(notes, [])

    def test_a_second_precision_without_time_is_a_note(self):
        rows, _, notes = self.timed_voc07([self.times, device_programs.OutOfTime("killed")])
        self.assertEqual(len(rows), 2)
        self.assertEqual(notes, ["the same in TF32: killed"])

    def trained_otherwise(self, seconds):
        """What `otherwise` adds after `step`: rows, and notes."""
        checked = self.checked("step")
        steady = [(unittest.mock.Mock(seconds_per_iteration=0.1, data_wait=0.0), 99.0),
                  (unittest.mock.Mock(seconds_per_iteration=0.08), 99.0)]
        with unittest.mock.patch.object(device_steps, "steady_training", side_effect=steady) as trained, \
                unittest.mock.patch.object(device_steps, "voc07_times", return_value=self.times) as timed, \
                unittest.mock.patch.object(device_steps, "compare_step"):
            device_steps.step(checked, "step", device_programs.Deadline(60))
            checked.report.begin("otherwise")
            device_steps.otherwise(checked, "otherwise", device_programs.Deadline(seconds))
        self.assertEqual([call.kwargs["deterministic"] for call in trained.call_args_list], [True, False][:trained.call_count])
        self.assertEqual([call.kwargs["deterministic"] for call in timed.call_args_list], [False] * timed.call_count)
        found = checked.report.record["steps"]["otherwise"]
        return {row["what"]: row["value"] for row in found["rows"]}, found["notes"]

    def test_trainings_are_timed_with_the_other_setting_of_deterministic(self):
        rows, notes = self.trained_otherwise(60)
        # Two images in 0.08 s, and 2 / 0.1 of 2 / 0.08.
        self.assertAlmostEqual(rows["training step R50-FPN with deterministic: false"], 25)
        self.assertAlmostEqual(rows["deterministic / not deterministic"], 0.8)
        self.assertAlmostEqual(rows["VOC07 with deterministic: false, maps cached"], self.times.hours())
        self.assertEqual(notes, [])

    def test_without_time_they_are_left_out(self):
        rows, notes = self.trained_otherwise(1)
        self.assertEqual(rows, {})
        self.assertEqual(notes, ["R50-FPN: left out", "VOC07: left out"])

    sanitized = """========= COMPUTE-SANITIZER
========= Uninitialized __global__ memory read of size 4 bytes
=========     at void at::native::sort_kernel<float>(T1)+0x150 in cub.cuh:119
=========     by thread (0,0,0) in block (0,0,0)
=========     Saved host backtrace up to driver entry point at kernel launch time
=========         Host Frame: rcnn::ops::CompareWithCpu [0x123] in compare_devices
=========
{"operators": []}
========= %s
=========     %s
=========         Device Frame: void rcnn::ops::internal::RunPhases<rcnn::ops::Scale>(T1)+0xa0 in launch.h:35
=========     Saved host backtrace up to driver entry point at kernel launch time
=========
========= ERROR SUMMARY: 2 errors
"""

    def test_reports_of_other_librarys_kernels_do_not_count(self):
        other = self.sanitized.split("{")[0]
        self.assertEqual(device_steps.own_reports(other + "========= ERROR SUMMARY: 1 error\n"), [])
        self.assertEqual(device_steps.own_reports("no sanitizer\n"), [])

    def test_reports_of_our_kernels_and_of_copies_to_the_host_count(self):
        kernel = self.sanitized % ("Uninitialized __global__ memory read of size 8 bytes", "at std::min<long>(T1)+0x10 in kernel.h:9")
        (report,) = device_steps.own_reports(kernel)
        self.assertIn("RunPhases", report)
        copied = ("========= Host API uninitialized memory access on access by cudaMemcpy source\n"
                  "=========     Saved host backtrace up to driver entry point at error\n"
                  "=========         Host Frame: at::native::copy_kernel_cuda\n")
        self.assertEqual(device_steps.own_reports(copied), ["Host API uninitialized memory access on access by cudaMemcpy source"])

    def test_the_number_of_passed_tests_of_batches_is_a_row(self):
        for printed, passed in (("[==========] 28 tests\n[  PASSED  ] 28 tests.\n", 28), ("[  PASSED  ] 0 tests.\n", None)):
            checked = self.checked("batch")
            checked.programs.run = lambda *_: printed  # pylint: disable=cell-var-from-loop
            self.assert_fails(lambda: device_steps.batch(checked, "batch", None), None if passed else "no test of batches has run")
            self.assertEqual([row["value"] for row in checked.report.record["steps"]["batch"]["rows"]], [passed] if passed else [])

    def test_tests_of_batches_that_fail_are_named(self):
        printed = ("[       OK ] Networks/BatchPaddingTest.Features/0 (8 ms)\n"
                   "[  FAILED  ] Networks/BatchPaddingTest.Features/1, where GetParam() = backbone on cuda:0 (9 ms)\n"
                   "[       OK ] Networks/BatchPaddingTest.Features/2 (8 ms)\n[ RUN      ] Networks/BatchPaddingTest.Features/3\n"
                   "[  FAILED  ] Networks/BatchPaddingTest.Features/1, where GetParam() = backbone on cuda:0\n")
        for error in (device_programs.CommandError("ended with 1", printed), device_programs.OutOfTime("killed", printed)):
            checked = self.checked("batch")
            checked.programs.run = unittest.mock.Mock(side_effect=error)
            with self.assertRaises(type(error)):
                device_steps.batch(checked, "batch", None)
            self.assertEqual(checked.report.record["steps"]["batch"]["notes"],
                             ["2 tests have passed before; failed: Networks/BatchPaddingTest.Features/1"])

    def limits(self, *flags):
        """The limits of the steps that check.py runs with these flags."""
        found = {}
        arguments = ["--device=cuda", "--programs=" + self.folder, "--out=" + self.folder, "--seconds=200", *flags]
        with unittest.mock.patch.object(check, "run_step", side_effect=lambda _, name, limit: found.update({name: limit})), \
                contextlib.redirect_stdout(io.StringIO()):
            check.main(arguments)
        return found

    def test_a_step_alone_has_all_the_time(self):
        self.assertAlmostEqual(self.limits("--only=voc07")["voc07"], 200, delta=30)

    def test_a_step_has_its_limit_and_what_others_have_left(self):
        limit = {name: seconds for name, (_, seconds) in device_steps.STEPS.items()}
        # These steps take no time.
        found = self.limits("--only=voc07", "--only=resume")
        self.assertAlmostEqual(found["voc07"], 200 - limit["resume"], delta=1)
        self.assertAlmostEqual(found["resume"], 200, delta=1)
        # All together have less than the sum of their limits, so the first have theirs.
        self.assertEqual(self.limits()["operators"], limit["operators"])

    def test_a_missing_bundle_is_named_with_its_script(self):
        with self.assertRaisesRegex(SystemExit, "make_bundle.sh"):
            check.find_programs(check.parse(["--out=" + self.folder]), self.folder)


class Script(unittest.TestCase):
    def test_it_passes_its_flags_on(self):
        script = os.path.join(os.path.dirname(os.path.abspath(check.__file__)), "check.sh")
        self.assertIn("--only", subprocess.run(["bash", script, "--help"], check=True, capture_output=True, text=True).stdout)
        unknown = subprocess.run(["bash", script, "--only=everything"], check=False, capture_output=True, text=True)
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("everything", unknown.stderr)


class Experiments(unittest.TestCase):
    def test_the_first_half_of_the_lines_is_left_out(self):
        lines = [{"iteration": 5 * i, "time": 100.0 + (9 if i < 4 else 0.5 * 5 * i), "data_wait": 0.5 if i < 4 else 0.1}
                 for i in range(1, 9)]
        steady = device_experiments.SteadyPart(lines)
        self.assertEqual((steady.begin, steady.end), (110.0, 120.0))
        self.assertAlmostEqual(steady.seconds_per_iteration, 0.5)
        self.assertAlmostEqual(steady.data_wait, 0.1)

    def test_one_line_is_not_enough(self):
        with self.assertRaisesRegex(ValueError, "needs two lines"):
            device_experiments.SteadyPart([{"iteration": 5, "time": 1.0}])

    def test_the_first_pass_is_that_over_all_samples_without_its_start(self):
        lines = [{"iteration": i, "time": 50.0 + (0.2 * i if i <= 80 else 16 + 0.01 * (i - 80))} for i in range(20, 260, 20)]
        self.assertAlmostEqual(device_experiments.first_pass_seconds(lines, 96), 0.2)
        with self.assertRaisesRegex(ValueError, "needs two lines of the log, not 1"):
            device_experiments.first_pass_seconds(lines, 39)

    def test_hours_of_voc07(self):
        seconds = {"rpn1": 0.01, "fast1": 0.02, "rpn2": 0.001, "fast2": 0.002}
        times = device_experiments.Voc07(seconds, 0.011, [0.1, 0.2], 0.05)
        # 800 + 800 + 80 + 80 s of training, 10,022 maps of 10 ms, 5,011 images twice, 4,952 images.
        self.assertAlmostEqual(times.hours(), (1760 + 100.22 + 501.1 + 1002.2 + 247.6) / 3600)
        # Maps of 80,000 and 80,000 images, and proposals that compute them too.
        self.assertAlmostEqual(times.hours_without_cache(), (1760 + 1600 + 501.1 + 501.1 + 247.6) / 3600)

    def test_only_the_other_setting_is_a_change(self):
        size = device_experiments.Size(True)
        for changes in (device_experiments.resnet_changes, device_experiments.voc_changes):
            self.assertFalse([change for change in changes(size, "TF32") if "deterministic" in change])
            other = [change for change in changes(size, "TF32", False) if "deterministic" in change]
            self.assertEqual(set(changes(size, "TF32", False)) - set(changes(size, "TF32")), set(other))
            self.assertTrue(other and all(change.endswith(".training.deterministic=false") for change in other))


if __name__ == "__main__":
    unittest.main()
