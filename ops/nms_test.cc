#include "rcnn/ops/nms.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/boxes_like.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RpnLikeBoxes;
using testing::ScoredBoxes;
using ::testing::StartsWith;
using testing::TiedBoxes;
using testing::TorchvisionNms;
using testing::UniformBoxes;

at::Tensor Boxes(const std::vector<double>& corners, at::ScalarType dtype = at::kFloat) {
  return at::tensor(corners, dtype).view({-1, 4});
}
at::Tensor Scores(const std::vector<double>& scores) { return at::tensor(scores, at::kFloat); }

std::vector<int64_t> ToVector(const at::Tensor& indices) {
  const at::Tensor all = indices.contiguous();
  return {all.data_ptr<int64_t>(), all.data_ptr<int64_t>() + all.numel()};
}

std::vector<int64_t> NmsIndices(const at::Tensor& boxes, const at::Tensor& scores,
                                const NmsOptions& options = {}) {
  return ToVector(Nms(boxes, scores, options));
}

// The definition, box by box, in the type of the boxes.
template <typename T>
bool Suppresses(const T* a, const T* b, const NmsOptions& options) {
  const T one = options.inclusive ? 1 : 0;
  const auto area = [one](const T* box) {
    return (box[2] - box[0] + one) * (box[3] - box[1] + one);
  };
  const T width = std::max<T>(0, std::min(a[2], b[2]) - std::max(a[0], b[0]) + one);
  const T height = std::max<T>(0, std::min(a[3], b[3]) - std::max(a[1], b[1]) + one);
  const T inter = width * height;
  const double iou = inter / (area(a) + area(b) - inter);
  return options.suppress_equal ? iou >= options.iou_threshold : iou > options.iou_threshold;
}

template <typename T>
std::vector<int64_t> Reference(const at::Tensor& boxes, const at::Tensor& scores,
                               const NmsOptions& options) {
  const std::vector<int64_t> order =
      ToVector(std::get<1>(at::sort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true)));
  const T* rows = boxes.data_ptr<T>();
  std::vector<int64_t> kept;
  for (const int64_t i : order) {
    if (static_cast<int64_t>(kept.size()) == options.max_keep) break;
    bool dropped = false;
    for (const int64_t k : kept) dropped |= Suppresses(rows + 4 * k, rows + 4 * i, options);
    if (!dropped) kept.push_back(i);
  }
  return kept;
}

TEST(NmsTest, NoBoxesGiveNoBoxes) {
  EXPECT_THAT(NmsIndices(at::empty({0, 4}), at::empty({0})), IsEmpty());
}

TEST(NmsTest, KeepsTheOnlyBoxEvenWithoutArea) {
  EXPECT_THAT(NmsIndices(Boxes({3, 3, 3, 3}), Scores({0.1})), ElementsAre(0));
}

TEST(NmsTest, DropsTheLowerOfTwoOverlappingBoxes) {
  // IoU of 0 and 1 is 0.9, of 2 with either 0.
  const at::Tensor boxes = Boxes({0, 0, 10, 10, 0, 0, 10, 9, 20, 20, 30, 30});
  EXPECT_THAT(NmsIndices(boxes, Scores({0.5, 0.9, 0.1})), ElementsAre(1, 2));
}

TEST(NmsTest, ADroppedBoxSuppressesNothing) {
  // 0 drops 1 (IoU 2/3), which would have dropped 2; IoU of 0 and 2 is 3/7.
  const at::Tensor boxes = Boxes({0, 0, 10, 10, 2, 0, 12, 10, 4, 0, 14, 10});
  EXPECT_THAT(NmsIndices(boxes, Scores({0.9, 0.8, 0.7}), {.iou_threshold = 0.5}),
              ElementsAre(0, 2));
}

TEST(NmsTest, KeepsFirstOfEqualScores) {
  const at::Tensor boxes = Boxes({0, 0, 10, 10, 0, 0, 10, 10, 0, 0, 10, 10});
  EXPECT_THAT(NmsIndices(boxes, Scores({0.5, 0.5, 0.5})), ElementsAre(0));
}

TEST(NmsTest, ThresholdItselfSuppressesOnlyIfRequested) {
  const at::Tensor boxes = Boxes({0, 0, 10, 10, 0, 0, 10, 5});  // IoU exactly 1/2
  const at::Tensor scores = Scores({0.9, 0.8});
  EXPECT_THAT(NmsIndices(boxes, scores, {.iou_threshold = 0.5}), ElementsAre(0, 1));
  EXPECT_THAT(NmsIndices(boxes, scores, {.iou_threshold = 0.5, .suppress_equal = true}),
              ElementsAre(0));
}

TEST(NmsTest, InclusiveBoxesAreOnePixelLarger) {
  // Pixels 0..9 and 0..4: IoU 5/10 inclusive, 4/9 otherwise.
  const at::Tensor boxes = Boxes({0, 0, 9, 9, 0, 0, 9, 4});
  const at::Tensor scores = Scores({0.9, 0.8});
  EXPECT_THAT(NmsIndices(boxes, scores, {.iou_threshold = 0.45}), ElementsAre(0, 1));
  EXPECT_THAT(NmsIndices(boxes, scores, {.iou_threshold = 0.45, .inclusive = true}),
              ElementsAre(0));
}

TEST(NmsTest, StopsAtMaxKeep) {
  const ScoredBoxes all = RpnLikeBoxes(2000, 1);
  const std::vector<int64_t> everything = NmsIndices(all.boxes, all.scores);
  ASSERT_GT(everything.size(), 300u);
  const std::vector<int64_t> few = NmsIndices(all.boxes, all.scores, {.max_keep = 300});
  EXPECT_EQ(few, std::vector<int64_t>(everything.begin(), everything.begin() + 300));
  EXPECT_THAT(NmsIndices(all.boxes, all.scores, {.max_keep = 0}), IsEmpty());
}

class NmsLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, NmsLevelTest, LevelsFrom(InstructionLevel::kPortable), LevelName);

TEST_P(NmsLevelTest, EqualsReferenceOnTiesForEveryOption) {
  for (int seed = 0; seed < 200; ++seed) {
    const ScoredBoxes all = TiedBoxes(seed % 90, seed);
    const NmsOptions options = {.iou_threshold = (seed % 11) / 10.0,
                                .max_keep = seed % 5 == 0 ? 7 : 1000,
                                .suppress_equal = seed % 2 == 1,
                                .inclusive = seed % 4 >= 2};
    ASSERT_EQ(NmsIndices(all.boxes, all.scores, options),
              Reference<float>(all.boxes, all.scores, options))
        << "seed " << seed;
    const at::Tensor boxes = all.boxes.to(at::kDouble), scores = all.scores.to(at::kDouble);
    ASSERT_EQ(NmsIndices(boxes, scores, options), Reference<double>(boxes, scores, options))
        << "seed " << seed;
  }
}

// So many that they are filed in a grid.
TEST_P(NmsLevelTest, KeepsTheBoxesOfEveryOtherLevel) {
  const ScoredBoxes all = UniformBoxes(3000, 3000, 100, 1);
  const std::vector<int64_t> kept = NmsIndices(all.boxes, all.scores);
  EXPECT_GT(kept.size(), 1000u);
  const ScopedInstructionLevel level(InstructionLevel::kPortable);
  EXPECT_EQ(NmsIndices(all.boxes, all.scores), kept);
}

// Enough kept boxes for the grid, at every threshold, also far from the origin,
// where the spacing of floats is near the size of the boxes.
TEST(NmsTest, EqualsReferenceOnManyBoxes) {
  for (int seed = 0; seed < 12; ++seed) {
    const double size_px = seed % 2 == 0 ? 3000 : 500;
    ScoredBoxes all = UniformBoxes(3000, size_px, 100, seed);
    if (seed % 3 == 1) all = RpnLikeBoxes(3000, seed);
    if (seed % 3 == 2) all.boxes += 3e7;
    const NmsOptions options = {.iou_threshold = (seed % 6) / 6.0,
                                .suppress_equal = seed % 8 == 1,
                                .inclusive = seed % 8 == 2};
    ASSERT_EQ(NmsIndices(all.boxes, all.scores, options),
              Reference<float>(all.boxes, all.scores, options))
        << "seed " << seed;
  }
}

TEST(NmsTest, EqualsReferenceWhereAreasUnderflow) {
  for (const double scale : {1e-3, 1e-18, 1e-21, 1e-22, 1e-23}) {
    ScoredBoxes all = UniformBoxes(1500, 1000, 1000, 5);
    all.boxes *= scale;
    const NmsOptions options = {.iou_threshold = 0.5};
    ASSERT_EQ(NmsIndices(all.boxes, all.scores, options),
              Reference<float>(all.boxes, all.scores, options))
        << "scale " << scale;
  }
}

TEST(NmsTest, HandlesBoxesAsLargeAsFloatsAllow) {
  const double big = 1.5e38;
  const at::Tensor boxes = Boxes({-big, -big, big, big, -big, -big, big, big, 0, 0, 1, 1});
  // The area overflows: inter / (inf + inf - inf) is NaN, and overlaps nothing.
  EXPECT_THAT(NmsIndices(boxes, Scores({0.9, 0.8, 0.7})), ElementsAre(0, 1, 2));
}

TEST(NmsTest, IndependentOfInputOrderWhenScoresDiffer) {
  const ScoredBoxes all = RpnLikeBoxes(1500, 11);
  const at::Tensor permutation = at::randperm(1500, at::kLong);
  const at::Tensor kept = Nms(all.boxes, all.scores, {});
  const at::Tensor kept_permuted =
      Nms(all.boxes.index_select(0, permutation), all.scores.index_select(0, permutation), {});
  EXPECT_TRUE(at::equal(permutation.index_select(0, kept_permuted), kept));
}

TEST(NmsTest, ScalingBoxesByAPowerOfTwoChangesNothing) {
  const ScoredBoxes all = RpnLikeBoxes(1500, 12);
  EXPECT_TRUE(at::equal(Nms(all.boxes, all.scores, {}), Nms(all.boxes * 1024, all.scores, {})));
}

TEST(NmsTest, NoKeptPairExceedsAndEveryDroppedBoxHasAReason) {
  const ScoredBoxes all = RpnLikeBoxes(1000, 13);
  const std::vector<int64_t> kept = NmsIndices(all.boxes, all.scores);
  const float* rows = all.boxes.data_ptr<float>();
  const float* scores = all.scores.data_ptr<float>();
  std::vector<bool> is_kept(1000, false);
  for (const int64_t k : kept) is_kept[k] = true;
  for (int64_t i = 0; i < 1000; ++i) {
    bool beaten = false;
    for (const int64_t k : kept) {
      if (k == i || scores[k] < scores[i]) continue;
      beaten |= Suppresses(rows + 4 * k, rows + 4 * i, NmsOptions{});
    }
    ASSERT_NE(beaten, is_kept[i]) << i;
  }
}

TEST(NmsTest, EqualsTorchvisionIndexByIndex) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  for (int seed = 0; seed < 1000; ++seed) {
    const int64_t count = seed % 40 == 0 ? 2500 : seed % 300;
    const ScoredBoxes all = seed % 3 == 0   ? TiedBoxes(count, seed)
                            : seed % 3 == 1 ? RpnLikeBoxes(count, seed)
                                            : UniformBoxes(count, 300, 9, seed);
    const double threshold = (1 + seed % 19) / 20.0;
    ASSERT_TRUE(at::equal(Nms(all.boxes, all.scores, {.iou_threshold = threshold}),
                          TorchvisionNms(all.boxes, all.scores, threshold)))
        << "seed " << seed;
  }
}

TEST(NmsTest, MillionBoxes) {
  const ScoredBoxes all = UniformBoxes(1000000, 8000, 1000000, 3);
  const at::Tensor kept = Nms(all.boxes, all.scores, {.iou_threshold = 0.5});
  EXPECT_GT(kept.size(0), 100000);
  EXPECT_LT(kept.size(0), 1000000);
  // Suppression of kept boxes keeps all of them.
  const at::Tensor again = Nms(all.boxes.index_select(0, kept), all.scores.index_select(0, kept),
                               {.iou_threshold = 0.5});
  EXPECT_TRUE(at::equal(again, at::arange(kept.size(0))));
}

TEST(NmsTest, ReadsStridedTensors) {
  const ScoredBoxes all = RpnLikeBoxes(500, 14);
  const at::Tensor columns = all.boxes.t().contiguous().t();
  ASSERT_FALSE(columns.is_contiguous());
  EXPECT_TRUE(at::equal(Nms(columns, all.scores, {}), Nms(all.boxes, all.scores, {})));
}

TEST(NmsTest, NoGradientFlows) {
  const ScoredBoxes all = RpnLikeBoxes(10, 15);
  EXPECT_FALSE(Nms(all.boxes.requires_grad_(), all.scores.requires_grad_(), {}).requires_grad());
}

TEST(NmsErrorTest, NamesTheArgumentAndTheRow) {
  const at::Tensor boxes = Boxes({0, 0, 1, 1, 5, 0, 4, 1});
  const at::Tensor scores = Scores({0.5, 0.5});
  const auto error = [&](const at::Tensor& b, const at::Tensor& s) {
    return ErrorMessage([&] { Nms(b, s, {}); });
  };
  EXPECT_THAT(error(boxes, scores), StartsWith("boxes: row 1 is (5, 0, 4, 1): x2 < x1"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error(Boxes({0, 0, nan, 1}), Scores({1})), HasSubstr("boxes: row 0"));
  EXPECT_THAT(error(Boxes({0, 0, 1, 1}), Scores({nan})), HasSubstr("scores: row 0"));
  EXPECT_THAT(error(Boxes({0, 0, 1, 1}), scores), StartsWith("scores: "));
  EXPECT_THAT(error(at::zeros({2, 5}), scores), StartsWith("boxes: expected shape [*, 4]"));
  EXPECT_THAT(error(at::zeros({8}), scores), StartsWith("boxes: expected shape [*, 4]"));
  EXPECT_THAT(error(at::zeros({2, 4}, at::kLong), scores), HasSubstr("boxes: expected dtype"));
  EXPECT_THAT(error(at::zeros({2, 4}, at::kDouble), scores), StartsWith("scores: "));
  EXPECT_THAT(error(at::zeros({2, 4}), at::zeros({2, 1})), StartsWith("scores: expected shape"));
  EXPECT_THAT(error(at::Tensor(), scores), StartsWith("boxes: "));
  EXPECT_THAT(error(at::zeros({2, 4}), at::zeros({2}, at::device(at::kMeta))),
              HasSubstr("scores: is [2] float32 on meta, on another device than boxes"));
}

TEST(NmsErrorTest, NamesTheOption) {
  const at::Tensor boxes = Boxes({0, 0, 1, 1});
  const auto error = [&](const NmsOptions& options) {
    return ErrorMessage([&] { Nms(boxes, Scores({1}), options); });
  };
  EXPECT_THAT(error({.iou_threshold = 1.5}), StartsWith("iou_threshold: is 1.5, not in [0, 1]"));
  EXPECT_THAT(error({.iou_threshold = std::numeric_limits<double>::quiet_NaN()}),
              StartsWith("iou_threshold: "));
  EXPECT_THAT(error({.max_keep = -1}), StartsWith("max_keep: is -1"));
}

}  // namespace
}  // namespace rcnn::ops
