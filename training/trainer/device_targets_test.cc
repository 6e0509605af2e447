#include "rcnn/training/trainer/device_targets.h"

#include <ATen/ATen.h>

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

detection::GroundTruth Truth(float x1) {
  return {at::tensor({x1, 2.0f, 30.0f, 40.0f}).view({1, 4}), at::tensor({3}, at::kLong), {}};
}

TEST(ToDeviceTest, MovesGroundTruth) {
  detection::GroundTruths truths = {Truth(1), Truth(5)};
  truths[1].is_crowd = at::full({1}, true, at::kBool);
  truths[1].image_id = 9;
  const detection::GroundTruths moved = ToDevice(truths, ops::testing::FarDevice());
  ASSERT_EQ(moved.size(), 2u);
  for (size_t b = 0; b < 2; ++b) {
    EXPECT_EQ(moved[b].boxes.device(), ops::testing::FarDevice());
    EXPECT_TRUE(moved[b].boxes.cpu().equal(truths[b].boxes));
    EXPECT_TRUE(moved[b].labels.cpu().equal(truths[b].labels));
  }
  EXPECT_FALSE(moved[0].is_crowd.defined());
  EXPECT_TRUE(moved[1].is_crowd.cpu().equal(truths[1].is_crowd));
  EXPECT_EQ(moved[1].image_id, 9);
}

TEST(ToDeviceTest, OnTheCpuNothingIsCopied) {
  const detection::GroundTruths truths = {Truth(1)};
  EXPECT_TRUE(ToDevice(truths, at::kCPU)[0].boxes.is_same(truths[0].boxes));
}

TEST(ToDeviceTest, ChecksBoxesBeforeTheyLeaveTheCpu) {
  const detection::GroundTruths truths = {Truth(std::numeric_limits<float>::quiet_NaN())};
  try {
    ToDevice(truths, ops::testing::FarDevice());
    FAIL() << "accepted";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr("ground truth"));
  }
}

TEST(CountRoisTest, CountsTheRoisOfEachImage) {
  detection::RoiSamples samples;
  samples.rois = at::zeros({3, 5});
  samples.rois[2][0] = 2;
  samples.positives = 1;
  const detection::RoiSamples counted = CountRois(samples, 4);
  EXPECT_THAT(counted.rois_of_image, ::testing::ElementsAre(2, 0, 1, 0));
  EXPECT_EQ(counted.positives, 1);
}

TEST(ToDeviceTest, MovesSampledRois) {
  detection::RoiSamples samples;
  samples.rois = at::ones({2, 5});
  samples.labels = at::tensor({1, 0}, at::kLong);
  samples.box_targets = at::zeros({2, 4});
  samples.positives = 1;
  samples.draw_rows = at::tensor({4, 0, 4, 1}, at::kLong).view({2, 2});
  const detection::RoiSamples moved = ToDevice(samples, ops::testing::FarDevice());
  EXPECT_EQ(moved.positives, 1);
  EXPECT_EQ(moved.draw_rows.device(), ops::testing::FarDevice());
  EXPECT_TRUE(moved.draw_rows.cpu().equal(samples.draw_rows));
  EXPECT_EQ(moved.box_targets.device(), ops::testing::FarDevice());
  EXPECT_TRUE(moved.rois.cpu().equal(samples.rois));
  EXPECT_TRUE(moved.labels.cpu().equal(samples.labels));
}

}  // namespace
}  // namespace rcnn::training
