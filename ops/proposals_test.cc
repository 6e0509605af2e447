#include "rcnn/ops/proposals.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/proposals_request.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Anchors of sides 32, 64, ... at cells of `stride` pixels, cell by cell.
at::Tensor GridAnchors(int64_t height, int64_t width, int64_t kinds, double stride) {
  at::Tensor anchors = at::empty({height, width, kinds, 4}, at::kFloat);
  for (int64_t a = 0; a < kinds; ++a) {
    const double half_width = 16 * (a + 1), half_height = 12 * (kinds - a);
    const at::Tensor x = at::arange(width, at::kFloat).mul(stride).expand({height, width});
    const at::Tensor y =
        at::arange(height, at::kFloat).mul(stride).view({-1, 1}).expand({height, width});
    anchors.select(2, a).copy_(
        at::stack({x - half_width, y - half_height, x + half_width, y + half_height}, 2));
  }
  return anchors.view({-1, 4});
}

// Logits on a few levels, so that many are equal.
ProposalLevel RandomLevel(int64_t batch, int64_t height, int64_t width, int64_t kinds,
                          double stride, int64_t seed, bool pairs = false) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const int64_t channels = pairs ? 2 * kinds : kinds;
  return {at::randn({batch, channels, height, width}, generator).mul(40).round().div(16),
          at::randn({batch, 4 * kinds, height, width}, generator).mul(0.3),
          GridAnchors(height, width, kinds, stride)};
}

std::vector<InputSize> Sizes(const std::vector<float>& values) {
  std::vector<InputSize> sizes;
  for (size_t i = 0; i < values.size(); i += 3) {
    sizes.push_back({values[i], values[i + 1], values[i + 2]});
  }
  return sizes;
}

struct ScoredRois {
  at::Tensor boxes, logits;
};

// The steps one after the other on whole tensors, for one level of one image.
template <typename NmsFunction>
ScoredRois StepByStep(const ProposalLevel& level, int64_t image, const InputSize& size,
                      const ProposalOptions& options, NmsFunction nms) {
  const int64_t kinds = level.deltas.size(1) / 4;
  at::Tensor maps = level.logits[image];
  if (options.objectness == ObjectnessKind::kSoftmaxPair) {
    maps = maps.slice(0, kinds, 2 * kinds) - maps.slice(0, 0, kinds);
  }
  at::Tensor logits = maps.permute({1, 2, 0}).reshape({-1});
  const at::Tensor deltas = level.deltas[image].permute({1, 2, 0}).reshape({-1, 4});
  const double one = options.coder.inclusive ? 1 : 0;
  at::Tensor boxes = DecodeBoxes(level.anchors, deltas, options.coder);
  const double height = size.height, width = size.width;
  boxes = at::stack(
      {boxes.select(1, 0).clamp(0, width - one), boxes.select(1, 1).clamp(0, height - one),
       boxes.select(1, 2).clamp(0, width - one), boxes.select(1, 3).clamp(0, height - one)},
      1);
  const auto take = [&](const at::Tensor& rows) {
    boxes = boxes.index_select(0, rows);
    logits = logits.index_select(0, rows);
  };
  const auto take_best = [&] {
    const at::Tensor order = std::get<1>(at::sort(logits, /*stable=*/true, 0, /*descending=*/true));
    take(order.slice(0, 0, options.pre_nms_top_n));
  };
  const auto take_large = [&] {
    const double least = static_cast<float>(options.min_side_px * size.scale);
    const at::Tensor sides = boxes.slice(1, 2, 4) - boxes.slice(1, 0, 2) + one;
    take(at::nonzero((sides >= least).all(1)).flatten());
  };
  if (options.drop_small_before_top_n) take_large();
  take_best();
  take_large();
  take(nms(boxes, logits).slice(0, 0, options.post_nms_top_n));
  return {boxes, logits};
}

ScoredRois StepByStep(const ProposalLevel& level, int64_t image, const InputSize& size,
                      const ProposalOptions& options) {
  return StepByStep(level, image, size, options,
                    [&](const at::Tensor& boxes, const at::Tensor& scores) {
                      return Nms(boxes, scores,
                                 {.iou_threshold = options.nms_iou_threshold,
                                  .suppress_equal = options.nms_suppress_equal,
                                  .inclusive = options.coder.inclusive});
                    });
}

ProposalOptions Options2015() {
  ProposalOptions options;
  options.objectness = ObjectnessKind::kSoftmaxPair;
  options.drop_small_before_top_n = true;
  options.coder.inclusive = true;
  options.coder.exact_inverse = false;
  options.coder.max_log_scale = std::numeric_limits<double>::infinity();
  return options;
}

TEST(ProposalsTest, DecodesClipsAndOrdersByScore) {
  // Two cells, one anchor each; the second is moved right by half its width, out of the image.
  const at::Tensor anchors =
      at::tensor({0., 0., 20., 20., 40., 40., 60., 60.}, at::kFloat).view({2, 4});
  at::Tensor deltas = at::zeros({1, 4, 1, 2});
  deltas[0][0][0][1] = 0.5;
  const at::Tensor logits = at::tensor({0., 2.}, at::kFloat).view({1, 1, 1, 2});
  const Proposals found = GenerateProposals({{logits, deltas, anchors}}, Sizes({100, 67, 1}), {});
  const at::Tensor expected =
      at::tensor({0., 50., 40., 67., 60., 0., 0., 0., 20., 20.}, at::kFloat).view({2, 5});
  EXPECT_TRUE(at::equal(found.rois, expected)) << found.rois;
  EXPECT_TRUE(at::allclose(found.scores, at::sigmoid(at::tensor({2., 0.}, at::kFloat))));
  EXPECT_TRUE(at::equal(found.counts, at::tensor({2}, at::kLong)));
}

TEST(ProposalsTest, ConventionOf2015) {
  // The first anchor of the paper's code at cell (0, 0): with deltas 0 it comes back one pixel
  // larger, and is clipped to the last pixel. Background logits come first.
  const at::Tensor anchors = at::tensor({-84., -40., 99., 55.}, at::kFloat).view({1, 4});
  const at::Tensor logits = at::tensor({1., 3.}, at::kFloat).view({1, 2, 1, 1});
  const at::Tensor deltas = at::zeros({1, 4, 1, 1});
  const Proposals found =
      GenerateProposals({{logits, deltas, anchors}}, Sizes({50, 1000, 1}), Options2015());
  EXPECT_TRUE(at::equal(found.rois, at::tensor({0., 0., 0., 100., 49.}, at::kFloat).view({1, 5})));
  EXPECT_TRUE(at::allclose(found.scores, at::softmax(logits.flatten(), 0).slice(0, 1)));
}

TEST(ProposalsTest, SmallSidesAreMeasuredBeforeScaling) {
  const at::Tensor anchors =
      at::tensor({0., 0., 31., 40., 100., 100., 132., 140.}, at::kFloat).view({2, 4});
  const ProposalLevel level = {at::zeros({1, 1, 1, 2}), at::zeros({1, 4, 1, 2}), anchors};
  EXPECT_EQ(GenerateProposals({level}, Sizes({600, 1000, 2}), {}).rois.size(0), 1);
  EXPECT_EQ(GenerateProposals({level}, Sizes({600, 1000, 1}), {}).rois.size(0), 2);
}

TEST(ProposalsTest, EqualsTheSeparateSteps) {
  for (int64_t seed = 0; seed < 40; ++seed) {
    ProposalOptions options = seed % 2 == 0 ? Options2015() : ProposalOptions();
    options.pre_nms_top_n = seed % 3 == 0 ? 150 : 100000;
    options.post_nms_top_n = seed % 5 == 0 ? 50 : 100000;
    options.min_side_px = seed % 7 == 0 ? 40 : 16;
    options.nms_suppress_equal = seed % 4 == 1;
    const bool pairs = options.objectness == ObjectnessKind::kSoftmaxPair;
    const ProposalLevel level = RandomLevel(1, 7 + seed % 6, 11, 3, 16, seed, pairs);
    const std::vector<InputSize> sizes = Sizes({150, 170, 1.25});
    const Proposals found = GenerateProposals({level}, sizes, options);
    const ScoredRois expected = StepByStep(level, 0, sizes[0], options);
    ASSERT_TRUE(at::equal(found.rois.slice(1, 1), expected.boxes)) << "seed " << seed;
    ASSERT_TRUE(at::allclose(found.scores, at::sigmoid(expected.logits), 1e-6, 1e-7));
  }
}

TEST(ProposalsTest, EqualsTheStepsWithTorchvisionsNms) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  for (int64_t seed = 0; seed < 5; ++seed) {
    const ProposalLevel level = RandomLevel(1, 20, 30, 9, 16, seed);
    const std::vector<InputSize> sizes = Sizes({320, 480, 1});
    const ScoredRois expected =
        StepByStep(level, 0, sizes[0], {}, [](const at::Tensor& boxes, const at::Tensor& scores) {
          return testing::TorchvisionNms(boxes, scores, 0.7);
        });
    ASSERT_TRUE(at::equal(GenerateProposals({level}, sizes, {}).rois.slice(1, 1), expected.boxes))
        << "seed " << seed;
  }
}

TEST(ProposalsTest, LevelsAreSuppressedApartAndMergedByScore) {
  ProposalOptions options;
  options.pre_nms_top_n = 200;
  options.post_nms_top_n = 120;
  const std::vector<ProposalLevel> levels = {RandomLevel(2, 16, 20, 3, 8, 1),
                                             RandomLevel(2, 8, 10, 3, 16, 2),
                                             RandomLevel(2, 4, 5, 3, 32, 3)};
  const std::vector<InputSize> sizes = Sizes({128, 160, 1, 100, 120, 0.8});
  const Proposals found = GenerateProposals(levels, sizes, options);
  int64_t begin = 0;
  for (int64_t image = 0; image < 2; ++image) {
    std::vector<at::Tensor> boxes, logits;
    for (const ProposalLevel& level : levels) {
      const ScoredRois one = StepByStep(level, image, sizes[static_cast<size_t>(image)], options);
      boxes.push_back(one.boxes);
      logits.push_back(one.logits);
    }
    const at::Tensor order =
        std::get<1>(at::sort(at::cat(logits), /*stable=*/true, 0, /*descending=*/true))
            .slice(0, 0, 120);
    const int64_t end = begin + found.counts[image].item<int64_t>();
    const at::Tensor rois = found.rois.slice(0, begin, end);
    EXPECT_TRUE(at::equal(rois.slice(1, 1), at::cat(boxes).index_select(0, order)));
    EXPECT_TRUE((rois.select(1, 0) == image).all().item<bool>());
    begin = end;
  }
  EXPECT_EQ(begin, found.rois.size(0));
}

TEST(ProposalsTest, ABatchIsItsImages) {
  const ProposalLevel both = RandomLevel(2, 9, 9, 3, 16, 5);
  const std::vector<InputSize> sizes = Sizes({144, 144, 1, 90, 120, 1});
  const Proposals together = GenerateProposals({both}, sizes, {});
  const ProposalLevel second = {both.logits.slice(0, 1), both.deltas.slice(0, 1), both.anchors};
  const Proposals alone = GenerateProposals({second}, {sizes[1]}, {});
  const int64_t begin = together.counts[0].item<int64_t>();
  EXPECT_TRUE(at::equal(together.rois.slice(0, begin).slice(1, 1), alone.rois.slice(1, 1)));
  EXPECT_TRUE(at::equal(together.scores.slice(0, begin), alone.scores));
}

TEST(ProposalsTest, ReadsChannelsLastAndOtherFloats) {
  const ProposalLevel level = RandomLevel(1, 9, 9, 3, 16, 6);
  const std::vector<InputSize> sizes = Sizes({144, 144, 1});
  const Proposals expected = GenerateProposals({level}, sizes, {});
  const auto nhwc = at::MemoryFormat::ChannelsLast;
  const ProposalLevel last = {level.logits.contiguous(nhwc), level.deltas.contiguous(nhwc),
                              level.anchors};
  EXPECT_TRUE(at::equal(GenerateProposals({last}, sizes, {}).rois, expected.rois));
  const ProposalLevel wide = {level.logits.to(at::kDouble), level.deltas.to(at::kDouble),
                              level.anchors};
  EXPECT_TRUE(at::equal(GenerateProposals({wide}, sizes, {}).rois, expected.rois));
}

TEST(ProposalsTest, HandlesNoImagesNoCellsAndNoLargeBoxes) {
  const std::vector<InputSize> none = Sizes({});
  EXPECT_EQ(GenerateProposals({RandomLevel(0, 4, 4, 3, 16, 1)}, none, {}).rois.sizes(),
            at::IntArrayRef({0, 5}));
  const std::vector<InputSize> sizes = Sizes({64, 64, 1});
  EXPECT_EQ(GenerateProposals({RandomLevel(1, 0, 4, 3, 16, 1)}, sizes, {}).rois.size(0), 0);
  ProposalOptions options;
  options.min_side_px = 1000;
  for (const bool drop_first : {false, true}) {
    options.drop_small_before_top_n = drop_first;
    const Proposals found = GenerateProposals({RandomLevel(1, 4, 4, 3, 16, 1)}, sizes, options);
    EXPECT_EQ(found.rois.sizes(), at::IntArrayRef({0, 5}));
    EXPECT_TRUE(at::equal(found.counts, at::zeros({1}, at::kLong)));
  }
}

class ProposalsErrorTest : public ::testing::Test {
 protected:
  std::string Error() {
    return ErrorMessage([&] { GenerateProposals({level_}, sizes_, options_); });
  }

  ProposalLevel level_ = RandomLevel(2, 4, 5, 3, 16, 1);
  std::vector<InputSize> sizes_ = Sizes({64, 80, 1, 64, 80, 1});
  ProposalOptions options_;
};

TEST_F(ProposalsErrorTest, NamesTheShape) {
  level_.logits = at::zeros({2, 6, 4, 5});
  EXPECT_THAT(Error(), StartsWith("logits of level 0: expected shape [2, 3, 4, 5]"));
  level_.logits = at::zeros({2, 3, 4, 5});
  level_.anchors = at::zeros({59, 4});
  EXPECT_THAT(Error(), StartsWith("anchors of level 0: expected shape [60, 4]"));
  level_.deltas = at::zeros({2, 13, 4, 5});
  EXPECT_THAT(Error(), HasSubstr("the number of channels is not a multiple of 4"));
  level_.deltas = at::zeros({2, 12, 20});
  EXPECT_THAT(Error(), StartsWith("deltas of level 0: expected shape"));
  level_.deltas = at::Tensor();
  EXPECT_THAT(Error(), StartsWith("deltas of level 0: "));
}

TEST_F(ProposalsErrorTest, NamesTheDtype) {
  level_.deltas = level_.deltas.to(at::kLong);
  EXPECT_THAT(Error(), StartsWith("deltas of level 0: expected dtype"));
}

TEST_F(ProposalsErrorTest, NamesTheImageAndTheAnchor) {
  level_.logits[1][2][3][4] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(Error(),
              StartsWith("logits of level 0, image 1, anchor 59 (row 3, column 4, kind 2): "
                         "not finite: "));
  level_.logits[1][2][3][4] = 0;
  level_.deltas[0][5][1][0] = std::numeric_limits<double>::infinity();
  EXPECT_THAT(Error(),
              StartsWith("deltas of level 0, image 0, anchor 16 (row 1, column 0, kind 1): "
                         "the decoded box is not finite; dx is "));
}

TEST_F(ProposalsErrorTest, NamesTheBadAnchorAndImage) {
  level_.anchors[7][2] = -1000;
  EXPECT_THAT(Error(), StartsWith("anchors of level 0: row 7"));
  level_.anchors[7][2] = 1000;
  sizes_[1].height = 0;
  EXPECT_THAT(Error(), StartsWith("image_info: row 1 is (0, 80, 1)"));
  sizes_.pop_back();
  EXPECT_THAT(Error(), StartsWith("image_info: expected 3 x 2 numbers, got 3"));
}

TEST_F(ProposalsErrorTest, CountsTheLevels) {
  const std::vector<at::Tensor> logits = {level_.logits}, deltas = {level_.deltas};
  const std::vector<at::Tensor> anchors = {level_.anchors, level_.anchors};
  const std::vector<double> info = {64, 80, 1, 64, 80, 1}, ones(4, 1), zeros(4, 0);
  EXPECT_EQ(ErrorMessage([&] {
              ReadProposalRequest(logits, deltas, anchors, info, "sigmoid", 10, 10, 0.7, false, 0,
                                  false, ones, zeros, ones, 4, false, true);
            }),
            "logits, deltas, anchors: expected equally long lists, got lengths 1, 1 and 2");
}

TEST_F(ProposalsErrorTest, NamesTheOption) {
  options_.pre_nms_top_n = 0;
  EXPECT_THAT(Error(), StartsWith("pre_nms_top_n: is 0"));
  options_ = {};
  options_.nms_iou_threshold = 2;
  EXPECT_THAT(Error(), StartsWith("nms_iou_threshold: is 2"));
  options_ = {};
  options_.min_side_px = -1;
  EXPECT_THAT(Error(), StartsWith("min_side_px: is -1"));
  EXPECT_THAT(ErrorMessage([&] { GenerateProposals({}, sizes_, {}); }), StartsWith("levels: "));
}

}  // namespace
}  // namespace rcnn::ops
