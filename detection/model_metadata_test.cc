#include "rcnn/detection/model_metadata.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::detection {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;

using Metadata = std::map<std::string, std::string>;

configs::DetectorConfig Config(const std::string& model, const std::string& names = "['a', 'b']") {
  return configs::ParseTextOrDie<configs::DetectorConfig>("model { " + model +
                                                          " } class_name: " + names);
}

Metadata MakeMetadata(const configs::DetectorConfig& config) {
  Metadata metadata;
  SetModelMetadata(config, metadata);
  return metadata;
}

// The result of checking config `now` against weights written with `then`.
absl::Status Check(const std::string& then, const std::string& now) {
  return CheckModelMetadata(Config(now), MakeMetadata(Config(then)));
}

void ExpectDiffers(const std::string& then, const std::string& now, const std::string& word) {
  const absl::Status status = Check(then, now);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(word)))
      << then << " | " << now;
}

TEST(ModelMetadataTest, WritesItsKeysAndKeepsOthers) {
  Metadata metadata = {{"name_map", "rcnn"}};
  SetModelMetadata(Config("rpn { anchors { size_px: [8, 16] } }"), metadata);
  EXPECT_EQ(metadata["name_map"], "rcnn");
  EXPECT_EQ(metadata["anchors"],
            "size_px: [8, 16] aspect_ratio: [0.5, 1, 2] rounding: EXACT stride: OF_BACKBONE "
            "center_offset: 0");
  EXPECT_EQ(metadata["class_names"], "a\nb");
  EXPECT_EQ(metadata["image_channel_order"], "rgb");
  EXPECT_EQ(metadata["image_max_value"], "255");
}

TEST(ModelMetadataTest, AModelWithoutAnRpnHasNoAnchors) {
  const Metadata metadata = MakeMetadata(Config("head {}"));
  EXPECT_THAT(metadata, Not(Contains(Key("anchors"))));
  EXPECT_THAT(CheckModelMetadata(Config("rpn {}"), metadata), IsOk());
  EXPECT_THAT(CheckModelMetadata(Config("head {}"), MakeMetadata(Config("rpn {}"))), IsOk());
}

TEST(ModelMetadataTest, DefaultsWrittenOutAreTheSame) {
  EXPECT_THAT(Check("rpn {}",
                    "rpn { anchors { size_px: [128, 256, 512] aspect_ratio: [0.5, 1, 2] "
                    "rounding: EXACT stride: OF_BACKBONE center_offset: 0 } }"),
              IsOk());
  EXPECT_THAT(Check("fpn {} rpn {}", "fpn {} rpn { anchors { size_px: [32, 64, 128, 256, 512] } }"),
              IsOk());
  EXPECT_THAT(Check("fpn { last_level_max_pool: false } rpn {}",
                    "fpn { last_level_max_pool: false } rpn { anchors { size_px: [32, 64, 128, "
                    "256] } }"),
              IsOk());
}

TEST(ModelMetadataTest, DetectsOtherAnchorsOfEqualCount) {
  const std::string then = "rpn { anchors { size_px: [8, 16] } }";
  const std::pair<const char*, const char*> others[] = {
      {"size_px: [8, 32]", "has {size_px: [8, 32]"},
      {"size_px: [16, 8]", "has {size_px: [16, 8]"},
      {"size_px: [8, 16] aspect_ratio: [0.5, 1, 3]", "aspect_ratio: [0.5, 1, 3]"},
      {"size_px: [8, 16] rounding: CORNERS", "rounding: CORNERS"},
      {"size_px: [8, 16] stride: INPUT_OVER_MAP", "stride: INPUT_OVER_MAP"},
      {"size_px: [8, 16] center_offset: 0.5", "center_offset: 0.5"}};
  for (const auto& [now, word] : others) {
    ExpectDiffers(then, absl::StrCat("rpn { anchors { ", now, " } }"), word);
  }
}

TEST(ModelMetadataTest, DetectsAnotherNormalisation) {
  const std::string then =
      "normalization { scale: 0.00392156862745098 mean: [0.485, 0.456, 0.406] "
      "std: [0.229, 0.224, 0.225] }";
  EXPECT_THAT(Check(then, then), IsOk());
  // The same normalisation for pixels in 0..255.
  EXPECT_THAT(Check(then,
                    "normalization { mean: [123.675, 116.28, 103.53] "
                    "std: [58.395, 57.12, 57.375] }"),
              IsOk());
  ExpectDiffers(then, "normalization { scale: 0.00392156862745098 mean: [0.485, 0.456, 0.406] }",
                "model.normalization is RGB in 0..1 minus [0.485, 0.456, 0.406] over [1, 1, 1]");
  ExpectDiffers(then, "", "RGB in 0..255");
  ExpectDiffers(then,
                "normalization { scale: 0.00392156862745098 mean: [0.406, 0.456, 0.485] "
                "std: [0.225, 0.224, 0.229] channel_order: BGR }",
                "BGR");
  ExpectDiffers("", "normalization { channel_order: BGR }", "BGR");
  ExpectDiffers("normalization { mean: [1, 2, 3] }", "normalization { mean: [1, 2, 3.1] }", "3.1");
}

TEST(ModelMetadataTest, DetectsReorderedClassesButNotRenamedOnes) {
  const Metadata metadata = MakeMetadata(Config("", "['red', 'white', 'cell']"));
  const auto check = [&](const std::string& names) {
    return CheckModelMetadata(Config("", names), metadata);
  };
  EXPECT_THAT(check("['red', 'white', 'cell']"), IsOk());
  EXPECT_THAT(check("['erythrocyte', 'white', 'cell']"), IsOk());
  EXPECT_THAT(check("['white', 'red', 'cell']"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("class 1 is 'white'"), HasSubstr("class 2 of the weights"),
                             HasSubstr("[red, white, cell]"))));
  EXPECT_THAT(check("['red', 'cell']"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ModelMetadataTest, MissingFactIsNotChecked) {
  EXPECT_THAT(CheckModelMetadata(Config("rpn {} normalization { scale: 2 }"), {}), IsOk());
}

TEST(ModelMetadataTest, HalfANormalisationIsAnError) {
  Metadata metadata = MakeMetadata(Config(""));
  metadata.erase("image_std");
  EXPECT_THAT(CheckModelMetadata(Config(""), metadata), ::testing::Not(IsOk()));
  metadata["image_std"] = "1 1 x";
  EXPECT_THAT(CheckModelMetadata(Config(""), metadata),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image_std")));
}

}  // namespace
}  // namespace rcnn::detection
