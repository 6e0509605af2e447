"""Tests the packing of programs: which libraries, how large, and that what was packed runs."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bundle
import device_programs

LDD = """\
\tlinux-vdso.so.1 (0x00007ffc)
\tlibtorch_cuda.so => /cache/torch/lib/libtorch_cuda.so (0x00007f01)
\tlibopencv_core.so.406 => /lib/x86_64-linux-gnu/libopencv_core.so.406 (0x00007f02)
\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007f03)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f04)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f05)
"""


class Libraries(unittest.TestCase):
    def test_ldd_gives_names_and_paths(self):
        found = bundle.parse_ldd(LDD)
        self.assertEqual(sorted(found), ["libc.so.6", "libopencv_core.so.406", "libstdc++.so.6", "libtorch_cuda.so"])
        self.assertEqual(found["libtorch_cuda.so"], "/cache/torch/lib/libtorch_cuda.so")

    def test_a_library_that_is_not_found_is_named(self):
        with self.assertRaisesRegex(bundle.BundleError, "libcudart.so.13"):
            bundle.parse_ldd("\tlibcudart.so.13 => not found\n")

    def test_the_other_machine_has_glibc_and_the_wheels(self):
        wheels = {"libtorch_cuda.so", "libcudart.so.13"}
        places = {name: bundle.place(name, wheels) for name in (
            "libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2", "libtorch_cuda.so", "libcudart.so.13",
            "libstdc++.so.6", "libgcc_s.so.1", "libopencv_core.so.406", "libmpdec.so.3", "libcrypto.so.3")}
        self.assertEqual({name for name, place in places.items() if place is None}, {
            "libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2", "libtorch_cuda.so", "libcudart.so.13"})
        self.assertEqual({name for name, place in places.items() if place == "lib/compiler"}, {"libstdc++.so.6", "libgcc_s.so.1"})

    def test_a_library_for_python_needs_none_that_is_packed(self):
        program = os.path.realpath(shutil.which("ls"))
        needed = bundle.needed_by(program)
        self.assertIn("libc.so.6", needed)
        other = set(needed) - {"libc.so.6"}
        self.assertTrue(other)
        bundle.check_python_library(program, other)
        with self.assertRaisesRegex(bundle.BundleError, "ls needs " + sorted(other)[0]):
            bundle.check_python_library(program, set(needed) - {sorted(other)[0]})

    def test_names_of_the_wheels_are_those_of_libtorch_and_cuda(self):
        with tempfile.TemporaryDirectory() as site:
            for name in ("torch/lib/libtorch_cuda.so", "nvidia/cu13/lib/libcudart.so.13", "numpy/lib/libother.so"):
                os.makedirs(os.path.dirname(os.path.join(site, name)), exist_ok=True)
                open(os.path.join(site, name), "w").close()
            self.assertEqual(bundle.wheel_names(os.path.join(site, "torch")), {"libtorch_cuda.so", "libcudart.so.13"})


class Packing(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def collect(self):
        os.makedirs(self.path("bin/tools"))
        shutil.copy(os.path.realpath(shutil.which("ls")), self.path("bin/tools/list"))
        bundle.collect(self.path("bin"), ["tools/list"], set(), self.path("packed"))

    def test_what_was_packed_runs_with_its_libraries(self):
        self.collect()
        self.assertGreater(bundle.pack(self.path("packed"), self.path("out/programs.tar.xz")), 1000)
        unpacked = device_programs.unpack(self.path("out/programs.tar.xz"), self.path("unpacked"))
        environment = {"LD_LIBRARY_PATH": os.path.join(unpacked, "lib")}
        output = subprocess.run([os.path.join(unpacked, "tools/list"), self.path("bin")], env=environment, check=True,
                                capture_output=True, text=True).stdout
        self.assertEqual(output, "tools\n")
        self.assertFalse(any("libc.so" in name for _, name in bundle.sizes(unpacked)))

    def test_it_is_unpacked_once(self):
        self.collect()
        bundle.pack(self.path("packed"), self.path("programs.tar.xz"))
        unpacked = device_programs.unpack(self.path("programs.tar.xz"), self.path("unpacked"))
        os.remove(os.path.join(unpacked, "tools/list"))
        device_programs.unpack(self.path("programs.tar.xz"), self.path("unpacked"))
        self.assertFalse(os.path.exists(os.path.join(unpacked, "tools/list")))

    def compile(self, name, source, *flags):
        """Compiles C to a program or library in the folder bin; returns its path."""
        os.makedirs(self.path("bin"), exist_ok=True)
        subprocess.run(["cc", "-fPIC", "-x", "c", "-", "-x", "none", "-o", self.path("bin", name), *flags], check=True, text=True, input=source)
        return self.path("bin", name)

    def compile_program(self, video):
        """A program that loads a library which loads libopencv_video.so.9, which is `video`, and that another one."""
        link = ["-Wl,-rpath," + self.path("bin"), "-Wl,--no-as-needed"]
        more = self.compile("libmore.so", "int more;", "-shared", "-Wl,-soname,libmore.so")
        video = self.compile("libopencv_video.so.9", video, "-shared", "-Wl,-soname,libopencv_video.so.9", more, *link)
        filters = self.compile("libfilters.so", "int create(void); int filters(int n) { return n > 1 ? create() : 7; }", "-shared",
                               "-Wl,-soname,libfilters.so", "-Wl,-z,now", video, *link)
        self.compile("main", "int filters(int); int main(int n, char** v) { (void)v; return filters(n); }", filters, *link)

    def test_libraries_that_are_not_called_have_stand_ins(self):
        self.compile_program("int more; int create(void) { return more; } int unused(void) { return 2; }")
        names = bundle.collect(self.path("bin"), ["main"], set(), self.path("packed"))
        self.assertEqual(sorted(names), ["libfilters.so", "libopencv_video.so.9"])
        stand_in = self.path("packed", device_programs.STAND_INS, "libopencv_video.so.9")
        self.assertEqual(bundle.needed_by(stand_in), [])
        self.assertEqual(bundle.dynamic_symbols(stand_in, "--defined-only"), {"create": "T"})
        shutil.rmtree(self.path("bin"))
        environment = {"LD_LIBRARY_PATH": self.path("packed/lib") + ":" + self.path("packed", device_programs.STAND_INS)}
        self.assertEqual(subprocess.run([self.path("packed/main")], env=environment, check=False).returncode, 7)
        # A call ends the process.
        self.assertLess(subprocess.run([self.path("packed/main"), "x"], env=environment, check=False).returncode, 0)

    def test_programs_keep_the_names_of_their_functions(self):
        self.compile("main", "static __attribute__((noinline)) int named(int n) { return n + 1; } int main(int n, char** v) "
                     "{ (void)v; return named(n); }", "-O0", "-g")
        bundle.collect(self.path("bin"), ["main"], set(), self.path("packed"))
        listing = subprocess.run(["readelf", "--sections", "--symbols", "--wide", self.path("packed/main")], check=True,
                                 capture_output=True, text=True).stdout
        self.assertRegex(listing, r"\bnamed\b")
        self.assertNotIn(".debug_info", listing)

    def test_all_libraries_that_another_machine_lacks_are_named(self):
        self.compile_program("int more; int create(void) { return more; }")
        os.makedirs(self.path("other/ops/cuda"))
        shutil.copy(self.path("bin/main"), self.path("other", device_programs.COMPARE_DEVICES))
        os.remove(self.path("bin/libmore.so"))
        os.remove(self.path("bin/libopencv_video.so.9"))
        programs = device_programs.Programs(self.path("other"), self.path("log"), bundled=False)
        self.assertEqual(programs.missing_libraries(), ["libopencv_video.so.9 => not found"])
        os.remove(self.path("bin/libfilters.so"))
        self.assertIn("libfilters.so => not found", programs.missing_libraries())

    def test_a_stand_in_for_data_is_an_error(self):
        self.compile_program("int create = 3;")
        with self.assertRaisesRegex(bundle.BundleError, "libopencv_video.so.9 cannot have a stand-in, .*: create"):
            bundle.collect(self.path("bin"), ["main"], set(), self.path("packed"))

    def test_a_missing_program_is_named(self):
        with self.assertRaisesRegex(bundle.BundleError, "missing file: .*training/stage_scheduler"):
            bundle.collect(self.path("bin"), ["training/stage_scheduler"], set(), self.path("packed"))

    def test_a_bundle_that_is_too_large_lists_its_largest_files(self):
        os.makedirs(self.path("packed/lib"))
        for name, size in (("small.so", 10), ("large.so", 3 << 20)):
            with open(self.path("packed/lib", name), "wb") as file:
                file.write(b"x" * size)
        bundle.check_size(40 << 20, 20 << 20, self.path("packed"))
        with self.assertRaises(bundle.BundleError) as raised:
            bundle.check_size((40 << 20) + 1, 20 << 20, self.path("packed"))
        lines = str(raised.exception).split("\n")
        self.assertIn("larger than 60 MiB", lines[0])
        self.assertEqual([line.split()[-1] for line in lines[1:]], ["lib/large.so", "lib/small.so"])


class Tree(unittest.TestCase):
    def test_a_tree_that_is_too_large_is_an_error(self):
        with tempfile.TemporaryDirectory() as root:
            git = ["git", "-C", root, "-c", "init.defaultBranch=main"]
            subprocess.run([*git, "init", "-q"], check=True)
            with open(os.path.join(root, ".gitignore"), "w", encoding="utf-8") as file:
                file.write("ignored\n")
            for name, size in (("new", 60), ("ignored", 900)):
                with open(os.path.join(root, name), "wb") as file:
                    file.write(b"x" * size)
            subprocess.run([*git, "add", "new"], check=True)
            subprocess.run([*git, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x", "new"], check=True)
            self.assertRegex(bundle.commit(root), "^[0-9a-f]{40} with changes$")
            self.assertEqual(bundle.tree_bytes(root), 68)
            bundle.check_tree(root, 68)
            with self.assertRaisesRegex(SystemExit, "the tree is too large"):
                bundle.check_tree(root, 67)


if __name__ == "__main__":
    unittest.main()
