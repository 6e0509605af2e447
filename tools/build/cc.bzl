"""C++ targets of rcnn: one idea = one header, one source, one test, one target.

All includes read `#include "rcnn/<folder>/<file>.h"`. Libraries are visible to their own package only unless
`visibility` says otherwise.
"""

load("//tools/build:layers.bzl", "check_layers")
load("//tools/build:prelude.bzl", "PRELUDE_LEVELS", "TEST_PRELUDES", "default_prelude")

# Warnings are errors for our own code only; headers of libraries are system headers. Multiply-adds are not contracted
# unless the code says so (std::fma), because results must not depend on the instruction set of a clone.
_COPTS = ["-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]

# at::parallel_for is a template that is parallel only where the including file is compiled with OpenMP. The
# required library comes with @libtorch//:torch. Clang, used for fuzzing only, may have no <omp.h>.
_OPENMP = select({
    "@rcnn//tools/build:fuzzing": [],
    "//conditions:default": ["-fopenmp"],
})

# A test's code, mostly templates of matchers, compiles in half the time without -O2.
_TEST_COPTS = select({
    "@rcnn//tools/build:debugging": [],
    "//conditions:default": ["-O1"],
})

def _copts(level):
    return _COPTS + (_OPENMP if PRELUDE_LEVELS[level] else [])

# Flags of the sources that use a precompiled header of prelude/BUILD.
PRELUDE_COPTS = {level: _copts(level) for level in PRELUDE_LEVELS}
PRELUDE_TEST_COPTS = {level: _copts(level) + _TEST_COPTS for level in PRELUDE_LEVELS}

def _prelude_deps(header):
    return select({
        "@rcnn//tools/build:prelude": ["@rcnn//tools/build/prelude:" + header],
        "//conditions:default": [],
    })

def _prelude_copts(header):
    return select({
        "@rcnn//tools/build:prelude": ["-include", "tools/build/prelude/{}_prelude.h".format(header)],
        "//conditions:default": [],
    })

def _compilation(prelude, deps, copts, test = False):
    """Returns a target's flags and dependencies, those of its precompiled header included.

    There is none for a target with flags of its own: it must be compiled with the flags of its sources. A test with -O2 has
    that of libraries.
    """
    level = prelude or default_prelude(deps)
    if level not in PRELUDE_LEVELS:
        fail("prelude = \"{}\" is not one of {}.".format(level, PRELUDE_LEVELS.keys()))
    as_test = test and "-O2" not in copts
    flags = _copts(level) + (_TEST_COPTS if as_test else [])
    if [flag for flag in copts if flag not in ["-O2", "-O3"]]:
        return struct(copts = flags + copts, deps = deps)
    header = TEST_PRELUDES.get(level, level) + "_test" if as_test else level
    return struct(copts = flags + _prelude_copts(header) + copts, deps = deps + _prelude_deps(header))

# Programs load only the system libraries that they use. Our own libraries are linked statically: with shared ones,
# --as-needed would drop libraries that only they use.
_LINKOPTS = ["-Wl,--as-needed"]

# A program exports nothing (hidden.lds says why). Sanitizers must export what they replace.
_HIDDEN = "@rcnn//tools/build:hidden.lds"
_PROGRAM_LINKOPTS = _LINKOPTS + select({
    "@rcnn//tools/build:fuzzing": [],
    "//conditions:default": ["-Wl,--version-script=$(location {})".format(_HIDDEN)],
})

# What Debian's LibTorch loads and never calls.
_STAND_INS = "@rcnn//third_party/libtorch:stand_ins"

_GTEST_MAIN = "@com_google_googletest//:gtest_main"
_GTEST = "@com_google_googletest//:gtest"

def _stand_ins(deps, main):
    """Those of a test that is linked with LibTorch."""
    loads_tensors = main != _GTEST_MAIN or (type(deps) == "list" and "@libtorch//:torch" in deps)
    return [_STAND_INS] if loads_tensors else []

def rcnn_cc_library(name, deps = [], copts = [], prelude = None, visibility = ["//visibility:private"], **kwargs):
    """cc_library whose headers are included as "rcnn/<package>/<header>".

    Args:
      name: target name.
      deps: what it depends on.
      copts: further compiler flags.
      prelude: level of precompiled headers (prelude.bzl), where it is not the default for `deps`.
      visibility: of the target.
      **kwargs: as for cc_library.
    """
    check_layers(deps, testonly = kwargs.get("testonly", False))
    compilation = _compilation(prelude, deps, copts)
    native.cc_library(
        name = name,
        linkstatic = True,
        copts = compilation.copts,
        deps = compilation.deps,
        include_prefix = "rcnn",
        strip_include_prefix = "/",
        visibility = visibility,
        **kwargs
    )

def rcnn_cc_binary(
        name,
        deps = [],
        copts = [],
        linkopts = [],
        prelude = None,
        visibility = ["//visibility:private"],
        flags = None,
        data = [],
        **kwargs):
    """cc_binary with the project's flags.

    A program with tensors names the library of its command-line flags. Then <name> is a small launcher linked with that
    library alone, which answers --help, --version and wrong flags at once, and executes <name>_program, the program
    itself (base/launcher_main.cc). Debug the latter. It does not load what LibTorch never calls
    (third_party/libtorch/stand_in.cc).

    Args:
      name: target name.
      deps: what it is linked with.
      copts: further compiler flags.
      linkopts: further linker flags.
      prelude: as for rcnn_cc_library.
      visibility: of the target.
      flags: a library that defines the program's flags and DescribeProgram (base/program.h), and links no LibTorch.
      data: files that it needs when it runs.
      **kwargs: as for cc_binary, srcs among them.
    """
    check_layers(deps, testonly = kwargs.get("testonly", False))
    if flags:
        native.cc_binary(
            name = name,
            linkopts = _PROGRAM_LINKOPTS,
            deps = ["@rcnn//base:launcher_main", flags, _HIDDEN],
            data = data + [":" + name + "_program"],
            testonly = kwargs.get("testonly", False),
            visibility = visibility,
        )
    shared = kwargs.get("linkshared", False)
    compilation = _compilation(prelude, deps, copts)
    native.cc_binary(
        name = name + "_program" if flags else name,
        copts = compilation.copts,
        linkopts = (_LINKOPTS if shared else _PROGRAM_LINKOPTS) + linkopts,
        deps = compilation.deps + ([flags, _STAND_INS] if flags else []) + ([] if shared else [_HIDDEN]),
        data = data,
        visibility = visibility,
        **kwargs
    )

def rcnn_cc_test(name, deps = [], copts = [], linkopts = [], prelude = None, main = _GTEST_MAIN, size = "small", **kwargs):
    """cc_test with GoogleTest and GoogleMock.

    Args:
      name: target name.
      deps: what is tested.
      copts: further compiler flags.
      linkopts: further linker flags.
      prelude: as for rcnn_cc_library.
      main: the library with main(); "//base:runtime_test_main" gives tensors the machine's threads and BLAS.
      size: Bazel's test size.
      **kwargs: as for cc_test.
    """
    check_layers(deps, testonly = True)
    compilation = _compilation(prelude, deps, copts, test = True)
    native.cc_test(
        name = name,
        linkstatic = True,
        copts = compilation.copts,
        linkopts = _PROGRAM_LINKOPTS + linkopts,
        deps = compilation.deps + [_HIDDEN, _GTEST] + ([main] if main else []) + _stand_ins(deps, main),
        size = size,
        **kwargs
    )

def rcnn_cc_benchmark(name, deps = [], copts = [], linkopts = [], prelude = None, **kwargs):
    """A Google Benchmark program, run with `bazel run`; it starts as every rcnn program does (base/runtime.h)."""
    check_layers(deps, testonly = True)
    compilation = _compilation(prelude, deps, copts)
    native.cc_binary(
        name = name,
        testonly = True,
        copts = compilation.copts,
        linkopts = _PROGRAM_LINKOPTS + linkopts,
        deps = compilation.deps + [
            _HIDDEN,
            _STAND_INS,
            "@com_github_google_benchmark//:benchmark",
            "@rcnn//base:runtime_benchmark_main",
        ],
        **kwargs
    )

def _fuzzer_args(corpus):
    seeds = ",".join(["$(location {})".format(file) for file in corpus])
    return ["-max_total_time=30"] + (["-seed_inputs=" + seeds] if seeds else [])

def rcnn_cc_fuzz_test(name, deps = [], corpus = [], copts = [], linkopts = [], prelude = None, size = "small", **kwargs):
    """A libFuzzer target, which is an ordinary test that replays `corpus` unless --config=fuzz is given.

    With --config=fuzz it starts from `corpus` and searches for 30 s; further arguments (-max_total_time=600,
    a folder for what it finds) are libFuzzer's.

    Args:
      name: target name.
      deps: what is fuzzed.
      corpus: files; each is given once to LLVMFuzzerTestOneInput by the ordinary test.
      copts: further compiler flags.
      linkopts: further linker flags.
      prelude: as for rcnn_cc_library.
      size: Bazel's test size.
      **kwargs: as for cc_test, srcs among them.
    """
    check_layers(deps, testonly = True)
    compilation = _compilation(prelude, deps, copts)
    native.cc_test(
        name = name,
        linkstatic = True,
        copts = compilation.copts,
        linkopts = _PROGRAM_LINKOPTS + linkopts + select({
            "@rcnn//tools/build:fuzzing": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = compilation.deps + [_HIDDEN] + select({
            "@rcnn//tools/build:fuzzing": [],
            "//conditions:default": ["@rcnn//base:fuzz_replay_main"],
        }),
        args = select({
            # libFuzzer only replays files that stand alone on its command line.
            "@rcnn//tools/build:fuzzing": _fuzzer_args(corpus),
            "//conditions:default": ["$(location {})".format(file) for file in corpus],
        }),
        data = corpus,
        size = size,
        **kwargs
    )

def rcnn_proto_library(name, srcs, deps = [], visibility = ["//visibility:private"]):
    """Messages included as "rcnn/<package>/<file>.pb.h".

    Declares `<name>` for protoc and `<name without _proto>_cc_proto` for C++.

    Args:
      name: ends in _proto.
      srcs: .proto files, which import each other as "rcnn/<package>/<file>.proto".
      deps: other proto libraries.
      visibility: of both targets.
    """
    if not name.endswith("_proto"):
        fail("the name of a proto library ends in _proto: " + name)
    native.proto_library(
        name = name,
        srcs = srcs,
        deps = deps,
        import_prefix = "rcnn",
        strip_import_prefix = "/",
        visibility = visibility,
    )
    native.cc_proto_library(
        name = name[:-len("_proto")] + "_cc_proto",
        deps = [":" + name],
        visibility = visibility,
    )
