"""Precompiled headers: standard, Abseil, LibTorch and GoogleTest headers are parsed once, not once for each source.

They save two to five seconds per source and change nothing that is built. .bazelrc turns them on for this workspace with
--define=rcnn_prelude=1; other workspaces and builds with Clang do without. --define=rcnn_prelude=0 shows whether every
source includes what it uses.
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

# How macros begin that name the version of a library.
_VERSION = "RCNN_BUILT_WITH_"

# The last line of what is precompiled.
_INSTANTIATE = "tools/build/prelude/instantiate_templates.h"

def _compile(ctx, header, precompiled):
    """Compiles `header` with the flags that Bazel gives to a source.

    GCC silently ignores the result where a source has other flags or lacks one of its macros; -Winvalid-pch says
    why. So the macros that name library versions (third_party/system_cc_library.bzl), which differ from target to target
    and which no header reads, are passed in the environment.
    """
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    infos = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps])
    context = infos.compilation_context
    cpp = ctx.fragments.cpp
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        source_file = header.path,
        output_file = precompiled.path,
        user_compile_flags = ["-x", "c++-header"] + ["-fplugin=" + plugin.path for plugin in ctx.files.plugin] +
                             cpp.copts + cpp.cxxopts + ctx.attr.copts,
        include_directories = context.includes,
        quote_include_directories = depset(["."], transitive = [context.quote_includes]),
        system_include_directories = context.system_includes,
        preprocessor_defines = depset([define for define in context.defines.to_list() if not define.startswith(_VERSION)]),
        # --force_pic is not for tools that the build itself runs.
        use_pic = "-exec-" not in ctx.bin_dir.path,
        add_legacy_cxx_options = True,
    )
    arguments = cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = ACTION_NAMES.cpp_compile,
        variables = variables,
    )
    ctx.actions.run(
        executable = cc_common.get_tool_for_action(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile),
        arguments = arguments,
        env = dict(
            cc_common.get_environment_variables(
                feature_configuration = features,
                action_name = ACTION_NAMES.cpp_compile,
                variables = variables,
            ),
            # Another version of a library is another precompiled header.
            RCNN_VERSIONS = " ".join([define for define in context.defines.to_list() if define.startswith(_VERSION)]),
        ),
        inputs = depset([header, ctx.file.src] + ctx.files.hdrs + ctx.files.plugin, transitive = [context.headers, toolchain.all_files]),
        outputs = [precompiled],
        mnemonic = "PrecompileHeader",
        progress_message = "Precompiling %s" % header.short_path,
    )

def _precompiled_header_impl(ctx):
    header = ctx.actions.declare_file(ctx.label.name + "_prelude.h")
    precompiled = ctx.actions.declare_file(ctx.label.name + "_prelude.h.gch")
    ctx.actions.write(header, '#include "{}"\n#include "{}"\n'.format(ctx.file.src.path, _INSTANTIATE))
    _compile(ctx, header, precompiled)

    # A target may use it without naming all its libraries; it is linked only with those that it names.
    names = [dep[CcInfo].compilation_context for dep in ctx.attr.deps]
    return [
        DefaultInfo(files = depset([precompiled])),
        CcInfo(compilation_context = cc_common.create_compilation_context(
            headers = depset([header, precompiled, ctx.file.src] + ctx.files.hdrs, transitive = [context.headers for context in names]),
            includes = depset(transitive = [context.includes for context in names]),
            quote_includes = depset(transitive = [context.quote_includes for context in names]),
            system_includes = depset(transitive = [context.system_includes for context in names]),
            defines = depset(transitive = [context.defines for context in names]),
        )),
    ]

precompiled_header = rule(
    doc = "<name>_prelude.h and <name>_prelude.h.gch, from `src`, for targets that have the same flags.",
    implementation = _precompiled_header_impl,
    attrs = {
        "src": attr.label(allow_single_file = [".h"], mandatory = True),
        "hdrs": attr.label_list(allow_files = [".h"], doc = "headers that src includes"),
        "copts": attr.string_list(doc = "flags that the macros of cc.bzl give to the sources that use it"),
        "deps": attr.label_list(providers = [CcInfo]),
        "plugin": attr.label(cfg = "host", doc = "instantiate_templates.cc, where GCC has plugins"),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
