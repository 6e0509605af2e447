#include "rcnn/data/sources/annotation_pairs.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/folder_fixture.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kBox[] = "0 0.5 0.5 0.2 0.1\n";

using AnnotationPairsTest = FolderFixture;

TEST_F(AnnotationPairsTest, FoldersInsideAPartAreReadWithIt) {
  for (const char* name : {"train/day/a", "train/night/b", "val/c"}) {
    Put(absl::StrCat("images/", name, ".jpg"));
    Put(absl::StrCat("labels/", name, ".txt"), kBox);
  }
  const FolderContents contents = Read();
  Notices notices;
  const auto wide = FindPairs(contents, AnnotationKind::kYolo, "YOLO", /*widen=*/true, notices);
  ASSERT_THAT(wide, IsOkAndHolds(SizeIs(2)));
  EXPECT_EQ((*wide)[0].annotations, "labels/train");
  EXPECT_EQ((*wide)[0].images, "images/train");
  EXPECT_EQ((*wide)[0].part(), "train");
  EXPECT_EQ((*wide)[0].Where(), "labels/train (2 files)");
  EXPECT_EQ((*wide)[1].Where(), "labels/val (1 file)");
  EXPECT_THAT(CheckApart(contents, *wide), IsOk());
  EXPECT_THAT(FindPairs(contents, AnnotationKind::kYolo, "YOLO", /*widen=*/false, notices),
              IsOkAndHolds(SizeIs(3)));
  EXPECT_THAT(notices, IsEmpty());
}

TEST_F(AnnotationPairsTest, FoldersWithoutImagesAreTold) {
  Put("a.jpg");
  Put("a.txt", kBox);
  Put("old/b.txt", kBox);
  Notices notices;
  EXPECT_THAT(FindPairs(Read(), AnnotationKind::kYolo, "YOLO", /*widen=*/true, notices),
              IsOkAndHolds(SizeIs(1)));
  EXPECT_THAT(notices, ElementsAre(HasSubstr("old (1 file) looks like YOLO, but no image")));
  fs::remove(folder_ + "/a.txt");
  EXPECT_THAT(FindPairs(Read(), AnnotationKind::kYolo, "YOLO", /*widen=*/true, notices),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("old/b.txt is a YOLO annotation, but no image")));
}

TEST_F(AnnotationPairsTest, ImagesInsideOthersWouldBeReadTwice) {
  EXPECT_THAT(CheckApart(Read(), {{"labels", "images", 1}, {"more", "images/more", 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("both in images and in images/more inside it")));
  EXPECT_THAT(CheckApart(Read(), {{"labels", "images", 1}, {"more", "images_more", 1}}), IsOk());
}

}  // namespace
}  // namespace rcnn::data
