#include "rcnn/eval/image_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

GroundTruth Truth() {
  GroundTruth truth;
  truth.images = {{1, ""}, {2, ""}, {3, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {{1, 1, 1, {0, 0, 10, 10}, 100},
                       {2, 1, 1, {20, 0, 10, 10}, 100},
                       {3, 2, 2, {0, 0, 10, 10}, 100},
                       {4, 2, 1, {0, 0, 50, 50}, 2500, /*crowd=*/true}};
  return truth;
}

TEST(FindImageErrorsTest, ClassifiesHitsFalsePositivesMissesAndNeutral) {
  Detections detections;
  detections.Add({1, 1, {0, 0, 10, 10}, 0.9});    // hit
  detections.Add({1, 1, {1, 0, 10, 10}, 0.8});    // repeat
  detections.Add({1, 1, {20, 0, 10, 10}, 0.4});   // hit, but below the score
  detections.Add({2, 1, {0, 0, 10, 10}, 0.7});    // inside a crowd
  detections.Add({2, 1, {30, 30, 10, 10}, 0.7});  // inside the same crowd
  const auto errors = FindImageErrors(Truth(), detections);
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_THAT(errors[0].hits, ElementsAre(0));
  EXPECT_THAT(errors[0].found, ElementsAre(0));
  EXPECT_THAT(errors[0].false_positives, ElementsAre(1));
  EXPECT_THAT(errors[0].misses, ElementsAre(1));
  EXPECT_DOUBLE_EQ(errors[0].badness, 1.8);
  EXPECT_THAT(errors[1].neutral, ElementsAre(3, 4));
  EXPECT_THAT(errors[1].neutral_annotations, ElementsAre(3));
  EXPECT_THAT(errors[1].misses, ElementsAre(2));
  EXPECT_THAT(errors[2].misses, IsEmpty());
}

TEST(FindImageErrorsTest, TheBestScoreTakesTheObject) {
  Detections detections;
  detections.Add({1, 1, {1, 0, 10, 10}, 0.6});
  detections.Add({1, 1, {0, 0, 10, 10}, 0.9});
  const auto errors = FindImageErrors(Truth(), detections);
  EXPECT_THAT(errors[0].hits, ElementsAre(1));
  EXPECT_THAT(errors[0].false_positives, ElementsAre(0));
}

TEST(WorstImagesTest, OrdersByBadnessAndLeavesOutGoodImages) {
  std::vector<ImageErrors> errors(5);
  const double badness[] = {1, 0, 3, 1, 2};
  for (int i = 0; i < 5; ++i) errors[i].badness = badness[i];
  EXPECT_THAT(WorstImages(errors, 10), ElementsAre(2, 4, 0, 3));
  EXPECT_THAT(WorstImages(errors, 3), ElementsAre(2, 4, 0));
  EXPECT_THAT(WorstImages(errors, 0), IsEmpty());
}

}  // namespace
}  // namespace rcnn::eval
