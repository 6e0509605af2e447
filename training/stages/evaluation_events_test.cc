#include "rcnn/training/stages/evaluation_events.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

TEST(CountAtThresholdsTest, CountsWhatIsKept) {
  eval::GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {{.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 10, 10}},
                       {.id = 2, .image_id = 1, .category_id = 1, .box = {50, 0, 10, 10}}};
  eval::Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 10, 10}, .score = 0.7});
  detections.Add({.image_id = 1, .category_id = 1, .box = {80, 0, 10, 10}, .score = 0.3});
  detections.Add({.image_id = 1, .category_id = 2, .box = {80, 0, 10, 10}, .score = 0.9});
  const auto errors = eval::FindDetectionErrors(truth, detections);
  ASSERT_THAT(errors, IsOk());
  const auto cat = CountAtThresholds(detections, *errors, 0, 11);
  EXPECT_EQ(cat[3].true_positives, 1);
  EXPECT_EQ(cat[3].false_positives, 1);
  EXPECT_EQ(cat[3].false_negatives, 1);
  EXPECT_EQ(cat[4].false_positives, 0);
  EXPECT_EQ(cat[7].true_positives, 1);
  EXPECT_EQ(cat[8].true_positives, 0);
  EXPECT_EQ(cat[8].false_negatives, 2);
  const auto all = CountAtThresholds(detections, *errors, -1, 11);
  EXPECT_EQ(all[0].false_positives, 2);
  EXPECT_EQ(all[9].false_positives, 1);
}

}  // namespace
}  // namespace rcnn::training
