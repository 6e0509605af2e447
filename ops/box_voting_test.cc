#include "rcnn/ops/box_voting.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/error_of.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

using testing::RpnLikeBoxes;
using testing::ScoredBoxes;
using ::testing::StartsWith;
using testing::TiedBoxes;

at::Tensor Rows(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).view({-1, 4});
}

at::Tensor Indices(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

at::Tensor OneClass(const at::Tensor& boxes) { return at::zeros({boxes.size(0)}, at::kLong); }

// The kept boxes, moved, from whole matrices: the definition, read from left to right.
at::Tensor SlowVoteBoxes(const ScoredBoxes& all, const at::Tensor& classes, const at::Tensor& kept,
                         const BoxVotingOptions& options) {
  const at::Tensor kept_boxes = all.boxes.index_select(0, kept);
  const at::Tensor ious = BoxIou(kept_boxes, all.boxes, {options.inclusive});
  at::Tensor votes = ious.to(at::kDouble) > options.iou_threshold;
  votes.logical_and_(classes.index_select(0, kept).unsqueeze(1) == classes.unsqueeze(0));
  votes.scatter_(1, kept.unsqueeze(1), true);
  const at::Tensor weights = votes.to(at::kDouble) * all.scores.to(at::kDouble);
  const at::Tensor means = weights.matmul(all.boxes.to(at::kDouble)) / weights.sum(1, true);
  return at::where(weights.sum(1, true) > 0, means, kept_boxes.to(at::kDouble));
}

TEST(VoteBoxesTest, NothingOfNothing) {
  const at::Tensor none = at::empty({0, 4}), no_rows = at::empty({0}, at::kLong);
  EXPECT_EQ(VoteBoxes(none, at::empty({0}), no_rows, no_rows, {}).sizes(), at::IntArrayRef({0, 4}));
  const at::Tensor boxes = at::zeros({3, 4});
  EXPECT_EQ(VoteBoxes(boxes, at::zeros({3}), OneClass(boxes), no_rows, {}).sizes(),
            at::IntArrayRef({0, 4}));
}

// IoUs with the first: 0.9, 0.5, 0.
TEST(VoteBoxesTest, IsTheMeanByScoreOfThoseThatOverlap) {
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

TEST(VoteBoxesTest, OtherClassesHaveNoVote) {
  const at::Tensor boxes = Rows({0, 0, 10, 10, 0, 0, 10, 9});
  const at::Tensor scores = at::tensor({0.5, 0.5}, at::kDouble);
  EXPECT_TRUE(at::equal(VoteBoxes(boxes, scores, Indices({-1, 7}), Indices({0, 1}), {}), boxes));
}

TEST(VoteBoxesTest, StaysWhereOnlyScoresOfZeroVote) {
  const at::Tensor boxes = Rows({1, 2, 10, 10, 0, 0, 10, 9, 3, 3, 3, 8});
  const at::Tensor scores = at::zeros({3}, at::kDouble);
  EXPECT_TRUE(at::equal(VoteBoxes(boxes, scores, OneClass(boxes), Indices({2, 0}), {}),
                        boxes.index_select(0, Indices({2, 0}))));
}

TEST(VoteBoxesTest, ABoxWithoutAreaKeepsItsPlace) {
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

TEST(VoteBoxesTest, EqualsTheDefinitionOverSeeds) {
  for (int seed = 0; seed < 200; ++seed) {
    const int64_t count = seed * 3;
    ScoredBoxes all = seed % 2 == 0 ? TiedBoxes(count, seed) : RpnLikeBoxes(count, seed);
    const at::Tensor classes = at::arange(count, at::kLong).mul(7919).remainder(1 + seed % 5);
    const BoxVotingOptions options = {.iou_threshold = 0.1 * (seed % 11),
                                      .inclusive = seed % 3 == 0};
    const at::Tensor kept = BatchedNms(all.boxes, all.scores, classes, {.iou_threshold = 0.5});
    const at::Tensor expected = SlowVoteBoxes(all, classes, kept, options);
    const at::Tensor voted = VoteBoxes(all.boxes, all.scores, classes, kept, options);
    ASSERT_EQ(voted.scalar_type(), at::kFloat);
    ASSERT_TRUE(at::allclose(voted.to(at::kDouble), expected, 1e-6, 1e-6)) << "seed " << seed;
    ASSERT_EQ(FirstInvalidBox(voted), -1);
    all = {all.boxes.to(at::kDouble), all.scores.to(at::kDouble)};
    ASSERT_TRUE(at::allclose(VoteBoxes(all.boxes, all.scores, classes, kept, options),
                             SlowVoteBoxes(all, classes, kept, options), 1e-12, 1e-12))
        << "seed " << seed;
  }
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
    return ErrorOf([&] { VoteBoxes(from, by, of, kept, {.iou_threshold = iou}); });
  };
  const at::Tensor first = Indices({0});
  EXPECT_THAT(error(boxes.neg(), scores, classes, first), StartsWith("boxes: row 0 is "));
  EXPECT_THAT(error(boxes * 1e160, scores, classes, first), StartsWith("boxes: row 0 is "));
  EXPECT_THAT(error(boxes, scores.neg(), classes, first), StartsWith("scores: row 0 is negative"));
  EXPECT_THAT(error(boxes, scores.slice(0, 1), classes, first), StartsWith("scores: "));
  EXPECT_THAT(error(boxes, scores, classes.to(at::kInt), first), StartsWith("classes: "));
  EXPECT_THAT(error(boxes, scores, first, first), StartsWith("classes: "));
  EXPECT_THAT(error(boxes, scores, classes, Indices({0, 2})), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, Indices({-1})), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, scores), StartsWith("kept: "));
  EXPECT_THAT(error(boxes, scores, classes, first, 1.5), StartsWith("iou_threshold: is 1.5"));
}

}  // namespace
}  // namespace rcnn::ops
