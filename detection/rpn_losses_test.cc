// The losses against their formulas, and those at the cells of the samples against those of whole
// maps.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/rpn_cases.h"
#include "rcnn/detection/targets.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::StartsWith;

double SmoothL1(double x, double beta) {
  x = std::abs(x);
  return x < beta ? x * x / (2 * beta) : x - beta / 2;
}

// Positive anchors, of both images, and negative ones.
RpnSamples GivenSamples() {
  const at::Tensor targets = at::randn({3, 4}, RpnGenerator(2));
  return {at::tensor({5, 100, 211}, at::kLong), at::tensor({0, 7, 209, 300, 419}, at::kLong),
          targets};
}

// Cross entropy and smooth L1 with beta = 0.5, summed over the samples.
std::pair<double, double> SlowLosses(const Rpn& rpn, const RpnConventions& wanted,
                                     const at::Tensor& deltas, const RpnSamples& samples) {
  const SlowRpn slow[] = {SlowRpn(rpn, wanted, 0), SlowRpn(rpn, wanted, 1)};
  const auto score = [&](const AnchorPlace& place) {
    return slow[place.image].Score(place.row, place.column, place.number);
  };
  double objectness = 0, box = 0;
  for (int64_t i = 0; i < samples.negative.size(0); ++i) {
    objectness -= std::log(1 - score(AnchorPlace(samples.negative[i].item<int64_t>())));
  }
  for (int64_t i = 0; i < samples.positive.size(0); ++i) {
    const AnchorPlace place(samples.positive[i].item<int64_t>());
    objectness -= std::log(score(place));
    for (int64_t j = 0; j < 4; ++j) {
      const double delta =
          deltas[place.image][4 * place.number + j][place.row][place.column].item<double>();
      box += SmoothL1(delta - samples.box_targets[i][j].item<double>(), 0.5);
    }
  }
  return {objectness, box};
}

TEST(RpnLossesTest, LossesEqualTheirFormulas) {
  const std::pair<const char*, double> normalizers[] = {
      {"SAMPLED_ANCHORS", 8}, {"WANTED_ANCHORS", 2 * 40}, {"MAP_CELLS", 2 * 35}};
  for (const auto& [normalizer, divisor] : normalizers) {
    for (const bool softmax : {false, true}) {
      SCOPED_TRACE(absl::StrCat(normalizer, softmax ? " softmax" : " sigmoid"));
      RpnConventions wanted;
      wanted.softmax = softmax;
      const auto rpn = MakeRpn(
          wanted, absl::StrCat("targets { anchors_per_image: 40 } loss { smooth_l1_beta: 0.5 "
                               "box_weight: 3 box_normalizer: ",
                               normalizer, " }"));
      const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
      const RpnSamples samples = GivenSamples();
      const auto [objectness, box] = SlowLosses(*rpn, wanted, output[0].deltas, samples);
      const RpnLosses losses = rpn->Losses(output, samples);
      EXPECT_NEAR(losses.objectness.item<double>(), objectness / 8, 1e-5 * objectness);
      EXPECT_NEAR(losses.box.item<double>(), 3 * box / divisor, 1e-5 * box);
      EXPECT_EQ(losses.positives, 3);
      EXPECT_EQ(losses.negatives, 5);
    }
  }
}

struct Step {
  RpnLosses losses;
  std::vector<at::Tensor> gradients;  // of both maps and all parameters
};

// A step on two levels of two images, with the losses that compute(rpn, maps) returns.
template <typename Compute>
Step RunStepWith(const std::string& config, const Compute& compute) {
  const auto rpn = CreateRpn(config, 2).value();
  FillAtRandom(*rpn, 0.4, 12);
  std::vector<at::Tensor> leaves = {RpnMaps(), at::randn({2, 4, 3, 4}, RpnGenerator(8))};
  for (at::Tensor& map : leaves) map.requires_grad_();
  const std::vector<at::Tensor> maps = leaves;
  Step step;
  step.losses = compute(*rpn, RpnFeatures(maps));
  (step.losses.objectness + step.losses.box).backward();
  for (const at::Tensor& parameter : rpn->parameters()) leaves.push_back(parameter);
  for (const at::Tensor& leaf : leaves) step.gradients.push_back(leaf.grad());
  return step;
}

// By the cells of the samples or by whole maps.
Step RunStep(const std::string& config, bool at_samples) {
  return RunStepWith(config, [&](const Rpn& rpn, const BatchFeatures& maps) {
    return at_samples
               ? rpn.LossesAtSamples(maps, {RpnSizes(), RpnTruths()}, RpnGenerator())
               : rpn.Losses(rpn.ForwardParts(maps), {RpnSizes(), RpnTruths()}, RpnGenerator());
  });
}

void ExpectSameStep(const Step& step, const Step& expected) {
  EXPECT_EQ(step.losses.positives, expected.losses.positives);
  EXPECT_EQ(step.losses.negatives, expected.losses.negatives);
  EXPECT_TRUE(Near(step.losses.objectness, expected.losses.objectness, 1e-5));
  EXPECT_TRUE(Near(step.losses.box, expected.losses.box, 1e-5));
  for (size_t i = 0; i < expected.gradients.size(); ++i) {
    EXPECT_TRUE(Near(step.gradients[i], expected.gradients[i], 1e-5)) << i;
    EXPECT_GT(expected.gradients[i].abs().max().item<double>(), 0) << i;
  }
}

// 4 and 12 anchors of an image lie in few of the 94 cells, 1000 in most of them.
TEST(RpnLossesTest, LossesAtSamplesEqualThoseOfWholeMaps) {
  for (const char* objectness : {"SIGMOID", "SOFTMAX"}) {
    for (const char* normalizer : {"SAMPLED_ANCHORS", "WANTED_ANCHORS", "MAP_CELLS"}) {
      for (const int anchors : {4, 12, 1000}) {
        for (const int convs : {1, 2}) {
          const std::string config = absl::StrCat(
              "channels: 5 num_convs: ", convs, " objectness: ", objectness,
              " anchors { size_px: [16, 48] } loss { box_normalizer: ", normalizer,
              " } targets { anchors_per_image: ", anchors,
              " box_normalization: FIXED box_mean: [0.1, 0, 0.2, 0] box_std: [0.5, 1, 2, 1] }");
          SCOPED_TRACE(config);
          const Step some = RunStep(config, true);
          EXPECT_GT(some.losses.positives, 0);
          ExpectSameStep(some, RunStep(config, false));
        }
      }
    }
  }
}

void ExpectSameOutputs(const std::vector<RpnOutput>& parts,
                       const std::vector<RpnOutput>& expected) {
  ASSERT_EQ(parts.size(), expected.size());
  for (size_t p = 0; p < expected.size(); ++p) {
    ASSERT_EQ(parts[p].size(), expected[p].size());
    for (size_t l = 0; l < expected[p].size(); ++l) {
      EXPECT_TRUE(Near(parts[p][l].logits, expected[p][l].logits, 1e-6));
      EXPECT_TRUE(Near(parts[p][l].deltas, expected[p][l].deltas, 1e-6));
      EXPECT_TRUE(parts[p][l].anchors.equal(expected[p][l].anchors));
    }
  }
}

// Through the cells of the samples alone if these are few.
TEST(RpnLossesTest, ForwardWithLossesHasTheLossesAndTheOutputsOfWholeMaps) {
  for (const char* objectness : {"SIGMOID", "SOFTMAX"}) {
    for (const int anchors : {4, 12, 1000}) {
      const std::string config = absl::StrCat(
          "channels: 5 num_convs: 2 objectness: ", objectness,
          " anchors { size_px: [16, 48] } targets { anchors_per_image: ", anchors, " }");
      SCOPED_TRACE(config);
      const Step step = RunStepWith(config, [&](const Rpn& rpn, const BatchFeatures& maps) {
        const RpnPass pass = rpn.ForwardWithLosses(maps, {RpnSizes(), RpnTruths()}, RpnGenerator());
        ExpectSameOutputs(pass.parts, rpn.ForwardParts(maps));
        EXPECT_EQ(pass.parts[0][0].logits.requires_grad(), anchors == 1000);
        return pass.losses;
      });
      EXPECT_GT(step.losses.positives, 0);
      ExpectSameStep(step, RunStep(config, false));
    }
  }
}

// The weights that autocast converts for the outputs, without gradients, are not those of the
// losses.
TEST(RpnLossesTest, ForwardWithLossesTrainsAllLayersUnderAutocast) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const std::string config =
      "channels: 5 num_convs: 2 anchors { size_px: [16, 48] } targets { anchors_per_image: 4 }";
  const auto step = [&](bool with_outputs) {
    return RunStepWith(config, [&](const Rpn& rpn, const BatchFeatures& maps) {
      const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
      const TrainingTargets targets = {RpnSizes(), RpnTruths()};
      return with_outputs ? rpn.ForwardWithLosses(maps, targets, RpnGenerator()).losses
                          : rpn.LossesAtSamples(maps, targets, RpnGenerator());
    });
  };
  ExpectSameStep(step(true), step(false));
}

// By the cells of the samples or by whole maps. `own`: the images of a part of the batch, whose
// maps these are.
RpnLosses LossesOfPart(const Rpn& rpn, bool at_samples, const at::Tensor& map,
                       const OptionalRange& own) {
  const TrainingTargets targets = {RpnSizes(), RpnTruths()};
  return at_samples
             ? rpn.LossesAtSamples(RpnFeatures({map}), targets, RpnGenerator(), own)
             : rpn.Losses(rpn.ForwardParts(RpnFeatures({map})), targets, RpnGenerator(), own);
}

constexpr const char* kNormalizers[] = {"SAMPLED_ANCHORS", "WANTED_ANCHORS", "MAP_CELLS"};

std::shared_ptr<Rpn> MakeWithFourAnchors(const char* normalizer) {
  return MakeRpn(
      {},
      absl::StrCat("targets { anchors_per_image: 4 } loss { box_normalizer: ", normalizer, " }"));
}

// As two processes share a batch: each has the maps of one image, and all truths.
TEST(RpnLossesTest, LossesOfPartsAddUpToThoseOfTheBatch) {
  for (const char* normalizer : kNormalizers) {
    for (const bool at_samples : {false, true}) {
      SCOPED_TRACE(absl::StrCat(normalizer, at_samples));
      const auto rpn = MakeWithFourAnchors(normalizer);
      const auto losses = [&](const at::Tensor& map, const OptionalRange& own) {
        return LossesOfPart(*rpn, at_samples, map, own);
      };
      const RpnLosses whole = losses(RpnMaps(), c10::nullopt);
      const RpnLosses first = losses(RpnMaps().narrow(0, 0, 1), ImageRange{0, 1});
      const RpnLosses second = losses(RpnMaps().narrow(0, 1, 1), ImageRange{1, 2});
      EXPECT_TRUE(Near(first.objectness + second.objectness, whole.objectness, 1e-6));
      EXPECT_TRUE(Near(first.box + second.box, whole.box, 1e-6));
      EXPECT_EQ(first.positives + second.positives, whole.positives);
      EXPECT_EQ(first.negatives + second.negatives, whole.negatives);
      EXPECT_GT(first.positives, 0);
      EXPECT_EQ(second.negatives, 4);  // it has no objects
    }
  }
}

TEST(RpnLossesTest, MapsOfOtherImagesThanThoseOfThePartAreAnError) {
  for (const char* normalizer : kNormalizers) {
    const auto rpn = MakeWithFourAnchors(normalizer);
    for (const bool at_samples : {false, true}) {
      for (const ImageRange own : {ImageRange{0, 1}, ImageRange{1, 3}}) {
        EXPECT_THROW(LossesOfPart(*rpn, at_samples, RpnMaps(), own), c10::Error) << normalizer;
      }
    }
  }
}

TEST(RpnLossesTest, ImagesWithoutObjectsHaveNegativesAtTheirCells) {
  const auto rpn = MakeRpn({}, "targets { anchors_per_image: 4 }");
  const GroundTruths none = {RpnTruths()[1], RpnTruths()[1]};
  ASSERT_EQ(none[0].boxes.size(0), 0);
  const RpnLosses some =
      rpn->LossesAtSamples(RpnFeatures({RpnMaps()}), {RpnSizes(), none}, RpnGenerator());
  const RpnLosses whole =
      rpn->Losses(rpn->ForwardParts(RpnFeatures({RpnMaps()})), {RpnSizes(), none}, RpnGenerator());
  EXPECT_EQ(some.positives, 0);
  EXPECT_EQ(some.negatives, 8);
  EXPECT_TRUE(Near(some.objectness, whole.objectness, 1e-5));
  EXPECT_EQ(some.box.item<double>(), 0);
}

// No anchor is inside the image.
TEST(RpnLossesTest, WithoutSamplesTheLossesAreZero) {
  const std::string config =
      "channels: 5 anchors { size_px: [512, 600] } targets { "
      "max_overhang_px: 0 }";
  const Step step = RunStep(config, true);
  EXPECT_EQ(step.losses.positives + step.losses.negatives, 0);
  EXPECT_EQ(step.losses.objectness.item<double>(), 0);
  EXPECT_EQ(step.losses.box.item<double>(), 0);
  // A zero gradient, with which weights decay, differs from no gradient.
  const Step whole = RunStep(config, false);
  for (size_t i = 0; i < whole.gradients.size(); ++i) {
    ASSERT_EQ(step.gradients[i].defined(), whole.gradients[i].defined()) << i;
    if (!whole.gradients[i].defined()) continue;
    EXPECT_TRUE(step.gradients[i].eq(0).all().item<bool>()) << i;
    EXPECT_TRUE(whole.gradients[i].eq(0).all().item<bool>()) << i;
  }
}

// [2, 1, 5, 7] bool: the cells that the 3 x 3 convolution reads for the sampled anchors.
at::Tensor CellsRead(const RpnSamples& samples) {
  at::Tensor cells = at::zeros({2, 1, 5, 7}, at::kBool);
  for (const at::Tensor& some : {samples.positive, samples.negative}) {
    for (const int64_t anchor : ListIndices(some)) {
      const AnchorPlace place(anchor);
      cells[place.image][0]
          .slice(0, std::max<int64_t>(place.row - 1, 0), place.row + 2)
          .slice(1, std::max<int64_t>(place.column - 1, 0), place.column + 2)
          .fill_(true);
    }
  }
  return cells;
}

// NaN wherever no sampled anchor's patch reaches.
TEST(RpnLossesTest, LossesAtSamplesReadNoOtherCells) {
  const auto rpn = MakeRpn({}, "targets { anchors_per_image: 2 }");
  const at::Tensor map = RpnMaps();
  const at::Tensor wanted = CellsRead(rpn->Sample(rpn->Forward({map}, kRpnHeight, kRpnWidth),
                                                  RpnSizes(), RpnTruths(), RpnGenerator()));
  ASSERT_LT(wanted.sum().item<int64_t>(), 40);
  const auto losses = [&](const at::Tensor& of) {
    return rpn->LossesAtSamples(RpnFeatures({of}), {RpnSizes(), RpnTruths()}, RpnGenerator());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const RpnLosses all = losses(map), few = losses(at::where(wanted, map, at::full({}, nan)));
  EXPECT_GT(all.objectness.item<double>(), 0);
  EXPECT_EQ(few.objectness.item<double>(), all.objectness.item<double>());
  EXPECT_EQ(few.box.item<double>(), all.box.item<double>());
}

// Proposals are made from all cells.
TEST(RpnLossesTest, ForwardWithLossesNamesAnOutputThatIsNotFiniteAtAnyCell) {
  const auto rpn = MakeRpn({}, "targets { anchors_per_image: 2 }");
  const TrainingTargets targets = {RpnSizes(), RpnTruths()};
  const at::Tensor wanted = CellsRead(rpn->Sample(rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth),
                                                  RpnSizes(), RpnTruths(), RpnGenerator()));
  ASSERT_LT(wanted.sum().item<int64_t>(), 40);
  const at::Tensor map = at::where(
      wanted, RpnMaps(), at::full({}, std::numeric_limits<float>::quiet_NaN(), at::kFloat));
  EXPECT_NO_THROW(rpn->LossesAtSamples(RpnFeatures({map}), targets, RpnGenerator()));
  EXPECT_THAT(ops::ErrorMessage(
                  [&] { rpn->ForwardWithLosses(RpnFeatures({map}), targets, RpnGenerator()); }),
              StartsWith("logits of anchors: row "));
}

TEST(RpnLossesTest, OutputsThatAreNotFiniteAreNamed) {
  const at::NoGradGuard no_grad;
  const auto rpn = MakeRpn({});
  for (const bool is_logit : {true, false}) {
    const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
    const RpnSamples samples = rpn->Sample(output, RpnSizes(), RpnTruths(), RpnGenerator());
    EXPECT_FALSE(rpn->Losses(output, samples).finite.defined()) << "on the CPU";
    // Image 1, cell (0, 2), anchor 0.
    (is_logit ? output[0].logits : output[0].deltas)[1][0][0][2].fill_(
        std::numeric_limits<double>::infinity());
    const std::string name = is_logit ? "logits" : "deltas";
    EXPECT_THAT(
        ops::ErrorMessage([&] { rpn->Losses(output, samples); }),
        StartsWith(absl::StrCat(name, " of anchors: row ", 35 * kRpnAnchors + 2 * kRpnAnchors)));
  }
}

}  // namespace
}  // namespace rcnn::detection
