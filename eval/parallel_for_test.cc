#include "rcnn/eval/parallel_for.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace rcnn::eval {
namespace {

TEST(ParallelForTest, VisitsEveryItemOnceWithAnyNumberOfThreads) {
  for (int threads : {0, 1, 2, 7}) {
    std::vector<std::atomic<int>> visits(1000);
    ParallelFor(1000, threads, [&](int64_t i) { ++visits[i]; });
    for (const std::atomic<int>& count : visits) ASSERT_EQ(count, 1);
  }
}

TEST(ParallelForTest, NoItemsCallNothing) {
  ParallelFor(0, 4, [](int64_t) { FAIL(); });
}

TEST(ParallelForTest, FewerItemsThanThreads) {
  std::atomic<int> sum{0};
  ParallelFor(2, 16, [&](int64_t i) { sum += static_cast<int>(i) + 1; });
  EXPECT_EQ(sum, 3);
}

TEST(AllowedCoresTest, IsAtLeastOne) { EXPECT_GE(AllowedCores(), 1); }

}  // namespace
}  // namespace rcnn::eval
