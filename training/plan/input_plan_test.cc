#include "rcnn/training/plan/input_plan.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;

// Squares of these sides at many places of images of this size.
DataFingerprint Squares(const std::vector<float>& sides, double width = 640, double height = 480,
                        float aspect = 1) {
  DataFingerprint data;
  data.shortest_side_px = std::min(width, height);
  data.longest_side_px = std::max(width, height);
  data.elongation = data.longest_side_px / data.shortest_side_px;
  for (int i = 0; i < 50; ++i) {
    for (const float side : sides) {
      const float x = static_cast<float>(i * 37 % 400), y = static_cast<float>(i * 53 % 300);
      data.shapes.push_back({{x, y, x + side, y + side * aspect}, width, height});
    }
  }
  return data;
}

TEST(PlanInputTest, ScaleMakesObjectsLargeEnough) {
  // 40 px of 480 become 20 at 240; the median of 100 px becomes 50.
  EXPECT_EQ(PlanInput(Squares({40, 100, 100}), {}).scale.shortest_side_px, 240);
  // The median decides: 60 px become 48.
  EXPECT_EQ(PlanInput(Squares({60}), {}).scale.shortest_side_px, 384);
}

TEST(PlanInputTest, ScaleStaysBetweenItsLimits) {
  EXPECT_EQ(PlanInput(Squares({300}), {}).scale.shortest_side_px, 224);
  // 16 px would need three times the size.
  EXPECT_EQ(PlanInput(Squares({16}), {}).scale.shortest_side_px, 720);
  EXPECT_EQ(PlanInput(Squares({60}, 4000, 3000), {}).scale.shortest_side_px, 1000);
  EXPECT_EQ(PlanInput(Squares({60}), {.shortest_side_px = 300}).scale.shortest_side_px, 300);
}

TEST(PlanInputTest, LongestSideFollowsTheImages) {
  EXPECT_EQ(PlanInput(Squares({40, 100, 100}), {}).scale.longest_side_px, 480);
  const InputScale wide = PlanInput(Squares({100}, 960, 480), {}).scale;
  EXPECT_EQ(wide.shortest_side_px, 232);
  EXPECT_EQ(wide.longest_side_px, 584);
}

// The sizes from 20 px at 0.8 to 50 px at 1.25 times the scale.
TEST(PlanInputTest, AnchorsCoverAllScalesOfTraining) {
  const InputPlan plan = PlanInput(Squares({40, 100, 100}), {});
  EXPECT_THAT(plan.sizes_px, ElementsAre(16, 22.6, 32, 45.3, 64));
  EXPECT_THAT(plan.aspect_ratios, ElementsAre(0.5, 1, 2));
  EXPECT_THAT(plan.recall, Ge(kWantedRecall));
}

TEST(PlanInputTest, ElongatedObjectsGetElongatedAnchors) {
  const InputPlan plan = PlanInput(Squares({50}, 640, 480, 4), {});
  EXPECT_THAT(plan.aspect_ratios, ElementsAre(0.5, 1, 2, 4));
  EXPECT_THAT(plan.recall, Ge(kWantedRecall));
}

// Objects of 7 px: at stride 16 many lie between the anchors.
TEST(PlanInputTest, ScaleRisesForTheRecall) {
  const DataFingerprint data = Squares({7}, 400, 300);
  const InputPlan coarse = PlanInput(data, {.stride_px = 16, .shortest_side_px = 300});
  EXPECT_EQ(coarse.scale.shortest_side_px, 600);
  EXPECT_THAT(coarse.recall, Le(kWantedRecall));
  const InputPlan fine = PlanInput(data, {.stride_px = 8, .shortest_side_px = 300});
  EXPECT_GT(fine.recall, coarse.recall);
}

TEST(PlanInputTest, WithoutObjectsImagesKeepTheirSize) {
  DataFingerprint data = Squares({});
  const InputPlan plan = PlanInput(data, {});
  EXPECT_EQ(plan.scale.shortest_side_px, 480);
  EXPECT_EQ(plan.recall, 1);
}

TEST(TrainingSidesTest, EndWithTheSideOfEvaluation) {
  EXPECT_THAT(TrainingSides({240, 400}), ElementsAre(192, 216, 240, 264, 304, 240));
}

}  // namespace
}  // namespace rcnn::training
