#include "rcnn/eval/load_ground_truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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

TEST(GroundTruthFilesTest, NamesWhatMayNotBeReplaced) {
  EXPECT_THAT(GroundTruthFiles(kFile), IsOkAndHolds(ElementsAre(kFile, kFile)));
  EXPECT_THAT(GroundTruthFiles(std::string("coco:") + kFile),
              IsOkAndHolds(ElementsAre(std::string("coco:") + kFile, kFile)));
  EXPECT_THAT(GroundTruthFiles("eval/testdata/shapes/images"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(GroundTruthFiles("absent"), IsOkAndHolds(ElementsAre("absent")));
}

// It may be a folder or a file. No user can follow a link to itself.
TEST(GroundTruthFilesTest, WhatCannotBeExaminedNowIsAnError) {
  const std::string loop = ::testing::TempDir() + "/ground_truth_loop";
  std::filesystem::remove(loop);
  std::filesystem::create_symlink(loop, loop);
  for (const std::string& flag : {loop, "coco:" + loop}) {
    EXPECT_THAT(GroundTruthFiles(flag), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(loop)));
    EXPECT_THAT(LoadGroundTruth(flag), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(loop)));
  }
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

TEST(LoadGroundTruthTest, TellsWhetherTheFormatIsVocs) {
  const std::string folder = ::testing::TempDir() + "/load_ground_truth_voc";
  std::filesystem::remove_all(folder);
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  std::filesystem::copy_file("eval/testdata/shapes/images/shapes_1.png", folder + "/a.png");
  ASSERT_THAT(WriteFileAtomically(folder + "/a.xml",
                                  "<annotation><filename>a.png</filename><size><width>160</width>"
                                  "<height>128</height></size><object><name>disc</name><bndbox>"
                                  "<xmin>5</xmin><ymin>5</ymin><xmax>50</xmax><ymax>60</ymax>"
                                  "</bndbox></object></annotation>"),
              IsOk());
  bool is_voc = false;
  const auto truth = LoadGroundTruth(folder, {}, &is_voc);
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->annotations.size(), 1u);
  EXPECT_TRUE(is_voc);
  ASSERT_THAT(LoadGroundTruth(kFile, {}, &is_voc), IsOk());
  EXPECT_FALSE(is_voc);
  is_voc = true;
  ASSERT_THAT(LoadGroundTruth("shapes:seed=7,num_images=1", {}, &is_voc), IsOk());
  EXPECT_FALSE(is_voc);
}

TEST(LoadGroundTruthTest, NamesInWarningsAreEscaped) {
  const std::string file = ::testing::TempDir() + "/load_ground_truth_test.json";
  ASSERT_THAT(WriteFileAtomically(file, R"({
      "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
      "categories": [{"id": 0, "name": "root\u001b[2J\nerror: all", "supercategory": "none"},
                     {"id": 1, "name": "cat", "supercategory": "root\u001b[2J\nerror: all"}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5],
                       "area": 25, "iscrowd": 0}]})"),
              IsOk());
  ::testing::internal::CaptureStderr();
  const auto truth = LoadGroundTruth(file);
  const std::string printed = ::testing::internal::GetCapturedStderr();
  ASSERT_THAT(truth, IsOk());
  EXPECT_EQ(truth->categories.size(), 1u);
  EXPECT_THAT(printed, HasSubstr("(\"root\\x1b[2J\\nerror: all\") is a root"));
  EXPECT_THAT(printed, Not(HasSubstr("\033")));
}

TEST(LoadGroundTruthTest, OtherNamesAreErrors) {
  EXPECT_THAT(LoadGroundTruth("/nowhere/instances.json"), Not(IsOk()));
  EXPECT_THAT(LoadGroundTruth("/nowhere"), Not(IsOk()));
  EXPECT_THAT(LoadGroundTruth("voc:/nowhere"), Not(IsOk()));
}

}  // namespace
}  // namespace rcnn::eval
