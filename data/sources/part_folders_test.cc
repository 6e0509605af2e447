#include "rcnn/data/sources/part_folders.h"

#include <filesystem>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::Optional;
using ::testing::Pair;
using ::testing::SizeIs;

class PartFoldersTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    ASSERT_THAT(CreateDirectories(folder_), IsOk());
  }

  // Images are known by their names alone.
  void Put(const std::string& path, const std::string& content = "") {
    const std::string file = absl::StrCat(folder_, "/", path);
    ASSERT_THAT(CreateDirectories(fs::path(file).parent_path().string()), IsOk());
    ASSERT_THAT(WriteFileAtomically(file, content), IsOk());
  }

  FolderContents Read() const {
    const auto contents = FolderContents::Read(folder_, {});
    EXPECT_THAT(contents, IsOk());
    return contents.ok() ? *contents : FolderContents();
  }

  std::string folder_;
};

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
              Optional(std::string("images/val")));
  EXPECT_THAT(FolderOfPartWith(contents, {"1.jpg"}, "train.json"),
              Optional(std::string("images/train")));
  EXPECT_THAT(FolderOfPartWith(contents, {"2.jpg"}, "val.json"), Optional(std::string("other")));
  EXPECT_EQ(FolderOfPartWith(contents, {"3.jpg"}, "val.json"), std::nullopt);
  EXPECT_EQ(ImagesOfPart(contents, "boxes.csv", "val", {"1.jpg"}), "images/val");
  EXPECT_EQ(ImagesOfPart(contents, "boxes.csv", "test", {"1.jpg"}), "");
  EXPECT_EQ(ImagesOfPart(contents, "other/boxes.csv", "val", {"2.jpg"}), "other");
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
