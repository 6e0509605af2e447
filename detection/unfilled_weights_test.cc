#include "rcnn/detection/unfilled_weights.h"

#include <ATen/ATen.h>

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

// Whether NewWeights fills memory that held other values.
bool Fills() {
  at::full({1000}, 5.0f);
  return NewWeights({1000}).eq(0).all().item<bool>();
}

TEST(UnfilledWeightsTest, ConcernsItsOwnThreadAndScope) {
  EXPECT_TRUE(Fills());
  {
    const UnfilledWeights outer;
    { const UnfilledWeights inner; }
    EXPECT_EQ(NewWeights({2, 3}).sizes().vec(), (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(NewWeights({2, 3}).scalar_type(), at::kFloat);
    bool other_fills = false;
    std::thread([&] { other_fills = Fills(); }).join();
    EXPECT_TRUE(other_fills);
  }
  EXPECT_TRUE(Fills());
}

// Several times, because the allocator need not give the freed block again.
TEST(UnfilledWeightsTest, LeavesFreedMemoryAsItWas) {
  const UnfilledWeights unfilled;
  bool kept = false;
  for (int i = 0; i < 20 && !kept; ++i) kept = !Fills();
  EXPECT_TRUE(kept);
}

}  // namespace
}  // namespace rcnn::detection
