#include "rcnn/base/stream_key.h"

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

StreamKey Key(int64_t step) { return {3, "rpn1", step, "anchors"}; }

TEST(StreamKeyTest, SameKeySameNumbers) {
  RandomStream a(Key(7)), b(Key(7));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.NextBits(), b.NextBits());
}

TEST(StreamKeyTest, EveryPartOfTheKeyMatters) {
  const std::vector<StreamKey> keys = {{3, "rpn1", 7, "anchors"}, {4, "rpn1", 7, "anchors"},
                                       {3, "rpn2", 7, "anchors"}, {3, "rpn1", 8, "anchors"},
                                       {3, "rpn1", 7, "rois"},    {3, "rpn1a", 7, "nchors"},
                                       {3, "", 7, "rpn1anchors"}, {7, "rpn1", 3, "anchors"}};
  std::set<uint64_t> seeds;
  for (const StreamKey& key : keys) seeds.insert(StreamSeed(key));
  EXPECT_EQ(seeds.size(), keys.size());
}

// The numbers are part of the interface: a resume with another build must draw
// what the first build drew. Computed by a transcription of the header in
// Python's integers.
TEST(StreamKeyTest, SequencesDoNotChangeBetweenVersions) {
  EXPECT_EQ(StreamSeed(Key(7)), 0x681417f5a1e4002fu);
  RandomStream stream(Key(7));
  EXPECT_EQ(stream.NextBits(), 0xdc16af61b724f506u);
  EXPECT_EQ(stream.NextBits(), 0x191ee161308baf63u);
  EXPECT_EQ(stream.NextBits(), 0xd336683c4c5aa5a1u);
}

TEST(StreamKeyTest, UniformIntCoversItsRangeEvenly) {
  RandomStream stream(Key(1));
  std::map<int64_t, int> counts;
  constexpr int kDraws = 60000;
  for (int i = 0; i < kDraws; ++i) ++counts[stream.UniformInt(6)];
  ASSERT_EQ(counts.size(), 6u);
  EXPECT_EQ(counts.begin()->first, 0);
  // Five standard deviations of a binomial count.
  const double sigma = std::sqrt(kDraws * (1.0 / 6) * (5.0 / 6));
  for (const auto& [value, count] : counts) EXPECT_NEAR(count, kDraws / 6.0, 5 * sigma) << value;
}

TEST(StreamKeyTest, UniformIntOfOneIsZero) {
  RandomStream stream(Key(1));
  EXPECT_EQ(stream.UniformInt(1), 0);
}

TEST(StreamKeyTest, UniformStaysBelowItsUpperEnd) {
  RandomStream stream(Key(2));
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = stream.Uniform(-2.0, 6.0);
    ASSERT_GE(value, -2.0);
    ASSERT_LT(value, 6.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 2.0, 5 * (8 / std::sqrt(12.0)) / 100);
  EXPECT_EQ(stream.Uniform(1.5, 1.5), 1.5);
}

TEST(StreamKeyTest, NormalHasItsMoments) {
  RandomStream stream(Key(3));
  constexpr int kDraws = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.Normal(1.0, 2.0);
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += (value - 1.0) * (value - 1.0);
  }
  EXPECT_NEAR(sum / kDraws, 1.0, 5 * 2.0 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 4.0, 5 * 4.0 * std::sqrt(2.0 / kDraws));
}

TEST(StreamKeyTest, ShufflesIntoEveryOrder) {
  std::map<std::vector<int>, int> orders;
  constexpr int kDraws = 6000;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<int> values = {1, 2, 3};
    RandomStream(Key(i)).Shuffle(values);
    ++orders[values];
  }
  ASSERT_EQ(orders.size(), 6u);
  const double sigma = std::sqrt(kDraws * (1.0 / 6) * (5.0 / 6));
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, kDraws / 6.0, 5 * sigma);
}

TEST(StreamKeyTest, ShufflesAnEmptyVector) {
  std::vector<int> none;
  RandomStream(Key(1)).Shuffle(none);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace rcnn
