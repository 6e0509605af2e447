#include "rcnn/ops/batched_nms.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/testing/boxes_like.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

using testing::RpnLikeBoxes;
using testing::ScoredBoxes;
using ::testing::StartsWith;
using testing::TiedBoxes;

// The first `size` of a fixed sequence that visits `kinds` classes.
at::Tensor Classes(int64_t size, int64_t kinds) {
  return at::arange(size, at::kLong).mul(7919).remainder(10007).remainder(kinds);
}

template <typename NmsOfOneClass>
at::Tensor PerClass(const ScoredBoxes& all, const at::Tensor& classes, NmsOfOneClass nms) {
  at::Tensor is_kept = at::zeros_like(classes, at::kBool);
  for (int64_t c = 0; c < 64; ++c) {
    const at::Tensor members = at::nonzero(classes == c).flatten();
    const at::Tensor kept =
        nms(all.boxes.index_select(0, members), all.scores.index_select(0, members));
    is_kept.index_fill_(0, members.index_select(0, kept), true);
  }
  const at::Tensor order =
      std::get<1>(at::sort(all.scores, /*stable=*/true, /*dim=*/0, /*descending=*/true));
  return order.masked_select(is_kept.index_select(0, order));
}

TEST(BatchedNmsTest, NoBoxesGiveNoBoxes) {
  const at::Tensor none =
      BatchedNms(at::empty({0, 4}), at::empty({0}), at::empty({0}, at::kLong), {});
  EXPECT_EQ(none.sizes(), at::IntArrayRef({0}));
}

TEST(BatchedNmsTest, OtherClassesDoNotSuppress) {
  const at::Tensor boxes = at::tensor({0., 0., 10., 10.}, at::kFloat).view({1, 4}).repeat({4, 1});
  const at::Tensor scores = at::tensor({0.1, 0.2, 0.3, 0.4}, at::kFloat);
  const at::Tensor classes = at::tensor(std::vector<int64_t>{5, -9000000000000, 5, 7});
  EXPECT_TRUE(at::equal(BatchedNms(boxes, scores, classes, {}), at::tensor({3, 2, 1}, at::kLong)));
}

TEST(BatchedNmsTest, EqualsNmsOfEachClass) {
  for (int seed = 0; seed < 200; ++seed) {
    const int64_t count = seed * 3;
    const ScoredBoxes all = seed % 2 == 0 ? TiedBoxes(count, seed) : RpnLikeBoxes(count, seed);
    const at::Tensor classes = Classes(count, 1 + seed % 21);
    const NmsOptions options = {.iou_threshold = 0.3, .suppress_equal = seed % 3 == 0};
    const at::Tensor expected =
        PerClass(all, classes, [&](const at::Tensor& boxes, const at::Tensor& scores) {
          return Nms(boxes, scores, options);
        });
    ASSERT_TRUE(at::equal(BatchedNms(all.boxes, all.scores, classes, options), expected))
        << "seed " << seed;
  }
}

TEST(BatchedNmsTest, EqualsTorchvisionOfEachClass) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  for (int seed = 0; seed < 20; ++seed) {
    const ScoredBoxes all = RpnLikeBoxes(1000, seed);
    const at::Tensor classes = Classes(1000, 20);
    const at::Tensor expected =
        PerClass(all, classes, [&](const at::Tensor& boxes, const at::Tensor& scores) {
          return testing::TorchvisionNms(boxes, scores, 0.5);
        });
    ASSERT_TRUE(
        at::equal(BatchedNms(all.boxes, all.scores, classes, {.iou_threshold = 0.5}), expected))
        << "seed " << seed;
  }
}

TEST(BatchedNmsTest, MaxKeepCountsAllClassesAndKeepsTheBest) {
  const ScoredBoxes all = RpnLikeBoxes(2000, 3);
  const at::Tensor classes = Classes(2000, 10);
  const at::Tensor everything = BatchedNms(all.boxes, all.scores, classes, {});
  const at::Tensor few = BatchedNms(all.boxes, all.scores, classes, {.max_keep = 100});
  EXPECT_TRUE(at::equal(few, everything.slice(0, 0, 100)));
}

TEST(BatchedNmsErrorTest, NamesTheArgument) {
  const ScoredBoxes all = RpnLikeBoxes(3, 1);
  const auto error = [&](const at::Tensor& classes) {
    return ErrorMessage([&] { BatchedNms(all.boxes, all.scores, classes, {}); });
  };
  EXPECT_THAT(error(at::zeros({2}, at::kLong)), StartsWith("classes: expected shape [3]"));
  EXPECT_THAT(error(at::zeros({3, 1}, at::kLong)), StartsWith("classes: expected shape [3]"));
  EXPECT_THAT(error(at::zeros({3}, at::kInt)), StartsWith("classes: expected dtype int64"));
  EXPECT_THAT(
      ErrorMessage([&] { BatchedNms(all.boxes, at::zeros({2}), at::zeros({3}, at::kLong), {}); }),
      StartsWith("scores: "));
}

}  // namespace
}  // namespace rcnn::ops
