#include "rcnn/data/core/image_file_name.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

class NameInFolderTest : public testing::Test {
 protected:
  NameInFolderTest() : folder_(testing::TempDir() + "/name_in_folder") {
    std::filesystem::remove_all(folder_);
    EXPECT_THAT(CreateDirectories(folder_ + "/images"), IsOk());
  }
  const std::string folder_;
};

TEST_F(NameInFolderTest, OrdinaryNamesStay) {
  for (const char* name : {"a.jpg", "sub/a.jpg", "a b.png", "./a.jpg", "a:b.jpg"}) {
    EXPECT_THAT(NameInFolder(folder_, name), IsOkAndHolds(std::string(name)));
    EXPECT_THAT(NameInFolder("", name), IsOkAndHolds(std::string(name)));
  }
}

TEST_F(NameInFolderTest, BackslashesPartFolders) {
  EXPECT_THAT(NameInFolder(folder_, R"(images\sub\a.jpg)"), IsOkAndHolds("images/sub/a.jpg"));
  const std::string odd = R"(odd\name.jpg)";
  ASSERT_THAT(WriteFileAtomically(folder_ + "/" + odd, "x"), IsOk());
  EXPECT_THAT(NameInFolder(folder_, odd), IsOkAndHolds(odd)) << "a file of that very name";
}

TEST_F(NameInFolderTest, AbsoluteNamesInTheFolderLoseIt) {
  EXPECT_THAT(NameInFolder(folder_, folder_ + "/images/a.jpg"), IsOkAndHolds("images/a.jpg"));
  EXPECT_THAT(NameInFolder(folder_ + "/", folder_ + "//images/../a.jpg"), IsOkAndHolds("a.jpg"));
  const std::string link = testing::TempDir() + "/name_in_folder_link";
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink(folder_, link);
  const std::string real = std::filesystem::canonical(folder_).string();
  EXPECT_THAT(NameInFolder(link, real + "/a.jpg"), IsOkAndHolds("a.jpg"));
  EXPECT_THAT(NameInFolder(link, link + "/a.jpg"), IsOkAndHolds("a.jpg"));
}

TEST_F(NameInFolderTest, NamesThatLeadOutAreErrors) {
  for (const std::string& name :
       {std::string("../a.jpg"), std::string("/etc/passwd"), folder_ + "2/a.jpg",
        folder_ + "/../a.jpg", std::string(R"(..\a.jpg)"), std::string(R"(C:\images\a.jpg)"),
        std::string("sub/../../a.jpg")}) {
    EXPECT_THAT(NameInFolder(folder_, name),
                StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("")))
        << name;
  }
}

// A link to itself can be examined as little as a folder on a disk with errors.
TEST_F(NameInFolderTest, WhatCannotBeExaminedNowIsNotAnUnsafeName) {
  std::filesystem::create_symlink("loop", folder_ + "/loop");
  std::filesystem::create_symlink("loop\\a.jpg", folder_ + "/loop\\a.jpg");
  for (const std::string& name : {std::string("/elsewhere/a.jpg"), std::string(R"(sub\a.jpg)")}) {
    EXPECT_THAT(NameInFolder(folder_ + "/loop", name),
                StatusIs(absl::StatusCode::kUnavailable, testing::HasSubstr(folder_ + "/loop")))
        << name;
  }
  EXPECT_THAT(NameInFolder(folder_, R"(loop\a.jpg)"),
              StatusIs(absl::StatusCode::kUnavailable, testing::HasSubstr(R"(loop\a.jpg)")));
  // Of a missing folder it is known that no name lies in it.
  EXPECT_THAT(NameInFolder(folder_ + "/missing", "/elsewhere/a.jpg"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NameInFolder(folder_ + "/missing", R"(sub\a.jpg)"), IsOkAndHolds("sub/a.jpg"));
}

// Relative to a deleted folder.
TEST_F(NameInFolderTest, WithoutACurrentFolderAnAbsoluteNameIsNotUnsafe) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::create_directories(folder_ + "/deleted");
  std::filesystem::current_path(folder_ + "/deleted");
  std::filesystem::remove(folder_ + "/deleted");
  EXPECT_THAT(
      NameInFolder("images", folder_ + "/deleted/images/a.jpg"),
      StatusIs(absl::StatusCode::kUnavailable, testing::HasSubstr("the current directory")));
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace rcnn::data
