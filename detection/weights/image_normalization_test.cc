#include "rcnn/detection/weights/image_normalization.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ImageNormalization Caffe() {
  return {ChannelOrder::kBgr, 255.0, {102.9801, 115.9465, 122.7717}, {1.0, 1.0, 0.1}};
}

TEST(ImageNormalizationTest, ReadsBackExactly) {
  ImageNormalization image = Caffe();
  image.mean[1] = 1.0 / 3.0;
  std::map<std::string, std::string> metadata;
  EXPECT_FALSE(HasImageNormalization(metadata));
  SetImageNormalization(image, metadata);
  EXPECT_TRUE(HasImageNormalization(metadata));
  const auto read = GetImageNormalization(metadata);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(*read == image);
}

TEST(ImageNormalizationTest, IsReadable) {
  std::map<std::string, std::string> metadata;
  SetImageNormalization(Caffe(), metadata);
  EXPECT_EQ(metadata["image_mean"], "102.98009999999999 115.9465 122.7717");
  EXPECT_EQ(metadata["image_channel_order"], "bgr");
  EXPECT_EQ(metadata["image_max_value"], "255");
}

TEST(ImageNormalizationTest, NamesTheMissingKey) {
  std::map<std::string, std::string> metadata;
  SetImageNormalization(Caffe(), metadata);
  metadata.erase("image_std");
  const auto read = GetImageNormalization(metadata);
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kNotFound, HasSubstr("image_std")));
}

TEST(ImageNormalizationTest, NamesTheMalformedValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"image_channel_order", "grb"}, {"image_mean", "1 2"},     {"image_mean", "1 2 x"},
      {"image_mean", "1 2 nan"},      {"image_std", "1 0 1"},    {"image_std", "1 1 1 1"},
      {"image_max_value", "-1"},      {"image_max_value", "inf"}};
  for (const auto& [key, value] : cases) {
    std::map<std::string, std::string> metadata;
    SetImageNormalization(Caffe(), metadata);
    metadata[key] = value;
    const auto read = GetImageNormalization(metadata);
    EXPECT_THAT(
        read, StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(key), HasSubstr(value))))
        << key << " " << value;
  }
}

StateDict BgrWeights() {
  StateDict state;
  state.Add("backbone.conv1_1.weight", at::arange(2 * 3 * 2 * 2, at::kFloat).view({2, 3, 2, 2}));
  state.Add("backbone.conv1_1.bias", at::arange(2, at::kFloat));
  SetImageNormalization(Caffe(), state.metadata());
  return state;
}

TEST(ConvertChannelOrderTest, GivesTheSameAnswerForTheOtherOrder) {
  const StateDict bgr = BgrWeights();
  StateDict rgb = bgr;
  ASSERT_THAT(ConvertChannelOrder(ChannelOrder::kRgb, rgb), IsOk());
  const at::Tensor image = at::arange(3 * 4 * 4, at::kFloat).view({1, 3, 4, 4});
  const at::Tensor want = at::conv2d(image, *bgr.Find("backbone.conv1_1.weight"));
  const at::Tensor got = at::conv2d(at::flip(image, {1}), *rgb.Find("backbone.conv1_1.weight"));
  EXPECT_TRUE(at::equal(got, want));
  const auto normalization = GetImageNormalization(rgb.metadata());
  ASSERT_THAT(normalization, IsOk());
  EXPECT_TRUE(normalization->channel_order == ChannelOrder::kRgb);
  EXPECT_THAT(normalization->mean, ::testing::ElementsAre(122.7717, 115.9465, 102.9801));
  EXPECT_THAT(normalization->std, ::testing::ElementsAre(0.1, 1.0, 1.0));
}

TEST(ConvertChannelOrderTest, IsItsOwnInverseAndIdempotent) {
  const StateDict original = BgrWeights();
  StateDict state = original;
  ASSERT_THAT(ConvertChannelOrder(ChannelOrder::kBgr, state), IsOk());
  EXPECT_TRUE(at::equal(state.entries()[0].tensor, original.entries()[0].tensor));
  ASSERT_THAT(ConvertChannelOrder(ChannelOrder::kRgb, state), IsOk());
  EXPECT_FALSE(at::equal(state.entries()[0].tensor, original.entries()[0].tensor));
  ASSERT_THAT(ConvertChannelOrder(ChannelOrder::kBgr, state), IsOk());
  EXPECT_TRUE(at::equal(state.entries()[0].tensor, original.entries()[0].tensor));
  EXPECT_EQ(state.metadata(), original.metadata());
}

TEST(ConvertChannelOrderTest, RejectsUnsupportedConversions) {
  StateDict unknown;
  unknown.Add("backbone.conv1.weight", at::zeros({1, 3, 1, 1}));
  EXPECT_THAT(ConvertChannelOrder(ChannelOrder::kRgb, unknown),
              StatusIs(absl::StatusCode::kNotFound));
  StateDict no_convolution;
  SetImageNormalization(Caffe(), no_convolution.metadata());
  EXPECT_THAT(ConvertChannelOrder(ChannelOrder::kRgb, no_convolution),
              StatusIs(absl::StatusCode::kNotFound));
  StateDict grey;
  grey.Add("backbone.conv1.weight", at::zeros({2, 1, 3, 3}));
  SetImageNormalization(Caffe(), grey.metadata());
  const absl::Status status = ConvertChannelOrder(ChannelOrder::kRgb, grey);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[2, 1, 3, 3]")));
}

}  // namespace
}  // namespace rcnn::detection::weights
