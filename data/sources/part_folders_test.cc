#include "rcnn/data/sources/part_folders.h"

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/folder_fixture.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::Pair;
using ::testing::SizeIs;

using PartFoldersTest = FolderFixture;

TEST(PartName, IsTheLastOneOfThePath) {
  EXPECT_EQ(PartName("train2017/1.jpg"), "train");
  EXPECT_EQ(PartName("images/valid"), "val");
  EXPECT_EQ(PartName("annotations/instances_val.json"), "val");
  EXPECT_EQ(PartName("Images_Test"), "test");
  EXPECT_EQ(PartName("train/test"), "test");
  EXPECT_EQ(PartName("trains/latest"), "");
  EXPECT_EQ(PartName(""), "");
}

TEST(Spread, TakesFewOfMany) {
  EXPECT_THAT(Spread({"a", "b"}), ElementsAre("a", "b"));
  EXPECT_THAT(Spread(std::vector<std::string>(16'000, "a")), SizeIs(16));
  EXPECT_THAT(Spread(std::vector<std::string>(31, "a")), SizeIs(31));
}

TEST_F(PartFoldersTest, ImagesOfOneNameAreThoseOfThePart) {
  for (const char* image : {"images/train/1.jpg", "images/val/1.jpg", "other/2.jpg"}) Put(image);
  const FolderContents contents = Read();
  EXPECT_THAT(FolderOfPartWith(contents, {"1.jpg"}, "val.json"),
              IsOkAndHolds(Optional(std::string("images/val"))));
  EXPECT_THAT(FolderOfPartWith(contents, {"1.jpg"}, "train.json"),
              IsOkAndHolds(Optional(std::string("images/train"))));
  EXPECT_THAT(FolderOfPartWith(contents, {"2.jpg"}, "val.json"),
              IsOkAndHolds(Optional(std::string("other"))));
  EXPECT_THAT(FolderOfPartWith(contents, {"3.jpg"}, "val.json"),
              IsOkAndHolds(std::optional<std::string>()));
  EXPECT_EQ(ImagesOfPart(contents, "boxes.csv", "val", {"1.jpg"}), "images/val");
  EXPECT_EQ(ImagesOfPart(contents, "boxes.csv", "test", {"1.jpg"}), "");
  EXPECT_EQ(ImagesOfPart(contents, "other/boxes.csv", "val", {"2.jpg"}), "other");
}

// A link to itself can be examined as little as a file on a disk with errors. If it were no file,
// the name would be that of the image in the folder val.
TEST_F(PartFoldersTest, ANameThatCannotBeExaminedNowIsAnError) {
  Put("val/1.jpg");
  std::filesystem::create_symlink(R"(val\1.jpg)", folder_ + R"(/val\1.jpg)");
  EXPECT_THAT(FolderOfPartWith(Read(), {R"(val\1.jpg)"}, "val.json"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(R"(val\1.jpg)")));
}

TEST_F(PartFoldersTest, ListsAreNamedAfterTheirPart) {
  for (const char* list : {"lists/train.txt", "lists/valid.txt", "lists/day.txt", "test.txt"}) {
    Put(list, "1.jpg\n");
  }
  EXPECT_THAT(ListsIn(Read(), "lists"),
              ElementsAre(Pair("train", "lists/train.txt"), Pair("val", "lists/valid.txt")));
}

}  // namespace
}  // namespace rcnn::data
