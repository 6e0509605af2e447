// core.h for targets whose sources need tensors and single operators, but not <ATen/ATen.h>.

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
// Brings what the header of every operator includes.
#include <ATen/ops/empty.h>

#include "tools/build/prelude/core.h"
