#include "rcnn/data/coco/coco_images.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Of 100 x 50 pixels.
std::vector<CocoImage> Images() {
  return {{7, "b.jpg", 100, 50}, {3, "c.jpg", 100, 50}, {0, "a.jpg", 100, 50}};
}

// The table with these images, and their places in it.
struct Added {
  AnnotationTable table;
  CocoImagePlaces places;
};

absl::StatusOr<Added> AddTo(std::vector<CocoImage> images, const std::string& folder,
                            bool check_images) {
  const std::string file = "instances.json";
  Added added;
  RCNN_ASSIGN_OR_RETURN(added.places, AddCocoImages(configs::DatasetConfig(), std::move(images),
                                                    {file, folder, check_images}, added.table));
  return added;
}

absl::StatusOr<AnnotationTable> Add(std::vector<CocoImage> images, const std::string& folder = "",
                                    bool check_images = false) {
  RCNN_ASSIGN_OR_RETURN(Added added, AddTo(std::move(images), folder, check_images));
  return std::move(added.table);
}

TEST(AddCocoImagesTest, PlacesFollowTheOrderOfTheFile) {
  std::vector<CocoImage> images = Images();
  images[1].height = -1;
  images.push_back({5, "./b.jpg", 100, 50});
  const absl::StatusOr<Added> added = AddTo(images, "", false);
  ASSERT_THAT(added, IsOk());
  EXPECT_THAT(added->places, UnorderedElementsAre(Pair(7, 0), Pair(3, -1), Pair(0, 1), Pair(5, 0)));
  ASSERT_EQ(added->table.num_images(), 2);
  EXPECT_EQ(added->table.images[0].name, "b.jpg");
  EXPECT_EQ(added->table.images[1].name, "a.jpg");
  EXPECT_THAT(added->table.defects.notices(), ElementsAre(HasSubstr("ids 7 and 5")));
}

TEST(AddCocoImagesTest, DetectsTheWrongFolderAtOnce) {
  EXPECT_THAT(Add(Images(), testing::TempDir() + "/none"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(AddCocoImagesTest, ChecksImagesIfRequested) {
  const std::string folder = testing::TempDir() + "/images";
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  // The header of a PNG of 100 x 60.
  const std::string png("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x64\0\0\0\x3c", 24);
  ASSERT_THAT(WriteFileAtomically(folder + "/a.jpg", png), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder + "/b.jpg", "hello"), IsOk());
  absl::StatusOr<AnnotationTable> table = Add(Images(), folder, true);
  ASSERT_THAT(table, IsOk());
  ASSERT_EQ(table->num_images(), 1);
  EXPECT_EQ(table->images[0].height, 60);
  EXPECT_EQ(table->images[0].path, folder + "/a.jpg");
  const std::string report = table->defects.ToString(5);
  EXPECT_THAT(report, HasSubstr("a.jpg: wrong image size: 100 x 50, the image has 100 x 60: kept"));
  EXPECT_THAT(report, HasSubstr("b.jpg: unreadable image"));
  EXPECT_THAT(report, HasSubstr("c.jpg: missing image"));
}

// A link to itself can be read as little as a file on a disk with errors.
TEST(AddCocoImagesTest, AnImageThatCannotBeReadNowIsNotADefect) {
  const std::string folder = testing::TempDir() + "/images_with_a_loop";
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  std::filesystem::remove(folder + "/b.jpg");
  std::filesystem::create_symlink("b.jpg", folder + "/b.jpg");
  for (const bool check_images : {true, false}) {
    EXPECT_THAT(Add(Images(), folder, check_images),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(folder + "/b.jpg")));
  }
}

// Their folder might be that of the images, by another path.
TEST(AddCocoImagesTest, AbsoluteNamesAreNotUnsafeWhileTheFolderCannotBeExamined) {
  const std::string folder = testing::TempDir() + "/images_in_a_loop";
  std::filesystem::remove(folder);
  std::filesystem::create_symlink(folder, folder);
  std::vector<CocoImage> images = Images();
  for (CocoImage& image : images) image.file_name = "/elsewhere/" + image.file_name;
  EXPECT_THAT(Add(images, folder, false),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(folder)));
}

TEST(AddCocoImagesTest, ANameThatNoFileCanHaveIsADefect) {
  const std::string folder = testing::TempDir() + "/images_of_long_names";
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  const std::string png("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x64\0\0\0\x32", 24);
  ASSERT_THAT(WriteFileAtomically(folder + "/a.jpg", png), IsOk());
  std::vector<CocoImage> images = Images();
  images[0].file_name = std::string(300, 'x') + ".jpg";
  images[1].file_name = std::string(5000, '/') + ".jpg";
  images[1].file_name[0] = 'y';
  const auto table = Add(images, folder, true);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->defects.counts().at(DefectKind::kUnsafeFileName), 2);
}

TEST(AddCocoImagesTest, AFolderWithoutAnyOfTheImagesIsAnError) {
  const absl::Status status = Add(Images(), testing::TempDir() + "/absent", true).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("/absent: contains none of the images, such as b.jpg")));
}

TEST(AddCocoImagesTest, TwoRecordsOfOneFileThatDisagreeAreAnErrorThatNamesBoth) {
  std::vector<CocoImage> images = Images();
  images[2] = {0, "b.jpg", 50, 100};
  EXPECT_THAT(Add(images), StatusIs(absl::StatusCode::kInvalidArgument,
                                    AllOf(HasSubstr("id 7 and 0"), HasSubstr("b.jpg"),
                                          HasSubstr("100 x 50"), HasSubstr("50 x 100"))));
}

TEST(AddCocoImagesTest, FindsNamesOfOtherSystemsAndAbsoluteOnes) {
  const std::string folder = testing::TempDir() + "/named";
  ASSERT_THAT(CreateDirectories(folder + "/sub"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder + "/sub/b.jpg", "x"), IsOk());
  std::vector<CocoImage> images = Images();
  images[0].file_name = R"(sub\b.jpg)";
  images[1].file_name = folder + "/sub/c.jpg";
  images[2].file_name = "/elsewhere/a.jpg";
  const absl::StatusOr<AnnotationTable> table = Add(images, folder);
  ASSERT_THAT(table, IsOk());
  ASSERT_EQ(table->num_images(), 2);
  EXPECT_EQ(table->images[0].name, "sub/b.jpg");
  EXPECT_EQ(table->images[0].path, folder + "/sub/b.jpg");
  EXPECT_EQ(table->images[1].name, "sub/c.jpg");
  EXPECT_THAT(table->defects.ToString(5),
              HasSubstr("/elsewhere/a.jpg: unsafe file name: /elsewhere/a.jpg: image dropped"));
}

}  // namespace
}  // namespace rcnn::data
