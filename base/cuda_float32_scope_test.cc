#include "rcnn/base/cuda_float32_scope.h"

#include <ATen/Context.h>

#include <utility>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

// Of cuBLAS and of cuDNN.
std::pair<bool, bool> Allowed() {
  return {at::globalContext().allowTF32CuBLAS(), at::globalContext().allowTF32CuDNN()};
}

TEST(CudaFloat32ScopeTest, HoldsUntilItsEnd) {
  const auto before = Allowed();
  {
    const CudaFloat32Scope outer(/*allow_tf32=*/true);
    EXPECT_EQ(Allowed(), std::pair(true, true));
    {
      const CudaFloat32Scope inner(/*allow_tf32=*/false);
      EXPECT_EQ(Allowed(), std::pair(false, false));
    }
    EXPECT_EQ(Allowed(), std::pair(true, true));
  }
  EXPECT_EQ(Allowed(), before);
}

}  // namespace
}  // namespace rcnn
