// Irregular VOC annotations as users have them, in folders that are opened. Every variant is in
// voc_annotation_test.cc.

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/sources/opened_folder_fixture.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FolderVocTest : public OpenedFolderFixture {};

TEST_F(FolderVocTest, SeveralBoxesOfAnObjectAndDifficultAsAWord) {
  PutImage("a.png");
  Put("a.xml", Voc("a.png", VocObject(VocBox(2, 3, 9, 9) + VocBox(3, 3, 9, 9),
                                      "<difficult>True</difficult>")));
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 2 9 9 difficult", "a cat 2 2 9 9 difficult"));
}

TEST_F(FolderVocTest, ListsNameImagesOfInnerFolders) {
  for (const char* name : {"a", "night/a"}) {
    PutImage(absl::StrCat("JPEGImages/", name, ".png"));
    Put(absl::StrCat("Annotations/", name, ".xml"), Voc("a.png", VocObject(VocBox(2, 3, 9, 9))));
  }
  Put("ImageSets/Main/train.txt", "a\nnight/a\n");
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 2 9 9", "night/a cat 1 2 9 9"));
}

// Decided by the whole dataset: 0 is a coordinate, and the width itself is not.
TEST_F(FolderVocTest, CoordinatesFromZeroAndFractional) {
  for (const char* name : {"a", "b"}) PutImage(absl::StrCat(name, ".png"));
  Put("a.xml", Voc("a.png", VocObject(VocBox(0, 0, 39, 29)) + VocObject(VocBox(0, 5, 9, 9))));
  Put("b.xml", Voc("b.png", VocObject(VocBox(4, 0, 9, 29)) + VocObject(VocBox(0, 1, 39, 9))));
  EXPECT_THAT(Objects(), ElementsAre("a cat 0 0 40 30", "a cat 0 5 10 10", "b cat 0 1 40 10",
                                     "b cat 4 0 10 30"));
  EXPECT_THAT(told_, HasSubstr("ZERO_BASED_INCLUSIVE"));
  Put("a.xml", Voc("a.png", VocObject(VocBox(0, 0.5, 40, 29.5))));
  Put("b.xml", Voc("b.png", VocObject(VocBox(4.25, 0, 9.5, 30))));
  EXPECT_THAT(Objects(), ElementsAre("a cat 0 0.5 40 29.5", "b cat 4.25 0 9.5 30"));
}

TEST_F(FolderVocTest, BoxesAPixelOutsideAreClipped) {
  PutImage("a.png");
  Put("a.xml", Voc("a.png", VocObject(VocBox(5, 5, 41, 31)) + VocObject(VocBox(5, 5, 44, 31)) +
                                VocObject(VocBox(2, 2, 9, 9))));
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 1 9 9", "a cat 4 4 40 30"));
  EXPECT_THAT(told_, HasSubstr("partly outside the image: (5, 5, 44, 31)"));
}

TEST_F(FolderVocTest, NamesOfImages) {
  // Both exist: <filename> decides. Its folder and its extension do not count.
  PutImage("a.png");
  PutCopy("a.jpg", "whole.jpg");
  Put("a.xml", Voc("C:\\photos\\a.jpg", VocObject(VocBox(2, 2, 9, 9)), 24, 16));
  PutImage("b.png");
  Put("b.xml", Voc("/home/me/b.JPEG", VocObject(VocBox(2, 2, 9, 9))));
  // Extensions in any case and the rarer ones of JPEG; .XML.
  PutCopy("c.JFIF", "whole.jpg");
  Put("c.XML", Voc("c.JFIF", VocObject(VocBox(2, 2, 9, 9)), 24, 16));
  PutCopy("d.jpe", "whole.jpg");
  Put("d.xml", Voc("d.jpe", VocObject(VocBox(2, 2, 9, 9)), 24, 16));
  // A file that macOS leaves beside the others.
  Put("._d.xml", std::string("\0\5\x16\7", 4));
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const Dataset& images = *folder->parts[0].images;
  std::vector<std::string> files;
  for (int64_t i = 0; i < images.size(); ++i) {
    files.push_back(fs::path(images.image(i).path).filename().string());
  }
  EXPECT_THAT(files, ElementsAre("a.jpg", "b.png", "c.JFIF", "d.jpe"));
  EXPECT_EQ(images.defects().ToString(9), "");
}

TEST_F(FolderVocTest, TextInTheEncodingThatItDeclares) {
  const std::string objects = VocBox(2, 2, 9, 9);
  const auto xml = [&](const std::string& encoding, const std::string& name) {
    return absl::StrCat(
        "<?xml version=\"1.0\" encoding=\"", encoding, "\"?>",
        Voc("a.png", absl::StrCat("<object><name>", name, "</name>", objects, "</object>")));
  };
  PutImage("a.png");
  Put("a.xml", xml("GBK", "\xc3\xa8"));  // cat
  EXPECT_THAT(Objects(), ElementsAre("a \xe7\x8c\xab 1 1 9 9"));
  Put("a.xml", xml("ISO-8859-1", "caf\xe9"));
  EXPECT_THAT(Objects(), ElementsAre("a caf\xc3\xa9 1 1 9 9"));
  Put("a.xml", Utf16(xml("UTF-16", "cat")));
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 1 9 9"));
}

// Parts of VOC's own lists, however they were saved; a name may end in a number.
TEST_F(FolderVocTest, ListsOfParts) {
  for (const char* name : {"a", "b 0", "c"}) {
    PutImage(absl::StrCat("JPEGImages/", name, ".png"));
    Put(absl::StrCat("Annotations/", name, ".xml"),
        Voc(absl::StrCat(name, ".png"), VocObject(VocBox(2, 2, 9, 9))));
  }
  Put("ImageSets/Main/train.txt", Utf16("a  1\r\nb 0\r\n"));
  Put("ImageSets/Main/test.txt", "c -1\r\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  ASSERT_EQ(folder->parts.size(), 2u);
  EXPECT_EQ(folder->FindPart("train")->images->size(), 2);
  EXPECT_EQ(folder->FindPart("train")->images->image(1).name, "b 0");
  EXPECT_EQ(folder->FindPart("test")->images->image(0).name, "c");
}

}  // namespace
}  // namespace rcnn::data
