"""Which precompiled header a C++ target gets, and with it whether it is compiled with OpenMP.

With the plugin prelude/instantiate_templates.cc a precompiled header costs each source little time; without it much, because
GCC instantiates its templates again. A larger one also takes more memory. So a target takes the smallest level that holds the
expensive headers that its sources include, also through other headers. tools/developer/check_preludes.py, which reads this file
too, says which level that is.
"""

# Level -> whether it is for sources that include LibTorch. From the cheapest to the most expensive:
#   core          the C++ library and Abseil
#   message       also protobuf
#   tensor_core   core and <ATen/core/Tensor.h> with what single operators need
#   tensor        core and <ATen/ATen.h>
#   model         core, protobuf, <ATen/ATen.h> and LibTorch's modules
PRELUDE_LEVELS = {
    "core": False,
    "message": False,
    "tensor_core": True,
    "tensor": True,
    "model": True,
}

# Level -> that whose precompiled header its tests use, where that is another one: precompiling one more would take longer than the
# larger one takes from the few tests of this level.
TEST_PRELUDES = {"tensor_core": "tensor"}

def default_prelude(deps):
    """Returns the level of a target that names none.

    Args:
      deps: labels as written in the BUILD file, or a select, for which the level is "core".
    """
    names = deps if type(deps) == "list" else []
    tensors = "@libtorch//:torch" in names
    messages = bool([name for name in names if name.endswith("_cc_proto") or name.startswith("@com_google_protobuf//")])
    if tensors:
        return "model" if messages else "tensor"
    return "message" if messages else "core"
