#!/usr/bin/env python3
"""Flips one random bit of one random file of a run, and runs the experiment again.

Two of three tries take a finished run, the others one that was stopped in the middle. The flipped bit must be noticed:
what the run leaves is, bit for bit, what an undisturbed run leaves, at the top too, whether the file was repaired from
its copy, its stage redone, or the file is one that each run rewrites. A damaged record for TensorBoard may stay. A run may be refused, with the name of the file,
only where docs/reliability.md says so: because of a list of a split, or of what a plan was made from. `--verify` must find
it if the file is of a stage, a result at the top, or the recorded experiment; of metrics.jsonl of an unfinished stage, if the
newest checkpoint covers the line.

  ./bazelw build //training:stage_scheduler
  tools/campaign/flip.py bazel-bin/training/stage_scheduler training/testing/tiny_alternating.textproto --seconds=3600
"""

import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import campaign


def may_be_refused(name):
    return name == "plan_basis.textproto" or name.startswith("split" + os.sep)


class Flip(campaign.Campaign):
    def one_try(self):
        state = self.draw.choice(["finished", "finished", "unfinished"])
        run_dir = self.copy(state)
        name, bit = self.flip(run_dir)
        where = "bit %d of %s of the %s run" % (bit, name, state)
        code, verified = self.scheduler.run(run_dir, "--verify")
        found = code == 1 and os.path.basename(name) in verified
        if self.is_covered(name, bit // 8, state) and not found:
            return "not noticed", "%s: --verify ended with %d:\n%s" % (where, code, verified)
        code, output = self.scheduler.run(run_dir, "--rehearse=false")
        if code != 0:
            if code == 1 and may_be_refused(name) and name in output:
                return "refused, %s" % name, None
            return "failed", "%s: ended with %d:\n%s" % (where, code, output)
        different = self.difference(run_dir, name)
        if different:
            return "different results", "%s: %s\n%s" % (where, different, output)
        code, verified = self.scheduler.run(run_dir, "--verify")
        if code != 0:
            return "still damaged", "%s: %s" % (where, verified)
        if "an intact copy is" in output:
            return "%s: repaired from a copy" % state, None
        if "the file itself is intact" in output:
            return "%s: second copy rewritten" % state, None
        if "the copy is written again" in output:
            return "%s: second copy rewritten" % state, None
        if "is damaged" in output or "cannot be used" in output:
            return "%s: redone" % state, None
        if "did not match this stage's result" in output:
            return "%s: published again" % state, None
        return "%s: in a file that is not read, or rewritten" % state, None

    def difference(self, run_dir, flipped):
        with_events = not flipped.startswith(campaign.EVENT_FILE)
        return campaign.difference(
            campaign.everything(self.path("finished"), with_events), campaign.everything(run_dir, with_events))

    def flip(self, run_dir):
        files = sorted(
            os.path.relpath(os.path.join(folder, name), run_dir)
            for folder, _, names in os.walk(run_dir) for name in names
            if os.path.getsize(os.path.join(folder, name)) > 0)
        name = self.draw.choice(files)
        path = os.path.join(run_dir, name)
        bit = self.draw.randrange(8 * os.path.getsize(path))
        with open(path, "r+b") as file:
            file.seek(bit // 8)
            byte = file.read(1)[0]
            file.seek(bit // 8)
            file.write(bytes([byte ^ (1 << bit % 8)]))
        return name, bit

    def covered_bytes(self, stage):
        """How many bytes of a stage's metrics.jsonl the newest checkpoint covers."""
        manifests = glob.glob(os.path.join(stage, "checkpoint-*[0-9]", "manifest.json"))
        if not manifests:
            return 0
        newest = max(manifests, key=lambda path: int(os.path.dirname(path).rsplit("-", 1)[1]))
        with open(newest, encoding="utf-8") as file:
            return len(json.load(file)["facts"].get("metrics", "").encode())

    def is_covered(self, name, byte, state):
        """Whether --verify has a checksum of this byte of the file: of results, and of what a resumed stage reads."""
        if name in campaign.TOP:
            return True
        folder, base = os.path.split(name)
        if not folder.startswith("stages"):
            return False
        stage = os.path.join(*folder.split(os.sep)[:2])
        finished = os.path.exists(os.path.join(self.path(state), stage, "DONE"))
        if not finished and name == os.path.join(stage, "metrics.jsonl"):
            return byte < self.covered_bytes(os.path.join(self.path(state), stage))
        return finished or "checkpoint-" in folder or base == "key.txt" and "copies" not in folder


if __name__ == "__main__":
    flip = Flip(campaign.parse_arguments(__doc__))
    sys.exit(flip.run(flip.one_try))
