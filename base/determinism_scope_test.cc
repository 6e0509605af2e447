#include "rcnn/base/determinism_scope.h"

#include <ATen/Context.h>

#include <cstdlib>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/libtorch_version.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Of LibTorch's operators, with errors or warnings; of cuDNN, and whether it times algorithms.
using Settings = std::tuple<bool, bool, bool, bool>;

Settings Current() {
  const at::Context& context = at::globalContext();
  return {context.deterministicAlgorithms(), context.deterministicAlgorithmsWarnOnly(),
          context.deterministicCuDNN(), context.benchmarkCuDNN()};
}

constexpr Settings kDeterministic = {true, false, true, false};
constexpr Settings kFree = {false, false, false, true};

TEST(DeterminismScopeTest, HoldsUntilItsEnd) {
  const Settings before = Current();
  {
    const DeterminismScope outer(c10::DeviceType::CUDA, /*deterministic=*/true);
    EXPECT_EQ(Current(), kDeterministic);
    {
      const DeterminismScope inner(c10::DeviceType::CUDA, /*deterministic=*/false);
      EXPECT_EQ(Current(), kFree);
    }
    EXPECT_EQ(Current(), kDeterministic);
  }
  EXPECT_EQ(Current(), before);
}

TEST(DeterminismScopeTest, ChangesNothingForTheCpu) {
  const Settings before = Current();
  for (const bool deterministic : {false, true}) {
    const DeterminismScope scope(c10::DeviceType::CPU, deterministic);
    EXPECT_EQ(Current(), before);
  }
}

#if RCNN_LIBTORCH_2
TEST(DeterminismScopeTest, NewTensorsAreNotFilled) {
  const bool before = at::globalContext().deterministicFillUninitializedMemory();
  {
    const DeterminismScope scope(c10::DeviceType::CUDA, /*deterministic=*/true);
    EXPECT_FALSE(at::globalContext().deterministicFillUninitializedMemory());
  }
  EXPECT_EQ(at::globalContext().deterministicFillUninitializedMemory(), before);
}
#endif

TEST(CheckCublasWorkspaceTest, TakesTheTwoSizesWithoutVariation) {
  for (const char* good : {":4096:8", ":16:8"}) {
    setenv("CUBLAS_WORKSPACE_CONFIG", good, 1);
    EXPECT_THAT(CheckCublasWorkspace(), IsOk()) << good;
  }
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2:16:8", 1);
  EXPECT_THAT(CheckCublasWorkspace(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("\":4096:2:16:8\""), HasSubstr("deterministic: false"))));
  unsetenv("CUBLAS_WORKSPACE_CONFIG");
  EXPECT_THAT(CheckCublasWorkspace(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace rcnn
