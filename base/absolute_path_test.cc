#include "rcnn/base/absolute_path.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
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
  fs::current_path(before);
}

}  // namespace
}  // namespace rcnn
