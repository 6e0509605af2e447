// The network's conventions against a plain reference: channel order of the two-class
// scores, corners, decoding and the order of filters of the code of 2015, and the same
// with those switches off.

#include "rcnn/detection/rpn.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::StartsWith;

constexpr SlowDeltas kNoWeights = {1, 1, 1, 1};
constexpr int64_t kAnchors = 6;  // per cell
constexpr int64_t kHeight = 80, kWidth = 112;

at::Generator Generator(uint64_t seed = 7) { return at::detail::createCPUGenerator(seed); }

// The differences of the code of 2015.
struct Conventions {
  bool softmax = false, inclusive = false, larger = false, small_first = false;

  double plus() const { return inclusive ? 1 : 0; }
};

absl::StatusOr<std::shared_ptr<Rpn>> Create(const std::string& text, size_t levels = 1) {
  configs::RpnConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  return Rpn::Create(config, std::vector<FeatureLevel>(levels, {4, 16}));
}

std::shared_ptr<Rpn> Make(const Conventions& wanted, const std::string& more = "") {
  auto rpn =
      Create(absl::StrCat("channels: 5 anchors { size_px: [16, 48] rounding: WHOLE_PIXELS }"
                          "objectness: ",
                          wanted.softmax ? "SOFTMAX" : "SIGMOID",
                          " box_coder { max_log_scale: 0 inclusive_corners: ", wanted.inclusive,
                          " decode_one_pixel_larger: ", wanted.larger,
                          "} test_proposals { before_nms: 60 after_nms: 25 min_side_px: 16 "
                          "drop_small_first: ",
                          wanted.small_first, " } ", more))
          .value();
  FillAtRandom(*rpn, 0.4, 12);
  rpn->eval();
  return rpn;
}

// Maps of two images and the sizes of these.
at::Tensor Maps() { return at::randn({2, 4, 5, 7}, Generator()); }
InputSizes Sizes() { return {{75, 110, 1.5f}, {80, 90, 0.75f}}; }

FeatureMaps Features(const std::vector<at::Tensor>& maps) { return {maps, kHeight, kWidth}; }

struct Scored {
  SlowBox box;
  double score;
};

// One image's anchors with the network's outputs, best first.
class SlowRpn {
 public:
  SlowRpn(const Rpn& rpn, const Conventions& wanted, int64_t image) : wanted_(wanted) {
    const auto conv = [&](const std::string& name, const at::Tensor& x, int64_t padding) {
      return SlowConv(x, FindTensor(rpn, name + ".weight"), FindTensor(rpn, name + ".bias"), 1,
                      padding);
    };
    const at::Tensor x = conv("conv", Maps().narrow(0, image, 1), 1).clamp_min(0);
    logits_ = conv("cls_score", x, 0)[0];
    deltas_ = conv("bbox_pred", x, 0)[0];
  }

  double Score(int64_t row, int64_t column, int64_t a) const {
    const auto at = [&](int64_t channel) { return logits_[channel][row][column].item<double>(); };
    if (!wanted_.softmax) return 1 / (1 + std::exp(-at(a)));
    const double background = std::exp(at(a)), object = std::exp(at(kAnchors + a));
    return object / (background + object);
  }

  SlowBox Decoded(const SlowBox& anchor, int64_t row, int64_t column, int64_t a) const {
    SlowDeltas deltas;
    for (int64_t i = 0; i < 4; ++i) {
      deltas[static_cast<size_t>(i)] = deltas_[4 * a + i][row][column].item<double>();
    }
    return SlowDecode(anchor, deltas, kNoWeights, wanted_.plus(), wanted_.larger ? 1 : 0);
  }

 private:
  Conventions wanted_;
  at::Tensor logits_, deltas_;
};

bool IsLarge(const SlowBox& box, double side, double plus) {
  return box[2] - box[0] + plus >= side && box[3] - box[1] + plus >= side;
}

// All decoded anchors of an image, best first; `anchors` cell by cell.
std::vector<Scored> AllDecoded(const Rpn& rpn, const Conventions& wanted, const at::Tensor& anchors,
                               int64_t image) {
  const SlowRpn slow(rpn, wanted, image);
  const ops::InputSize size = Sizes()[static_cast<size_t>(image)];
  std::vector<Scored> all;
  for (int64_t n = 0; n < anchors.size(0); ++n) {
    const int64_t cell = n / kAnchors, row = cell / 7, column = cell % 7, a = n % kAnchors;
    const SlowBox box = slow.Decoded(BoxAt(anchors, n), row, column, a);
    all.push_back(
        {SlowClip(box, size.height, size.width, wanted.plus()), slow.Score(row, column, a)});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  return all;
}

// The proposals of an image.
std::vector<Scored> Expected(const Rpn& rpn, const Conventions& wanted, const at::Tensor& anchors,
                             int64_t image) {
  std::vector<Scored> all = AllDecoded(rpn, wanted, anchors, image);
  const double side = 16 * Sizes()[static_cast<size_t>(image)].scale;
  const auto drop_small = [&] {
    const auto small = [&](const Scored& box) { return !IsLarge(box.box, side, wanted.plus()); };
    all.erase(std::remove_if(all.begin(), all.end(), small), all.end());
  };
  if (wanted.small_first) drop_small();
  if (all.size() > 60) all.resize(60);
  drop_small();
  std::vector<SlowBox> boxes;
  for (const Scored& box : all) boxes.push_back(box.box);
  std::vector<Scored> kept;
  for (const size_t i : SlowNms(boxes, 0.7, wanted.plus())) kept.push_back(all[i]);
  if (kept.size() > 25) kept.resize(25);
  return kept;
}

// All conventions that belong together.
std::vector<Conventions> AllConventions() {
  std::vector<Conventions> all;
  for (int bits = 0; bits < 16; ++bits) {
    const Conventions one = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    // The larger decoding belongs to inclusive corners.
    if (one.inclusive || !one.larger) all.push_back(one);
  }
  return all;
}

// The proposals of an image are those from row `first` on.
void ExpectProposals(const ops::Proposals& found, int64_t image, int64_t first,
                     const std::vector<Scored>& expected) {
  ASSERT_EQ(found.counts[image].item<int64_t>(), static_cast<int64_t>(expected.size()));
  int64_t row = first;
  for (const Scored& one : expected) {
    EXPECT_EQ(found.rois[row][0].item<int64_t>(), image);
    EXPECT_NEAR(found.scores[row].item<double>(), one.score, 1e-5);
    const SlowBox box = BoxAt(found.rois.slice(1, 1), row);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(box[i], one.box[i], 1e-3) << row;
    ++row;
  }
}

TEST(RpnTest, UsesTheConventionsOfItsConfig) {
  for (const Conventions& wanted : AllConventions()) {
    SCOPED_TRACE(absl::StrCat(wanted.softmax, wanted.inclusive, wanted.larger, wanted.small_first));
    const auto rpn = Make(wanted);
    const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
    ASSERT_EQ(output[0].anchors.size(0), 5 * 7 * kAnchors);
    const ops::Proposals found = rpn->Propose(output, Sizes());
    int64_t first = 0;
    for (int64_t image = 0; image < 2; ++image) {
      const auto expected = Expected(*rpn, wanted, output[0].anchors, image);
      ASSERT_GT(expected.size(), 8u);
      ExpectProposals(found, image, first, expected);
      first += static_cast<int64_t>(expected.size());
    }
  }
}

bool HasSameCorners(const std::vector<Scored>& a, const std::vector<Scored>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return std::abs(x.box[2] - y.box[2]) < 0.1 && std::abs(x.box[3] - y.box[3]) < 0.1;
  });
}

// So that the test above tells box conventions, decodings, scores and filter orders apart.
TEST(RpnTest, ProposalsOfAllConventionsDiffer) {
  std::vector<std::vector<Scored>> seen;
  for (const Conventions& wanted : AllConventions()) {
    const auto rpn = Make(wanted);
    const at::Tensor anchors = rpn->Forward({Maps()}, kHeight, kWidth)[0].anchors;
    seen.push_back(Expected(*rpn, wanted, anchors, 0));
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(HasSameCorners(seen[i], seen[j])) << i << " " << j;
  }
}

// Only biases, so that every cell has the same output: anchor 0 is background by 1 : 3
// of its two logits, anchor 1 an object by 2 : -1.
TEST(RpnTest, TheFirstHalfOfTwoClassScoresIsBackground) {
  const auto rpn = Create(
                       "channels: 5 objectness: SOFTMAX anchors { size_px: 16 aspect_ratio: "
                       "[0.25, 4] }")
                       .value();
  rpn->eval();
  {
    at::NoGradGuard no_grad;
    at::Tensor bias = FindTensor(*rpn, "cls_score.bias");
    bias.copy_(at::tensor({3.f, -1.f, 1.f, 2.f}));  // background 0, 1, object 0, 1
  }
  const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
  const ops::Proposals found = rpn->Propose(output, Sizes());
  int64_t wide = 0, high = 0;
  for (int64_t i = 0; i < found.rois.size(0); ++i) {
    const SlowBox box = BoxAt(found.rois.slice(1, 1), i);
    if (box[0] <= 0 || box[1] <= 0) continue;  // clipped
    const bool is_wide = box[2] - box[0] > box[3] - box[1];
    EXPECT_NEAR(found.scores[i].item<double>(),
                is_wide ? 1 / (1 + std::exp(3 - 1)) : 1 / (1 + std::exp(-1 - 2)), 1e-6);
    ++(is_wide ? wide : high);
  }
  EXPECT_GT(wide, 5);
  EXPECT_GT(high, 5);
}

double SmoothL1(double x, double beta) {
  x = std::abs(x);
  return x < beta ? x * x / (2 * beta) : x - beta / 2;
}

// Positive anchors, of both images, and negative ones.
RpnSamples GivenSamples() {
  const at::Tensor targets = at::randn({3, 4}, Generator(2));
  return {at::tensor({5, 100, 211}, at::kLong), at::tensor({0, 7, 209, 300, 419}, at::kLong),
          targets};
}

// Where anchor n of both images is.
struct AnchorPlace {
  explicit AnchorPlace(int64_t n)
      : image(n / (35 * kAnchors)),
        row(n / kAnchors % 35 / 7),
        column(n / kAnchors % 7),
        number(n % kAnchors) {}

  const int64_t image, row, column, number;
};

// Cross entropy and smooth L1 with beta = 0.5, summed over the samples.
std::pair<double, double> SlowLosses(const Rpn& rpn, const Conventions& wanted,
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

TEST(RpnTest, LossesEqualTheirFormulas) {
  const std::pair<const char*, double> normalizers[] = {
      {"SAMPLED_ANCHORS", 8}, {"WANTED_ANCHORS", 2 * 40}, {"MAP_CELLS", 2 * 35}};
  for (const auto& [normalizer, divisor] : normalizers) {
    for (const bool softmax : {false, true}) {
      SCOPED_TRACE(absl::StrCat(normalizer, softmax ? " softmax" : " sigmoid"));
      Conventions wanted;
      wanted.softmax = softmax;
      const auto rpn =
          Make(wanted, absl::StrCat("targets { anchors_per_image: 40 } loss { smooth_l1_beta: 0.5 "
                                    "box_weight: 3 box_normalizer: ",
                                    normalizer, " }"));
      const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
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

// Ground truth of two images: objects on and off the anchors, and a crowd.
GroundTruths Truths() {
  return {{at::tensor({3.f, 5.f, 50.f, 49.f, 60.f, 20.f, 104.f, 70.f, 0.f, 60.f, 110.f, 75.f})
               .view({3, 4}),
           at::tensor({1, 2, 1}, at::kLong), at::tensor({0, 0, 1}, at::kLong).to(at::kBool)},
          {at::empty({0, 4}), at::empty({0}, at::kLong), at::Tensor()}};
}

struct SlowSample {
  std::vector<int64_t> positive, negative;
  std::vector<SlowDeltas> targets;
};

// Which anchors of image 0 or 1 are positive and negative.
class SlowMatcher {
 public:
  SlowMatcher(const at::Tensor& anchors, int64_t image, double plus, double overhang)
      : image_(image), plus_(plus) {
    const GroundTruth truth = Truths()[static_cast<size_t>(image)];
    if (image == 0) objects_ = {BoxAt(truth.boxes, 0), BoxAt(truth.boxes, 1)};
    if (image == 0) crowd_ = BoxAt(truth.boxes, 2);
    const double height = Sizes()[static_cast<size_t>(image)].height + overhang;
    const double width = Sizes()[static_cast<size_t>(image)].width + overhang;
    best_.resize(objects_.size());
    for (int64_t n = 0; n < anchors.size(0); ++n) {
      const SlowBox box = BoxAt(anchors, n);
      if (box[0] < -overhang || box[1] < -overhang) continue;
      if (box[2] > width || box[3] > height) continue;
      if (plus > 0 && (box[2] == width || box[3] == height)) continue;  // 2015: x2 < width
      inside_.emplace_back(n, box);
      for (size_t g = 0; g < objects_.size(); ++g) {
        best_[g] = std::max(best_[g], SlowIou(box, objects_[g], plus));
      }
    }
  }

  void AddTo(SlowSample& all, int64_t anchors_of_a_image) const {
    for (const auto& [n, box] : inside_) {
      double iou = 0;
      size_t match = 0;
      bool is_best = false;
      for (size_t g = 0; g < objects_.size(); ++g) {
        const double one = SlowIou(box, objects_[g], plus_);
        if (one > iou) match = g;
        iou = std::max(iou, one);
        is_best |= one > 0 && one > best_[g] - 1e-6;
      }
      const int64_t index = image_ * anchors_of_a_image + n;
      if (iou >= 0.7 || is_best) {
        all.positive.push_back(index);
        all.targets.push_back(SlowEncode(box, objects_[match], kNoWeights, plus_));
      } else if (iou < 0.3 && !HiddenByCrowd(box)) {
        all.negative.push_back(index);
      }
    }
  }

 private:
  bool HiddenByCrowd(const SlowBox& box) const {
    if (image_ != 0) return false;
    double share = 1;
    for (size_t i = 0; i < 2; ++i) {
      const double shared =
          std::min(box[i + 2], crowd_[i + 2]) - std::max(box[i], crowd_[i]) + plus_;
      share *= std::max(shared, 0.0) / (box[i + 2] - box[i] + plus_);
    }
    return share > 0.7;
  }

  int64_t image_;
  double plus_;
  std::vector<SlowBox> objects_;
  SlowBox crowd_ = {};
  std::vector<std::pair<int64_t, SlowBox>> inside_;
  std::vector<double> best_;  // IoU of each object
};

// Every anchor of the two images that may be sampled.
SlowSample AllSamples(const at::Tensor& anchors, double plus, double overhang) {
  SlowSample all;
  for (const int64_t image : {0, 1}) {
    SlowMatcher(anchors, image, plus, overhang).AddTo(all, anchors.size(0));
  }
  return all;
}

std::vector<int64_t> List(const at::Tensor& indices) {
  return {indices.data_ptr<int64_t>(), indices.data_ptr<int64_t>() + indices.numel()};
}

void ExpectSamples(const RpnSamples& samples, const SlowSample& expected) {
  EXPECT_THAT(List(samples.positive), ElementsAreArray(expected.positive));
  EXPECT_THAT(List(samples.negative), ElementsAreArray(expected.negative));
  ASSERT_EQ(samples.box_targets.size(0), static_cast<int64_t>(expected.targets.size()));
  for (size_t i = 0; i < expected.targets.size(); ++i) {
    const SlowDeltas target = BoxAt(samples.box_targets, static_cast<int64_t>(i));
    for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(target[j], expected.targets[i][j], 1e-5);
  }
}

constexpr char kAllAnchors[] = "targets { anchors_per_image: 1000000 ";

TEST(RpnTest, SamplesAnchorsByItsRule) {
  for (const bool inclusive : {false, true}) {
    for (const double overhang : {1e6, 8.0, 0.0}) {
      SCOPED_TRACE(absl::StrCat("inclusive ", inclusive, " overhang ", overhang));
      Conventions wanted;
      wanted.inclusive = inclusive;
      const auto rpn = Make(wanted, absl::StrCat(kAllAnchors, "max_overhang_px: ", overhang, " }"));
      const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
      const SlowSample expected = AllSamples(output[0].anchors, inclusive ? 1 : 0, overhang);
      EXPECT_GE(expected.positive.size(), 2u);
      ExpectSamples(rpn->Sample(output, Sizes(), Truths(), Generator()), expected);
    }
  }
}

TEST(RpnTest, WithoutALimitOfTheOverhangAllAnchorsAreSampled) {
  for (const bool inclusive : {false, true}) {
    Conventions wanted;
    wanted.inclusive = inclusive;
    const auto rpn = Make(wanted, absl::StrCat(kAllAnchors, "}"));
    const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
    ExpectSamples(rpn->Sample(output, Sizes(), Truths(), Generator()),
                  AllSamples(output[0].anchors, inclusive ? 1 : 0, 1e6));
  }
}

TEST(RpnTest, SamplesTheConfiguredNumberOfAnchors) {
  const auto rpn = Make({}, "targets { anchors_per_image: 16 positive_fraction: 0.125 }");
  const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
  const SlowSample all = AllSamples(output[0].anchors, 0, 1e6);
  const RpnSamples samples = rpn->Sample(output, Sizes(), Truths(), Generator(1));
  EXPECT_EQ(samples.positive.size(0), 2);
  EXPECT_EQ(samples.negative.size(0), 14 + 16);
  EXPECT_THAT(List(samples.positive), IsSubsetOf(all.positive));
  EXPECT_THAT(List(samples.negative), IsSubsetOf(all.negative));
  EXPECT_TRUE(
      samples.negative.equal(rpn->Sample(output, Sizes(), Truths(), Generator(1)).negative));
  EXPECT_FALSE(
      samples.negative.equal(rpn->Sample(output, Sizes(), Truths(), Generator(2)).negative));
}

// The second image has no objects.
TEST(RpnTest, AnImageHasTheSameAnchorsInAnyBatch) {
  const auto rpn = Make({}, "targets { anchors_per_image: 16 }");
  GroundTruths truths = Truths();
  truths[0].image_id = 5;
  truths[1].image_id = 6;
  const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
  const at::Tensor both = rpn->Sample(output, Sizes(), truths, Generator(1)).negative;
  const int64_t anchors = output[0].anchors.size(0);
  const at::Tensor of_second = both.masked_select(both.ge(anchors)) - anchors;
  const RpnOutput second = rpn->Forward({Maps().narrow(0, 1, 1)}, kHeight, kWidth);
  const auto sample_second = [&] {
    return rpn->Sample(second, {Sizes()[1]}, {truths[1]}, Generator(1)).negative;
  };
  EXPECT_EQ(of_second.size(0), 16);
  EXPECT_TRUE(sample_second().equal(of_second));
  truths[1].image_id = 7;
  EXPECT_FALSE(sample_second().equal(of_second));
}

struct Step {
  RpnLosses losses;
  std::vector<at::Tensor> gradients;  // of both maps and all parameters
};

// A step on two levels of two images, with the losses that compute(rpn, maps) returns.
template <typename Compute>
Step RunStepWith(const std::string& config, const Compute& compute) {
  const auto rpn = Create(config, 2).value();
  FillAtRandom(*rpn, 0.4, 12);
  std::vector<at::Tensor> leaves = {Maps(), at::randn({2, 4, 3, 4}, Generator(8))};
  for (at::Tensor& map : leaves) map.requires_grad_();
  const std::vector<at::Tensor> maps = leaves;
  Step step;
  step.losses = compute(*rpn, Features(maps));
  (step.losses.objectness + step.losses.box).backward();
  for (const at::Tensor& parameter : rpn->parameters()) leaves.push_back(parameter);
  for (const at::Tensor& leaf : leaves) step.gradients.push_back(leaf.grad());
  return step;
}

// By the cells of the samples or by whole maps.
Step RunStep(const std::string& config, bool at_samples) {
  return RunStepWith(config, [&](const Rpn& rpn, const BatchFeatures& maps) {
    return at_samples ? rpn.LossesAtSamples(maps, {Sizes(), Truths()}, Generator())
                      : rpn.Losses(rpn.ForwardParts(maps), {Sizes(), Truths()}, Generator());
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
TEST(RpnTest, LossesAtSamplesEqualThoseOfWholeMaps) {
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
TEST(RpnTest, ForwardWithLossesHasTheLossesAndTheOutputsOfWholeMaps) {
  for (const char* objectness : {"SIGMOID", "SOFTMAX"}) {
    for (const int anchors : {4, 12, 1000}) {
      const std::string config = absl::StrCat(
          "channels: 5 num_convs: 2 objectness: ", objectness,
          " anchors { size_px: [16, 48] } targets { anchors_per_image: ", anchors, " }");
      SCOPED_TRACE(config);
      const Step step = RunStepWith(config, [&](const Rpn& rpn, const BatchFeatures& maps) {
        const RpnPass pass = rpn.ForwardWithLosses(maps, {Sizes(), Truths()}, Generator());
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
TEST(RpnTest, ForwardWithLossesTrainsAllLayersUnderAutocast) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const std::string config =
      "channels: 5 num_convs: 2 anchors { size_px: [16, 48] } targets { anchors_per_image: 4 }";
  const auto step = [&](bool with_outputs) {
    return RunStepWith(config, [&](const Rpn& rpn, const BatchFeatures& maps) {
      const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
      const TrainingTargets targets = {Sizes(), Truths()};
      return with_outputs ? rpn.ForwardWithLosses(maps, targets, Generator()).losses
                          : rpn.LossesAtSamples(maps, targets, Generator());
    });
  };
  ExpectSameStep(step(true), step(false));
}

// By the cells of the samples or by whole maps. `own`: the images of a part of the batch, whose
// maps these are.
RpnLosses LossesOfPart(const Rpn& rpn, bool at_samples, const at::Tensor& map,
                       const OptionalRange& own) {
  const TrainingTargets targets = {Sizes(), Truths()};
  return at_samples ? rpn.LossesAtSamples(Features({map}), targets, Generator(), own)
                    : rpn.Losses(rpn.ForwardParts(Features({map})), targets, Generator(), own);
}

constexpr const char* kNormalizers[] = {"SAMPLED_ANCHORS", "WANTED_ANCHORS", "MAP_CELLS"};

std::shared_ptr<Rpn> MakeWithFourAnchors(const char* normalizer) {
  return Make(
      {},
      absl::StrCat("targets { anchors_per_image: 4 } loss { box_normalizer: ", normalizer, " }"));
}

// As two processes share a batch: each has the maps of one image, and all truths.
TEST(RpnTest, LossesOfPartsAddUpToThoseOfTheBatch) {
  for (const char* normalizer : kNormalizers) {
    for (const bool at_samples : {false, true}) {
      SCOPED_TRACE(absl::StrCat(normalizer, at_samples));
      const auto rpn = MakeWithFourAnchors(normalizer);
      const auto losses = [&](const at::Tensor& map, const OptionalRange& own) {
        return LossesOfPart(*rpn, at_samples, map, own);
      };
      const RpnLosses whole = losses(Maps(), c10::nullopt);
      const RpnLosses first = losses(Maps().narrow(0, 0, 1), ImageRange{0, 1});
      const RpnLosses second = losses(Maps().narrow(0, 1, 1), ImageRange{1, 2});
      EXPECT_TRUE(Near(first.objectness + second.objectness, whole.objectness, 1e-6));
      EXPECT_TRUE(Near(first.box + second.box, whole.box, 1e-6));
      EXPECT_EQ(first.positives + second.positives, whole.positives);
      EXPECT_EQ(first.negatives + second.negatives, whole.negatives);
      EXPECT_GT(first.positives, 0);
      EXPECT_EQ(second.negatives, 4);  // it has no objects
    }
  }
}

TEST(RpnTest, MapsOfOtherImagesThanThoseOfThePartAreAnError) {
  for (const char* normalizer : kNormalizers) {
    const auto rpn = MakeWithFourAnchors(normalizer);
    for (const bool at_samples : {false, true}) {
      for (const ImageRange own : {ImageRange{0, 1}, ImageRange{1, 3}}) {
        EXPECT_THROW(LossesOfPart(*rpn, at_samples, Maps(), own), c10::Error) << normalizer;
      }
    }
  }
}

TEST(RpnTest, ImagesWithoutObjectsHaveNegativesAtTheirCells) {
  const auto rpn = Make({}, "targets { anchors_per_image: 4 }");
  const GroundTruths none = {Truths()[1], Truths()[1]};
  ASSERT_EQ(none[0].boxes.size(0), 0);
  const RpnLosses some = rpn->LossesAtSamples(Features({Maps()}), {Sizes(), none}, Generator());
  const RpnLosses whole =
      rpn->Losses(rpn->ForwardParts(Features({Maps()})), {Sizes(), none}, Generator());
  EXPECT_EQ(some.positives, 0);
  EXPECT_EQ(some.negatives, 8);
  EXPECT_TRUE(Near(some.objectness, whole.objectness, 1e-5));
  EXPECT_EQ(some.box.item<double>(), 0);
}

// No anchor is inside the image.
TEST(RpnTest, WithoutSamplesTheLossesAreZero) {
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
    for (const int64_t anchor : List(some)) {
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
TEST(RpnTest, LossesAtSamplesReadNoOtherCells) {
  const auto rpn = Make({}, "targets { anchors_per_image: 2 }");
  const at::Tensor map = Maps();
  const at::Tensor wanted =
      CellsRead(rpn->Sample(rpn->Forward({map}, kHeight, kWidth), Sizes(), Truths(), Generator()));
  ASSERT_LT(wanted.sum().item<int64_t>(), 40);
  const auto losses = [&](const at::Tensor& of) {
    return rpn->LossesAtSamples(Features({of}), {Sizes(), Truths()}, Generator());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const RpnLosses all = losses(map), few = losses(at::where(wanted, map, at::full({}, nan)));
  EXPECT_GT(all.objectness.item<double>(), 0);
  EXPECT_EQ(few.objectness.item<double>(), all.objectness.item<double>());
  EXPECT_EQ(few.box.item<double>(), all.box.item<double>());
}

// Proposals are made from all cells.
TEST(RpnTest, ForwardWithLossesNamesAnOutputThatIsNotFiniteAtAnyCell) {
  const auto rpn = Make({}, "targets { anchors_per_image: 2 }");
  const TrainingTargets targets = {Sizes(), Truths()};
  const at::Tensor wanted = CellsRead(
      rpn->Sample(rpn->Forward({Maps()}, kHeight, kWidth), Sizes(), Truths(), Generator()));
  ASSERT_LT(wanted.sum().item<int64_t>(), 40);
  const at::Tensor map =
      at::where(wanted, Maps(), at::full({}, std::numeric_limits<float>::quiet_NaN(), at::kFloat));
  EXPECT_NO_THROW(rpn->LossesAtSamples(Features({map}), targets, Generator()));
  EXPECT_THAT(
      ops::ErrorMessage([&] { rpn->ForwardWithLosses(Features({map}), targets, Generator()); }),
      StartsWith("logits of anchors: row "));
}

TEST(RpnTest, UsesTrainProposalsInTraining) {
  const auto rpn = Make({}, "train_proposals { after_nms: 3 }");
  const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
  const ops::Proposals test = rpn->Propose(output, Sizes());
  rpn->train();
  const ops::Proposals train = rpn->Propose(output, Sizes());
  EXPECT_EQ(List(train.counts), (std::vector<int64_t>{3, 3}));
  EXPECT_GT(test.counts[0].item<int64_t>(), 3);
}

TEST(RpnTest, InvalidGroundTruthIsNamed) {
  const auto rpn = Make({});
  const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
  GroundTruths truths = Truths();
  truths[0].boxes[1][2].fill_(-1);
  EXPECT_THAT(ops::ErrorMessage([&] { rpn->Sample(output, Sizes(), truths, Generator()); }),
              StartsWith("ground truth: row 1 is ("));
  EXPECT_THAT(ops::ErrorMessage(
                  [&] { rpn->PositiveBoxTargets({Maps()}, kHeight, kWidth, Sizes(), truths); }),
              StartsWith("ground truth: row 1 is ("));
}

TEST(RpnTest, OutputsThatAreNotFiniteAreNamed) {
  const at::NoGradGuard no_grad;
  const auto rpn = Make({});
  for (const bool is_logit : {true, false}) {
    const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
    const RpnSamples samples = rpn->Sample(output, Sizes(), Truths(), Generator());
    EXPECT_FALSE(rpn->Losses(output, samples).finite.defined()) << "on the CPU";
    // Image 1, cell (0, 2), anchor 0.
    (is_logit ? output[0].logits : output[0].deltas)[1][0][0][2].fill_(
        std::numeric_limits<double>::infinity());
    const std::string name = is_logit ? "logits" : "deltas";
    EXPECT_THAT(ops::ErrorMessage([&] { rpn->Losses(output, samples); }),
                StartsWith(absl::StrCat(name, " of anchors: row ", 35 * kAnchors + 2 * kAnchors)));
  }
}

TEST(RpnTest, ErrorsNameTheFieldOfTheConfig) {
  EXPECT_THAT(Create("num_convs: 0"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.num_convs is 0")));
  EXPECT_THAT(Create("anchors { size_px: [8, 16, 32] }", 2),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot share")));
  EXPECT_THAT(Create("box_coder { weight: [1, 1, 0, 1] }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.box_coder.weight is 0")));
}

TEST(RpnTest, ArgumentsOfTheWrongShapeAreErrors) {
  const auto rpn = Make({});
  EXPECT_THROW(rpn->Forward({Maps(), Maps()}, kHeight, kWidth), c10::Error);
  const RpnOutput output = rpn->Forward({Maps()}, kHeight, kWidth);
  EXPECT_THROW(rpn->Sample(output, Sizes(), {}, Generator()), c10::Error);
  const TrainingTargets targets = {Sizes(), Truths()};
  EXPECT_THROW(rpn->LossesAtSamples(Features({}), targets, Generator()), c10::Error);
  EXPECT_THROW(rpn->LossesAtSamples(Features({Maps()[0].unsqueeze(0)}), targets, Generator()),
               c10::Error);
  EXPECT_THROW(rpn->SetBoxNormalization(at::zeros({4}), at::zeros({4})), c10::Error);
  EXPECT_THROW(rpn->SetBoxNormalization(at::zeros({3}), at::ones({3})), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
