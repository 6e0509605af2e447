#include "rcnn/base/random_stream.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>

#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

at::Tensor Draw(const StreamKey& key) { return at::rand({64}, MakeGenerator(key)); }

TEST(RandomStreamTest, SameKeyGivesSameNumbersRegardlessOfHistory) {
  const at::Tensor first = Draw({3, "rpn1", 7, "anchors"});
  Draw({3, "rpn1", 8, "anchors"});
  EXPECT_TRUE(at::equal(first, Draw({3, "rpn1", 7, "anchors"})));
}

TEST(RandomStreamTest, DifferentKeysGiveDifferentNumbers) {
  EXPECT_FALSE(at::equal(Draw({3, "rpn1", 7, "anchors"}), Draw({3, "rpn1", 7, "rois"})));
}

TEST(RandomStreamTest, ThreadsWithTheSameKeyDrawTheSameNumbers) {
  std::vector<at::Tensor> drawn(4);
  std::vector<std::thread> threads;
  for (at::Tensor& tensor : drawn) {
    threads.emplace_back([&tensor] { tensor = Draw({3, "rpn1", 7, "anchors"}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const at::Tensor& tensor : drawn) EXPECT_TRUE(at::equal(tensor, drawn[0]));
}

TEST(RandomStreamTest, GeneratorsAreIndependentObjects) {
  at::Generator a = MakeGenerator({1, "s", 0, "p"});
  at::Generator b = MakeGenerator({1, "s", 0, "p"});
  const at::Tensor first = at::rand({8}, a);
  EXPECT_FALSE(at::equal(first, at::rand({8}, a)));
  EXPECT_TRUE(at::equal(first, at::rand({8}, b)));
}

TEST(DrawKeyTest, AdvancesTheGenerator) {
  at::Generator a = MakeGenerator({1, "s", 0, "p"});
  const uint64_t first = DrawKey(a, "anchors");
  EXPECT_NE(DrawKey(a, "anchors"), first);
  EXPECT_EQ(DrawKey(MakeGenerator({1, "s", 0, "p"}), "anchors"), first);
}

TEST(DrawKeyTest, EachPartOfTheNameCounts) {
  const std::vector<StreamKey> names = {
      {3, "rpn1", 7, "samples"}, {4, "rpn1", 7, "samples"}, {3, "rpn2", 7, "samples"},
      {3, "rpn1", 8, "samples"}, {3, "rpn1", 7, "others"},
  };
  std::set<uint64_t> keys;
  for (const StreamKey& name : names) {
    for (const char* purpose : {"anchors", "rois"}) {
      keys.insert(DrawKey(MakeGenerator(name), purpose));
    }
  }
  EXPECT_EQ(keys.size(), 2 * names.size());
}

// The generators draw the same numbers.
TEST(DrawKeyTest, AllBitsOfTheSeedCount) {
  const uint64_t seed = 5, other = (uint64_t{1} << 40) + seed;
  ASSERT_TRUE(at::equal(at::rand({8}, at::detail::createCPUGenerator(seed)),
                        at::rand({8}, at::detail::createCPUGenerator(other))));
  EXPECT_NE(DrawKey(at::detail::createCPUGenerator(seed), "anchors"),
            DrawKey(at::detail::createCPUGenerator(other), "anchors"));
}

}  // namespace
}  // namespace rcnn
