#include "rcnn/ops/matcher.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "rcnn/ops/boxes.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using testing::RandomBoxes;
using ::testing::StartsWith;
using testing::TestGenerator;

constexpr MatcherOptions kRoiOptions = {.foreground_iou = 0.5,
                                        .background_max_iou = 0.5,
                                        .background_min_iou = 0.1,
                                        .match_best_of_each_gt = false};

at::Tensor Boxes(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).view({-1, 4});
}

at::Tensor Longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

at::Tensor Mask(const std::vector<int>& values) { return at::tensor(values).to(at::kBool); }

// The rules of matcher.h on a full matrix, in plain loops.
Matches MatchReference(const at::Tensor& boxes, const at::Tensor& gt, const MatcherOptions& o,
                       const at::Tensor& crowd, const at::Tensor& eligible) {
  const int64_t n = boxes.size(0), m = gt.size(0);
  const at::Tensor iou = BoxIou(boxes, gt, {o.inclusive});
  const at::Tensor ioa = BoxIntersectionOverArea(boxes, gt, {o.inclusive});
  const auto at2 = [](const at::Tensor& t, int64_t i, int64_t j) { return t[i][j].item<double>(); };
  const auto is = [](const at::Tensor& t, int64_t i) { return t[i].item<bool>(); };
  std::vector<double> best_of_gt(m, 0);
  for (int64_t j = 0; j < m; ++j) {
    for (int64_t i = 0; i < n; ++i) {
      if (is(eligible, i)) best_of_gt[j] = std::max(best_of_gt[j], at2(iou, i, j));
    }
  }
  std::vector<int64_t> labels(n, -1), index(n, -1);
  std::vector<double> value(n, 0);
  for (int64_t i = 0; i < n; ++i) {
    if (!is(eligible, i)) continue;
    bool is_best = false, hidden = false;
    for (int64_t j = 0; j < m; ++j) {
      if (is(crowd, j)) {
        hidden |= at2(ioa, i, j) > o.crowd_share;
        continue;
      }
      if (index[i] < 0 || at2(iou, i, j) > value[i]) {
        index[i] = j;
        value[i] = at2(iou, i, j);
      }
      is_best |= best_of_gt[j] > o.min_best_iou && at2(iou, i, j) == best_of_gt[j];
    }
    const bool foreground = value[i] >= o.foreground_iou || (o.match_best_of_each_gt && is_best);
    const bool background = value[i] >= o.background_min_iou && value[i] < o.background_max_iou;
    labels[i] = foreground ? 1 : background ? 0 : -1;
    if (hidden && (labels[i] == 0 || o.crowd_hides_foreground)) labels[i] = -1;
  }
  return {Longs(labels), Longs(index), at::tensor(value, at::kDouble)};
}

void ExpectEqual(const Matches& actual, const Matches& expected) {
  EXPECT_TRUE(at::equal(actual.labels, expected.labels));
  EXPECT_TRUE(at::equal(actual.gt_index, expected.gt_index));
  EXPECT_TRUE(at::allclose(actual.iou.to(at::kDouble), expected.iou, 1e-12, 0));
}

TEST(MatchBoxesTest, HandDrawnExample) {
  const at::Tensor gt = Boxes({0, 0, 10, 10, 100, 100, 120, 120});
  const at::Tensor boxes = Boxes({
      0,   0,   10,  8,    // 0.8 with gt 0: foreground
      0,   0,   10,  5,    // 0.5: between the thresholds
      0,   0,   10,  2,    // 0.2: background
      50,  50,  60,  60,   // touches nothing: background
      100, 100, 120, 105,  // 0.25 with gt 1, its best: foreground
      115, 100, 120, 120,  // 0.25 too: ties, foreground
  });
  const Matches matches = MatchBoxes(boxes, gt, {});
  EXPECT_TRUE(at::equal(matches.labels, Longs({1, -1, 0, 0, 1, 1})));
  EXPECT_TRUE(at::equal(matches.gt_index, Longs({0, 0, 0, 0, 1, 1})));
  const at::Tensor iou = at::tensor({.8, .5, .2, 0., .25, .25}, at::kDouble);
  EXPECT_TRUE(at::allclose(matches.iou, iou, 1e-12, 0));
  const Matches without = MatchBoxes(boxes, gt, {.match_best_of_each_gt = false});
  EXPECT_TRUE(at::equal(without.labels, Longs({1, -1, 0, 0, 0, 0})));
  const Matches guarded = MatchBoxes(boxes, gt, {.min_best_iou = 0.3});
  EXPECT_TRUE(at::equal(guarded.labels, without.labels));
}

TEST(MatchBoxesTest, ThresholdsBelongToTheUpperSide) {
  const at::Tensor gt = Boxes({0, 0, 10, 10});
  const at::Tensor boxes = Boxes({0, 0, 10, 5, 0, 0, 10, 1, 0, 0, 10, .9});
  EXPECT_TRUE(at::equal(MatchBoxes(boxes, gt, kRoiOptions).labels, Longs({1, 0, -1})))
      << "0.5 is foreground, 0.1 background, 0.09 ignored";
  EXPECT_TRUE(at::equal(MatchBoxes(boxes.to(at::kFloat), gt.to(at::kFloat), kRoiOptions).labels,
                        Longs({1, 0, -1})));
}

TEST(MatchBoxesTest, GroundTruthThatTouchesNothingMatchesNothing) {
  const at::Tensor gt = Boxes({0, 0, 10, 10, 900, 900, 910, 910});
  const at::Tensor boxes = Boxes({0, 0, 10, 9, 50, 50, 60, 60, 70, 70, 80, 80});
  EXPECT_TRUE(at::equal(MatchBoxes(boxes, gt, {}).labels, Longs({1, 0, 0})));
}

TEST(MatchBoxesTest, EqualGroundTruthGoesToTheFirst) {
  const at::Tensor gt = Boxes({5, 5, 9, 9, 0, 0, 10, 10, 0, 0, 10, 10});
  EXPECT_TRUE(at::equal(MatchBoxes(Boxes({0, 0, 10, 10}), gt, {}).gt_index, Longs({1})));
}

TEST(MatchBoxesTest, NoGroundTruthMakesAllBackground) {
  const at::Tensor none = at::zeros({0, 4}, at::kDouble);
  const at::Tensor boxes = Boxes({0, 0, 1, 1, 2, 2, 3, 3});
  const Matches matches = MatchBoxes(boxes, none, {}, c10::nullopt, Mask({1, 0}));
  EXPECT_TRUE(at::equal(matches.labels, Longs({0, -1})));
  EXPECT_TRUE(at::equal(matches.gt_index, Longs({-1, -1})));
  EXPECT_EQ(matches.iou.sum().item<double>(), 0);
  EXPECT_TRUE(at::equal(MatchBoxes(boxes, none, kRoiOptions).labels, Longs({-1, -1})))
      << "an IoU of 0 is below background_min_iou";
  EXPECT_EQ(MatchBoxes(none, boxes, {}).labels.sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(MatchBoxes(none, none, {}).labels.sizes(), at::IntArrayRef({0}));
}

TEST(MatchBoxesTest, CrowdsHideBackground) {
  const at::Tensor gt = Boxes({0, 0, 100, 100, 20, 20, 30, 30});
  const at::Tensor crowd = Mask({1, 0});
  const at::Tensor boxes = Boxes({
      20, 20, 30, 30,  // an object in the crowd: foreground
      60, 60, 80, 80,  // in the crowd: ignored
      90, 0, 120, 30,  // a third in it: background
      0, 0, 100, 100,  // the crowd itself, IoU 1 with it: matches nothing
  });
  const Matches matches = MatchBoxes(boxes, gt, {}, crowd);
  EXPECT_TRUE(at::equal(matches.labels, Longs({1, -1, 0, -1})));
  EXPECT_TRUE(at::equal(matches.gt_index, Longs({1, 1, 1, 1}))) << "never the crowd";
  EXPECT_TRUE(at::equal(MatchBoxes(boxes, gt, {.crowd_hides_foreground = true}, crowd).labels,
                        Longs({-1, -1, 0, -1})));
  EXPECT_TRUE(
      at::equal(MatchBoxes(boxes, gt, {.crowd_share = 0.2}, crowd).labels, Longs({1, -1, -1, -1})));
  EXPECT_TRUE(at::equal(MatchBoxes(boxes, gt, {}, Mask({1, 1})).labels, Longs({-1, -1, 0, -1})));
}

TEST(MatchBoxesTest, IneligibleBoxesAreNeverBest) {
  const at::Tensor gt = Boxes({0, 0, 10, 10});
  const at::Tensor boxes = Boxes({0, 0, 10, 6, 0, 0, 10, 5, 0, 0, 10, 1});
  EXPECT_TRUE(at::equal(MatchBoxes(boxes, gt, {}).labels, Longs({1, -1, 0})));
  const Matches matches = MatchBoxes(boxes, gt, {}, c10::nullopt, Mask({0, 1, 1}));
  EXPECT_TRUE(at::equal(matches.labels, Longs({-1, 1, 0})));
  EXPECT_TRUE(at::equal(matches.gt_index, Longs({-1, 0, 0})));
}

TEST(MatchBoxesTest, EqualsTheReference) {
  at::Generator generator = TestGenerator();
  for (int i = 0; i < 12; ++i) {
    const int64_t n = 30 + 20 * i, m = i;
    // Whole pixels make ties.
    const at::Tensor boxes =
        RandomBoxes(n, generator, {.extent_px = 60, .max_side_px = 60}).round();
    const at::Tensor gt = RandomBoxes(m, generator, {.extent_px = 60, .max_side_px = 60}).round();
    const at::Tensor crowd = at::rand({m}, generator).lt(0.2);
    const at::Tensor eligible = at::rand({n}, generator).lt(0.8);
    std::vector<MatcherOptions> conventions = {
        {}, kRoiOptions, {.crowd_share = 0.4, .crowd_hides_foreground = true, .inclusive = true}};
    for (const MatcherOptions& options : conventions) {
      ExpectEqual(MatchBoxes(boxes, gt, options, crowd, eligible),
                  MatchReference(boxes, gt, options, crowd, eligible));
    }
  }
}

TEST(MatchBoxesTest, DoesNotDependOnTheNumberOfThreads) {
  at::Generator generator = TestGenerator();
  const at::Tensor boxes = RandomBoxes(20000, generator).round().to(at::kFloat);
  const at::Tensor gt = RandomBoxes(17, generator).round().to(at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Matches one = MatchBoxes(boxes, gt, {});
  at::set_num_threads(4);
  const Matches four = MatchBoxes(boxes, gt, {});
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.labels, four.labels));
  EXPECT_TRUE(at::equal(one.gt_index, four.gt_index));
  EXPECT_TRUE(at::equal(one.iou, four.iou));
}

TEST(MatchBoxesTest, PermutingBoxesPermutesResults) {
  at::Generator generator = TestGenerator();
  const at::Tensor boxes = RandomBoxes(300, generator);
  const at::Tensor gt = RandomBoxes(9, generator);
  const at::Tensor order = at::randperm(300, generator);
  EXPECT_TRUE(at::equal(MatchBoxes(boxes.index({order}), gt, {}).labels,
                        MatchBoxes(boxes, gt, {}).labels.index({order})));
}

TEST(MatchBoxesTest, MetaTensorsGiveShapes) {
  const at::Tensor meta = at::empty({5, 4}, at::device(at::kMeta));
  const Matches matches = MatchBoxes(meta, meta.slice(0, 0, 2), {});
  EXPECT_TRUE(matches.labels.is_meta() && matches.gt_index.is_meta() && matches.iou.is_meta());
  EXPECT_EQ(matches.labels.sizes(), at::IntArrayRef({5}));
  EXPECT_EQ(matches.gt_index.scalar_type(), at::kLong);
  EXPECT_EQ(matches.iou.scalar_type(), at::kFloat);
}

TEST(MatchBoxesTest, NamesBadArguments) {
  const at::Tensor boxes = Boxes({0, 0, 1, 1, 2, 2, 3, 3});
  const auto error_message = [&](const at::Tensor& gt, const MatcherOptions& options = {},
                                 const c10::optional<at::Tensor>& crowd = c10::nullopt,
                                 const c10::optional<at::Tensor>& eligible = c10::nullopt) {
    return ErrorMessage([&] { MatchBoxes(boxes, gt, options, crowd, eligible); });
  };
  EXPECT_THAT(error_message(Boxes({0, 0, 1, -1})),
              StartsWith("gt_boxes: row 0 is (0, 0, 1, -1): y2"));
  EXPECT_THAT(error_message(boxes.to(at::kFloat)), StartsWith("gt_boxes: is [2, 4] float32"));
  EXPECT_THAT(error_message(boxes * 1e160), StartsWith("gt_boxes: row 0 is (0, 0, 1"));
  EXPECT_THAT(error_message(boxes, {}, Mask({1})), StartsWith("gt_is_crowd: is [1] bool"));
  EXPECT_THAT(error_message(boxes, {}, Longs({1, 0})),
              StartsWith("gt_is_crowd: expected dtype bool"));
  EXPECT_THAT(error_message(boxes, {}, {}, Mask({1, 1, 1})), StartsWith("eligible: is [3] bool"));
  EXPECT_THAT(error_message(boxes, {.foreground_iou = 0}),
              StartsWith("foreground_iou: expected in (0"));
  EXPECT_THAT(error_message(boxes, {.background_max_iou = 0.8}), StartsWith("background_max_iou"));
  EXPECT_THAT(error_message(boxes, {.background_min_iou = 0.4}), StartsWith("background_min_iou"));
  EXPECT_THAT(error_message(boxes, {.min_best_iou = 1}),
              StartsWith("min_best_iou: expected in [0, 1)"));
  EXPECT_THAT(error_message(boxes, {.crowd_share = NAN}),
              StartsWith("crowd_share: expected in [0, 1]"));
}

}  // namespace
}  // namespace rcnn::ops
