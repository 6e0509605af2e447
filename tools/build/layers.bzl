"""Which folder may depend on which: an upper folder on a lower one, never the reverse."""

# folder -> the folders it may depend on besides itself.
_MAY_DEPEND_ON = {
    "base": [],
    "ops": ["base"],
    "configs": [],
    "data": ["base", "configs", "ops"],
    "eval": ["base", "configs", "data"],
    "detection": ["base", "configs", "ops"],
    "training": ["base", "configs", "data", "detection", "eval", "ops"],
    "tools": ["base", "configs", "data", "detection", "eval", "ops", "training"],
}

# What only the build itself uses, open to all.
_NEUTRAL = ["third_party", "tools/build"]

def check_layers(deps):
    """Stops the build when a dependency of the calling package points upwards.

    Args:
      deps: labels as written in the BUILD file, or a select over such, which is not looked into.
    """
    folder = native.package_name().split("/")[0]
    if type(deps) != "list" or native.repository_name() not in ["@", "@rcnn"] or folder not in _MAY_DEPEND_ON:
        return
    for dep in deps:
        target = dep[len("@rcnn"):] if dep.startswith("@rcnn//") else dep
        package = target[2:].split(":")[0]
        if not target.startswith("//") or package in _NEUTRAL:
            continue
        other = package.split("/")[0]
        if other != folder and other not in _MAY_DEPEND_ON[folder]:
            fail("//{}: {} may not depend on {}: it may use only {} (tools/build/layers.bzl says why).".format(
                native.package_name(),
                folder,
                dep,
                _MAY_DEPEND_ON[folder],
            ))
