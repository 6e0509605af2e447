#include "rcnn/eval/errors/detection_errors.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One image with a cat at (0, 0, 100, 100) and a dog at (200, 0, 100, 100).
class DetectionErrorsTest : public ::testing::Test {
 protected:
  DetectionErrorsTest() {
    truth_.images = {{1, ""}};
    truth_.categories = {{1, "cat"}, {2, "dog"}};
    truth_.annotations = {{.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 100, 100}},
                          {.id = 2, .image_id = 1, .category_id = 2, .box = {200, 0, 100, 100}}};
  }

  void Add(int64_t category, const XywhBox& box, double score) {
    detections_.Add({.image_id = 1, .category_id = category, .box = box, .score = score});
  }

  DetectionErrors Find(const DetectionErrorOptions& options = {}) {
    auto errors = FindDetectionErrors(truth_, detections_, options);
    EXPECT_THAT(errors, IsOk());
    return *std::move(errors);
  }

  GroundTruth truth_;
  Detections detections_;
};

TEST_F(DetectionErrorsTest, DistinguishesTheKinds) {
  Add(1, {0, 0, 100, 100}, 0.9);    // finds the cat
  Add(1, {0, 0, 100, 90}, 0.8);     // finds it again
  Add(1, {200, 0, 100, 95}, 0.7);   // the dog, called a cat
  Add(2, {200, 0, 100, 40}, 0.6);   // the dog, IoU 0.4
  Add(2, {0, 0, 100, 40}, 0.5);     // the cat, called a dog, IoU 0.4
  Add(2, {500, 500, 10, 10}, 0.4);  // nothing
  const DetectionErrors errors = Find();
  EXPECT_THAT(errors.detections, ElementsAre(kNoError, kDuplicateError, kClassificationError,
                                             kLocalizationError, kBothError, kBackgroundError));
  EXPECT_THAT(errors.objects, ElementsAre(0, 0, 1, 1, -1, -1));
  EXPECT_THAT(errors.counts, ElementsAre(1, 1, 1, 1, 1, 0));
  EXPECT_THAT(errors.class_counts[0], ElementsAre(1, 0, 0, 1, 0, 0));
  EXPECT_THAT(errors.class_counts[1], ElementsAre(0, 1, 1, 0, 1, 0));
  EXPECT_EQ(errors.image_counts[0], errors.counts);
  // The better one of the two that the dog explains would find it.
  EXPECT_THAT(errors.would_find, ElementsAre(0, 0, 1, 0, 0, 0));
  EXPECT_THAT(errors.found_by, ElementsAre(0, -1));
}

TEST_F(DetectionErrorsTest, UnexplainedObjectIsMissed) {
  const DetectionErrors errors = Find();
  EXPECT_THAT(errors.annotations, ElementsAre(kMissedError, kMissedError));
  EXPECT_THAT(errors.counts, ElementsAre(0, 0, 0, 0, 0, 2));
}

TEST_F(DetectionErrorsTest, ACrowdIsARegionToIgnore) {
  truth_.annotations[0].crowd = true;
  Add(1, {10, 10, 20, 20}, 0.9);
  Add(2, {10, 10, 20, 20}, 0.9);  // not of the crowd's class
  const DetectionErrors errors = Find();
  EXPECT_THAT(errors.ignored, ElementsAre(1, 0));
  EXPECT_THAT(errors.annotations, ElementsAre(kNotJudged, kMissedError));
}

TEST_F(DetectionErrorsTest, DifficultObjectsAreIgnoredOnlyIfRequested) {
  truth_.annotations[0].difficult = true;
  EXPECT_THAT(Find().annotations, ElementsAre(kMissedError, kMissedError));
  EXPECT_THAT(Find({.ignore_difficult = true}).annotations, ElementsAre(kNotJudged, kMissedError));
}

TEST_F(DetectionErrorsTest, JudgesOnlyTheBestOfAnImage) {
  Add(1, {500, 500, 10, 10}, 0.2);
  Add(1, {500, 500, 10, 10}, 0.9);
  EXPECT_THAT(Find({.max_detections = 1}).detections, ElementsAre(kNotJudged, kBackgroundError));
}

TEST_F(DetectionErrorsTest, LeavesOutUnknownImagesAndClasses) {
  detections_.Add({.image_id = 8, .category_id = 1, .box = {}, .score = 0.5});
  detections_.Add({.image_id = 1, .category_id = 9, .box = {}, .score = 0.5});
  EXPECT_THAT(Find().detections, ElementsAre(kNotJudged, kNotJudged));
}

TEST_F(DetectionErrorsTest, RejectsInvalidOptionsAndScores) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(FindDetectionErrors(truth_, detections_, {.background_iou = 0.6}),
              StatusIs(code, HasSubstr("background IoU 0.6 and foreground IoU 0.5")));
  EXPECT_THAT(FindDetectionErrors(truth_, detections_, {.max_detections = 0}),
              StatusIs(code, HasSubstr("max_detections is 0")));
  Add(1, {0, 0, 1, 1}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(FindDetectionErrors(truth_, detections_),
              StatusIs(code, HasSubstr("detection 0: score nan is not finite")));
}

TEST_F(DetectionErrorsTest, DoesNotDependOnThreads) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const auto one = FindDetectionErrors(random.truth, random.detections, {.threads = 1});
    const auto four = FindDetectionErrors(random.truth, random.detections, {.threads = 4});
    ASSERT_THAT(one, IsOk());
    ASSERT_THAT(four, IsOk());
    EXPECT_EQ(one->detections, four->detections) << "seed " << seed;
    EXPECT_EQ(one->image_counts, four->image_counts) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rcnn::eval
