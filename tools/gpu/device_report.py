"""The record of a check on a GPU: JSON that is complete after every step, and a table in Markdown."""

import json
import os
import time

JSON_FILE = "report.json"
TABLE_FILE = "report.md"

# A step's status.
OK, FAILED, CUT, SKIPPED = "ok", "failed", "out of time", "skipped"


def _format(value):
    if isinstance(value, float):
        return "%.4g" % value
    return str(value)


class Report:
    """Steps in the order in which they began. Each has a status, its seconds, notes, and rows of what was measured."""

    def __init__(self, folder, facts):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.record = {**facts, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "steps": {}}
        # Targets apply only to a GPU at full size.
        self.judges = facts["device"] != "cpu" and facts["sizes"] == "full"
        self.write()

    def state(self, name, value):
        """Adds a fact."""
        self.record[name] = value
        self.write()

    def begin(self, step):
        self.record["steps"][step] = {"status": CUT, "seconds": 0, "notes": [], "rows": []}
        self.write()

    def end(self, step, status, seconds):
        self.record["steps"][step].update(status=status, seconds=round(seconds, 1))
        self.write()

    def note(self, step, text):
        self.record["steps"][step]["notes"].append(text)
        self.write()

    def add(self, step, what, value, unit="", most=None, least=None):
        """Adds a measurement. `most` and `least` are its targets; a value that is not a number misses them."""
        row = {"what": what, "value": value, "unit": unit, "target": "", "met": None}
        if most is not None:
            row["target"], row["met"] = "≤ " + _format(most), value is not None and value <= most
        if least is not None:
            row["target"], row["met"] = "≥ " + _format(least), value is not None and value >= least
        if not self.judges:
            row["met"] = None
        self.record["steps"][step]["rows"].append(row)
        self.write()

    def write(self):
        text = json.dumps(self.record, indent=1, ensure_ascii=False) + "\n"
        for name, content in ((JSON_FILE, text), (TABLE_FILE, self.table())):
            path = os.path.join(self.folder, name)
            # A note may quote a file's name, which need not be UTF-8; it must not cost the report.
            with open(path + ".tmp", "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(content)
            os.replace(path + ".tmp", path)

    def table(self):
        judged = "" if self.judges else " The targets are not judged: they are for a GPU and --sizes=full."
        facts = ["%s, sizes %s, %s.%s" % (self.record["device"], self.record["sizes"], self.record["started"], judged)]
        facts += ["%s: %s" % (name, self.record[name]) for name in ("machine", "commit") if name in self.record]
        lines = [*"\n\n".join(facts).split("\n"), "",
                 "| step | what | measured | target | met |", "| --- | --- | --- | --- | --- |"]
        for step, record in self.record["steps"].items():
            lines.append("| %s | | %s | | %.0f s |" % (step, record["status"], record["seconds"]))
            for row in record["rows"]:
                value = "not measured" if row["value"] is None else ("%s %s" % (_format(row["value"]), row["unit"])).strip()
                met = {True: "yes", False: "NO", None: ""}[row["met"]]
                lines.append("| | %s | %s | %s | %s |" % (row["what"], value, row["target"], met))
            lines += ["| | %s | | | |" % " ".join(note.replace("|", "/").split()) for note in record["notes"]]
        return "\n".join(lines) + "\n"

    def defects(self):
        """Says what failed, ran out of time or missed its target, and, where targets are judged, what was skipped."""
        bad = (FAILED, CUT, SKIPPED) if self.judges else (FAILED, CUT)
        found = []
        for step, record in self.record["steps"].items():
            if record["status"] in bad:
                found.append("%s: %s" % (step, record["status"]))
            found += ["%s: %s is not %s" % (step, row["what"], row["target"]) for row in record["rows"] if row["met"] is False]
        return found
