#include "rcnn/data/sources/folder_conventions.h"

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Folders in VOC's format with parts. Images have 24 x 16 pixels as stored.
class FolderConventionsTest : public testing::Test {
 protected:
  // An image with one object of these corners, xmin, ymin, xmax, ymax.
  void Put(const std::string& name, const std::array<double, 4>& corners, int orientation = 1,
           bool annotated_turned = false) {
    const bool swapped = annotated_turned && SwapsSides(static_cast<Orientation>(orientation));
    const std::string png = ReadFile("data/image/testdata/whole.png").value();
    const std::string path = absl::StrCat(folder_, "/", name);
    ASSERT_THAT(CreateDirectories(fs::path(path).parent_path().string()), IsOk());
    ASSERT_THAT(WriteFileAtomically(path + ".png", WithExif(png, OrientationTiff(orientation))),
                IsOk());
    const auto& [xmin, ymin, xmax, ymax] = corners;
    ASSERT_THAT(WriteFileAtomically(
                    path + ".xml",
                    absl::StrFormat("<annotation><size><width>%d</width><height>%d</height></size>"
                                    "<object><name>cat</name><bndbox><xmin>%g</xmin><ymin>%g</ymin>"
                                    "<xmax>%g</xmax><ymax>%g</ymax></bndbox></object></annotation>",
                                    swapped ? 16 : 24, swapped ? 24 : 16, xmin, ymin, xmax, ymax)),
                IsOk());
  }

  // The image of each part, by the part's name.
  static std::map<std::string, ImageInfo> Images(const OpenedFolder& folder) {
    std::map<std::string, ImageInfo> images;
    for (const OpenedPart& part : folder.parts) images[part.name] = part.images->image(0);
    return images;
  }

  const std::string folder_ = FreshDirectory();
};

// A part alone would be taken for one in the devkit's coordinates.
TEST_F(FolderConventionsTest, CoordinatesOfAPartAreThoseOfTheFolder) {
  Put("train/a", {0, 0, 23, 15});
  Put("train/b", {0, 3, 9, 15});
  Put("test/c", {5, 5, 9, 9});
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const std::vector<Object> objects = folder->FindPart("test")->images->objects(0);
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_THAT(objects[0].xywh, ElementsAre(5, 5, 5, 5));
  EXPECT_THAT(folder->notices,
              Contains(AllOf(HasSubstr("of 3 boxes"), HasSubstr("ZERO_BASED_INCLUSIVE"))));
  for (const OpenedPart& part : folder->parts) {
    EXPECT_EQ(part.config.voc().coordinates(), configs::ZERO_BASED_INCLUSIVE);
  }
}

TEST_F(FolderConventionsTest, TheDevkitsCoordinatesNeedNoNotice) {
  Put("train/a", {1, 1, 24, 16});
  Put("test/c", {5, 5, 9, 9});
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->FindPart("test")->images->objects(0)[0].xywh, ElementsAre(4, 4, 5, 5));
  EXPECT_THAT(folder->notices, IsEmpty());
  EXPECT_EQ(folder->FindPart("test")->config.voc().coordinates(), configs::ONE_BASED_INCLUSIVE);
}

// VOC's tools annotate images as stored, but here a quarter turn of one part tells otherwise, so a
// half turn of another part is turned too.
TEST_F(FolderConventionsTest, AQuarterTurnOfOnePartTellsForAll) {
  Put("train/a", {2, 2, 9, 20}, 6, /*annotated_turned=*/true);
  Put("val/b", {2, 2, 9, 9}, 3, /*annotated_turned=*/true);
  Put("test/c", {2, 2, 9, 9});
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  std::map<std::string, ImageInfo> images = Images(*folder);
  EXPECT_TRUE(images["train"].exif_applied);
  EXPECT_TRUE(images["val"].exif_applied);
  EXPECT_THAT(folder->notices, Contains(HasSubstr("turned when they are decoded")));
  for (const OpenedPart& part : folder->parts) {
    EXPECT_EQ(part.config.exif_orientation(), configs::APPLIED) << part.name;
  }
}

TEST_F(FolderConventionsTest, SizesAsStoredAreWrittenDownToo) {
  Put("train/a", {2, 2, 20, 9}, 6);
  Put("val/b", {2, 2, 9, 9}, 3);
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  std::map<std::string, ImageInfo> images = Images(*folder);
  EXPECT_FALSE(images["train"].exif_applied);
  EXPECT_FALSE(images["val"].exif_applied);
  EXPECT_THAT(folder->notices, Contains(HasSubstr("taken as stored")));
  EXPECT_EQ(folder->FindPart("val")->config.exif_orientation(), configs::NOT_APPLIED);
}

// Then each image with a size follows it, as in one part.
TEST_F(FolderConventionsTest, SizesThatContradictEachOtherDecideNothing) {
  Put("train/a", {2, 2, 9, 20}, 6, /*annotated_turned=*/true);
  Put("val/b", {2, 2, 20, 9}, 6);
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  std::map<std::string, ImageInfo> images = Images(*folder);
  EXPECT_TRUE(images["train"].exif_applied);
  EXPECT_FALSE(images["val"].exif_applied);
  EXPECT_THAT(folder->notices, Each(Not(HasSubstr("EXIF"))));
  EXPECT_EQ(folder->FindPart("val")->config.exif_orientation(), configs::FROM_ANNOTATED_SIZES);
}

TEST_F(FolderConventionsTest, UprightImagesDecideNothing) {
  Put("train/a", {2, 2, 9, 9});
  Put("val/b", {2, 2, 9, 9});
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(SharedExifOrientation({folder->parts[0].images.get()}), std::nullopt);
  EXPECT_TRUE(FollowsExifOrientation(*folder->parts[0].images, configs::APPLIED));
  EXPECT_EQ(folder->FindPart("val")->config.exif_orientation(), configs::FROM_ANNOTATED_SIZES);
}

// COCO has no convention, so a half turn alone needs the option, which the error names.
TEST_F(FolderConventionsTest, AnOptionDecidesWhatNoSizeTells) {
  Put("a", {2, 2, 9, 9}, 3);
  fs::remove(folder_ + "/a.xml");
  ASSERT_THAT(WriteFileAtomically(folder_ + "/a.json", R"({
          "images": [{"id": 1, "file_name": "a.png", "width": 24, "height": 16}],
          "categories": [{"id": 1, "name": "cat"}],
          "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 7, 7]}]})"),
              IsOk());
  EXPECT_THAT(OpenFolder(folder_, {}).status().ToString(),
              HasSubstr("--exif_orientation=applied or --exif_orientation=not_applied"));
  for (const bool applied : {false, true}) {
    const auto folder =
        OpenFolder(folder_, {.exif_orientation = applied ? "applied" : "not_applied"});
    ASSERT_THAT(folder, IsOk());
    ASSERT_EQ(folder->parts.size(), 1u);
    EXPECT_EQ(folder->parts[0].config.exif_orientation(),
              applied ? configs::APPLIED : configs::NOT_APPLIED);
    EXPECT_EQ(folder->parts[0].images->image(0).exif_applied, applied);
    EXPECT_THAT(folder->notices, Each(Not(HasSubstr("EXIF"))));
  }
  EXPECT_THAT(OpenFolder(folder_, {.exif_orientation = "APPLIED"}).status().ToString(),
              HasSubstr("\"APPLIED\" is neither applied nor not_applied"));
}

// The option stands against sizes that say the opposite.
TEST_F(FolderConventionsTest, TheOptionComesBeforeTheSizes) {
  Put("a", {2, 2, 9, 9}, 6);
  const auto folder = OpenFolder(folder_, {.exif_orientation = "applied"});
  ASSERT_THAT(folder, IsOk());
  EXPECT_TRUE(folder->parts[0].images->image(0).exif_applied);
  EXPECT_EQ(folder->parts[0].config.exif_orientation(), configs::APPLIED);
}

// CSV has no convention: alone, the half turn would be a defect.
TEST_F(FolderConventionsTest, APartWithoutATellingImageIsReadAgain) {
  Put("images/train/a", {2, 2, 9, 20}, 6);
  Put("images/val/b", {2, 2, 9, 9}, 3);
  Put("images/val/c", {2, 2, 9, 9});
  for (const char* name : {"train/a", "val/b", "val/c"}) {
    fs::remove(absl::StrCat(folder_, "/images/", name, ".xml"));
  }
  const std::string columns = "filename,width,height,class,xmin,ymin,xmax,ymax\n";
  ASSERT_THAT(WriteFileAtomically(folder_ + "/train.csv", columns + "a.png,16,24,cat,2,2,9,20\n"),
              IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ + "/val.csv", columns + "c.png,24,16,cat,2,2,9,9\n" +
                                                            "b.png,24,16,cat,2,2,9,9\n"),
              IsOk());
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const Dataset& val = *folder->FindPart("val")->images;
  ASSERT_EQ(val.size(), 2);
  EXPECT_EQ(val.image(1).name, "images/val/b.png");
  EXPECT_TRUE(val.image(1).exif_applied);
  EXPECT_EQ(val.defects().ToString(9), "");
}

TEST_F(FolderConventionsTest, ForEachSourceVisitsThePartsOfAConcat) {
  configs::DatasetConfig config;
  for (const char* name : {"a", "b"}) {
    config.mutable_concat()->add_parts()->mutable_paths()->set_folder(name);
  }
  std::vector<std::string> seen;
  ForEachSource(config,
                [&](configs::DatasetConfig& source) { seen.push_back(source.paths().folder()); });
  EXPECT_THAT(seen, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace rcnn::data
