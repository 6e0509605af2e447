"""Packs programs and their shared libraries for another machine.

usage: bundle.py FOLDER_OF_PROGRAMS LIBTORCH_HOME
       bundle.py --tree     checks only the size of the tree

The libraries are those that programs and packed libraries load, without glibc and without what a machine with pip's torch has: the
wheels beside LIBTORCH_HOME. The C++ library is packed apart, for machines whose own is older. The other machine must have a glibc as
new as this one's. librcnn_ops.so must need no packed library, because Python there loads it, whose own modules need that machine's.
Libraries of OpenCV that rcnn does not call have stand-ins.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from device_programs import ARCHIVE, BUNDLE, COMMIT, COMPARE_DEVICES, OPERATORS, PROGRAMS, ROOT, STAND_INS

# Of the bundle and the tree together, which are copied to the machine, and of the tree alone.
MOST_BYTES = 60 << 20
MOST_TREE_BYTES = 18 << 20

# libopencv_ximgproc, which has selective search, loads these for functions that rcnn does not call, and they load a hundred
# libraries, more than twice the bytes of all others: GDAL, video codecs, Unicode's tables. In the bundle these functions end the
# process. The others have stand-ins in programs that are built with Debian's LibTorch (third_party/libtorch/stand_in.cc), and
# need none here.
NOT_CALLED = re.compile(r"lib(opencv_(calib3d|highgui|imgcodecs|video(io)?)|avcodec|avformat|avutil|swresample|swscale)\.so")

# Parts of glibc, which belong to the kernel and loader of the machine.
GLIBC = re.compile(r"(linux-vdso|ld-linux.*|lib(c|m|pthread|dl|rt|resolv|util|anl|nsl|mvec))\.so(\.\d+)?$")
COMPILER = re.compile(r"lib(stdc\+\+|gcc_s)\.so\.\d+$")


class BundleError(Exception):
    """The bundle cannot be made; the message says why."""


def parse_ldd(text):
    """Returns {name: path} of the libraries in ldd's output; raises BundleError if one is not found."""
    libraries = {}
    for line in text.split("\n"):
        if line.rstrip().endswith("=> not found"):
            raise BundleError("ldd does not find %s" % line.split()[0])
        found = re.match(r"\s*(\S+) => (/\S+)", line)
        if found:
            libraries[found.group(1)] = found.group(2)
    return libraries


def find_libraries(program):
    result = subprocess.run(["ldd", program], check=True, capture_output=True, text=True)
    return parse_ldd(result.stdout)


def needed_by(file):
    """The names of the libraries that a program or library itself asks for."""
    result = subprocess.run(["readelf", "--dynamic", "--wide", file], check=True, capture_output=True, text=True,
                            env={**os.environ, "LC_ALL": "C"})
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", result.stdout)


def check_python_library(library, from_wheels):
    """Raises BundleError if Python would have to load a packed library for this one."""
    packed = [name for name in needed_by(library) if place(name, from_wheels) == "lib"]
    if packed:
        raise BundleError("%s needs %s, which Python on the other machine does not find" % (library, ", ".join(packed)))


def wheel_names(libtorch_home):
    """The names of all libraries of the wheels: LibTorch's, and those of the CUDA packages beside it."""
    site = os.path.dirname(os.path.abspath(libtorch_home))
    patterns = ("torch/lib/*.so*", "nvidia/*/lib/*.so*")
    return {os.path.basename(path) for pattern in patterns for path in glob.glob(os.path.join(site, pattern))}


def place(name, from_wheels):
    """The folder of the bundle for a library; None if the other machine has it."""
    if GLIBC.match(name) or name in from_wheels:
        return None
    return "lib/compiler" if COMPILER.match(name) else "lib"


def choose(files, libraries, from_wheels):
    """Returns the names of `libraries`, {name: path}, that are packed because `files` and they themselves load them, and the names of
    those that have a stand-in, which loads nothing."""
    packed, stand_ins, todo = [], [], list(files)
    while todo:
        for name in needed_by(todo.pop()):
            if name in packed or name in stand_ins or place(name, from_wheels) is None:
                continue
            if NOT_CALLED.match(name):
                stand_ins.append(name)
            else:
                packed.append(name)
                todo.append(libraries[name])
    return packed, stand_ins


def dynamic_symbols(file, which):
    """{name: type} of the symbols that a file exports (--defined-only) or asks for (--undefined-only)."""
    result = subprocess.run(["nm", "--dynamic", "--portability", which, file], check=True, capture_output=True, text=True)
    words = [line.split() for line in result.stdout.split("\n") if line]
    return {name.partition("@")[0]: kind for name, kind, *_ in words}


def missing_symbols(files):
    """What these programs and libraries ask for and none of them has."""
    defined = {symbol for file in files for symbol in dynamic_symbols(file, "--defined-only")}
    return {symbol for file in files for symbol in dynamic_symbols(file, "--undefined-only")} - defined


def make_stand_in(name, library, asked_for, target):
    """Writes a library `target` called `name` with those functions of `library` that are in the set `asked_for`."""
    symbols = {symbol: kind for symbol, kind in dynamic_symbols(library, "--defined-only").items() if symbol in asked_for}
    others = sorted(symbol for symbol, kind in symbols.items() if kind != "T")
    if others:
        raise BundleError("%s cannot have a stand-in, because these are not functions, or weak: %s" % (name, ", ".join(others)))
    source = "".join("void %s(void) { __builtin_trap(); }\n" % symbol for symbol in sorted(symbols))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname," + name, "-x", "c", "-", "-o", target], check=True,
                   input=source, text=True)


def collect(programs_folder, programs, from_wheels, target):
    """Copies programs and libraries to `target`, without what debuggers alone need but names of functions, which a backtrace
    shows. Returns the names of the libraries, stand-ins included."""
    libraries, files = {}, [os.path.join(programs_folder, program) for program in programs]
    for program, source in zip(programs, files):
        if not os.path.exists(source):
            raise BundleError("missing file: %s" % source)
        copy(source, os.path.join(target, program))
        libraries.update(find_libraries(source))
    packed, stand_ins = choose(files, libraries, from_wheels)
    for name in packed:
        copy(libraries[name], os.path.join(target, place(name, from_wheels), name))
    asked_for = missing_symbols([*files, *(libraries[name] for name in packed)])
    for name in stand_ins:
        make_stand_in(name, libraries[name], asked_for, os.path.join(target, STAND_INS, name))
    return packed + stand_ins


def copy(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.realpath(source), target)
    os.chmod(target, 0o755)
    subprocess.run(["strip", "--strip-debug", target], check=True)


def sizes(folder):
    """(bytes, path below `folder`), largest first."""
    found = [(os.path.getsize(path), os.path.relpath(path, folder))
             for path in glob.glob(os.path.join(folder, "**"), recursive=True) if os.path.isfile(path)]
    return sorted(found, reverse=True)


def pack(folder, archive, preset=9):
    """Returns the bytes of the archive; with `preset` None nothing is compressed. The default has the largest window: programs share
    most of their code."""
    os.makedirs(os.path.dirname(archive), exist_ok=True)
    with tarfile.open(archive, "w") if preset is None else tarfile.open(archive, "w:xz", preset=preset) as packed:
        for name in sorted(os.listdir(folder)):
            packed.add(os.path.join(folder, name), arcname=name)
    return os.path.getsize(archive)


def tree_bytes(root):
    """Of the files that git knows or would add."""
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                             capture_output=True).stdout
    paths = [os.path.join(os.fsencode(root), name) for name in set(listing.split(b"\0")) - {b""}]
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))


def commit(root):
    """The commit of the tree, and whether files differ from it."""
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], check=True, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "HEAD") + (" with changes" if git("status", "--porcelain") else "")


def check_size(packed, tree, folder, most=MOST_BYTES):
    """Raises BundleError with the largest files if both together are too large."""
    if packed + tree <= most:
        return
    lines = ["the bundle (%.1f MiB) and the tree (%.1f MiB) are larger than %.0f MiB; before compression the largest files are"
             % (packed / 2**20, tree / 2**20, most / 2**20)]
    lines += ["  %6.1f MiB  %s" % (size / 2**20, name) for size, name in sizes(folder)[:12]]
    raise BundleError("\n".join(lines))


def check_tree(root=ROOT, most=MOST_TREE_BYTES):
    """Ends the program if the tree alone is so large that little is left for a bundle."""
    tree = tree_bytes(root)
    print("the tree has %.1f of %.0f MiB" % (tree / 2**20, most / 2**20))
    if tree > most:
        sys.exit("the tree is too large for a bundle beside it (docs/gpu.md)")


def main():
    if sys.argv[1:] == ["--tree"]:
        check_tree()
        return
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    programs_folder, libtorch_home = sys.argv[1:]
    archive = os.path.join(ROOT, BUNDLE, ARCHIVE)
    from_wheels = wheel_names(libtorch_home)
    if "libtorch_cuda.so" not in from_wheels:
        sys.exit("%s is not a LibTorch with CUDA: run tools/setup/install_libtorch.sh cuda" % libtorch_home)
    with tempfile.TemporaryDirectory() as folder:
        try:
            check_python_library(os.path.join(programs_folder, OPERATORS), from_wheels)
            collect(programs_folder, PROGRAMS, from_wheels, folder)
            with open(os.path.join(folder, COMMIT), "w", encoding="utf-8") as file:
                file.write(commit(ROOT) + "\n")
            packed, tree = pack(folder, archive), tree_bytes(ROOT)
            check_size(packed, tree, folder)
        except BundleError as error:
            sys.exit(str(error))
    print("%s: %.1f MiB, with the tree %.1f of %.0f MiB" % (
        os.path.relpath(archive, ROOT), packed / 2**20, (packed + tree) / 2**20, MOST_BYTES / 2**20))


if __name__ == "__main__":
    main()
