#include "rcnn/eval/image_lists.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ImageListsTest, RanksDetectionsAndKeepsTheOrderOfEqualScores) {
  GroundTruth truth;
  truth.images = {{3, ""}, {7, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {{.id = 1, .image_id = 7, .category_id = 2, .box = {}},
                       {.id = 2, .image_id = 3, .category_id = 1, .box = {}},
                       {.id = 3, .image_id = 7, .category_id = 1, .box = {}}};
  Detections detections;
  detections.Add({.image_id = 7, .category_id = 1, .box = {}, .score = 0.5});
  detections.Add({.image_id = 7, .category_id = 2, .box = {}, .score = 0.9});
  detections.Add({.image_id = 7, .category_id = 1, .box = {}, .score = 0.5});
  const ImageLists lists = GroupByImage(truth, detections);
  EXPECT_EQ(lists.images(), 2);
  EXPECT_THAT(lists.DetectionsAt(0), IsEmpty());
  EXPECT_THAT(lists.DetectionsAt(1), ElementsAre(1, 0, 2));
  EXPECT_THAT(lists.AnnotationsAt(0), ElementsAre(1));
  EXPECT_THAT(lists.AnnotationsAt(1), ElementsAre(0, 2));
  EXPECT_THAT(lists.detection_classes, ElementsAre(0, 1, 0));
  EXPECT_THAT(lists.annotation_classes, ElementsAre(1, 0, 0));
}

TEST(ImageListsTest, LeavesOutUnlistedImagesAndClasses) {
  GroundTruth truth;
  truth.images = {{3, ""}};
  truth.categories = {{1, "cat"}};
  truth.annotations = {{.id = 1, .image_id = 4, .category_id = 1, .box = {}},
                       {.id = 2, .image_id = 3, .category_id = 9, .box = {}}};
  Detections detections;
  detections.Add({.image_id = 4, .category_id = 1, .box = {}, .score = 0.5});
  detections.Add({.image_id = 3, .category_id = 9, .box = {}, .score = 0.5});
  const ImageLists lists = GroupByImage(truth, detections);
  EXPECT_THAT(lists.DetectionsAt(0), IsEmpty());
  EXPECT_THAT(lists.AnnotationsAt(0), IsEmpty());
  EXPECT_THAT(lists.detection_classes, ElementsAre(0, -1));
}

TEST(ImageListsTest, ListsEveryItemOnceOnAnyNumberOfThreads) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const ImageLists one = GroupByImage(random.truth, random.detections, 1);
    const ImageLists three = GroupByImage(random.truth, random.detections, 3);
    EXPECT_EQ(one.detections, three.detections) << "seed " << seed;
    std::vector<uint32_t> all = one.detections;
    std::sort(all.begin(), all.end());
    for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], i) << "seed " << seed;
    ASSERT_EQ(static_cast<int64_t>(all.size()), random.detections.size());
  }
}

}  // namespace
}  // namespace rcnn::eval
