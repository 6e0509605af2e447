// main() of tests with tensors: GoogleTest with the machine's threads and BLAS.

#include "gtest/gtest.h"
#include "rcnn/base/runtime.h"

int main(int argc, char** argv) {
  rcnn::InitRuntimeWithoutFlags(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
