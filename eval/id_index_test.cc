#include "rcnn/eval/id_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace rcnn::eval {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TEST(IdIndexTest, FindsDenseIds) {
  const std::vector<int64_t> ids = {7, -3, 0, 1000};
  const IdIndex index(ids);
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(index.Find(ids[i]), static_cast<int64_t>(i));
  for (int64_t id : {int64_t{-4}, int64_t{1}, int64_t{1001}, kMin, kMax}) {
    EXPECT_EQ(index.Find(id), -1) << id;
  }
}

TEST(IdIndexTest, FindsIdsOverTheWholeRange) {
  const std::vector<int64_t> ids = {kMax, 0, kMin, 1, 20150604000000};
  const IdIndex index(ids);
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(index.Find(ids[i]), static_cast<int64_t>(i));
  for (int64_t id : {kMin + 1, kMax - 1, int64_t{-1}, int64_t{2}}) EXPECT_EQ(index.Find(id), -1);
}

TEST(IdIndexTest, EmptyFindsNothing) {
  const IdIndex index(absl::Span<const int64_t>{});
  for (int64_t id : {int64_t{0}, int64_t{-1}, kMax}) EXPECT_EQ(index.Find(id), -1);
}

}  // namespace
}  // namespace rcnn::eval
