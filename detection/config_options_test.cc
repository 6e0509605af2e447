#include "rcnn/detection/config_options.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<ops::BoxCoderOptions> Coder(const std::string& text) {
  return MakeBoxCoderOptions(configs::ParseTextOrDie<configs::BoxCoderConfig>(text),
                             "head.box_coder");
}

TEST(BoxCoderOptionsTest, DefaultsAreTheOperators) {
  const ops::BoxCoderOptions options = Coder("").value(), plain;
  EXPECT_EQ(options.weights, plain.weights);
  EXPECT_EQ(options.max_log_scale, plain.max_log_scale);
  EXPECT_NEAR(options.max_log_scale, std::log(1000. / 16), 1e-12);
  EXPECT_EQ(options.inclusive, plain.inclusive);
  EXPECT_EQ(options.exact_inverse, plain.exact_inverse);
}

TEST(BoxCoderOptionsTest, TakesEachField) {
  const auto options = Coder(
                           "weight: [10, 9, 5, 4] max_log_scale: 2 inclusive_corners: true "
                           "decode_one_pixel_larger: true")
                           .value();
  EXPECT_THAT(options.weights, ElementsAre(10, 9, 5, 4));
  EXPECT_EQ(options.max_log_scale, 2);
  EXPECT_TRUE(options.inclusive);
  EXPECT_FALSE(options.exact_inverse);
  EXPECT_TRUE(Coder("inclusive_corners: true")->exact_inverse);
  EXPECT_EQ(Coder("max_log_scale: 0")->max_log_scale, std::numeric_limits<double>::infinity());
}

TEST(BoxCoderOptionsTest, ErrorsNameTheField) {
  const auto error = [](const std::string& text) {
    const auto options = Coder(text);
    EXPECT_THAT(options, StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    return std::string(options.status().message());
  };
  EXPECT_THAT(error("weight: [1, 2, 3]"), HasSubstr("head.box_coder.weight has 3 numbers, not 4"));
  EXPECT_THAT(error("weight: [1, 2, 3, 4, 5]"), HasSubstr("5 numbers"));
  EXPECT_THAT(error("weight: [1, 0, 1, 1]"), HasSubstr("head.box_coder.weight is 0"));
  EXPECT_THAT(error("weight: [1, nan, 1, 1]"), HasSubstr("head.box_coder.weight is nan"));
  EXPECT_THAT(error("max_log_scale: -1"), HasSubstr("head.box_coder.max_log_scale is -1"));
}

// Each of these texts alone makes the message wrong, and the error names the field.
using BadField = std::pair<const char*, const char*>;

TEST(CheckRpnConfigTest, ErrorsNameTheField) {
  EXPECT_THAT(CheckRpnConfig({}), IsOk());
  for (const auto& [text, field] :
       {BadField("channels: -1", "rpn.channels is -1"),
        BadField("channels: 2000000000", "rpn.channels"),
        BadField("num_convs: 0", "rpn.num_convs is 0"),
        BadField("num_convs: 65", "rpn.num_convs is 65"),
        BadField("targets { foreground_iou: 0 }", "rpn.targets.foreground_iou is 0"),
        BadField("targets { foreground_iou: 1.1 }", "rpn.targets.foreground_iou is 1.1"),
        BadField("targets { foreground_iou: 0.2 }", "rpn.targets.background_iou is 0.3"),
        BadField("targets { background_iou: nan }", "rpn.targets.background_iou is nan"),
        BadField("targets { anchors_per_image: 0 }", "rpn.targets.anchors_per_image is 0"),
        BadField("targets { positive_fraction: 2 }", "rpn.targets.positive_fraction is 2"),
        BadField("targets { max_overhang_px: -1 }", "rpn.targets.max_overhang_px is -1"),
        BadField("targets { box_normalization: FIXED }", "rpn.targets.box_mean has 0 numbers"),
        BadField("targets { box_normalization: FIXED box_mean: [0, 0, 0, 0] box_std: [1, 1] }",
                 "rpn.targets.box_std has 2 numbers"),
        BadField("targets { box_normalization: FIXED box_mean: [0, inf, 0, 0] "
                 "box_std: [1, 1, 1, 1] }",
                 "rpn.targets.box_mean is inf"),
        BadField("targets { box_normalization: FIXED box_mean: [0, 0, 0, 0] "
                 "box_std: [1, 1, -1, 1] }",
                 "rpn.targets.box_std is -1"),
        BadField("loss { smooth_l1_beta: -1 }", "rpn.loss.smooth_l1_beta is -1"),
        BadField("loss { box_weight: -1 }", "rpn.loss.box_weight is -1"),
        BadField("train_proposals { before_nms: -1 }", "rpn.train_proposals.before_nms is -1"),
        BadField("train_proposals { after_nms: 0 }", "rpn.train_proposals.after_nms is 0"),
        BadField("test_proposals { nms_iou: 1.5 }", "rpn.test_proposals.nms_iou is 1.5"),
        BadField("test_proposals { min_side_px: -1 }", "rpn.test_proposals.min_side_px is -1")}) {
    const absl::Status status = CheckRpnConfig(configs::ParseTextOrDie<configs::RpnConfig>(text));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field))) << text;
  }
}

TEST(CheckHeadConfigTest, ErrorsNameTheField) {
  EXPECT_THAT(CheckHeadConfig({}), IsOk());
  for (const auto& [text, field] :
       {BadField("pool { size: 0 }", "head.pool.size is 0"),
        BadField("pool { roi_align { sampling_ratio: -1 } }",
                 "head.pool.roi_align.sampling_ratio is -1"),
        BadField("fc { conv_channels: [8, 0] }", "head.fc.conv_channels is 0"),
        BadField("fc { fc_channels: -5 }", "head.fc.fc_channels is -5"),
        BadField("fc { dropout: 1 }", "head.fc.dropout is 1"),
        BadField("fc { dropout: -0.1 }", "head.fc.dropout is -0.1"),
        BadField("targets { foreground_iou: 0 }", "head.targets.foreground_iou is 0"),
        BadField("targets { background_max_iou: 0.6 }", "head.targets.background_max_iou is 0.6"),
        BadField("targets { background_min_iou: 0.6 }", "head.targets.background_min_iou is 0.6"),
        BadField("targets { rois_per_image: 0 }", "head.targets.rois_per_image is 0"),
        BadField("targets { positive_fraction: -1 }", "head.targets.positive_fraction is -1"),
        BadField("targets { box_normalization: FIXED }", "head.targets.box_mean has 0 numbers"),
        BadField("loss { smooth_l1_beta: nan }", "head.loss.smooth_l1_beta is nan"),
        BadField("loss { box_weight: -1 }", "head.loss.box_weight is -1"),
        BadField("detections { min_score: 2 }", "head.detections.min_score is 2"),
        BadField("detections { nms_iou: -1 }", "head.detections.nms_iou is -1"),
        BadField("detections { max_per_image: 0 }", "head.detections.max_per_image is 0"),
        BadField("detections { max_per_class: -1 }", "head.detections.max_per_class is -1"),
        BadField("detections { voting_iou: -0.1 }", "head.detections.voting_iou is -0.1"),
        BadField("detections { voting_iou: 1.5 }", "head.detections.voting_iou is 1.5"),
        BadField("detections { min_side_px: -1 }", "head.detections.min_side_px is -1")}) {
    const absl::Status status = CheckHeadConfig(configs::ParseTextOrDie<configs::HeadConfig>(text));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field))) << text;
  }
}

TEST(CheckHeadConfigTest, MeasuredNormalisationNeedsNoNumbers) {
  EXPECT_THAT(CheckHeadConfig(configs::ParseTextOrDie<configs::HeadConfig>(
                  "targets { box_normalization: PER_CLASS }")),
              IsOk());
  EXPECT_THAT(CheckRpnConfig(configs::ParseTextOrDie<configs::RpnConfig>(
                  "targets { box_normalization: MEASURED }")),
              IsOk());
}

}  // namespace
}  // namespace rcnn::detection
