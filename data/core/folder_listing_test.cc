#include "rcnn/data/core/folder_listing.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ListFilesTest : public testing::Test {
 protected:
  void Put(const std::string& path) {
    ASSERT_THAT(CreateDirectories(fs::path(folder_ + "/" + path).parent_path()), IsOk());
    ASSERT_THAT(WriteFileAtomically(folder_ + "/" + path, "x"), IsOk());
  }

  const std::string folder_ = FreshDirectory();
};

TEST_F(ListFilesTest, ReturnsVisibleFilesOfAllSubfoldersSorted) {
  for (const char* path : {"b.txt", "a/c.jpg", "a/._c.jpg", ".git/x", "__MACOSX/y", "a-b"}) {
    Put(path);
  }
  EXPECT_THAT(ListFiles(folder_), IsOkAndHolds(ElementsAre("a-b", "a/c.jpg", "b.txt")));
}

// A run may lie in the folder of its data.
TEST_F(ListFilesTest, LeavesOutRunDirectories) {
  for (const char* path :
       {"a.jpg", "runs/notes.txt", "runs/one/plan_basis.textproto", "runs/one/split/train.txt",
        "runs/two/experiment.textproto", "runs/two/stages/1_joint/contact_sheet.jpg"}) {
    Put(path);
  }
  EXPECT_THAT(ListFiles(folder_), IsOkAndHolds(ElementsAre("a.jpg", "runs/notes.txt")));
  EXPECT_THAT(ListFiles(folder_ + "/runs/one"),
              IsOkAndHolds(ElementsAre("plan_basis.textproto", "split/train.txt")));
}

// A config beside images does not make a folder that of a run.
TEST_F(ListFilesTest, AFolderOfImagesMayHoldAConfig) {
  for (const char* path : {"cells/a.jpg", "cells/experiment.textproto", "cells/train/b.jpg"}) {
    Put(path);
  }
  EXPECT_THAT(
      ListFiles(folder_),
      IsOkAndHolds(ElementsAre("cells/a.jpg", "cells/experiment.textproto", "cells/train/b.jpg")));
}

TEST_F(ListFilesTest, NamesRunDirectoriesWithImagesThatNoRunWrites) {
  for (const char* path :
       {"a.jpg", "runs/one/plan_basis.textproto", "runs/one/split/train.txt",
        "runs/one/contact_sheet.jpg", "runs/one/stages/1_joint/contact_sheet.jpg",
        "runs/two/experiment.textproto", "runs/two/split/train.txt", "runs/two/images/b.PNG"}) {
    Put(path);
  }
  std::vector<std::string> runs = {"before"};
  EXPECT_THAT(ListFiles(folder_, {}, &runs), IsOkAndHolds(ElementsAre("a.jpg")));
  EXPECT_THAT(runs, ElementsAre("runs/two"));
  if (geteuid() == 0) return;  // root may read everything
  fs::permissions(folder_ + "/runs/two/images", fs::perms::none);
  EXPECT_THAT(ListFiles(folder_, {}, &runs),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("runs/two: cannot read")));
  fs::permissions(folder_ + "/runs/two/images", fs::perms::owner_all);
}

// Its image would otherwise be missing without a message.
TEST_F(ListFilesTest, StopsAtALinkWhoseTargetCannotBeChecked) {
  Put("a.jpg");
  fs::create_symlink("nothing", folder_ + "/dangling.jpg");
  fs::create_symlink("a.jpg/b.jpg", folder_ + "/file.jpg");
  fs::create_symlink("loop.jpg", folder_ + "/loop.jpg");
  EXPECT_THAT(ListFiles(folder_), IsOkAndHolds(ElementsAre("a.jpg")));
  const std::string link = folder_ + "/link.jpg";
  fs::create_symlink(std::string(300, 'x'), link);
  EXPECT_THAT(ListFiles(folder_),
              StatusIs(absl::StatusCode::kUnavailable, link + ": cannot read: File name too long"));
  fs::remove(link);
  if (geteuid() == 0) return;  // root may read everything
  Put("closed/b.jpg");
  fs::create_symlink("closed/b.jpg", link);
  fs::permissions(folder_ + "/closed", fs::perms::owner_read);
  EXPECT_THAT(ListFiles(folder_),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(": cannot read: ")));
  fs::permissions(folder_ + "/closed", fs::perms::owner_all);
}

// Images of a run would otherwise be those of the dataset.
TEST_F(ListFilesTest, StopsAtAFolderThatMayBeARun) {
  Put("a.jpg");
  Put("one/stages/b.jpg");
  fs::create_symlink(std::string(300, 'x'), folder_ + "/one/experiment.textproto");
  EXPECT_THAT(ListFiles(folder_), StatusIs(absl::StatusCode::kUnavailable,
                                           folder_ + "/one: cannot read: File name too long"));
}

TEST_F(ListFilesTest, FollowsLinksUnlessTheyLeaveAndAreNotToBeFollowed) {
  Put("inside/images/a.jpg");
  Put("outside/b.jpg");
  fs::create_directory_symlink("images", folder_ + "/inside/same");
  fs::create_directory_symlink(folder_ + "/outside", folder_ + "/inside/other");
  EXPECT_THAT(ListFiles(folder_ + "/inside"),
              IsOkAndHolds(ElementsAre("images/a.jpg", "other/b.jpg", "same/a.jpg")));
  EXPECT_THAT(ListFiles(folder_ + "/inside", {.follow_links = false}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("inside/other"), HasSubstr("--nofollow_links"))));
  fs::remove(folder_ + "/inside/other");
  EXPECT_THAT(ListFiles(folder_ + "/inside", {.follow_links = false}),
              IsOkAndHolds(ElementsAre("images/a.jpg", "same/a.jpg")));
}

TEST_F(ListFilesTest, RefusesAFolderThatContainsItself) {
  Put("a/b/c.jpg");
  fs::create_directory_symlink("..", folder_ + "/a/b/up");
  EXPECT_THAT(ListFiles(folder_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       folder_ + "/a/b/up: this link leads to a folder that contains it; remove "
                                 "it"));
}

TEST_F(ListFilesTest, ReadsSixtyFourNestedFolders) {
  std::string folders;
  for (int i = 0; i < 64; ++i) folders += "d/";
  Put(folders + "a.jpg");
  EXPECT_THAT(ListFiles(folder_), IsOkAndHolds(ElementsAre(folders + "a.jpg")));
  Put(folders + "d/b.jpg");
  EXPECT_THAT(ListFiles(folder_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       folder_ + "/" + folders + "d: more than 64 nested folders"));
}

TEST_F(ListFilesTest, NamesAFolderThatCannotBeRead) {
  EXPECT_THAT(ListFiles(folder_ + "/none"),
              StatusIs(absl::StatusCode::kNotFound,
                       folder_ + "/none: cannot read: No such file or directory"));
  Put("file");
  EXPECT_THAT(ListFiles(folder_ + "/file"),
              StatusIs(absl::StatusCode::kNotFound, folder_ + "/file: not a folder"));
  if (geteuid() == 0) return;  // root may read everything
  Put("closed/a");
  fs::permissions(folder_ + "/closed", fs::perms::none);
  EXPECT_THAT(ListFiles(folder_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       folder_ + "/closed: cannot read: Permission denied; allow it with chmod -R "
                                 "u+rX, or move it away"));
  fs::permissions(folder_ + "/closed", fs::perms::owner_all);
}

TEST(PathParts, AreThoseOfTheText) {
  EXPECT_EQ(ParentPart("a/b/c.d.jpg"), "a/b");
  EXPECT_EQ(ParentPart("c.jpg"), "");
  EXPECT_EQ(FilePart("a/b/c.d.jpg"), "c.d.jpg");
  EXPECT_EQ(StemPart("a/b/c.d.jpg"), "c.d");
  EXPECT_EQ(StemPart("a.b/c"), "c");
  EXPECT_EQ(JoinParts("", "c"), "c");
  EXPECT_EQ(JoinParts("a", ""), "a");
  EXPECT_EQ(JoinParts("a", "c"), "a/c");
}

TEST(PathParts, KnowWhatIsInsideAFolder) {
  EXPECT_TRUE(IsInside("a/b", ""));
  EXPECT_TRUE(IsInside("a/b", "a/b"));
  EXPECT_TRUE(IsInside("a/b/c.jpg", "a/b"));
  EXPECT_FALSE(IsInside("a/bc/c.jpg", "a/b"));
  EXPECT_FALSE(IsInside("a", "a/b"));
  EXPECT_EQ(PathInside("a/b/c.jpg", ""), "a/b/c.jpg");
  EXPECT_EQ(PathInside("a/b/c.jpg", "a"), "b/c.jpg");
  EXPECT_EQ(PathInside("a/b", "a/b"), "");
}

}  // namespace
}  // namespace rcnn::data
