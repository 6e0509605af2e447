#include "rcnn/base/file_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

std::string Path(const std::string& name) { return ::testing::TempDir() + "/" + name; }

TEST(FileStateTest, IsTheSameWhileNothingChanges) {
  ASSERT_THAT(WriteFileAtomically(Path("same"), "abc"), IsOk());
  const FileState first = ReadFileState(Path("same")).value();
  EXPECT_EQ(first.size, 3);
  EXPECT_TRUE(ReadFileState(Path("same")).value() == first);
  EXPECT_EQ(ReadFileState(Path("same")).value().ToString(), first.ToString());
}

TEST(FileStateTest, DiffersAfterAReplacementOfTheSameSizeAndTime) {
  ASSERT_THAT(WriteFileAtomically(Path("replaced"), "abc"), IsOk());
  struct stat before = {};
  ASSERT_EQ(stat(Path("replaced").c_str(), &before), 0);
  const FileState first = ReadFileState(Path("replaced")).value();
  ASSERT_THAT(WriteFileAtomically(Path("replaced"), "abd"), IsOk());
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("replaced").c_str(), times, 0), 0);
  const FileState second = ReadFileState(Path("replaced")).value();
  EXPECT_EQ(second.modified_ns, first.modified_ns);
  EXPECT_EQ(second.size, first.size);
  EXPECT_FALSE(second == first);
  EXPECT_NE(second.ToString(), first.ToString());
}

TEST(FileStateTest, NamesWhatHasNone) {
  EXPECT_THAT(ReadFileState(Path("absent")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadFileState(::testing::TempDir()), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace rcnn
