#include "rcnn/base/cuda_float32_scope.h"

#include <ATen/Context.h>

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

using ::testing::Each;

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

// Of products of float16, and of bfloat16, for which 1.13 has no option: whether cuBLAS may round
// parts of their sums.
#if RCNN_LIBTORCH_2
bool IsShort(at::CuBLASReductionOption option) {
  return option == at::CuBLASReductionOption::AllowReducedPrecisionWithSplitK;
}
std::vector<bool> ShortSums() {
  return {IsShort(at::globalContext().allowFP16ReductionCuBLAS()),
          IsShort(at::globalContext().allowBF16ReductionCuBLAS())};
}
void AllowShortSums(bool allow) {
  at::globalContext().setAllowFP16ReductionCuBLAS(allow);
  at::globalContext().setAllowBF16ReductionCuBLAS(allow);
}
#else
std::vector<bool> ShortSums() { return {at::globalContext().allowFP16ReductionCuBLAS()}; }
void AllowShortSums(bool allow) { at::globalContext().setAllowFP16ReductionCuBLAS(allow); }
#endif

TEST(CudaFloat32ScopeTest, SumsOfShortNumbersAreFloat32) {
  for (const bool allowed : {false, true}) {
    AllowShortSums(allowed);
    for (const bool tf32 : {false, true}) {
      const CudaFloat32Scope scope(tf32);
      EXPECT_THAT(ShortSums(), Each(false));
    }
    EXPECT_THAT(ShortSums(), Each(allowed));
  }
}

}  // namespace
}  // namespace rcnn
