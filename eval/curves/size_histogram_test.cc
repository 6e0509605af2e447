#include "rcnn/eval/curves/size_histogram.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::IsEmpty;

TEST(SizeHistogramTest, CountsFoundAndMissedByTheRootOfTheArea) {
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}};
  truth.annotations = {{.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 32, 32}},
                       {.id = 2, .image_id = 1, .category_id = 1, .box = {100, 0, 64, 64}},
                       {.id = 3, .image_id = 1, .category_id = 1, .box = {200, 0, 32, 33}}};
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 32, 32}, .score = 0.1});
  const auto errors = FindDetectionErrors(truth, detections);
  ASSERT_THAT(errors, IsOk());
  const std::vector<SizeBin> bins = CountBySize(truth, *errors);
  ASSERT_EQ(bins.size(), 3u);
  EXPECT_DOUBLE_EQ(bins[0].low_px, 32);
  EXPECT_DOUBLE_EQ(bins[0].high_px, 32 * std::sqrt(2));
  EXPECT_EQ(bins[0].found, 1);
  EXPECT_EQ(bins[0].missed, 1);
  EXPECT_EQ(bins[1].found + bins[1].missed, 0);
  EXPECT_DOUBLE_EQ(bins[2].low_px, 64);
  EXPECT_EQ(bins[2].missed, 1);
}

TEST(SizeHistogramTest, HasNoBinsWithoutObjects) {
  const auto errors = FindDetectionErrors({}, {});
  ASSERT_THAT(errors, IsOk());
  EXPECT_THAT(CountBySize({}, *errors), IsEmpty());
}

}  // namespace
}  // namespace rcnn::eval
