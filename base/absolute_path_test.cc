#include "rcnn/base/absolute_path.h"

#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(AbsolutePathTest, BeginsInTheCurrentDirectory) {
  const std::string here = fs::current_path().string();
  EXPECT_THAT(AbsolutePath("a/../b"), IsOkAndHolds(here + "/a/../b"));
  EXPECT_THAT(AbsolutePath("."), IsOkAndHolds(here + "/."));
  EXPECT_THAT(AbsolutePath(""), IsOkAndHolds(here));
  EXPECT_THAT(AbsolutePath("/a/./b/"), IsOkAndHolds("/a/./b/"));
}

TEST(AbsolutePathTest, InADeletedDirectoryOnlyAnAbsolutePathIsKnown) {
  const fs::path before = fs::current_path();
  const std::string deleted = testing::TempDir() + "/deleted";
  fs::create_directories(deleted);
  fs::current_path(deleted);
  fs::remove(deleted);
  EXPECT_THAT(AbsolutePath("/a"), IsOkAndHolds("/a"));
  EXPECT_THAT(
      AbsolutePath("in/a.jpg"),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(StartsWith("in/a.jpg: the current directory"), HasSubstr("was deleted"))));
  EXPECT_THAT(AbsolutePath(""),
              StatusIs(absl::StatusCode::kUnavailable, StartsWith("the current directory")));
  EXPECT_THAT(ResolvedPath("a"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the current directory")));
  fs::current_path(before);
}

class ResolvedPathTest : public testing::Test {
 protected:
  ResolvedPathTest() {
    const std::string folder = testing::TempDir() + "/resolved";
    fs::remove_all(folder);
    fs::create_directories(folder + "/real");
    folder_ = fs::canonical(folder).string();
    fs::create_directory_symlink("real", folder_ + "/link");
  }
  std::string folder_;
};

TEST_F(ResolvedPathTest, HasNoLinks) {
  EXPECT_THAT(ResolvedPath(folder_ + "/link"), IsOkAndHolds(folder_ + "/real"));
  EXPECT_THAT(ResolvedPath(folder_ + "/./link/../link/new/a.jpg"),
              IsOkAndHolds(folder_ + "/real/new/a.jpg"));
  fs::create_symlink("nowhere", folder_ + "/dangling");
  EXPECT_THAT(ResolvedPath(folder_ + "/link/../dangling"), IsOkAndHolds(folder_ + "/dangling"));
  const std::string here = fs::canonical(fs::current_path()).string();
  EXPECT_THAT(ResolvedPath("no/such/../file"), IsOkAndHolds(here + "/no/file"));
  EXPECT_THAT(ResolvedPath(""), IsOkAndHolds(here));
  const std::string name(300, 'x');
  EXPECT_THAT(ResolvedPath(folder_ + "/./" + name), IsOkAndHolds(folder_ + "/" + name));
}

// As of a shell's <(...), or of /dev/stdout before a |.
TEST_F(ResolvedPathTest, APipeWithoutAPathIsItself) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string path = absl::StrCat("/dev/fd/", ends[0]);
  EXPECT_TRUE(fs::exists(path));
  EXPECT_THAT(ResolvedPath(path), IsOkAndHolds(path));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(ResolvedPathTest, ALinkThatCannotBeFollowedNowIsAnError) {
  fs::create_symlink("loop", folder_ + "/loop");
  fs::create_symlink(std::string(300, 'x'), folder_ + "/long");
  for (const char* name : {"/loop", "/loop/a.jpg", "/long"}) {
    EXPECT_THAT(ResolvedPath(folder_ + name),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(folder_ + name)));
  }
}

}  // namespace
}  // namespace rcnn
