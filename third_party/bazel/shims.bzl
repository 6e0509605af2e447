"""The two repositories that Bazel 4 would download although nothing here uses them.

`@rules_cc`: the tools that come with Bazel load cc_library and the like from it. The rules are native in
Bazel 4, so re-exporting them is enough; Debian's own bazel-rules-cc is for newer versions and does not load.
`@remote_coverage_tools`: the report generator of `bazel coverage`, which every test rule names.
"""

_RULES_CC = """
cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
fdo_prefetch_hints = native.fdo_prefetch_hints
fdo_profile = native.fdo_profile
objc_import = native.objc_import
objc_library = native.objc_library
"""

_COVERAGE = """
filegroup(
    name = "coverage_report_generator",
    srcs = [],
    visibility = ["//visibility:public"],
)
"""

def _rules_cc_impl(rctx):
    rctx.file("WORKSPACE", "workspace(name = \"{}\")\n".format(rctx.name))
    rctx.file("BUILD", "")
    rctx.file("cc/BUILD", "")
    rctx.file("cc/defs.bzl", _RULES_CC)

rules_cc_shim = repository_rule(
    implementation = _rules_cc_impl,
    doc = "cc/defs.bzl over the native rules.",
)

def _coverage_tools_impl(rctx):
    rctx.file("WORKSPACE", "workspace(name = \"{}\")\n".format(rctx.name))
    rctx.file("BUILD", _COVERAGE)

coverage_tools_shim = repository_rule(
    implementation = _coverage_tools_impl,
    doc = "An empty coverage report generator.",
)

def _debian_rules_impl(rctx):
    if not rctx.path(rctx.attr.path).exists:
        fail("\n\nrcnn needs the Bazel rules in {}, which are not installed.\n\nOn Debian or Ubuntu:\n  apt-get install {}\n(or run ./bazelw, which does).\n".format(rctx.attr.path, rctx.attr.package))
    for entry in rctx.path(rctx.attr.path).readdir():
        rctx.symlink(entry, entry.basename)

debian_rules = repository_rule(
    implementation = _debian_rules_impl,
    doc = "Rules that a Debian package installed.",
    local = True,
    attrs = {
        "path": attr.string(mandatory = True),
        "package": attr.string(mandatory = True),
    },
)
