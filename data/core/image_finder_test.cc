#include "rcnn/data/core/image_finder.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ImageFinder Finder() {
  return ImageFinder("images", {"a.jpg", "train/b.JPG", "train/c.png", "val/c.png"});
}

TEST(ImageFinder, FindsTheNameItself) {
  EXPECT_THAT(Finder().Find("a.jpg"), IsOkAndHolds("a.jpg"));
  EXPECT_THAT(Finder().Find("./val/c.png"), IsOkAndHolds("val/c.png"));
}

TEST(ImageFinder, IgnoresTheFoldersOfAnotherMachine) {
  EXPECT_THAT(Finder().Find("C:\\work\\a.jpg"), IsOkAndHolds("a.jpg"));
  EXPECT_THAT(Finder().Find("/home/me/set/val/c.png"), IsOkAndHolds("val/c.png"));
  EXPECT_THAT(Finder().Find("../images/a.jpg"), IsOkAndHolds("a.jpg"));
}

TEST(ImageFinder, TakesAnotherExtensionOfTheSameName) {
  EXPECT_THAT(Finder().Find("b.jpeg"), IsOkAndHolds("train/b.JPG"));
}

TEST(ImageFinder, DoesNotTakeTheImageOfAnotherFolder) {
  const ImageFinder finder("images", {"a.jpg", "train/b.jpg", "val/1.jpg"});
  EXPECT_THAT(finder.Find("train/1.jpg"),
              StatusIs(absl::StatusCode::kNotFound, "the folder train has no image train/1.jpg"));
  EXPECT_THAT(finder.Find("/data/train/1.png"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(finder.Find("upload/1.jpg"), IsOkAndHolds("val/1.jpg"));
  EXPECT_THAT(finder.Find("1.jpg"), IsOkAndHolds("val/1.jpg"));
}

// Although another folder has an image of the very name.
TEST(ImageFinder, TakesAnotherExtensionInTheFolderThatIsNamed) {
  const ImageFinder finder("images", {"train/1.png", "val/1.jpg"});
  EXPECT_THAT(finder.Find("train/1.jpg"), IsOkAndHolds("train/1.png"));
  EXPECT_THAT(finder.Find("/data/train/1.jpg"), IsOkAndHolds("train/1.png"));
  EXPECT_THAT(finder.Find("val/1.jpg"), IsOkAndHolds("val/1.jpg"));
  EXPECT_THAT(finder.Find("1.jpg"), IsOkAndHolds("val/1.jpg"));
}

TEST(ImageFinder, RefusesWhatFitsTwoImages) {
  EXPECT_THAT(Finder().Find("c.png"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("train/c.png"), HasSubstr("val/c.png"),
                             HasSubstr("write the folder before the name"))));
}

TEST(ImageFinder, SaysWhyThereIsNone) {
  EXPECT_THAT(Finder().Find("d.jpg"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("d.jpg")));
  EXPECT_THAT(Finder().Find("../../etc/d.jpg"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("is outside the folder")));
}

TEST(ImageFinder, ANameOutsideTheFolderIsUnsafe) {
  EXPECT_EQ(DefectOfMissingImage(Finder().Find("../../etc/d.jpg").status()),
            DefectKind::kUnsafeFileName);
  EXPECT_EQ(DefectOfMissingImage(Finder().Find("d.jpg").status()), DefectKind::kMissingImage);
  EXPECT_EQ(DefectOfMissingImage(Finder().Find("c.png").status()), DefectKind::kMissingImage);
}

}  // namespace
}  // namespace rcnn::data
