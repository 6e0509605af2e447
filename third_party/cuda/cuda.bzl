"""CUDA: the system's toolkit, if RCNN_LIBTORCH_CUDA=1 asks for it.

Writes `version.bzl` for tools/build/cuda.bzl to load, with CUDA_HOME, which is "" where no CUDA is built, CUDA_VERSION, and
HAS_NCCL: whether there is a header of NCCL.
"""

_BUILD = """
package(default_visibility = ["//visibility:public"])

# What C++ sources include: <cuda_runtime_api.h>, and <cuda_fp16.h>, which needs nv. nvcc finds the toolkit's headers by
# itself.
cc_library(
    name = "headers",
    hdrs = glob(["include/*.h", "include/*.hpp", "include/crt/*", "include/nv/**"]),
    includes = ["include"],
)

# Shared: LibTorch loads the same library.
cc_library(
    name = "cudart",
    linkopts = ["-L{home}/lib64", "-Wl,-rpath,{home}/lib64", "-lcudart"],
    deps = [":headers"],
)

# The header alone: the library is loaded by LibTorch.
cc_library(
    name = "nccl",
    hdrs = glob(["nccl/nccl*.h", "nccl/nccl_device/**"], allow_empty = True),
    includes = ["nccl"],
    deps = [":headers"],
)
"""

_NONE = """
package(default_visibility = ["//visibility:public"])

cc_library(name = "headers")

cc_library(name = "cudart")

cc_library(name = "nccl")
"""

def _find_home(rctx):
    """Returns the folder of the toolkit, or None: $CUDA_HOME, else /usr/local/cuda, else that of nvcc on the PATH."""
    home = rctx.os.environ.get("CUDA_HOME", "").rstrip("/")
    if home:
        return home if rctx.path(home + "/bin/nvcc").exists else None
    if rctx.path("/usr/local/cuda/bin/nvcc").exists:
        return "/usr/local/cuda"
    nvcc = rctx.which("nvcc")
    return str(nvcc.realpath.dirname.dirname) if nvcc else None

def _version(rctx, home):
    """Returns the version that `nvcc --version` prints, such as 13.0.88."""
    result = rctx.execute([home + "/bin/nvcc", "--version"])
    for word in result.stdout.replace("\n", " ").split(" "):
        if word.startswith("V") and word[1:2].isdigit():
            return word[1:]
    fail("\n\n{}/bin/nvcc --version prints no version: {}{}\n".format(home, result.stdout, result.stderr))

def _libtorch_cuda(rctx):
    """Returns the version of CUDA that pip's LibTorch was built for, such as 13.0, or None if no file says it."""
    path = rctx.os.environ.get("LIBTORCH_HOME", "").rstrip("/") + "/version.py"
    if not rctx.path(path).exists:
        return None
    for line in rctx.read(path).split("\n"):
        # cuda: Optional[str] = '13.0'
        words = line.split("'")
        if line.startswith("cuda") and len(words) == 3:
            return words[1]
    return None

def _check_version(rctx, home, version):
    """Fails if nvcc is of another CUDA than LibTorch: programs would load two of CUDA's runtimes."""
    wanted = _libtorch_cuda(rctx)
    if wanted == None or wanted.split(".")[0] == version.split(".")[0]:
        return
    fail(("\n\nLibTorch was built for CUDA {}, but {}/bin/nvcc is of CUDA {}. Install NVIDIA's CUDA toolkit {}; CUDA_HOME names its " +
          "folder if that is not /usr/local/cuda.\n").format(wanted, home, version, wanted.split(".")[0]))

def _find_nccl(rctx, home):
    """Returns the folder of nccl.h, or None: that of pip's package beside LibTorch, which fits it, else the toolkit's or the system's."""
    libtorch = rctx.os.environ.get("LIBTORCH_HOME", "").rstrip("/")
    beside = [libtorch + "/../nvidia/nccl/include", libtorch + "/../nvidia/cu13/include"] if libtorch else []
    for folder in beside + [home + "/include", "/usr/include"]:
        if rctx.path(folder + "/nccl.h").exists:
            return folder
    return None

def _cuda_impl(rctx):
    home = None
    if rctx.os.environ.get("RCNN_LIBTORCH_CUDA", "0") == "1":
        home = _find_home(rctx)
        if home == None:
            # buildifier: disable=print
            print("rcnn: nvcc is missing, so the CUDA targets are skipped. It comes with NVIDIA's CUDA toolkit; " +
                  "CUDA_HOME names its folder if that is not /usr/local/cuda.")
    if home == None:
        rctx.file("BUILD", _NONE)
        rctx.file("version.bzl", "CUDA_HOME = \"\"\nCUDA_VERSION = \"\"\nHAS_NCCL = False\n")
        return
    version = _version(rctx, home)
    _check_version(rctx, home, version)
    rctx.symlink(home + "/include", "include")
    nccl = _find_nccl(rctx, home)
    if nccl == None:
        # buildifier: disable=print
        print("rcnn: nccl.h is missing, so that several processes cannot train on GPUs. It comes with pip's LibTorch " +
              "(tools/setup/install_libtorch.sh cuda).")
    else:
        for name in ["nccl.h", "nccl_device.h", "nccl_device"]:
            if rctx.path(nccl + "/" + name).exists:
                rctx.symlink(nccl + "/" + name, "nccl/" + name)
    rctx.file("BUILD", _BUILD.format(home = home))
    rctx.file("version.bzl", "CUDA_HOME = {}\nCUDA_VERSION = {}\nHAS_NCCL = {}\n".format(
        repr(home),
        repr(version),
        nccl != None,
    ))

system_cuda = repository_rule(
    implementation = _cuda_impl,
    doc = "@cuda over the installed toolkit, or empty.",
    local = True,
    configure = True,
    environ = ["CUDA_HOME", "LIBTORCH_HOME", "PATH", "RCNN_LIBTORCH_CUDA"],
)
