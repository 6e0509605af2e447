"""cc_library over headers and shared objects that live outside Bazel."""

def _system_includes_impl(ctx):
    return [CcInfo(compilation_context = cc_common.create_compilation_context(
        system_includes = depset(ctx.attr.directories),
        defines = depset(ctx.attr.defines),
    ))]

_system_includes = rule(
    implementation = _system_includes_impl,
    doc = "Absolute include directories, which must lie under a built-in include directory of the compiler.",
    attrs = {
        "directories": attr.string_list(),
        "defines": attr.string_list(),
    },
    provides = [CcInfo],
)

def system_cc_library(name, version, include_directories = [], libraries = [], linkopts = [], deps = []):
    """Declares an installed library as a target.

    Args:
      name: target name.
      version: the installed version. It becomes the macro RCNN_BUILT_WITH_<NAME>, so that objects compiled
        against another version are not taken from a cache.
      include_directories: absolute directories to add with -isystem.
      libraries: names to link, without "lib" and ".so".
      linkopts: further link flags.
      deps: other targets.
    """
    native_name = name + "_includes"
    _system_includes(
        name = native_name,
        directories = [d for d in include_directories if d not in ["/usr/include", "/usr/local/include"]],
        defines = ["RCNN_BUILT_WITH_{}={}".format(name.upper(), _token(version))],
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        linkopts = ["-l" + library for library in libraries] + linkopts,
        visibility = ["//visibility:public"],
        deps = [native_name] + deps,
    )

def _token(version):
    return "v" + "".join([c if c.isalnum() else "_" for c in version.elems()])
