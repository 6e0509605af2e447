// Which anchors are sampled, against a plain reference.

#include <ATen/ATen.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/rpn_cases.h"
#include "rcnn/detection/targets.h"
#include "rcnn/detection/testing/slow_boxes.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsSubsetOf;
using ::testing::StartsWith;

struct SlowSample {
  std::vector<int64_t> positive, negative;
  std::vector<SlowDeltas> targets;
};

// Which anchors of image 0 or 1 are positive and negative.
class SlowMatcher {
 public:
  SlowMatcher(const at::Tensor& anchors, int64_t image, double plus, double overhang)
      : image_(image), plus_(plus) {
    const GroundTruth truth = RpnTruths()[static_cast<size_t>(image)];
    if (image == 0) objects_ = {BoxAt(truth.boxes, 0), BoxAt(truth.boxes, 1)};
    if (image == 0) crowd_ = BoxAt(truth.boxes, 2);
    const double height = RpnSizes()[static_cast<size_t>(image)].height + overhang;
    const double width = RpnSizes()[static_cast<size_t>(image)].width + overhang;
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

void ExpectSamples(const RpnSamples& samples, const SlowSample& expected) {
  EXPECT_THAT(ListIndices(samples.positive), ElementsAreArray(expected.positive));
  EXPECT_THAT(ListIndices(samples.negative), ElementsAreArray(expected.negative));
  ASSERT_EQ(samples.box_targets.size(0), static_cast<int64_t>(expected.targets.size()));
  for (size_t i = 0; i < expected.targets.size(); ++i) {
    const SlowDeltas target = BoxAt(samples.box_targets, static_cast<int64_t>(i));
    for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(target[j], expected.targets[i][j], 1e-5);
  }
}

constexpr char kAllAnchors[] = "targets { anchors_per_image: 1000000 ";

TEST(RpnSamplesTest, SamplesAnchorsByItsRule) {
  for (const bool inclusive : {false, true}) {
    for (const double overhang : {1e6, 8.0, 0.0}) {
      SCOPED_TRACE(absl::StrCat("inclusive ", inclusive, " overhang ", overhang));
      RpnConventions wanted;
      wanted.inclusive = inclusive;
      const auto rpn =
          MakeRpn(wanted, absl::StrCat(kAllAnchors, "max_overhang_px: ", overhang, " }"));
      const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
      const SlowSample expected = AllSamples(output[0].anchors, inclusive ? 1 : 0, overhang);
      EXPECT_GE(expected.positive.size(), 2u);
      ExpectSamples(rpn->Sample(output, RpnSizes(), RpnTruths(), RpnGenerator()), expected);
    }
  }
}

TEST(RpnSamplesTest, WithoutALimitOfTheOverhangAllAnchorsAreSampled) {
  for (const bool inclusive : {false, true}) {
    RpnConventions wanted;
    wanted.inclusive = inclusive;
    const auto rpn = MakeRpn(wanted, absl::StrCat(kAllAnchors, "}"));
    const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
    ExpectSamples(rpn->Sample(output, RpnSizes(), RpnTruths(), RpnGenerator()),
                  AllSamples(output[0].anchors, inclusive ? 1 : 0, 1e6));
  }
}

TEST(RpnSamplesTest, SamplesTheConfiguredNumberOfAnchors) {
  const auto rpn = MakeRpn({}, "targets { anchors_per_image: 16 positive_fraction: 0.125 }");
  const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
  const SlowSample all = AllSamples(output[0].anchors, 0, 1e6);
  const RpnSamples samples = rpn->Sample(output, RpnSizes(), RpnTruths(), RpnGenerator(1));
  EXPECT_EQ(samples.positive.size(0), 2);
  EXPECT_EQ(samples.negative.size(0), 14 + 16);
  EXPECT_THAT(ListIndices(samples.positive), IsSubsetOf(all.positive));
  EXPECT_THAT(ListIndices(samples.negative), IsSubsetOf(all.negative));
  EXPECT_TRUE(samples.negative.equal(
      rpn->Sample(output, RpnSizes(), RpnTruths(), RpnGenerator(1)).negative));
  EXPECT_FALSE(samples.negative.equal(
      rpn->Sample(output, RpnSizes(), RpnTruths(), RpnGenerator(2)).negative));
}

// The second image has no objects.
TEST(RpnSamplesTest, AnImageHasTheSameAnchorsInAnyBatch) {
  const auto rpn = MakeRpn({}, "targets { anchors_per_image: 16 }");
  GroundTruths truths = RpnTruths();
  truths[0].image_id = 5;
  truths[1].image_id = 6;
  const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
  const at::Tensor both = rpn->Sample(output, RpnSizes(), truths, RpnGenerator(1)).negative;
  const int64_t anchors = output[0].anchors.size(0);
  const at::Tensor of_second = both.masked_select(both.ge(anchors)) - anchors;
  const RpnOutput second = rpn->Forward({RpnMaps().narrow(0, 1, 1)}, kRpnHeight, kRpnWidth);
  const auto sample_second = [&] {
    return rpn->Sample(second, {RpnSizes()[1]}, {truths[1]}, RpnGenerator(1)).negative;
  };
  EXPECT_EQ(of_second.size(0), 16);
  EXPECT_TRUE(sample_second().equal(of_second));
  truths[1].image_id = 7;
  EXPECT_FALSE(sample_second().equal(of_second));
}

TEST(RpnSamplesTest, InvalidGroundTruthIsNamed) {
  const auto rpn = MakeRpn({});
  const RpnOutput output = rpn->Forward({RpnMaps()}, kRpnHeight, kRpnWidth);
  GroundTruths truths = RpnTruths();
  truths[0].boxes[1][2].fill_(-1);
  EXPECT_THAT(ops::ErrorMessage([&] { rpn->Sample(output, RpnSizes(), truths, RpnGenerator()); }),
              StartsWith("ground truth: row 1 is ("));
  EXPECT_THAT(ops::ErrorMessage([&] {
                rpn->PositiveBoxTargets({RpnMaps()}, kRpnHeight, kRpnWidth, RpnSizes(), truths);
              }),
              StartsWith("ground truth: row 1 is ("));
}

}  // namespace
}  // namespace rcnn::detection
