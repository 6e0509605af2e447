"""The headers of GCC's plugin interface, if the compiler is a GCC that has them.

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

def _plugin_folder(rctx):
    """Returns GCC's folder of plugins, or None."""
    compiler = rctx.which(rctx.os.environ.get("CC", "gcc"))
    if compiler == None:
        return None
    folder = rctx.execute([compiler, "-print-file-name=plugin"]).stdout.strip()

    # A compiler that knows no such folder, Clang among them, repeats the name.
    found = folder.startswith("/") and rctx.path(folder + "/include/gcc-plugin.h").exists
    return folder if found else None

def _gcc_plugin_impl(rctx):
    folder = _plugin_folder(rctx)
    if folder:
        rctx.symlink(folder + "/include", "include")
    rctx.file("available.bzl", "HAS_GCC_PLUGINS = {}\n".format(folder != None))
    rctx.file("BUILD", _BUILD)

system_gcc_plugin = repository_rule(
    doc = "GCC's plugin headers, or an empty library where there are none.",
    implementation = _gcc_plugin_impl,
    configure = True,
    environ = ["CC"],
    local = True,
)
