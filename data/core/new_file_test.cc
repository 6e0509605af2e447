#include "rcnn/data/core/new_file.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

class NewFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(::testing::TempDir(), "/new_file");
    fs::remove_all(folder_);
    ASSERT_THAT(CreateDirectories(folder_), IsOk());
    path_ = folder_ + "/a.png";
  }

  void ExpectRefused(const std::string& bytes) {
    for (const absl::Status& status :
         {CheckReplacesNone(path_, bytes), WriteNewFile(path_, bytes)}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path_)));
    }
  }

  std::string folder_;
  std::string path_;
};

TEST_F(NewFileTest, WritesWhatIsNotThere) {
  EXPECT_THAT(CheckReplacesNone(path_, "one"), IsOk());
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_THAT(WriteNewFile(path_, "one"), IsOk());
  EXPECT_EQ(ReadFile(path_).value(), "one");
}

TEST_F(NewFileTest, TheSameContentsMayBeWrittenAgain) {
  for (int i = 0; i < 2; ++i) EXPECT_THAT(WriteNewFile(path_, "one"), IsOk());
  EXPECT_THAT(CheckReplacesNone(path_, "one"), IsOk());
  EXPECT_EQ(ReadFile(path_).value(), "one");
}

TEST_F(NewFileTest, OtherContentsStay) {
  ASSERT_THAT(WriteFileAtomically(path_, "mine"), IsOk());
  for (const char* bytes : {"", "m", "mind", "longer than that"}) {
    ExpectRefused(bytes);
    EXPECT_EQ(ReadFile(path_).value(), "mine");
  }
}

TEST_F(NewFileTest, WhatIsNotAFileStays) {
  ASSERT_THAT(CreateDirectories(path_), IsOk());
  ExpectRefused("one");
  fs::remove(path_);
  fs::create_symlink(folder_ + "/elsewhere", path_);
  ExpectRefused("one");
  EXPECT_TRUE(fs::is_symlink(path_));
}

}  // namespace
}  // namespace rcnn::data
