#include "rcnn/data/yolo/yolo_label_files.h"

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

class YoloLabelFilesTest : public testing::Test {
 protected:
  void Put(const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(folder_, "/", name);
    ASSERT_THAT(CreateDirectories(fs::path(path).parent_path().string()), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
  }

  const std::string folder_ = FreshDirectory();
};

TEST_F(YoloLabelFilesTest, FindsTheNamesThatToolsWrite) {
  Put("a/b.txt", "usual");
  Put("c.TXT", "upper case");
  Put("d.jpg.txt", "with the image's extension");
  Put("e.png.Txt", "both");
  YoloLabelFiles files(folder_);
  const std::pair<const char*, const char*> cases[] = {{"a/b.jpg", "usual"},
                                                       {"c.jpg", "upper case"},
                                                       {"d.jpg", "with the image's extension"},
                                                       {"e.png", "both"}};
  for (const auto& [image, text] : cases) {
    const auto found = files.Read(image);
    ASSERT_THAT(found, IsOk()) << image;
    EXPECT_EQ(found->text, text) << image;
  }
  EXPECT_EQ(files.Read("d.jpg")->name, "d.jpg.txt");
}

TEST_F(YoloLabelFilesTest, MemoryIsBoundedByTheSizeOfTheFile) {
  std::string shortest, hostile;
  for (int i = 0; i < 3000; ++i) {
    shortest += "0 0 0 1 1\n\n";
    hostile += "0\n";
  }
  Put("a.txt", shortest);
  Put("b.txt", hostile);
  YoloLabelFiles files(folder_);
  EXPECT_THAT(files.Read("a.jpg"), IsOk());
  EXPECT_THAT(files.Read("b.jpg"),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("too many lines")));
}

TEST_F(YoloLabelFilesTest, TheUsualNameComesFirst) {
  Put("a.jpg.txt", "other");
  Put("a.txt", "usual");
  EXPECT_EQ(YoloLabelFiles(folder_).Read("a.jpg")->text, "usual");
}

TEST_F(YoloLabelFilesTest, AnImageWithoutOneHasNoName) {
  Put("a.txt", "of another image");
  YoloLabelFiles files(folder_);
  for (const char* image : {"b.jpg", "x/a.jpg", "a.jpg.png"}) {
    const auto found = files.Read(image);
    ASSERT_THAT(found, IsOk()) << image;
    EXPECT_EQ(found->name, "") << image;
  }
  EXPECT_EQ(YoloLabelFiles(folder_ + "/missing").Read("a.jpg")->name, "");
}

TEST_F(YoloLabelFilesTest, TextIsDecoded) {
  Put("a.txt", Utf16("0 .5"));
  EXPECT_EQ(YoloLabelFiles(folder_).Read("a.png")->text, "0 .5");
}

}  // namespace
}  // namespace rcnn::data
