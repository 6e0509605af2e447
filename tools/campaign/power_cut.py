"""Simulates a power cut of a program that has run with libpower_cut.so: undoes a random part of what is not durable.

A file's bytes are durable once the file is synced, and a name once its directory is: both are needed. What a killed
process has not synced stays undurable, until a later process syncs it or the power is cut.

Example:
    disk = Disk(library, folder)
    disk.begin(run_dir)
    subprocess.run(program, env=disk.environment(run_dir))
    undone = disk.cut_power(run_dir, random.Random(1))
"""

import collections
import os
import shutil


def files_below(folder):
    """Path of one name of each regular file, by its inode."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found[os.stat(path).st_ino] = path
    return found


class Disk:
    """The durable state of a run directory, from begin() on, over any number of processes."""

    def __init__(self, library, folder):
        self.library = os.path.abspath(library)
        self.journal = os.path.join(folder, "journal")
        self.graves = os.path.join(folder, "graves")

    def begin(self, run_dir):
        """Everything that exists counts as durable."""
        shutil.rmtree(self.graves, ignore_errors=True)
        os.mkdir(self.graves)
        open(self.journal, "w").close()
        self.sizes = {inode: os.path.getsize(path) for inode, path in files_below(run_dir).items()}

    def environment(self, run_dir, cut_at=0, before=False):
        """Of the next process, whose operations are recorded; see power_cut.cc."""
        graves = os.path.join(self.graves, str(len(os.listdir(self.graves))))
        os.mkdir(graves)
        return {
            **os.environ, "LD_PRELOAD": self.library, "RCNN_CUT_UNDER": run_dir, "RCNN_CUT_JOURNAL": self.journal,
            "RCNN_CUT_GRAVES": graves, "RCNN_CUT_AT": str(cut_at), "RCNN_CUT_BEFORE": str(int(before))}

    def operations(self):
        """Since begin(), as power_cut.cc lists them."""
        with open(self.journal) as file:
            return [line.rstrip("\n").split("\t") for line in file]

    def cut_power(self, run_dir, draw):
        """Returns how many operations and appended parts are undone. What is left is durable."""
        cut = _PowerCut(draw, self.operations(), self.sizes)
        cut.apply(run_dir)
        self.begin(run_dir)
        return cut.undone


class _PowerCut:
    def __init__(self, draw, operations, sizes):
        self.draw = draw
        self.operations = operations
        self.sizes = dict(sizes)  # of each file, the bytes from its beginning that are durable
        self.undone = 0

    def apply(self, run_dir):
        for kind, inode, *rest in self.operations:
            if kind == "sync":
                self.sizes[int(inode)] = int(rest[0])
            if kind == "truncate":
                self.sizes[int(inode)] = min(self.sizes.get(int(inode), 0), int(rest[0]))
        for index in reversed(sorted(self.choose_lost())):
            self.undo(self.operations[index])
        for inode, path in sorted(files_below(run_dir).items()):
            self.lose_appended(path, self.sizes.get(inode, 0))

    def choose_lost(self):
        """Of each directory, the last ones of the operations since it was synced."""
        pending = collections.OrderedDict()
        for index, (kind, inode, *_) in enumerate(self.operations):
            if kind == "syncdir":
                pending.pop(inode, None)
            elif kind not in ("sync", "truncate"):
                pending.setdefault(inode, []).append(index)
        lost = []
        for indices in pending.values():
            kept = self.draw.choice([0, len(indices), self.draw.randint(0, len(indices))])
            lost += indices[kept:]
        return lost

    def undo(self, operation):
        kind, _, *paths = operation
        try:
            if kind in ("create", "link"):
                os.remove(paths[0])
            elif kind == "mkdir":
                shutil.rmtree(paths[0])
            elif kind == "rmdir":
                os.mkdir(paths[0])
            elif kind == "unlink" and paths[1]:
                os.rename(paths[1], paths[0])
            elif kind == "rename":
                os.rename(paths[1], paths[0])
                if paths[2]:
                    os.rename(paths[2], paths[1])
            self.undone += 1
        except FileNotFoundError:
            pass  # of a directory that is lost itself

    def lose_appended(self, path, synced):
        size = os.path.getsize(path)
        if size <= synced:
            return
        start = self.draw.choice([size, synced, self.draw.randint(synced, size)])
        self.undone += start < size
        with open(path, "r+b") as file:
            file.truncate(start)
            if self.draw.random() < 0.3:
                file.truncate(size)  # zeros, which a file system may leave too
