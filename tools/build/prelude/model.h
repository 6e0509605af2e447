// tensor.h and message.h for targets with models.

#include <torch/nn/module.h>

#include "tools/build/prelude/message.h"
#include "tools/build/prelude/tensor.h"
