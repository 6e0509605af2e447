"""Packs the programs of this build as bundle.py does, with all their libraries but LibTorch's, and starts them from the bundle.

usage: bundle_rehearsal_test.py     the programs are below the current directory
"""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bundle
import device_programs


def libtorch_names():
    names = bundle.find_libraries(bundle.COMPARE_DEVICES)
    return {name for name in names if name.startswith(("libtorch", "libc10"))}


def main():
    with tempfile.TemporaryDirectory() as work:
        packed, archive = os.path.join(work, "packed"), os.path.join(work, "bundle/programs.tar.xz")
        bundle.collect(".", bundle.PROGRAMS, libtorch_names(), packed)
        # Not compressed, which takes seconds instead of minutes; bundle_test packs as make_bundle.sh does.
        print("%d bytes, of them" % bundle.pack(packed, archive, preset=None), bundle.sizes(packed)[:12])
        folder = device_programs.unpack(archive, os.path.join(work, "unpacked"))
        programs = device_programs.Programs(folder, os.path.join(work, "log"), bundled=True)
        deadline = device_programs.Deadline(120)
        programs.run([programs.path(device_programs.CUDA_TEST)], deadline)
        for program in (device_programs.SCHEDULER, device_programs.TIME_DETECTOR):
            # Behind the launcher, so that the program itself starts.
            programs.run([programs.path(program) + "_program", "--version"], deadline)


if __name__ == "__main__":
    main()
