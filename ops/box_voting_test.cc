#include "rcnn/ops/box_voting.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/boxes_like.h"
#include "rcnn/ops/testing/slow_iou.h"

namespace rcnn::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::RpnLikeBoxes;
using testing::ScoredBoxes;
using ::testing::StartsWith;
using testing::TiedBoxes;

at::Tensor Rows(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).view({-1, 4});
}

at::Tensor Indices(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

at::Tensor OneClass(const at::Tensor& boxes) { return at::zeros({boxes.size(0)}, at::kLong); }

// The formula, literally, in float64.
at::Tensor SlowVoteBoxes(const at::Tensor& boxes, const at::Tensor& scores,
                         const at::Tensor& classes, const at::Tensor& kept,
                         const BoxVotingOptions& options) {
  const at::Tensor wide = boxes.to(at::kDouble).contiguous();
  const double* box = wide.data_ptr<double>();
  std::vector<double> voted;
  for (int64_t k = 0; k < kept.size(0); ++k) {
    const int64_t row = kept[k].item<int64_t>();
    double sums[4] = {0, 0, 0, 0}, weight = 0;
    for (int64_t i = 0; i < boxes.size(0); ++i) {
      const bool same_class = classes[i].equal(classes[row]);
      const double iou = testing::SlowIou(box + 4 * row, box + 4 * i, options.inclusive);
      if (i != row && !(same_class && iou > options.iou_threshold)) continue;
      const double score = scores[i].item<double>();
      for (int64_t side = 0; side < 4; ++side) sums[side] += score * box[4 * i + side];
      weight += score;
    }
    for (int64_t side = 0; side < 4; ++side) {
      voted.push_back(weight > 0 ? sums[side] / weight : box[4 * row + side]);
    }
  }
  return Rows(voted);
}

TEST(VoteBoxesTest, NoBoxesGiveNoBoxes) {
  const at::Tensor none = at::empty({0, 4}), no_rows = at::empty({0}, at::kLong);
  EXPECT_EQ(VoteBoxes(none, at::empty({0}), no_rows, no_rows, {}).sizes(), at::IntArrayRef({0, 4}));
  const at::Tensor boxes = at::zeros({3, 4});
  EXPECT_EQ(VoteBoxes(boxes, at::zeros({3}), OneClass(boxes), no_rows, {}).sizes(),
            at::IntArrayRef({0, 4}));
}

// IoUs with the first: 0.9, 0.5, 0.
TEST(VoteBoxesTest, IsTheScoreWeightedMeanOfOverlappingBoxes) {
  const at::Tensor boxes = Rows({0, 0, 10, 10, 0, 0, 10, 9, 0, 0, 5, 10, 90, 90, 99, 99});
  const at::Tensor scores = at::tensor({0.75, 0.25, 1., 0.5}, at::kDouble);
  const at::Tensor kept = Indices({3, 0});
  const auto voted = [&](double iou) {
    return VoteBoxes(boxes, scores, OneClass(boxes), kept, {.iou_threshold = iou});
  };
  EXPECT_TRUE(at::allclose(voted(0.5), Rows({90, 90, 99, 99, 0, 0, 10, 9.75})));
  EXPECT_TRUE(at::allclose(voted(0.49), Rows({90, 90, 99, 99, 0, 0, 7.5, 9.875})));
  EXPECT_TRUE(at::equal(voted(0.9), boxes.index_select(0, kept)));
}

TEST(VoteBoxesTest, OtherClassesDoNotVote) {
  const at::Tensor boxes = Rows({0, 0, 10, 10, 0, 0, 10, 9});
  const at::Tensor scores = at::tensor({0.5, 0.5}, at::kDouble);
  EXPECT_TRUE(at::equal(VoteBoxes(boxes, scores, Indices({-1, 7}), Indices({0, 1}), {}), boxes));
}

TEST(VoteBoxesTest, VotersWithScoreZeroMoveNothing) {
  const at::Tensor boxes = Rows({1, 2, 10, 10, 0, 0, 10, 9, 3, 3, 3, 8});
  const at::Tensor scores = at::zeros({3}, at::kDouble);
  EXPECT_TRUE(at::equal(VoteBoxes(boxes, scores, OneClass(boxes), Indices({2, 0}), {}),
                        boxes.index_select(0, Indices({2, 0}))));
}

TEST(VoteBoxesTest, BoxWithoutAreaDoesNotMove) {
  const at::Tensor boxes = Rows({3, 3, 3, 8, 3, 3, 3, 8, 0, 0, 10, 10});
  const at::Tensor scores = at::tensor({0.5, 0.25, 1.}, at::kDouble);
  EXPECT_TRUE(
      at::equal(VoteBoxes(boxes, scores, OneClass(boxes), Indices({0}), {}), boxes.slice(0, 0, 1)));
}

TEST(VoteBoxesTest, InclusiveCornersOverlapMore) {
  // IoU 5 / 10, with inclusive corners 6 / 11.
  const at::Tensor boxes = Rows({0, 0, 10, 0, 0, 0, 5, 0}) + at::tensor({0., 0., 0., 1.});
  const at::Tensor scores = at::tensor({0.5, 0.5}, at::kDouble);
  const auto right_edge = [&](bool inclusive) {
    return VoteBoxes(boxes, scores, OneClass(boxes), Indices({0}), {0.5, inclusive})[0][2]
        .item<double>();
  };
  EXPECT_EQ(right_edge(false), 10);
  EXPECT_EQ(right_edge(true), 7.5);
}

// In float32 only where no IoU is at the threshold but for its rounding.
TEST(VoteBoxesTest, EqualsTheFormulaOverSeeds) {
  for (int seed = 0; seed < 60; ++seed) {
    const int64_t count = 1 + seed * 3;
    const ScoredBoxes all = seed % 2 == 0 ? TiedBoxes(count, seed) : RpnLikeBoxes(count, seed);
    const at::Tensor classes = at::arange(count, at::kLong).mul(7919).remainder(1 + seed % 5);
    const BoxVotingOptions options = {.iou_threshold = 0.1 * (seed % 11),
                                      .inclusive = seed % 3 == 0};
    const at::Tensor kept = BatchedNms(all.boxes, all.scores, classes, {.iou_threshold = 0.5});
    const at::Tensor expected = SlowVoteBoxes(all.boxes, all.scores, classes, kept, options);
    const at::Tensor boxes = all.boxes.to(at::kDouble), scores = all.scores.to(at::kDouble);
    const at::Tensor voted = VoteBoxes(boxes, scores, classes, kept, options);
    ASSERT_EQ(FirstInvalidBox(voted), -1) << "seed " << seed;
    ASSERT_TRUE(at::allclose(voted, expected, 1e-12, 1e-12)) << "seed " << seed;
    if (seed % 2 == 0) continue;
    const at::Tensor in_float = VoteBoxes(all.boxes, all.scores, classes, kept, options);
    ASSERT_EQ(in_float.scalar_type(), at::kFloat);
    ASSERT_EQ(FirstInvalidBox(in_float), -1) << "seed " << seed;
    ASSERT_TRUE(at::allclose(in_float.to(at::kDouble), expected, 1e-6, 1e-4)) << "seed " << seed;
  }
}

TEST(VoteBoxesTest, WithoutOtherVotersBoxesKeepTheirBits) {
  const ScoredBoxes all = RpnLikeBoxes(500, 6);
  const at::Tensor boxes = all.boxes.to(at::kDouble) / 3, scores = all.scores.to(at::kDouble) / 7;
  const at::Tensor rows = at::arange(500, at::kLong);
  EXPECT_TRUE(at::equal(VoteBoxes(boxes, scores, rows, rows, {.iou_threshold = 0}), boxes));
  EXPECT_TRUE(
      at::equal(VoteBoxes(boxes, scores, OneClass(boxes), rows, {.iou_threshold = 1}), boxes));
}

TEST(VoteBoxesTest, StaysInTheImage) {
  const ScoredBoxes all = RpnLikeBoxes(3000, 7);  // clipped to 1000 x 600
  const at::Tensor voted = VoteBoxes(all.boxes, all.scores, OneClass(all.boxes),
                                     at::arange(3000, at::kLong), {.iou_threshold = 0.3});
  EXPECT_TRUE(at::equal(voted, ClipBoxes(voted, {.height = 600, .width = 1000})));
  EXPECT_EQ(voted.max().item<float>(), 1000);
}

TEST(VoteBoxesTest, DoesNotDependOnTheNumberOfThreads) {
  const ScoredBoxes all = RpnLikeBoxes(3000, 8);
  const at::Tensor rows = at::arange(3000, at::kLong);
  const auto voted = [&] {
    return VoteBoxes(all.boxes, all.scores, OneClass(all.boxes), rows, {.iou_threshold = 0.3});
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = voted();
  at::set_num_threads(4);
  const at::Tensor four = voted();
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, four));
  EXPECT_FALSE(at::equal(one, all.boxes));
}

TEST(VoteBoxesTest, MetaTensorsGiveTheShape) {
  const at::Tensor boxes = at::empty({9, 4}, at::kMeta), rows = at::empty({9}, at::kLong);
  const at::Tensor classes = rows.to(at::kMeta);
  const at::Tensor voted =
      VoteBoxes(boxes, boxes.select(1, 0), classes, classes.slice(0, 0, 5), {});
  EXPECT_TRUE(voted.is_meta());
  EXPECT_EQ(voted.sizes(), at::IntArrayRef({5, 4}));
}

TEST(VoteBoxesErrorTest, NamesTheArgument) {
  const at::Tensor boxes = Rows({0, 0, 10, 10, 0, 0, 10, 9});
  const at::Tensor scores = at::tensor({0.5, 0.5}, at::kDouble);
  const at::Tensor classes = OneClass(boxes);
  const auto error = [&](const at::Tensor& from, const at::Tensor& by, const at::Tensor& of,
                         const at::Tensor& kept, double iou = 0.5) {
    return ErrorMessage([&] { VoteBoxes(from, by, of, kept, {.iou_threshold = iou}); });
  };
  const at::Tensor first = Indices({0});
  EXPECT_THAT(error(boxes.neg(), scores, classes, first), HasSubstr("x2 < x1"));
  EXPECT_THAT(error(boxes * 1e160, scores, classes, first),
              AllOf(StartsWith("boxes: row 0 is "), HasSubstr("area")));
  EXPECT_THAT(error(boxes, scores.neg(), classes, first), StartsWith("scores: row 0 is negative"));
  EXPECT_THAT(error(boxes, scores.slice(0, 1), classes, first), StartsWith("scores: "));
  EXPECT_THAT(error(boxes, scores, classes.to(at::kInt), first), StartsWith("classes: "));
  EXPECT_THAT(error(boxes, scores, first, first), StartsWith("classes: "));
  EXPECT_THAT(error(boxes, scores, classes, Indices({0, 2})), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, Indices({-1})), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, scores), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, first.view({1, 1})), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, first.to(at::kMeta)), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes.to(at::kMeta), first), StartsWith("classes: "));
  EXPECT_THAT(error(boxes, scores, classes, first, -0.1), StartsWith("iou_threshold: is -0.1"));
  EXPECT_THAT(error(boxes, scores, classes, first, std::nan("")), StartsWith("iou_threshold: is "));
  EXPECT_THAT(error(boxes, scores, classes, first, 1.5), StartsWith("iou_threshold: is 1.5"));
}

}  // namespace
}  // namespace rcnn::ops
