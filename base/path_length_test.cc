#include "rcnn/base/path_length.h"

#include <cstddef>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/deep_file.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string X(size_t count) { return std::string(count, 'x'); }

// 16 names of 255 bytes and their slashes are 4096 bytes.
std::string Names(int count) {
  std::string path;
  for (int i = 0; i < count; ++i) absl::StrAppend(&path, "/", X(255));
  return path;
}

TEST(PathLengthTest, TheLimitsAreThoseOfTheSystem) {
  EXPECT_FALSE(IsPathTooLong(""));
  EXPECT_FALSE(IsPathTooLong(absl::StrCat("a/", X(255), "/b")));
  EXPECT_TRUE(IsPathTooLong(absl::StrCat("a/", X(256), "/b")));
  EXPECT_TRUE(IsPathTooLong(X(256)));
  EXPECT_FALSE(IsPathTooLong(Names(16).substr(1)));
  EXPECT_TRUE(IsPathTooLong(Names(16)));
  // The system agrees: the file is missing, or cannot be.
  EXPECT_THAT(ReadFile(X(255)), StatusIs(absl::StatusCode::kNotFound, HasSubstr("No such file")));
  EXPECT_THAT(ReadFile(X(256)), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(kPathTooLong)));
  EXPECT_THAT(ReadFile(Names(16).substr(1)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("No such file")));
  EXPECT_THAT(ReadFile(Names(16)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(kPathTooLong)));
}

TEST(PathLengthTest, AFileIsLongerUntilItIsComplete) {
  EXPECT_TRUE(IsPathTooLongToWrite(X(256)));
  EXPECT_FALSE(IsPathTooLongToWrite(X(255)));
  constexpr size_t kLongest = 4095 - 26;
  const std::string root = testing::TempDir() + "/path_length_test";
  std::filesystem::remove_all(root);
  const std::string folder = DeepPath(root, kLongest - 255);
  const std::string path = absl::StrCat(folder, "/", X(kLongest - folder.size() - 4), "/", X(2));
  ASSERT_EQ(path.size(), kLongest);
  ASSERT_THAT(CreateDirectories(std::filesystem::path(path).parent_path().string()), IsOk());
  EXPECT_FALSE(IsPathTooLongToWrite(path));
  EXPECT_THAT(WriteFileAtomically(path, "whole"), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("whole"));
  EXPECT_TRUE(IsPathTooLongToWrite(path + "x"));
}

TEST(PathLengthTest, OnlyPathsThatAreTooLongAreCut) {
  EXPECT_EQ(ShownPath(X(255)), X(255));
  EXPECT_EQ(ShownPath(X(300)), absl::StrCat(X(60), "... (300 bytes)"));
  EXPECT_EQ(ShownFlag("--model", "runs/a"), "--model=runs/a");
  EXPECT_EQ(ShownFlag("--model", X(300)), absl::StrCat("--model=", X(60), "... (300 bytes)"));
  EXPECT_EQ(ShownFlag("", "runs/a"), "runs/a");
}

// Three bytes each, of which the 20th ends at byte 60, and with an 'x' before them at byte 61.
TEST(PathLengthTest, CharactersAreNotCut) {
  std::string signs;
  for (int i = 0; i < 100; ++i) signs += "\u20ac";
  EXPECT_EQ(ShownPath(signs), absl::StrCat(signs.substr(0, 60), "... (300 bytes)"));
  EXPECT_EQ(ShownPath("x" + signs), absl::StrCat("x", signs.substr(0, 57), "... (301 bytes)"));
  // Bytes that are not UTF-8.
  EXPECT_EQ(ShownPath(std::string(300, '\x80')), "... (300 bytes)");
}

TEST(PathLengthTest, TheErrorNamesTheFlagAndSaysWhatToGive) {
  EXPECT_THAT(CheckPathLength("--model", X(255), "give a folder"), IsOk());
  EXPECT_THAT(CheckPathLength("--model", X(300), "give a folder"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("--model=", X(60), "... (300 bytes): ", kPathTooLong,
                                    "; give a folder")));
}

// Errors of files whose flag their reader does not know.
TEST(PathLengthTest, ErrorsOfTheSystemShowTheBeginningAlone) {
  for (const absl::Status& error :
       {ReadFile(X(5000)).status(), WriteFileAtomically(X(5000), "").status(),
        WriteFileAtomically(X(5000) + "/a", "").status(), CreateDirectories(X(5000))}) {
    EXPECT_THAT(error, StatusIs(absl::StatusCode::kUnavailable,
                                AllOf(HasSubstr(absl::StrCat(" ", X(60), "... (500")),
                                      HasSubstr(kPathTooLong), Not(HasSubstr(X(61))))));
  }
}

}  // namespace
}  // namespace rcnn
