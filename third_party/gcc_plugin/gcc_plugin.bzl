"""The headers of GCC's plugin interface, if the compiler is a GCC with which the plugin of precompiled headers compiles.

Writes `available.bzl` for tools/build/prelude/BUILD to load, with HAS_GCC_PLUGINS. In Debian they are in the package
gcc-12-plugin-dev, where 12 is the compiler's version.
"""

_BUILD = """
cc_library(
    name = "headers",
    hdrs = glob(["include/**"], allow_empty = True),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def _compiler(rctx):
    """Returns the path of $CC or gcc, or None: as Bazel's toolchain finds it."""
    name = rctx.os.environ.get("CC") or "gcc"
    if name.startswith("/"):
        path = rctx.path(name)
        return path if path.exists else None
    return None if "/" in name else rctx.which(name)

def _plugin_folder(rctx):
    """Returns GCC's folder of plugins, or None where its headers do not compile."""
    compiler = _compiler(rctx)
    if compiler == None or "clang" in rctx.execute([compiler, "--version"]).stdout:
        return None
    folder = rctx.execute([compiler, "-print-file-name=plugin"]).stdout.strip()
    if not (folder.startswith("/") and rctx.path(folder + "/include/gcc-plugin.h").exists):
        return None
    check = [compiler, "-x", "c++", "-std=c++17", "-fsyntax-only", "-fno-rtti", "-I" + folder + "/include"]
    return folder if rctx.execute(check + [rctx.path(rctx.attr.plugin)]).return_code == 0 else None

def _gcc_plugin_impl(rctx):
    folder = _plugin_folder(rctx)
    if folder:
        rctx.symlink(folder + "/include", "include")
    rctx.file("available.bzl", "HAS_GCC_PLUGINS = {}\n".format(folder != None))
    rctx.file("BUILD", _BUILD)

system_gcc_plugin = repository_rule(
    doc = "GCC's plugin headers, or an empty library where there are none.",
    implementation = _gcc_plugin_impl,
    attrs = {
        "plugin": attr.label(
            default = "@rcnn//tools/build/prelude:instantiate_templates.cc",
            doc = "what has to compile with them",
        ),
    },
    configure = True,
    environ = ["CC"],
    local = True,
)
