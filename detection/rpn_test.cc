// The network's conventions against a plain reference: channel order of the two-class
// scores, corners, decoding and the order of filters of the code of 2015, and the same
// with those switches off. Samples and losses: rpn_samples_test.cc, rpn_losses_test.cc.

#include "rcnn/detection/rpn.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/rpn_cases.h"
#include "rcnn/detection/targets.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

struct Scored {
  SlowBox box;
  double score;
};

bool IsLarge(const SlowBox& box, double side, double plus) {
  return box[2] - box[0] + plus >= side && box[3] - box[1] + plus >= side;
}

// All decoded anchors of an image, best first; `anchors` cell by cell.
std::vector<Scored> AllDecoded(const Rpn& rpn, const RpnConventions& wanted,
                               const at::Tensor& anchors, int64_t image) {
  const SlowRpn slow(rpn, wanted, image);
  const ops::InputSize size = RpnSizes()[static_cast<size_t>(image)];
  std::vector<Scored> all;
  for (int64_t n = 0; n < anchors.size(0); ++n) {
    const int64_t cell = n / kRpnAnchors, row = cell / 7, column = cell % 7, a = n % kRpnAnchors;
    const SlowBox box = slow.Decoded(BoxAt(anchors, n), row, column, a);
    all.push_back(
        {SlowClip(box, size.height, size.width, wanted.plus()), slow.Score(row, column, a)});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  return all;
}

// The proposals of an image.
std::vector<Scored> Expected(const Rpn& rpn, const RpnConventions& wanted,
                             const at::Tensor& anchors, int64_t image) {
  std::vector<Scored> all = AllDecoded(rpn, wanted, anchors, image);
  const double side = 16 * RpnSizes()[static_cast<size_t>(image)].scale;
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
std::vector<RpnConventions> AllConventions() {
  std::vector<RpnConventions> all;
  for (int bits = 0; bits < 16; ++bits) {
    const RpnConventions one = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
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
  for (const RpnConventions& wanted : AllConventions()) {
    SCOPED_TRACE(absl::StrCat(wanted.softmax, wanted.inclusive, wanted.larger, wanted.small_first));
    const auto rpn = MakeRpn(wanted);
    const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
    ASSERT_EQ(output[0].anchors.size(0), 5 * 7 * kRpnAnchors);
    const ops::Proposals found = rpn->Propose(output, RpnSizes());
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
  for (const RpnConventions& wanted : AllConventions()) {
    const auto rpn = MakeRpn(wanted);
    const at::Tensor anchors = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth)[0].anchors;
    seen.push_back(Expected(*rpn, wanted, anchors, 0));
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(HasSameCorners(seen[i], seen[j])) << i << " " << j;
  }
}

// Only biases, so that every cell has the same output: anchor 0 is background by 1 : 3
// of its two logits, anchor 1 an object by 2 : -1.
TEST(RpnTest, TheFirstHalfOfTwoClassScoresIsBackground) {
  const auto rpn = CreateRpn(
                       "channels: 5 objectness: SOFTMAX anchors { size_px: 16 aspect_ratio: "
                       "[0.25, 4] }")
                       .value();
  rpn->eval();
  {
    at::NoGradGuard no_grad;
    at::Tensor bias = FindTensor(*rpn, "cls_score.bias");
    bias.copy_(at::tensor({3.f, -1.f, 1.f, 2.f}));  // background 0, 1, object 0, 1
  }
  const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
  const ops::Proposals found = rpn->Propose(output, RpnSizes());
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

TEST(RpnTest, UsesTrainProposalsInTraining) {
  const auto rpn = MakeRpn({}, "train_proposals { after_nms: 3 }");
  const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
  const ops::Proposals test = rpn->Propose(output, RpnSizes());
  rpn->train();
  const ops::Proposals train = rpn->Propose(output, RpnSizes());
  EXPECT_EQ(ListIndices(train.counts), (std::vector<int64_t>{3, 3}));
  EXPECT_GT(test.counts[0].item<int64_t>(), 3);
}

TEST(RpnTest, ErrorsNameTheFieldOfTheConfig) {
  EXPECT_THAT(CreateRpn("num_convs: 0"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.num_convs is 0")));
  EXPECT_THAT(CreateRpn("anchors { size_px: [8, 16, 32] }", 2),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot share")));
  EXPECT_THAT(CreateRpn("box_coder { weight: [1, 1, 0, 1] }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rpn.box_coder.weight is 0")));
}

TEST(RpnTest, ArgumentsOfTheWrongShapeAreErrors) {
  const auto rpn = MakeRpn({});
  EXPECT_THROW(rpn->Forward({RpnMaps(), RpnMaps()}, kRpnHeight, kRpnWidth), c10::Error);
  const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
  EXPECT_THROW(rpn->Sample(output, RpnSizes(), {}, RpnGenerator()), c10::Error);
  const TrainingTargets targets = {RpnSizes(), RpnTruths()};
  EXPECT_THROW(rpn->LossesAtSamples(RpnFeatures({}), targets, RpnGenerator()), c10::Error);
  EXPECT_THROW(
      rpn->LossesAtSamples(RpnFeatures({RpnMaps()[0].unsqueeze(0)}), targets, RpnGenerator()),
      c10::Error);
  EXPECT_THROW(rpn->SetBoxNormalization(at::zeros({4}), at::zeros({4})), c10::Error);
  EXPECT_THROW(rpn->SetBoxNormalization(at::zeros({3}), at::ones({3})), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
