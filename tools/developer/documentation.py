"""The Markdown reader of the documentation checks.

Understands fenced blocks, code spans, headings and links. Does not recognise code blocks
that are only indented; write fences.
"""

import re
import subprocess

# A fenced block is for a shell if it says so, or if it says nothing and one of its lines begins with
# what is run here: Bazel, a file of the repository, or a program of the system.
SHELL = ("sh", "bash")
COMMAND = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:\./bazelw|bazel|cd|git|sudo|tensorboard|(?:\.ci|base|bazel-bin|data|detection|eval|"
    r"examples|ops|tools|training)/\S+)(?: |$)")


def tracked(pattern):
    """Returns the files of the repository that match; the current directory is its root."""
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
                             check=True, capture_output=True, text=True)
    return sorted(set(listing.stdout.split("\n")) - {""})


class Block:
    """A fenced block: its language, the number of its first line, and its lines."""

    def __init__(self, language, line):
        self.language = language
        self.line = line
        self.lines = []

    def is_shell(self):
        return self.language in SHELL or (
            not self.language and any(COMMAND.match(line.strip()) for line in self.lines))

    def commands(self):
        """Yields (line number, command) of a shell block, with lines joined after backslashes."""
        if not self.is_shell():
            return
        command, start = "", self.line
        for number, line in enumerate(self.lines, self.line):
            if not command:
                start = number
            command += line.strip()
            if command.endswith("\\"):
                command = command[:-1]
                continue
            if command and not command.startswith("#"):
                yield start, command
            command = ""


class Document:
    """A file as blocks of code and lines of text."""

    def __init__(self, path, text=None):
        self.path = path
        self.blocks = []
        self.text = []  # (line number, line) outside of blocks
        if text is None:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        self._split(text)

    def _split(self, text):
        block = None
        for number, line in enumerate(text.split("\n"), 1):
            fence = re.match(r"\s*```\s*(\w*)", line)
            if fence and block is None:
                block = Block(fence.group(1), number + 1)
                self.blocks.append(block)
            elif fence:
                block = None
            elif block is not None:
                block.lines.append(line)
            else:
                self.text.append((number, line))

    def spans(self):
        """Yields (line number, code span)."""
        for number, line in self.text:
            for span in re.findall(r"`([^`]+)`", line):
                yield number, span

    def links(self):
        """Yields (line number, target) of links and images."""
        for number, line in self.text:
            line = re.sub(r"`[^`]*`", "`", line)
            for target in re.findall(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)", line):
                yield number, target
            reference = re.match(r"\s*\[[^\]]+\]:\s*(\S+)", line)
            if reference:
                yield number, reference.group(1)

    def anchors(self):
        """Returns the anchors of the headings, as GitHub makes them."""
        found = set()
        for _, line in self.text:
            heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
            if not heading:
                continue
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
            anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            name, count = anchor, 0
            while name in found:
                count += 1
                name = f"{anchor}-{count}"
            found.add(name)
        return found
