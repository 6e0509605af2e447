"""Libraries with CUDA sources.

CUDA is built if RCNN_LIBTORCH_CUDA=1 asks for it, as --config=cuda does, and the system's toolkit has nvcc. Otherwise the
targets are empty, so that dependents need no condition of their own.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@cuda//:version.bzl", "CUDA_HOME", "CUDA_VERSION", "HAS_NCCL")
load("//tools/build:cc.bzl", "rcnn_cc_library")
load("//tools/build:layers.bzl", "check_layers")

# A100, H100 and H200; newer GPUs compile the PTX when a program starts. Checks that run nothing compile for one of them alone.
_ARCHITECTURES = select({
    "@rcnn//tools/build:cuda_sm_90": ["arch=compute_90,code=sm_90"],
    "//conditions:default": [
        "arch=compute_80,code=sm_80",
        "arch=compute_90,code=sm_90",
        "arch=compute_90,code=compute_90",
    ],
})

# As in cc.bzl multiply-adds are not contracted: results are the same on both devices.
_FLAGS = [
    "-std=c++17",
    "-O3",
    "--fmad=false",
    "--expt-relaxed-constexpr",
    "-lineinfo",
    "-Werror=all-warnings",
    "-Xcompiler=-fPIC,-Wall,-Wextra,-ffp-contract=off",
]

def _cuda_object_impl(ctx):
    """Compiles one source. Its inputs are the headers that `deps` list: with another one it would not compile."""
    toolchain = find_cpp_toolchain(ctx)
    context = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]).compilation_context
    output = ctx.actions.declare_file(ctx.label.name + ".pic.o")
    arguments = ctx.actions.args()
    arguments.add_all(_FLAGS)
    arguments.add_all(ctx.attr.architectures, before_each = "-gencode")
    arguments.add("-ccbin", toolchain.compiler_executable)
    arguments.add("-DRCNN_BUILT_WITH_CUDA=v" + ctx.attr.cuda_version.replace(".", "_"))
    arguments.add_all(context.defines, before_each = "-D")
    arguments.add_all(context.includes, before_each = "-I")
    arguments.add_all(context.system_includes, before_each = "-isystem")
    arguments.add("-c", ctx.file.src)
    arguments.add("-o", output)
    ctx.actions.run(
        executable = ctx.attr.cuda_home + "/bin/nvcc",
        arguments = [arguments],
        env = {"PATH": "/usr/bin:/bin"},
        inputs = depset([ctx.file.src], transitive = [context.headers]),
        outputs = [output],
        mnemonic = "CudaCompile",
        progress_message = "Compiling %s with nvcc" % ctx.file.src.short_path,
    )
    return [DefaultInfo(files = depset([output]))]

_cuda_object = rule(
    doc = "<name>.pic.o from one CUDA source.",
    implementation = _cuda_object_impl,
    attrs = {
        "src": attr.label(allow_single_file = [".cu"], mandatory = True),
        "deps": attr.label_list(providers = [CcInfo]),
        "architectures": attr.string_list(mandatory = True),
        "cuda_home": attr.string(mandatory = True),
        "cuda_version": attr.string(mandatory = True),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)

def rcnn_cuda_library(name, srcs = [], hdrs = [], deps = [], cc_deps = [], needs_nccl = False, testonly = False, visibility = ["//visibility:private"]):
    """A library of .cu sources, compiled by nvcc, and .cc sources; empty where no CUDA is built.

    Where it is not empty, it and what depends on it are compiled with the macro RCNN_CUDA.

    .cu files see the headers of `hdrs` and `deps`, and no LibTorch: ATen's headers take nvcc a minute. A .cc file beside
    them registers their kernels with LibTorch.

    Args:
      name: target name.
      srcs: .cu and .cc files.
      hdrs: headers, included as "rcnn/<package>/<header>".
      deps: libraries that hdrs and .cu files include.
      cc_deps: libraries that .cc files alone include, such as @libtorch//:torch.
      needs_nccl: empty too where the header of NCCL is missing; it is in @cuda//:nccl.
      testonly: as for cc_library.
      visibility: as for cc_library.
    """
    check_layers(deps + cc_deps, testonly = testonly)
    if not CUDA_HOME or (needs_nccl and not HAS_NCCL):
        native.cc_library(name = name, visibility = visibility, testonly = testonly)
        return
    rcnn_cc_library(
        name = name + "_headers",
        hdrs = hdrs,
        deps = deps + ["@cuda//:headers"],
        testonly = testonly,
    )
    objects = []
    for src in [src for src in srcs if src.endswith(".cu")]:
        objects.append(src[:-len(".cu")] + "_cuda")
        _cuda_object(
            name = objects[-1],
            src = src,
            architectures = _ARCHITECTURES,
            cuda_home = CUDA_HOME,
            cuda_version = CUDA_VERSION,
            deps = [":{}_headers".format(name)],
            testonly = testonly,
        )
    rcnn_cc_library(
        name = name,
        srcs = [src for src in srcs if not src.endswith(".cu")] + objects,
        alwayslink = True,  # registers operators
        defines = ["RCNN_CUDA"],
        testonly = testonly,
        visibility = visibility,
        deps = [":{}_headers".format(name), "@cuda//:cudart"] + cc_deps,
    )

def rcnn_cuda_kernels(name):
    """A shared library of all CUDA sources of the package, for checks: it links without LibTorch, and no symbol may be missing.

    Empty where no CUDA is built. Call it at the end of a BUILD file.

    Args:
      name: target name, lib*.so.
    """
    objects = sorted([":" + rule["name"] for rule in native.existing_rules().values() if rule["kind"] == "_cuda_object"])
    if not objects:
        native.filegroup(name = name)
        return
    native.cc_binary(
        name = name,
        srcs = objects,
        linkopts = ["-Wl,--no-undefined"],
        linkshared = True,
        deps = ["@cuda//:cudart"],
    )
