"""Finds a library that the system's package manager installed.

A library under a compiler's built-in include directory needs nothing but its
link flags; one in a folder of its own (Eigen, OpenCV) needs that folder as an
include path too. Both come from a BUILD overlay in the library's folder beside this
file, in which `%{version}` and `%{include}` are filled in here.
"""

_INCLUDE_ROOTS = ["/usr/local/include", "/usr/include"]

def find_include_root(rctx, header, folders = [""]):
    """Returns the first directory that holds `header`, or None.

    Args:
      rctx: the repository context.
      header: path of a header as it is included.
      folders: sub-folders of the include roots to look in.
    """
    for root in _INCLUDE_ROOTS:
        for folder in folders:
            directory = root + ("/" + folder if folder else "")
            if rctx.path(directory + "/" + header).exists:
                return directory
    return None

def fail_missing(rctx, what, packages):
    """Fails with one message: what is missing and how to install it."""
    fail("\n\n".join([
        "",
        "rcnn needs {}, which is not installed: {}.".format(rctx.attr.display_name, what),
        "On Debian or Ubuntu:\n  apt-get install {}\n(or run ./bazelw, which does).".format(" ".join(packages)),
        "Elsewhere, define the repository @{} yourself before calling rcnn_repositories(); see third_party/README.md.\n".format(rctx.name),
    ]))

def read_version_macros(rctx, header, macros):
    """Returns the values of `#define` macros in a header joined by dots, or None if one is missing."""
    values = {}
    for line in rctx.read(header).split("\n"):
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if len(words) >= 3 and words[0] == "#define" and words[1] in macros:
            values[words[1]] = words[2]
    return ".".join([values[m] for m in macros]) if len(values) == len(macros) else None

def _version(rctx, include):
    if rctx.attr.version_header:
        return read_version_macros(rctx, include + "/" + rctx.attr.version_header, rctx.attr.version_macros) or "unknown"
    tool = rctx.which("pkg-config")
    if tool == None:
        fail_missing(rctx, "pkg-config is missing", ["pkg-config"] + rctx.attr.packages)
    result = rctx.execute([tool, "--modversion", rctx.attr.pkg_config])
    if result.return_code != 0:
        fail_missing(rctx, "pkg-config does not know '{}'".format(rctx.attr.pkg_config), rctx.attr.packages)
    return result.stdout.strip()

def _system_library_impl(rctx):
    include = find_include_root(rctx, rctx.attr.header, rctx.attr.include_folders)
    if include == None:
        fail_missing(rctx, "missing header <{}>".format(rctx.attr.header), rctx.attr.packages)
    substitutions = {"%{version}": _version(rctx, include), "%{include}": include}
    for program in rctx.attr.programs:
        path = rctx.which(program)
        if path == None:
            fail_missing(rctx, "missing program '{}'".format(program), rctx.attr.packages)
        rctx.symlink(path, "bin/" + program)
    for overlay, destination in rctx.attr.overlays.items():
        rctx.template(destination, overlay, substitutions, executable = False)

system_library = repository_rule(
    implementation = _system_library_impl,
    doc = "A repository over an installed library, with the BUILD overlays given.",
    local = True,
    configure = True,
    attrs = {
        "display_name": attr.string(mandatory = True, doc = "The library's name in messages."),
        "packages": attr.string_list(mandatory = True, doc = "Debian packages that hold it."),
        "header": attr.string(mandatory = True, doc = "A header whose presence shows that the library is installed."),
        "include_folders": attr.string_list(default = [""], doc = "Where below /usr/include the header may be."),
        "pkg_config": attr.string(doc = "pkg-config module that gives the version."),
        "version_header": attr.string(doc = "Where pkg-config knows nothing: the header that defines the version."),
        "version_macros": attr.string_list(doc = "The macros of version_header that make up the version."),
        "programs": attr.string_list(doc = "Programs to link into bin/."),
        "overlays": attr.label_keyed_string_dict(mandatory = True, doc = "BUILD overlay to its place in the repository."),
    },
)
