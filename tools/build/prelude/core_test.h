// core.h for tests.

#include "tools/build/prelude/core.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
