#include "rcnn/eval/load_ground_truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

constexpr char kFile[] = "eval/testdata/shapes/instances.json";

TEST(LoadGroundTruthTest, TakesACocoFileByItsNameOrTheFlag) {
  const auto plain = LoadGroundTruth(kFile);
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(plain->images.size(), 6u);
  EXPECT_EQ(plain->images[0].file, "shapes_1.png");
  const auto flag = LoadGroundTruth(std::string("coco:") + kFile + ":eval/testdata/shapes/images");
  ASSERT_THAT(flag, IsOk());
  EXPECT_EQ(flag->images[0].file, "eval/testdata/shapes/images/shapes_1.png");
  EXPECT_EQ(flag->annotations.size(), plain->annotations.size());
}

TEST(LoadGroundTruthTest, TakesGeneratedShapes) {
  const auto truth = LoadGroundTruth("shapes:seed=7,num_images=5");
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->images.size(), 5u);
  EXPECT_FALSE(truth->annotations.empty());
}

TEST(LoadGroundTruthTest, TakesAFolderOfVocLayout) {
  const char* folder = std::getenv("RCNN_BCCD");
  if (folder == nullptr) GTEST_SKIP() << "RCNN_BCCD does not name the BCCD dataset";
  const auto truth = LoadGroundTruth(folder);
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->categories.size(), 3u);
}

TEST(LoadGroundTruthTest, OtherNamesAreErrors) {
  EXPECT_THAT(LoadGroundTruth("/nowhere/instances.json"), ::testing::Not(IsOk()));
  EXPECT_THAT(LoadGroundTruth("/nowhere"), ::testing::Not(IsOk()));
  EXPECT_THAT(LoadGroundTruth("voc:/nowhere"), ::testing::Not(IsOk()));
}

}  // namespace
}  // namespace rcnn::eval
