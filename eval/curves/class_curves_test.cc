#include "rcnn/eval/curves/class_curves.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::IsEmpty;

ClassCurves Measure(const GroundTruth& truth, const Detections& detections) {
  const auto errors = FindDetectionErrors(truth, detections);
  EXPECT_THAT(errors, IsOk());
  return MeasureCurves(truth, detections, *errors);
}

class ClassCurvesTest : public ::testing::Test {
 protected:
  ClassCurvesTest() {
    truth_.images = {{1, ""}};
    truth_.categories = {{1, "cat"}, {2, "dog"}};
    for (int i = 0; i < 4; ++i) {
      truth_.annotations.push_back(
          {.id = i + 1, .image_id = 1, .category_id = 1, .box = {200.0 * i, 0, 100, 100}});
    }
  }
  void Add(double score, bool right) {
    const double x = right ? 200.0 * static_cast<double>(rights_++) : 5000;
    detections_.Add({.image_id = 1, .category_id = 1, .box = {x, 0, 100, 100}, .score = score});
  }

  GroundTruth truth_;
  Detections detections_;
  int64_t rights_ = 0;
};

TEST_F(ClassCurvesTest, FindsTheBestThreshold) {
  Add(0.9, true);
  Add(0.8, true);
  Add(0.7, false);
  Add(0.6, true);
  Add(0.5, false);
  const ClassCurve cat = Measure(truth_, detections_).classes[0];
  // F1 of 1 to 5 kept: 2/5, 4/6, 4/7, 6/8, 6/9.
  EXPECT_DOUBLE_EQ(cat.best.f1, 0.75);
  EXPECT_DOUBLE_EQ(cat.best.score, 0.6);
  EXPECT_DOUBLE_EQ(cat.best.precision, 0.75);
  EXPECT_DOUBLE_EQ(cat.best.recall, 0.75);
  EXPECT_DOUBLE_EQ(cat.points.front().precision, 1);
  EXPECT_DOUBLE_EQ(cat.points.back().precision, 0.6);
}

TEST_F(ClassCurvesTest, AThresholdKeepsAllOfAScoreOrNone) {
  Add(0.5, true);
  Add(0.5, false);
  const ClassCurve cat = Measure(truth_, detections_).classes[0];
  ASSERT_EQ(cat.points.size(), 1u);
  EXPECT_DOUBLE_EQ(cat.points[0].precision, 0.5);
}

TEST_F(ClassCurvesTest, MeasuresCalibration) {
  Add(0.9, true);
  Add(0.9, false);
  Add(0.25, false);
  const ClassCurve cat = Measure(truth_, detections_).classes[0];
  EXPECT_EQ(cat.bins[9].detections, 2);
  EXPECT_DOUBLE_EQ(cat.bins[9].precision, 0.5);
  EXPECT_DOUBLE_EQ(cat.bins[2].mean_score, 0.25);
  EXPECT_TRUE(std::isnan(cat.bins[5].precision));
  EXPECT_NEAR(cat.calibration_error, (2 * 0.4 + 1 * 0.25) / 3, 1e-12);
}

TEST_F(ClassCurvesTest, ReportsScoresThatAreNotProbabilities) {
  Add(17, true);
  const ClassCurves curves = Measure(truth_, detections_);
  EXPECT_TRUE(curves.scores_outside);
  EXPECT_EQ(curves.classes[0].bins[9].detections, 1);
}

TEST_F(ClassCurvesTest, HasNoCurveWithoutObjectsOrDetections) {
  const ClassCurves curves = Measure(truth_, detections_);
  EXPECT_THAT(curves.classes[0].points, IsEmpty());
  EXPECT_EQ(curves.classes[0].best.f1, 0);
  EXPECT_TRUE(std::isnan(curves.classes[1].calibration_error));
}

TEST(ClassCurvesOfRandomCasesTest, BestF1EqualsTryingEveryScore) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const auto errors = FindDetectionErrors(random.truth, random.detections);
    ASSERT_THAT(errors, IsOk());
    const ClassCurves curves = MeasureCurves(random.truth, random.detections, *errors);
    double best = 0;
    for (double threshold : random.detections.scores) {
      double kept = 0;
      double right = 0;
      for (int64_t d = 0; d < random.detections.size(); ++d) {
        if (errors->detections[d] == kNotJudged || errors->ignored[d] != 0) continue;
        if (random.detections.scores[d] < threshold) continue;
        kept += 1;
        right += errors->detections[d] == kNoError;
      }
      const auto objects = static_cast<double>(curves.all.objects);
      if (objects > 0) best = std::max(best, 2 * right / (kept + objects));
    }
    EXPECT_DOUBLE_EQ(curves.all.best.f1, best) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rcnn::eval
