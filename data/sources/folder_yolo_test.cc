// Irregular YOLO datasets as users have them, in folders that are opened. Every variant is in
// yolo_label_files_test.cc.

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/sources/opened_folder_fixture.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FolderYoloTest : public OpenedFolderFixture {};

// Names of label files that would silently leave images without objects.
TEST_F(FolderYoloTest, LabelFilesOfOtherNames) {
  for (const char* image : {"a.png", "b.png", "c.png", "d.png"}) PutImage(image);
  Put("classes.txt", "cat\n");
  Put("a.TXT", "0 0.5 0.5 0.5 0.5\n");
  Put("b.png.txt", "0 0.5 0.5 0.5 0.2\n");
  Put("c.txt", "0 0.5 0.5 0.1 0.2\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 10 7.5 30 22.5", "b.png cat 10 12 30 18",
                                     "c.png cat 18 12 22 18"));
  EXPECT_THAT(told_, HasSubstr("1 of 4 images has no label file"));
}

// Phones write .heic, which is not read.
TEST_F(FolderYoloTest, LabelsWithoutAnImageAreTold) {
  PutImage("a.png");
  Put("b.heic", "x");
  Put("classes.txt", "cat\n");
  Put("notes.txt", "taken on a Monday\n");
  for (const char* label : {"a.txt", "b.txt"}) Put(label, "0 0.5 0.5 0.5 0.2\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices,
              ElementsAre(AllOf(HasSubstr("1 label file has no image"), HasSubstr("b.txt"))));
}

TEST_F(FolderYoloTest, ListsThatNameNoImageAreTold) {
  for (const char* image : {"images/a.png", "images/b.png"}) PutImage(image);
  for (const char* label : {"labels/a.txt", "labels/b.txt"}) Put(label, "0 0.5 0.5 0.5 0.2\n");
  Put("train.txt", "images/a.png\nimages/b.png\n");
  Put("val.txt", "elsewhere/z.png\n");
  Put("data.yaml", "names: [cat]\ntrain: train.txt\nval: val.txt\ntest: missing\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  ASSERT_EQ(folder->parts.size(), 1u);
  EXPECT_EQ(folder->parts[0].images->size(), 2);
  EXPECT_THAT(absl::StrJoin(folder->notices, "\n"),
              AllOf(HasSubstr("the part val is left out: val.txt names elsewhere/z.png"),
                    HasSubstr("names missing as the part test, which is not in the folder")));
}

// Ultralytics looks for images in all folders below it.
TEST_F(FolderYoloTest, APlaceOfDataYamlMayLieAboveImagesAndLabels) {
  for (const char* part : {"train", "valid"}) {
    PutImage(absl::StrCat(part, "/images/", part, ".png"));
    Put(absl::StrCat(part, "/labels/", part, ".txt"), "0 0.5 0.5 0.5 0.2\n");
  }
  Put("data.yaml", "names: [cat]\ntrain: train\nval: valid\n");
  EXPECT_THAT(Objects(), ElementsAre("train.png cat 10 12 30 18", "valid.png cat 10 12 30 18"));
  EXPECT_THAT(told_, Not(HasSubstr("no label file")));
  for (const char* whole : {".", "./", "/"}) {
    SCOPED_TRACE(whole);
    Put("data.yaml", absl::StrCat("names: [cat]\ntrain: ", whole, "\nval: valid/images\n"));
    const auto folder = OpenFolder(folder_, {});
    ASSERT_THAT(folder, IsOk());
    for (const char* part : {"train", "val"}) {
      const OpenedPart* opened = folder->FindPart(part);
      ASSERT_NE(opened, nullptr);
      ASSERT_EQ(opened->images->size(), 1);
      EXPECT_EQ(opened->images->objects(0).size(), 1u);
    }
    EXPECT_EQ(folder->FindPart("train")->images->image(0).name, "train.png");
  }
}

// Frames of two cameras.
TEST_F(FolderYoloTest, ListsDoNotMixImagesOfOneName) {
  for (const char* camera : {"left", "right"}) {
    PutImage(absl::StrCat(camera, "/images/1.png"));
    Put(absl::StrCat(camera, "/labels/1.txt"), "0 0.5 0.5 0.5 0.2\n");
  }
  Put("classes.txt", "cat\n");
  Put("train.txt", "left/images/1.png\n");
  Put("val.txt", "right/images/1.png\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("left/images/1.png"),
                                      HasSubstr("right/images/1.png"), HasSubstr("same name"))));
  PutImage("right/images/2.png");
  Put("right/labels/2.txt", "0 0.5 0.5 0.5 0.2\n");
  fs::remove(folder_ + "/right/images/1.png");
  fs::remove(folder_ + "/right/labels/1.txt");
  Put("val.txt", "/of/another/machine/right/images/2.png\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->FindPart("train")->images->size(), 1);
  EXPECT_EQ(folder->FindPart("val")->images->size(), 1);
}

// "images/night/1.png" of a list is the end of the path of one image only, but ends with the name
// that the other has in its folder.
TEST_F(FolderYoloTest, ListsTellNestedFoldersApart) {
  for (const char* name : {"1", "night/1", "night/2"}) {
    PutImage(absl::StrCat("images/", name, ".png"));
    Put(absl::StrCat("labels/", name, ".txt"), "0 0.5 0.5 0.5 0.2\n");
  }
  Put("classes.txt", "cat\n");
  Put("train.txt", "images/night/2.png\n");
  Put("val.txt", "images/night/1.png\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("images/night/1.png"), HasSubstr("images/1.png"),
                                      HasSubstr("same name"))));
}

TEST_F(FolderYoloTest, NumbersOfOtherConventionsAreTold) {
  PutImage("a.png");
  PutImage("b.png");
  Put("classes.txt", "cat\ndog\n");
  Put("a.txt", "0 20 15 9 8\n");
  Put("b.txt", "1 20 15 9 8\n");
  EXPECT_THAT(Objects(), ElementsAre());
  EXPECT_THAT(told_, HasSubstr("2 of 2 boxes are larger than their images, or far outside"));
  Put("a.txt", "1 0.5 0.5 0.2 0.2\n");
  Put("b.txt", "2 0.5 0.5 0.2 0.2\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png dog 16 12 24 18"));
  EXPECT_THAT(told_, HasSubstr("no object has the class 0, and 1 has 2"));
  Put("a.txt", "0 0.5 0.5 0.2 0.2\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 16 12 24 18"));
  EXPECT_THAT(told_, Not(HasSubstr("counted from 1")));
}

TEST_F(FolderYoloTest, KeypointsThatLookLikePolygonsAreTold) {
  for (int i = 0; i < 8; ++i) {
    PutImage(absl::StrCat(i, ".png"));
    Put(absl::StrCat(i, ".txt"), "0 0.5 0.5 0.5 0.2 0.4 0.5 0.6 0.55\n");
  }
  Put("data.yaml", "names: [cat]\n");
  EXPECT_EQ(Objects().size(), 8u);
  EXPECT_THAT(told_, HasSubstr("each of the 8 polygons could also be a box followed by keypoints"));
  Put("data.yaml", "names: [cat]\nkpt_shape: [2, 2]\n");
  EXPECT_THAT(Objects(), Contains("7.png cat 10 12 30 18"));
  EXPECT_THAT(told_, Not(HasSubstr("could also be")));
}

TEST_F(FolderYoloTest, FilesOfNamesThatDifferOrAreWrongAreTold) {
  PutImage("a.png");
  Put("a.txt", "1 0.5 0.5 0.5 0.2\n");
  Put("Classes.TXT", "dog\ncat\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 10 12 30 18"));
  Put("Data.YAML", "names: [cat, dog]\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png dog 10 12 30 18"));
  auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices,
              ElementsAre("Data.YAML and Classes.TXT name different classes; those "
                          "of Data.YAML are used"));
  fs::remove(folder_ + "/Data.YAML");
  Put("pets.yml", "nc: 3\nnames: [cat, dog]\n");
  folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, ElementsAre("pets.yml is not read: nc is 3, but there are 2 names; "
                                           "correct the one that is wrong"));
  fs::remove(folder_ + "/Classes.TXT");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("class names"), HasSubstr("nc is 3"))));
}

}  // namespace
}  // namespace rcnn::data
