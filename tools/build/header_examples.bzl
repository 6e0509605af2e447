"""The examples in the comments of headers, compiled.

tools/build/header_examples.py says what an example is; tools/developer/check_header_examples.py checks that the header
of each is listed.
"""

load("//tools/build:cc.bzl", "rcnn_cc_library")

_SCRIPT = "@rcnn//tools/build:header_examples.py"

def _quote(text):
    """Quotes an argument for the shell of a genrule."""
    return "'{}'".format(text.replace("'", "'\\''").replace("$", "$$"))

def rcnn_header_examples(name, hdrs, deps = [], includes = [], prelude = None):
    """Compiles the examples of a package's headers, with the flags of every rcnn_cc_library.

    Stands in the BUILD file after the headers' libraries, on which it depends if they are called as their header. It is
    for tests only, so examples may use every room of their own folder.

    Args:
      name: target name.
      hdrs: header of this package -> declarations of the variables, functions and types that its examples use without
        declaring them. They stand before the example, in its namespace: "extern const std::string path;".
      deps: libraries of `includes`, and others that the examples use; those of `hdrs` are known.
      includes: what the examples need besides their own header: "<cstdio>", "rcnn/base/file_io.h".
      prelude: as for rcnn_cc_library.
    """
    arguments = ["--include=" + include for include in includes] + ["--"]
    for header, declarations in hdrs.items():
        arguments += [native.package_name() + "/" + header, "\n".join(declarations)]
    native.genrule(
        name = name + "_source",
        testonly = True,
        srcs = hdrs.keys(),
        outs = [name + ".cc"],
        cmd = "python3 $(execpath {}) --out=$@ {}".format(_SCRIPT, " ".join([_quote(text) for text in arguments])),
        exec_tools = [_SCRIPT],
    )
    libraries = [":" + header[:-len(".h")] for header in hdrs if native.existing_rule(header[:-len(".h")])]
    rcnn_cc_library(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        prelude = prelude,
        deps = libraries + deps + ["@com_google_absl//absl/status"],
    )
