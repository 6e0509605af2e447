#include "rcnn/base/random_stream.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>

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

TEST(DrawBitsTest, AdvancesTheGenerator) {
  at::Generator a = MakeGenerator({1, "s", 0, "p"});
  const uint64_t first = DrawBits(a);
  EXPECT_NE(DrawBits(a), first);
  EXPECT_EQ(DrawBits(MakeGenerator({1, "s", 0, "p"})), first);
}

}  // namespace
}  // namespace rcnn
