#include "rcnn/data/core/image_list.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ImageList, ReadsLinesOfAnySystem) {
  EXPECT_THAT(ImageList::Parse("\xef\xbb\xbfimages/a.jpg\r\n\r\n ./b.jpg \n..\\c\\d.jpg").names(),
              ElementsAre("images/a.jpg", "b.jpg", "c/d.jpg"));
}

TEST(ImageList, TakesTheNameAndAnyEndOfAPath) {
  const ImageList list = ImageList::Parse("data/train/a.jpg\nb.jpg");
  EXPECT_TRUE(list.Contains("data/train/a.jpg"));
  EXPECT_TRUE(list.Contains("a.jpg"));
  EXPECT_TRUE(list.Contains("train/a.jpg"));
  EXPECT_TRUE(list.Contains("val/b.jpg"));
  EXPECT_FALSE(list.Contains("val/a.jpg"));
  EXPECT_FALSE(list.Contains("in/a.jpg"));
  EXPECT_FALSE(list.Contains("ab.jpg"));
}

TEST(ImageList, ANameThatAnImageHasMeansOnlyThisOne) {
  ImageList list = ImageList::Parse("a.jpg\nnight/b.jpg\nc.jpg");
  EXPECT_TRUE(list.Contains("night/a.jpg"));
  for (const char* image : {"a.jpg", "night/a.jpg", "b.jpg", "night/b.jpg", "night/c.jpg"}) {
    list.PreferExact(image);
  }
  EXPECT_TRUE(list.Contains("a.jpg"));
  EXPECT_FALSE(list.Contains("night/a.jpg"));
  EXPECT_FALSE(list.Contains("b.jpg"));
  EXPECT_TRUE(list.Contains("night/b.jpg"));
  EXPECT_TRUE(list.Contains("night/c.jpg"));
}

TEST(ImageList, PathsAreComparedFolderByFolder) {
  ImageList list = ImageList::Parse("/home/me/train/a.jpg\nb/c.jpg\nb/c.jpg\nx//d.jpg");
  for (const char* image :
       {"home/me/train/a.jpg", "a.jpg", "/data/b/c.jpg", "/b/c.jpg", "c.jpg", "/d.jpg", "d.jpg"}) {
    EXPECT_TRUE(list.Contains(image)) << image;
  }
  for (const char* image : {"/a.jpg", "rain/a.jpg", "bb/c.jpg", "b", "train", "", "x/d.jpg"}) {
    EXPECT_FALSE(list.Contains(image)) << image;
  }
  list.PreferExact("b/c.jpg");
  list.PreferExact("b/c.jpg");
  EXPECT_TRUE(list.Contains("b/c.jpg"));
  EXPECT_FALSE(list.Contains("/data/b/c.jpg"));
  EXPECT_FALSE(list.Contains("c.jpg"));
  const ImageList copy = list;
  list = ImageList::Parse("e.jpg");
  EXPECT_TRUE(copy.Contains("train/a.jpg"));
}

// As frames of cameras have: 0001/left.jpg, 0002/left.jpg, ...
TEST(ImageList, ManyImagesOfOneNameTakeNoLonger) {
  constexpr int kImages = 100'000;
  std::string text;
  for (int i = 0; i < kImages; ++i) text += "data/" + std::to_string(i) + "/left.jpg\n";
  ImageList list = ImageList::Parse(text);
  const auto start = std::chrono::steady_clock::now();
  int found = 0;
  for (int i = 0; i < 2 * kImages; ++i) {
    const std::string image = std::to_string(i) + "/left.jpg";
    list.PreferExact(image);
    found += list.Contains(image) ? 1 : 0;
  }
  EXPECT_EQ(found, kImages);
  // A comparison with every name would take minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(ImageList, AnEmptyFileIsAnError) {
  const std::string path = testing::TempDir() + "/empty.txt";
  ASSERT_THAT(WriteFileAtomically(path, "\n\n"), IsOk());
  EXPECT_THAT(ImageList::Read(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("empty list; write an image name on each line")));
}

TEST(ImageList, ReadsUtf16) {
  const std::string path = testing::TempDir() + "/wide.txt";
  ASSERT_THAT(WriteFileAtomically(path, Utf16("a.jpg\r\nb.jpg\r\n")), IsOk());
  const absl::StatusOr<ImageList> list = ImageList::Read(path);
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(list->names(), ElementsAre("a.jpg", "b.jpg"));
}

TEST(ImageList, DecodesWhatAFileHolds) {
  EXPECT_THAT(ImageList::Decode("a.jpg\n")->names(), ElementsAre("a.jpg"));
  EXPECT_THAT(ImageList::Decode(std::string("a\0\n\0b\0", 6))->names(), ElementsAre("a", "b"));
  EXPECT_THAT(ImageList::Decode("")->names(), ElementsAre());
  EXPECT_THAT(ImageList::Decode("\xff\xfe"
                                "1.png"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

AnnotationTable ThreeImages() {
  AnnotationTable table;
  table.classes = {{"cat"}, {1}};
  for (int64_t i = 1; i <= 3; ++i) {
    ImageInfo info;
    info.id = i;
    info.name = std::to_string(i) + ".jpg";
    table.AddImage(info);
    Object object;
    object.id = i;
    object.label = 1;
    table.AddObject(object);
  }
  return table;
}

TEST(SelectImages, KeepsTheListedOnesAndReportsTheMissing) {
  const absl::StatusOr<AnnotationTable> table =
      SelectImages(ImageList::Parse("1.jpg\n3.jpg\n4.jpg"), "list.txt", ThreeImages(), false);
  ASSERT_THAT(table, IsOk());
  ASSERT_EQ(table->num_images(), 2);
  EXPECT_EQ(table->images[1].name, "3.jpg");
  ASSERT_EQ(table->objects_of(1).size(), 1u);
  EXPECT_EQ(table->objects_of(1)[0].id, 3);
  EXPECT_THAT(table->defects.ToString(9), AllOf(HasSubstr("list.txt"), HasSubstr("4.jpg")));
  EXPECT_EQ(table->defects.total(), 1);
}

// Frames of a camera by day, and by night in a folder inside. The defect has the name of an image
// that cannot be read.
TEST(SelectImages, TellsImagesInsideOfAFolderApart) {
  const auto select = [](const std::string& names) {
    AnnotationTable all = ThreeImages();
    all.images[1].name = "night/1.jpg";
    all.images[2].name = "night/2.jpg";
    all.defects.Add(
        {"2.txt", -1, DefectKind::kUnreadableImage, "", DefectAction::kImageDropped, "2.jpg"});
    const auto table = SelectImages(ImageList::Parse(names), "list.txt", std::move(all), false);
    std::vector<std::string> images;
    if (!table.ok()) return images;
    for (const ImageInfo& image : table->images) images.push_back(image.name);
    return images;
  };
  EXPECT_THAT(select("1.jpg"), ElementsAre("1.jpg"));
  EXPECT_THAT(select("night/1.jpg"), ElementsAre("night/1.jpg"));
  EXPECT_THAT(select("1.jpg\n2.jpg"), ElementsAre("1.jpg"));
  EXPECT_THAT(select("data/night/2.jpg"), ElementsAre("night/2.jpg"));
}

// Of the images of the list: another list has the others.
TEST(SelectImages, KeepsTheDefectsOfTheListedOnes) {
  AnnotationTable all = ThreeImages();
  const auto add = [&](const std::string& file, int64_t object, const std::string& image) {
    all.defects.Add({file, object, DefectKind::kZeroSize, "", DefectAction::kObjectDropped, image});
  };
  add("boxes.csv", 0, "1.jpg");
  add("boxes.csv", 1, "2.jpg");
  add("boxes.csv", 2, "4.jpg");
  add("boxes.csv", 3, "");
  absl::StatusOr<AnnotationTable> table =
      SelectImages(ImageList::Parse("1.jpg\n4.jpg"), "list.txt", all, true);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->defects.total(), 2);
  EXPECT_THAT(table->defects.ToString(9), AllOf(HasSubstr("object 0"), HasSubstr("object 2")));
  EXPECT_EQ(table->defects.used_objects(), 1);
  EXPECT_THAT(table->defects.notices(), ElementsAre(HasSubstr("2 of 3 objects")));
  table = SelectImages(ImageList::Parse("3.jpg"), "list.txt", all, true);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->defects.total(), 0);
  EXPECT_EQ(DescribeLoss(table->defects), "");
}

TEST(SelectImages, RenumbersOnRequest) {
  const absl::StatusOr<AnnotationTable> table =
      SelectImages(ImageList::Parse("2.jpg\n3.jpg"), "list.txt", ThreeImages(), true);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->images[0].id, 1);
  EXPECT_EQ(table->images[1].id, 2);
  EXPECT_EQ(table->objects_of(1)[0].id, 2);
}

TEST(SelectImages, AListThatMatchesNoImageIsAnError) {
  EXPECT_THAT(SelectImages(ImageList::Parse("x.jpg"), "list.txt", ThreeImages(), false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x.jpg")));
}

}  // namespace
}  // namespace rcnn::data
