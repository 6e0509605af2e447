// core.h for targets with tensors.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "tools/build/prelude/core.h"
