// tensor_core.h for tests.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/build/prelude/tensor_core.h"
