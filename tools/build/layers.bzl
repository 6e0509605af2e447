"""Which folder may depend on which: an upper folder may depend on a lower one, never the reverse."""

# folder -> the other folders it may depend on.
_MAY_DEPEND_ON = {
    "base": [],
    "ops": ["base"],
    "configs": ["base"],
    "data": ["base", "configs", "ops"],
    "eval": ["base", "configs", "data"],
    "detection": ["base", "configs", "ops"],
    "training": ["base", "configs", "data", "detection", "eval", "ops"],
    "tools": ["base", "configs", "data", "detection", "eval", "ops", "training"],
}

# The rooms of a folder, where it has any: room -> the other rooms of the same folder that it may
# use. A room that is not listed here, such as testing, and the folder itself (its programs; in ops
# the operators) may use every room.
_ROOMS = {
    "data": {
        "image": [],
        "core": ["image"],
        "coco": ["core", "image"],
        "voc": ["core", "image"],
        "yolo": ["core", "image"],
        "labelme": ["core", "image"],
        "cvat": ["core", "image"],
        "csv": ["core", "image"],
        "split": ["core", "image"],
        "shards": ["core", "image"],
        "shapes": ["core", "image"],
        "proposals": ["core", "image"],
        "selective_search": ["core", "image", "proposals"],
        "loader": ["core", "image", "proposals"],
        "sources": ["coco", "core", "csv", "cvat", "image", "labelme", "shapes", "shards", "split", "voc", "yolo"],
        "inspection": ["core", "image", "loader"],
    },
    # "" is the folder itself.
    "ops": {
        "kernels": [],
        "cpu": ["kernels"],
        "cuda": ["", "kernels"],
    },
    "eval": {
        "errors": [""],
        "curves": ["", "errors"],
        "compare": [""],
        "html": ["", "compare", "curves", "errors"],
    },
    "training": {
        "distributed": [],
        "trainer": ["distributed"],
        "config": ["distributed", "trainer"],
        "stages": ["config", "distributed", "trainer"],
        "scheduler": ["config", "distributed", "stages", "trainer"],
        "plan": ["config", "distributed", "scheduler", "stages", "trainer"],
    },
}

# Rooms that only tests use.
_TEST_ROOMS = ["testing"]

# What the tests of every folder may use.
_TEST_NEUTRAL = ["base/testing"]

# What only the build itself uses, open to all.
_NEUTRAL = ["third_party", "tools/build"]

def _check_rooms(parts, package, dep, testonly):
    """Checks a dependency between two rooms of one folder."""
    rooms = _ROOMS.get(parts[0])
    if rooms == None or len(parts) == 1 or parts[1] not in rooms or package == "/".join(parts):
        return
    other = package.split("/")
    room = other[1] if len(other) > 1 else ""
    if room in _TEST_ROOMS or room == parts[1] or testonly:
        return
    if room not in rooms[parts[1]]:
        fail("//{}: room {} may not depend on {}: it may use only {} (tools/build/layers.bzl).".format(
            native.package_name(),
            parts[1],
            dep,
            rooms[parts[1]],
        ))

def check_layers(deps, testonly = False):
    """Stops the build if a dependency of the calling package points upwards.

    Args:
      deps: labels as written in the BUILD file, or a select, which is not checked.
      testonly: a test or a benchmark, which may use any room of its own folder.
    """
    folder = native.package_name().split("/")[0]
    if type(deps) != "list" or native.repository_name() not in ["@", "@rcnn"] or folder not in _MAY_DEPEND_ON:
        return
    for dep in deps:
        target = dep[len("@rcnn"):] if dep.startswith("@rcnn//") else dep
        package = target[2:].split(":")[0]
        if not target.startswith("//") or package in _NEUTRAL or (testonly and package in _TEST_NEUTRAL):
            continue
        other = package.split("/")[0]
        if other == folder:
            _check_rooms(native.package_name().split("/"), package, dep, testonly)
        if other != folder and other not in _MAY_DEPEND_ON[folder]:
            fail("//{}: {} may not depend on {}: it may use only {} (tools/build/layers.bzl).".format(
                native.package_name(),
                folder,
                dep,
                _MAY_DEPEND_ON[folder],
            ))
