#include "rcnn/eval/curves/confusion.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ConfusionTest : public ::testing::Test {
 protected:
  ConfusionTest() {
    truth_.images = {{1, ""}};
    truth_.categories = {{1, "cat"}, {2, "dog"}, {3, "cow"}};
  }
  void AddObject(int64_t category, const XywhBox& box, bool crowd = false) {
    truth_.annotations.push_back({.id = static_cast<int64_t>(truth_.annotations.size()) + 1,
                                  .image_id = 1,
                                  .category_id = category,
                                  .box = box,
                                  .area = 0,
                                  .crowd = crowd});
  }
  void AddDetection(int64_t category, const XywhBox& box, double score) {
    detections_.Add({.image_id = 1, .category_id = category, .box = box, .score = score});
  }

  GroundTruth truth_;
  Detections detections_;
};

TEST_F(ConfusionTest, CountsClassesAndBackground) {
  AddObject(1, {0, 0, 100, 100});
  AddObject(2, {200, 0, 100, 100});
  AddObject(2, {400, 0, 100, 100});
  AddDetection(1, {0, 0, 100, 100}, 0.9);
  AddDetection(3, {200, 0, 100, 100}, 0.8);  // a dog taken for a cow
  AddDetection(1, {0, 300, 50, 50}, 0.7);    // nothing there
  AddDetection(2, {400, 0, 100, 100}, 0.4);  // too low a score
  const ConfusionMatrix matrix = MeasureConfusion(truth_, detections_, {.min_score = 0.5});
  EXPECT_EQ(matrix.Count(0, 0), 1);
  EXPECT_EQ(matrix.Count(1, 2), 1);
  EXPECT_EQ(matrix.Count(1, matrix.background()), 1);
  EXPECT_EQ(matrix.Count(matrix.background(), 0), 1);
  EXPECT_EQ(matrix.Count(1, 1), 0);
  EXPECT_EQ(matrix.cells.size(), 4u);
  EXPECT_THAT(MostConfusedClasses(matrix, 1), ElementsAre(1));
}

TEST_F(ConfusionTest, EqualIousPairTheSameClass) {
  AddObject(1, {0, 0, 100, 100});
  AddDetection(2, {0, 0, 100, 100}, 0.9);
  AddDetection(1, {0, 0, 100, 100}, 0.8);
  const ConfusionMatrix matrix = MeasureConfusion(truth_, detections_);
  EXPECT_EQ(matrix.Count(0, 0), 1);
  EXPECT_EQ(matrix.Count(matrix.background(), 1), 1);
}

TEST_F(ConfusionTest, CrowdsAndDetectionsInThemDoNotCount) {
  AddObject(1, {0, 0, 100, 100}, /*crowd=*/true);
  AddDetection(1, {10, 10, 10, 10}, 0.9);
  EXPECT_THAT(MeasureConfusion(truth_, detections_).cells, IsEmpty());
}

TEST_F(ConfusionTest, EveryObjectAndDetectionCountsOnce) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    testing::RandomCase random = testing::MakeRandomCase(seed);
    for (Annotation& annotation : random.truth.annotations) annotation.crowd = false;
    const ConfusionMatrix matrix =
        MeasureConfusion(random.truth, random.detections, {.min_score = 0.4, .threads = 2});
    int64_t objects = 0;
    int64_t found = 0;
    for (const ConfusionCell& cell : matrix.cells) {
      if (cell.truth != matrix.background()) objects += cell.count;
      if (cell.found != matrix.background()) found += cell.count;
    }
    EXPECT_EQ(objects, static_cast<int64_t>(random.truth.annotations.size())) << "seed " << seed;
    int64_t kept = 0;
    for (double score : random.detections.scores) kept += score >= 0.4;
    EXPECT_EQ(found, kept) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rcnn::eval
