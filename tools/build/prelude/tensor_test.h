// tensor.h for tests.

#include "tools/build/prelude/tensor.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
