// tensor_core.h for targets that need every operator.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "tools/build/prelude/tensor_core.h"
