"""The system's Abseil: a library per component, each with a pkg-config file.

Where the system has static libraries these are linked, because a program would load thirty shared ones.
"""

load("//third_party:system_library.bzl", "fail_missing", "find_include_root")

# Upstream's packages and targets. A target's link flags are those of the pkg-config module absl_<target>.
_TARGETS = {
    "algorithm": ["algorithm", "container"],
    "base": ["base", "config", "core_headers", "dynamic_annotations", "endian", "log_severity"],
    "cleanup": ["cleanup"],
    "container": [
        "btree",
        "fixed_array",
        "flat_hash_map",
        "flat_hash_set",
        "inlined_vector",
        "node_hash_map",
        "node_hash_set",
    ],
    "debugging": ["failure_signal_handler", "stacktrace", "symbolize"],
    "functional": ["any_invocable", "bind_front", "function_ref"],
    "hash": ["hash"],
    "memory": ["memory"],
    "meta": ["type_traits"],
    "numeric": ["bits", "int128"],
    "random": ["bit_gen_ref", "distributions", "random", "seed_sequences"],
    "status": ["status", "statusor"],
    "strings": ["cord", "str_format", "strings"],
    "synchronization": ["synchronization"],
    "time": ["time"],
    "types": ["any", "optional", "span", "variant"],
    "utility": ["utility"],
}

# Modules that are not called absl_<target>.
_MODULES = {
    "algorithm/container": "absl_algorithm_container",
    "random/bit_gen_ref": "absl_random_bit_gen_ref",
    "random/distributions": "absl_random_distributions",
    "random/random": "absl_random_random",
    "random/seed_sequences": "absl_random_seed_sequences",
}

def _static_if_present(rctx, folder, flag):
    if not flag.startswith("-labsl_"):
        return flag
    file = "lib{}.a".format(flag[len("-l"):])
    return "-l:" + file if rctx.path(folder + "/" + file).exists else flag

def _link_flags(rctx, tool, module):
    result = rctx.execute([tool, "--libs", module])
    if result.return_code != 0:
        fail_missing(rctx, "pkg-config does not know '{}'".format(module), rctx.attr.packages)
    flags = [flag for flag in result.stdout.strip().split(" ") if flag]
    folder = rctx.execute([tool, "--variable=libdir", module]).stdout.strip()
    return [_static_if_present(rctx, folder, flag) for flag in flags]

def _absl_impl(rctx):
    tool = rctx.which("pkg-config")
    if tool == None:
        fail_missing(rctx, "pkg-config is missing", ["pkg-config"] + rctx.attr.packages)
    if find_include_root(rctx, "absl/status/statusor.h") == None:
        fail_missing(rctx, "missing header <absl/status/statusor.h>", rctx.attr.packages)
    result = rctx.execute([tool, "--modversion", "absl_base"])
    if result.return_code != 0:
        fail_missing(rctx, "pkg-config does not know 'absl_base'", rctx.attr.packages)
    version = result.stdout.strip()
    rctx.file("BUILD", "")
    for package, targets in _TARGETS.items():
        lines = ["load(\"@rcnn//third_party:system_cc_library.bzl\", \"system_cc_library\")"]
        for target in targets:
            module = _MODULES.get(package + "/" + target, "absl_" + target)
            lines.append("system_cc_library(name = {}, version = {}, linkopts = {})".format(
                repr(target),
                repr(version),
                repr(_link_flags(rctx, tool, module)),
            ))
        rctx.file("absl/{}/BUILD".format(package), "\n\n".join(lines) + "\n")

system_absl = repository_rule(
    implementation = _absl_impl,
    doc = "@com_google_absl over the installed Abseil.",
    local = True,
    configure = True,
    attrs = {
        "display_name": attr.string(default = "Abseil"),
        "packages": attr.string_list(default = ["libabsl-dev"]),
    },
)
