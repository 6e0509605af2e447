"""Packs the programs of this build as bundle.py does, with all their libraries but LibTorch's, checks the size, and starts them from
the bundle.

usage: bundle_rehearsal_test.py     the programs are below the current directory

What is not in the size: CUDA kernels. The tree counts with the most that it may have, which `bundle.py --tree` checks.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bundle
import device_programs

# Programs with a sanitizer are larger, and nobody packs them.
SANITIZERS = ("libasan", "libubsan", "libtsan")


def libtorch_libraries():
    """{name: path}"""
    libraries = bundle.find_libraries(bundle.COMPARE_DEVICES)
    return {name: path for name, path in libraries.items() if name.startswith(("libtorch", "libc10"))}


def check_stand_ins(folder):
    """Selective search finds all functions that it asks for, and no library that a stand-in replaces."""
    libraries = glob.glob(os.path.join(folder, "lib/libopencv_ximgproc.so*"))
    assert libraries, bundle.sizes(folder)
    places = os.path.join(folder, "lib") + ":" + os.path.join(folder, device_programs.STAND_INS)
    listing = subprocess.run(["ldd", "--function-relocs", *libraries], check=True, capture_output=True, text=True,
                             env={**os.environ, "LD_LIBRARY_PATH": places})
    assert "undefined symbol" not in listing.stdout + listing.stderr, listing
    replaced = {name: path for name, path in bundle.parse_ldd(listing.stdout).items() if bundle.NOT_CALLED.match(name)}
    assert replaced and all(path.startswith(folder) for path in replaced.values()), replaced


def check_skip(programs, deadline):
    """compare_devices leaves out the operators that it is told, and refuses other names."""
    words = [programs.path(device_programs.COMPARE_DEVICES), "--device=cpu", "--seconds=0"]
    output = programs.run([*words, "--skip=nms;soft_nms, vote_boxes"], deadline)
    names = {operator["name"] for operator in device_programs.last_json(output)["operators"]}
    assert "batched_nms" in names and not names & {"nms", "soft_nms, vote_boxes"}, names
    try:
        programs.run([*words, "--skip=nms;nmss"], deadline)
    except device_programs.CommandError as error:
        assert '"nmss" is not an operator' in str(error), error
    else:
        raise AssertionError("an unknown operator was skipped")


def main():
    with tempfile.TemporaryDirectory() as work:
        packed, archive = os.path.join(work, "packed"), os.path.join(work, "bundle/programs.tar.xz")
        libtorch = libtorch_libraries()
        names = bundle.collect(".", bundle.PROGRAMS, set(libtorch), packed)
        # The fastest compression takes seconds instead of minutes, and gives a larger archive than make_bundle.sh.
        size = bundle.pack(packed, archive, preset=0)
        print("the bundle without CUDA kernels, compressed fast: %.1f MiB" % (size / 2**20))
        if not any(name.startswith(SANITIZERS) for name in names):
            bundle.check_size(size, bundle.MOST_TREE_BYTES, packed)
            # pip's torch has OpenMP's library too.
            bundle.check_python_library(bundle.OPERATORS, {*libtorch, "libgomp.so.1"})
        folder = device_programs.unpack(archive, os.path.join(work, "unpacked"))
        check_stand_ins(folder)
        # Debian's LibTorch uses OpenCV itself, and more of it than rcnn.
        if any("opencv" in name for path in libtorch.values() for name in bundle.needed_by(path)):
            shutil.rmtree(os.path.join(folder, device_programs.STAND_INS))
        programs = device_programs.Programs(folder, os.path.join(work, "log"), bundled=True)
        deadline = device_programs.Deadline(120)
        programs.run([programs.path(device_programs.CUDA_TEST)], deadline)
        for program in (device_programs.SCHEDULER, device_programs.TIME_DETECTOR):
            # Behind the launcher, so that the program itself starts.
            programs.run([programs.path(program) + "_program", "--version"], deadline)
        programs.run([programs.path(device_programs.BATCH_TEST), "--gtest_list_tests"], deadline)
        check_skip(programs, device_programs.Deadline(240))


if __name__ == "__main__":
    main()
