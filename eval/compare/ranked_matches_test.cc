#include "rcnn/eval/compare/ranked_matches.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

// COCO's evaluation of image i alone.
double ApOfImage(const testing::RandomCase& random, int64_t i) {
  GroundTruth truth = random.truth;
  truth.images = {random.truth.images[i]};
  Detections detections;
  for (int64_t d = 0; d < random.detections.size(); ++d) {
    if (random.detections.image_ids[d] == truth.images[0].id) detections.Add(random.detections[d]);
  }
  const auto evaluation = EvaluateCoco(truth, detections);
  EXPECT_THAT(evaluation, IsOk());
  return AveragePrecision(*evaluation, {});
}

TEST(RankedMatchesTest, TheApOfAnImageIsCocosOfThisImageAlone) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed, {.zero_id = false});
    const RankedMatches ranked = RankMatches(random.truth, random.detections, 2);
    for (size_t i = 0; i < random.truth.images.size(); ++i) {
      const double expected = ApOfImage(random, static_cast<int64_t>(i));
      if (expected < 0) {
        EXPECT_TRUE(std::isnan(ranked.image_ap[i])) << "seed " << seed << " image " << i;
      } else {
        EXPECT_NEAR(ranked.image_ap[i], expected, 1e-12) << "seed " << seed << " image " << i;
      }
    }
  }
}

TEST(RankedMatchesTest, RanksByScoreAndListsWhatMatches) {
  GroundTruth truth;
  truth.images = {{1, ""}, {2, ""}};
  truth.categories = {{1, "cat"}};
  truth.annotations = {{.id = 1, .image_id = 2, .category_id = 1, .box = {0, 0, 10, 10}}};
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 10, 10}, .score = 0.5});
  detections.Add({.image_id = 2, .category_id = 1, .box = {0, 0, 10, 6}, .score = 0.9});
  const ClassMatches cat = RankMatches(truth, detections, 1).classes[0];
  EXPECT_THAT(cat.images, ::testing::ElementsAre(1, 0));
  EXPECT_THAT(cat.touched, ::testing::ElementsAre(0));
  EXPECT_THAT(cat.objects, ::testing::ElementsAre(std::pair<uint32_t, uint32_t>(1, 1)));
  EXPECT_EQ(cat.events[0].size(), 1u);  // IoU 0.5
  EXPECT_EQ(cat.events[3].size(), 0u);  // IoU 0.65
}

}  // namespace
}  // namespace rcnn::eval
