"""LibTorch: the one at $LIBTORCH_HOME, or the system's.

Writes `version.bzl` for others to load, with LIBTORCH_VERSION, LIBTORCH_CUDA and LIBTORCH_HOME.
"""

load("//third_party:system_library.bzl", "fail_missing", "find_include_root", "read_version_macros")

_OLDEST = [1, 13]

# With which rcnn's tests run.
_TESTED = [[1, 13], [2, 11]]

_SYSTEM_BUILD = """
load("@rcnn//third_party:system_cc_library.bzl", "system_cc_library")

# torch: everything, with the OpenMP library that at::parallel_for needs. `c10` for those who need only its headers and
# error type.
system_cc_library(
    name = "torch",
    include_directories = ["{include}/torch/csrc/api/include"],
    libraries = ["torch", "torch_cpu", "c10", "gomp"],
    version = "{version}",
)

system_cc_library(
    name = "c10",
    libraries = ["c10"],
    version = "{version}",
)
"""

_HOME_BUILD = """
cc_library(
    name = "headers",
    hdrs = glob(["include/**"]),
    defines = ["RCNN_BUILT_WITH_TORCH=v{token}"],
    includes = ["include", "include/torch/csrc/api/include"],
)

cc_library(
    name = "torch",
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
    deps = [":headers"],
)

cc_library(
    name = "c10",
    linkopts = {linkopts_c10},
    visibility = ["//visibility:public"],
    deps = [":headers"],
)
"""

# The folders of include/ that are LibTorch's own. Beside them the wheels carry an old protobuf, fmt and pybind11, which
# would hide the system's.
_INCLUDE_FOLDERS = ["ATen", "c10", "caffe2", "torch"]

# Where LibTorch defines its version, newest layout first; new ones keep the second only to include the first.
_VERSION_HEADERS = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h", "torch/version.h"]

def _read_version(rctx, include):
    """Returns the version as a list of three numbers, or None if no header below `include` defines it."""
    for header in [include + "/" + name for name in _VERSION_HEADERS]:
        if rctx.path(header).exists:
            version = read_version_macros(rctx, header, ["TORCH_VERSION_" + part for part in ["MAJOR", "MINOR", "PATCH"]])
            if version:
                return [int(n) for n in version.split(".")]
    return None

def _openmp_flag(rctx, home):
    """Returns the linker flag of the OpenMP library that comes with this LibTorch; a second one would have its own threads."""
    for library in rctx.path(home + "/lib").readdir():
        if library.basename.startswith("libgomp"):
            return "-l:" + library.basename
    return "-lgomp"

def _fail_home(rctx, home, why):
    fail(("\n\nLIBTORCH_HOME={home} is not a LibTorch that rcnn can use: {why}.\n\n" +
          "It must be the unpacked folder of a LibTorch {oldest} or newer with the C++11 ABI, holding include/ and lib/. " +
          "tools/setup/install_libtorch.sh installs one and writes its path into user.bazelrc; run it again if the folder " +
          "was deleted. Without --config or --repo_env, rcnn uses the system's.\n").format(
        home = home,
        why = why,
        oldest = ".".join([str(n) for n in _OLDEST]),
    ))

def _check_home(rctx, home):
    """Returns the version of the LibTorch at `home`, or fails with an error."""
    if not home.startswith("/"):
        _fail_home(rctx, home, "it is not an absolute path")
    if " " in home:
        _fail_home(rctx, home, "its path has a space, which linker flags cannot hold")
    if not rctx.path(home).exists:
        _fail_home(rctx, home, "no such folder")
    version = _read_version(rctx, home + "/include")
    if version == None:
        _fail_home(rctx, home, "no header below include/ defines its version")
    if version[:2] < _OLDEST:
        _fail_home(rctx, home, "its version is " + ".".join([str(n) for n in version]))
    for library in ["libtorch_cpu.so", "libc10.so"]:
        if not rctx.path(home + "/lib/" + library).exists:
            _fail_home(rctx, home, "lib/{} is missing".format(library))
    config = rctx.path(home + "/share/cmake/Torch/TorchConfig.cmake")
    if config.exists and "_GLIBCXX_USE_CXX11_ABI=0" in rctx.read(config):
        _fail_home(rctx, home, "it was built with the old ABI (take the download marked cxx11 ABI)")
    return version

def _notice_untested(version):
    """Prints that nobody has tried this version, if so, before the compiler meets its differences."""
    if version[:2] in _TESTED:
        return

    # buildifier: disable=print
    print("rcnn: LibTorch {} is untested; 1.13 and 2.11 are supported.".format(".".join([str(n) for n in version])))

def _cuda_wanted(rctx, home):
    """True when RCNN_LIBTORCH_CUDA=1 asks for CUDA, which `home` must then have."""
    wanted = rctx.os.environ.get("RCNN_LIBTORCH_CUDA", "0")
    if wanted not in ["0", "1"]:
        fail("\n\nRCNN_LIBTORCH_CUDA={} must be 0 or 1.\n".format(wanted))
    if wanted == "1" and not rctx.path(home + "/lib/libtorch_cuda.so").exists:
        _fail_home(rctx, home, "RCNN_LIBTORCH_CUDA=1 asks for CUDA, but lib/libtorch_cuda.so is missing")
    return wanted == "1"

def _from_home(rctx, home):
    version = _check_home(rctx, home)
    cuda = _cuda_wanted(rctx, home)
    for folder in _INCLUDE_FOLDERS:
        if rctx.path("{}/include/{}".format(home, folder)).exists:
            rctx.symlink("{}/include/{}".format(home, folder), "include/" + folder)

    # LibTorch 2 exports some functions of the C++ library that it was built with, std::filesystem's among them. The
    # compiler's own library must be searched first.
    search = ["-L{}/lib".format(home), "-Wl,-rpath,{}/lib".format(home), "-lstdc++"]

    # libtorch.so, which does nothing but load the others, is not linked: without CUDA it would load libtorch_cuda.so.
    # With CUDA, --no-as-needed keeps libtorch_cuda, which registers itself and of which no symbol is used.
    libraries = ["-ltorch_cpu", "-lc10", _openmp_flag(rctx, home)]
    if cuda:
        libraries = ["-Wl,--no-as-needed", "-ltorch_cuda", "-lc10_cuda", "-Wl,--as-needed"] + libraries
    rctx.file("BUILD", _HOME_BUILD.format(
        # The same with CUDA: the headers are the same, and only what is linked differs, so objects are shared.
        token = "_".join([str(n) for n in version]),
        linkopts = repr(search + libraries),
        linkopts_c10 = repr(search + ["-lc10"]),
    ))
    return version, cuda

def _from_system(rctx):
    include = find_include_root(rctx, "ATen/ATen.h")
    if include == None:
        fail_missing(rctx, "missing header <ATen/ATen.h>", rctx.attr.packages)
    version = _read_version(rctx, include)
    if version == None:
        fail_missing(rctx, "none of its headers defines its version", rctx.attr.packages)
    rctx.file("BUILD", _SYSTEM_BUILD.format(include = include, version = ".".join([str(n) for n in version])))
    return version, False

def _libtorch_impl(rctx):
    home = rctx.os.environ.get("LIBTORCH_HOME", "")
    version, cuda = _from_home(rctx, home.rstrip("/")) if home else _from_system(rctx)
    _notice_untested(version)
    rctx.file("version.bzl", "LIBTORCH_VERSION = {}\nLIBTORCH_CUDA = {}\nLIBTORCH_HOME = {}\n".format(
        repr(".".join([str(n) for n in version])),
        cuda,
        repr(home),
    ))

system_libtorch = repository_rule(
    implementation = _libtorch_impl,
    doc = "@libtorch over $LIBTORCH_HOME or the installed LibTorch.",
    local = True,
    configure = True,
    environ = ["LIBTORCH_HOME", "RCNN_LIBTORCH_CUDA"],
    attrs = {
        "display_name": attr.string(default = "LibTorch"),
        "packages": attr.string_list(default = ["libtorch-dev", "libopenblas0-pthread"]),
    },
)
