"""How programs and libraries are linked, so that they and LibTorch keep their own copies of what both have.

usage: linking_test.py SYSTEM_OR_WHEEL FILE...

pip's LibTorch, the "wheel", exports functions of an old protobuf and of the C++ library that it was built with
(third_party/README.md). So of no file is a function of protobuf visible to another, a program exports nothing, and with the wheel
the compiler's C++ library is searched before LibTorch.
"""

import os
import re
import subprocess
import sys
import unittest

ENVIRONMENT = {**os.environ, "LC_ALL": "C"}

STRING = re.compile(r"_ZNK?St7__cxx1112basic_stringI[cw]St11char_traitsI[cw]ESaI[cw]EE")
LIBTORCH = re.compile(r"lib(torch|c10)")


def dynamic_symbols(listing):
    """[(name, type)] of the output of nm -D -P; U is what a file asks for."""
    return [tuple(line.split()[:2]) for line in listing.split("\n") if line]


def needed_libraries(listing):
    """Their names in the output of readelf -d -W, in the order in which they are searched."""
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", listing)


def find_problems(symbols, needed, is_program, has_wheel):
    """What is wrong with a file of these symbols and libraries."""
    # Variables of libraries that the linker has copied have a version: _ZSt4cout@GLIBCXX_3.4.
    # With -D_GLIBCXX_ASSERTIONS a program has functions of std::string of its own, which are those of the compiler's C++ library.
    exported = [name for name, kind in symbols
                if kind not in "Uwv" and "@" not in name and not (kind == "W" and STRING.match(name))]
    found = ["%s is exported" % name for name in exported if is_program]
    found += ["%s is visible" % name for name, _ in symbols if "google8protobuf" in name]
    found += ["%s is loaded" % name for name in needed if name.startswith("libprotobuf")]
    torch = [i for i, name in enumerate(needed) if LIBTORCH.match(name)]
    standard = [i for i, name in enumerate(needed) if name.startswith("libstdc++")]
    if has_wheel and torch and (not standard or standard[0] > torch[0]):
        found.append("%s is searched before the compiler's C++ library" % needed[torch[0]])
    return found


def problems_of(path, has_wheel):
    def run(*words):
        return subprocess.run([*words, path], check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout

    symbols, needed = dynamic_symbols(run("nm", "-D", "-P")), needed_libraries(run("readelf", "-d", "-W"))
    if "libc.so.6" not in needed:
        return ["libc.so.6 is not loaded"]
    return find_problems(symbols, needed, is_program=not path.endswith(".so"), has_wheel=has_wheel)


class Rules(unittest.TestCase):
    needed = ["libstdc++.so.6", "libtorch_cpu.so", "libc10.so", "libc.so.6"]

    def test_listings(self):
        self.assertEqual(dynamic_symbols("_ZSt4cout@GLIBCXX_3.4 B 9e200 110\n_Znwm@GLIBCXX_3.4 U         \n"),
                         [("_ZSt4cout@GLIBCXX_3.4", "B"), ("_Znwm@GLIBCXX_3.4", "U")])
        self.assertEqual(needed_libraries(" 0x0000000000000001 (NEEDED)             Shared library: [libc10.so]\n"
                                          " 0x000000000000001d (RUNPATH)            Library runpath: [/x]\n"), ["libc10.so"])

    def test_imports_and_copied_variables_are_no_exports(self):
        symbols = [("_ZSt4cout@GLIBCXX_3.4", "B"), ("malloc@GLIBC_2.2.5", "U"), ("__gmon_start__", "w")]
        self.assertEqual(find_problems(symbols, self.needed, is_program=True, has_wheel=True), [])

    def test_a_program_exports_nothing(self):
        symbols = [("_ZN4rcnn3NmsEv", "T")]
        self.assertEqual(find_problems(symbols, self.needed, True, True), ["_ZN4rcnn3NmsEv is exported"])
        self.assertEqual(find_problems(symbols, self.needed, False, True), [])

    def test_functions_of_strings_are_no_exports(self):
        self.assertEqual(find_problems(
            [("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE6appendEPKc", "W")], self.needed, True, True), [])
        problem = ["_ZNSt10filesystem10remove_allERKNS_7__cxx114pathE is exported"]
        for kind in ("T", "W"):
            self.assertEqual(find_problems(
                [("_ZNSt10filesystem10remove_allERKNS_7__cxx114pathE", kind)], self.needed, True, True), problem)

    def test_protobuf_is_not_visible(self):
        name = "_ZN6google8protobuf7Message5ClearEv"
        for kind in ("T", "W", "U"):
            self.assertIn(name + " is visible", find_problems([(name, kind)], self.needed, False, True))
        self.assertEqual(find_problems([], ["libprotobuf.so.32"], True, False), ["libprotobuf.so.32 is loaded"])

    def test_the_wheel_is_searched_after_the_standard_library(self):
        problem = ["libtorch_cpu.so is searched before the compiler's C++ library"]
        for needed in (["libtorch_cpu.so", "libstdc++.so.6"], ["libtorch_cpu.so"]):
            self.assertEqual(find_problems([], needed, True, True), problem)
            self.assertEqual(find_problems([], needed, True, False), [])


class Files(unittest.TestCase):
    paths, has_wheel = [], False

    def test_each_file_keeps_the_rules(self):
        self.assertTrue(self.paths)
        for path in self.paths:
            with self.subTest(file=path):
                self.assertEqual(problems_of(path, self.has_wheel)[:5], [])


if __name__ == "__main__":
    Files.has_wheel, Files.paths = sys.argv[1] == "wheel", sys.argv[2:]
    unittest.main(argv=sys.argv[:1])
