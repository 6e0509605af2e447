#include "rcnn/ops/soft_nms.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/testing/boxes_like.h"
#include "rcnn/ops/testing/slow_iou.h"

namespace rcnn::ops {
namespace {

using ::testing::StartsWith;
using Decay = SoftNmsOptions::Decay;
using testing::RpnLikeBoxes;
using testing::ScoredBoxes;
using testing::TiedBoxes;

struct Reference {
  std::vector<int64_t> kept;
  std::vector<double> scores;
};

// Figure 2 of the paper, literally.
Reference SlowSoftNms(const at::Tensor& boxes, const at::Tensor& scores,
                      const SoftNmsOptions& options) {
  const double* rows = boxes.data_ptr<double>();
  std::vector<double> score(scores.data_ptr<double>(), scores.data_ptr<double>() + scores.numel());
  Reference result;
  for (size_t step = 0; step < score.size(); ++step) {
    const size_t best = std::max_element(score.begin(), score.end()) - score.begin();
    if (score[best] < options.score_threshold) break;
    result.kept.push_back(static_cast<int64_t>(best));
    result.scores.push_back(score[best]);
    score[best] = -1;
    for (size_t i = 0; i < score.size(); ++i) {
      const double iou = testing::SlowIou(rows + 4 * best, rows + 4 * i, options.inclusive);
      if (options.decay == Decay::kGaussian) {
        score[i] *= std::exp(-iou * iou / options.sigma);
      } else if (iou > options.iou_threshold) {
        score[i] *= 1 - iou;
      }
    }
  }
  return result;
}

at::Tensor PairOfBoxes() {  // IoU 1/2
  return at::tensor({0., 0., 10., 10., 0., 0., 10., 5.}, at::kDouble).view({2, 4});
}

TEST(SoftNmsTest, NoBoxesGiveNoBoxes) {
  const SoftNmsResult none = SoftNms(at::empty({0, 4}), at::empty({0}), {});
  EXPECT_EQ(none.kept.numel(), 0);
  EXPECT_EQ(none.scores.numel(), 0);
}

TEST(SoftNmsTest, LinearDecaySubtractsTheOverlap) {
  const at::Tensor scores = at::tensor({0.6, 0.8}, at::kDouble);
  const SoftNmsResult result = SoftNms(PairOfBoxes(), scores, {.decay = Decay::kLinear});
  EXPECT_TRUE(at::equal(result.kept, at::tensor({1, 0}, at::kLong)));
  EXPECT_TRUE(at::allclose(result.scores, at::tensor({0.8, 0.6 * (1 - 0.5)}, at::kDouble)));
}

TEST(SoftNmsTest, LinearDecayIgnoresSmallOverlaps) {
  const at::Tensor scores = at::tensor({0.6, 0.8}, at::kDouble);
  const SoftNmsResult result =
      SoftNms(PairOfBoxes(), scores, {.decay = Decay::kLinear, .iou_threshold = 0.5});
  EXPECT_TRUE(at::equal(result.scores, at::tensor({0.8, 0.6}, at::kDouble)));
}

TEST(SoftNmsTest, GaussianDecay) {
  const at::Tensor scores = at::tensor({0.6, 0.8}, at::kDouble);
  const SoftNmsResult result = SoftNms(PairOfBoxes(), scores, {.sigma = 0.25});
  EXPECT_TRUE(
      at::allclose(result.scores, at::tensor({0.8, 0.6 * std::exp(-0.25 / 0.25)}, at::kDouble)));
}

TEST(SoftNmsTest, DropsBoxesBelowTheScoreThreshold) {
  const at::Tensor scores = at::tensor({0.6, 0.8}, at::kDouble);
  const SoftNmsOptions options = {.decay = Decay::kLinear, .score_threshold = 0.31};
  EXPECT_TRUE(at::equal(SoftNms(PairOfBoxes(), scores, options).kept, at::tensor({1}, at::kLong)));
}

class SoftNmsLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, SoftNmsLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(SoftNmsLevelTest, EqualsReferenceOverSeeds) {
  for (int seed = 0; seed < 200; ++seed) {
    const int64_t count = seed % 150;
    const ScoredBoxes all = seed % 2 == 0 ? TiedBoxes(count, seed) : RpnLikeBoxes(count, seed);
    const SoftNmsOptions options = {.decay = seed % 3 == 0 ? Decay::kLinear : Decay::kGaussian,
                                    .inclusive = seed % 5 == 0};
    const at::Tensor boxes = all.boxes.to(at::kDouble), scores = all.scores.to(at::kDouble);
    const Reference expected = SlowSoftNms(boxes, scores, options);
    const SoftNmsResult result = SoftNms(boxes, scores, options);
    ASSERT_TRUE(at::equal(result.kept, at::tensor(expected.kept, at::kLong))) << "seed " << seed;
    ASSERT_TRUE(at::allclose(result.scores, at::tensor(expected.scores, at::kDouble), 1e-12))
        << "seed " << seed;
    const SoftNmsResult in_float = SoftNms(all.boxes, all.scores, options);
    ASSERT_TRUE(
        (in_float.scores.slice(0, 1) <= in_float.scores.slice(0, 0, -1)).all().item<bool>());
  }
}

TEST(SoftNmsTest, MaxKeepKeepsTheFirst) {
  const ScoredBoxes all = RpnLikeBoxes(500, 4);
  const SoftNmsResult everything = SoftNms(all.boxes, all.scores, {});
  const SoftNmsResult few = SoftNms(all.boxes, all.scores, {.max_keep = 20});
  EXPECT_TRUE(at::equal(few.kept, everything.kept.slice(0, 0, 20)));
  EXPECT_TRUE(at::equal(few.scores, everything.scores.slice(0, 0, 20)));
}

// A decay to 0 is plain suppression.
TEST(SoftNmsTest, IsNmsWhenTheDecayIsTotal) {
  const ScoredBoxes all = RpnLikeBoxes(400, 5);
  const SoftNmsResult result = SoftNms(all.boxes, all.scores, {.sigma = 1e-12});
  EXPECT_TRUE(at::equal(result.kept, Nms(all.boxes, all.scores, {.iou_threshold = 1e-5})));
}

TEST(SoftNmsErrorTest, NamesTheArgument) {
  const at::Tensor boxes = PairOfBoxes();
  const at::Tensor scores = at::tensor({0.5, -0.5}, at::kDouble);
  EXPECT_THAT(ErrorMessage([&] { SoftNms(boxes, scores, {}); }),
              StartsWith("scores: row 1 is negative (scores is [2] float64"));
  EXPECT_THAT(ErrorMessage([&] { SoftNms(boxes.view({8}), scores, {}); }), StartsWith("boxes: "));
  EXPECT_THAT(ErrorMessage([&] { SoftNms(boxes, scores.to(at::kFloat), {}); }),
              StartsWith("scores: "));
  EXPECT_THAT(ErrorMessage([&] { SoftNms(boxes, scores, {.sigma = 0}); }),
              StartsWith("sigma: is 0"));
  EXPECT_THAT(ErrorMessage([&] { SoftNms(boxes, scores, {.max_keep = -2}); }),
              StartsWith("max_keep: is -2"));
}

}  // namespace
}  // namespace rcnn::ops
