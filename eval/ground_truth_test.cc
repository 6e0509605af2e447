#include "rcnn/eval/ground_truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::eval {
namespace {

TEST(GroundTruthTest, NormalizeSortsAndKeepsTheLastOfEqualIds) {
  GroundTruth truth;
  truth.images = {{30, "c"}, {10, "a"}, {20, "old"}, {20, "new"}};
  truth.categories = {{2, "two"}, {1, "one"}, {2, "zwei"}};
  truth.Normalize();
  ASSERT_EQ(truth.images.size(), 3u);
  EXPECT_EQ(truth.images[0].file, "a");
  EXPECT_EQ(truth.images[1].file, "new");
  EXPECT_EQ(truth.images[2].file, "c");
  ASSERT_EQ(truth.categories.size(), 2u);
  EXPECT_EQ(truth.categories[1].name, "zwei");
}

TEST(GroundTruthTest, FindsIdsAndNames) {
  GroundTruth truth;
  truth.images = {{-4, ""}, {0, ""}, {7, ""}};
  truth.categories = {{1, "cat"}, {3, "dog"}};
  EXPECT_EQ(truth.ImageIndex(-4), 0);
  EXPECT_EQ(truth.ImageIndex(7), 2);
  EXPECT_EQ(truth.ImageIndex(6), -1);
  EXPECT_EQ(truth.ImageIndex(8), -1);
  EXPECT_EQ(truth.CategoryIndex(3), 1);
  EXPECT_EQ(truth.CategoryIndex("dog"), 1);
  EXPECT_EQ(truth.CategoryIndex("Dog"), -1);
}

TEST(GroundTruthTest, EmptyHasNothing) {
  GroundTruth truth;
  truth.Normalize();
  EXPECT_EQ(truth.ImageIndex(1), -1);
}

}  // namespace
}  // namespace rcnn::eval
