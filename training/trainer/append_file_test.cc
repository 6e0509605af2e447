#include "rcnn/training/trainer/append_file.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Files of this process may not grow beyond a size: the cheapest full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST(AppendFileTest, AppendsToAnExistingFile) {
  const std::string path = absl::StrCat(FreshDirectory(), "/log");
  for (const char* record : {"one\n", "two\n"}) {
    auto file = AppendFile::Open(path);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Append(record), IsOk());
    EXPECT_THAT(file->Append(""), IsOk());
  }
  EXPECT_EQ(*ReadFile(path), "one\ntwo\n");
}

TEST(AppendFileTest, AFullDiskLeavesNoTornRecord) {
  const std::string path = absl::StrCat(FreshDirectory(), "/log");
  auto file = AppendFile::Open(path);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(file->Append("12345678"), IsOk());
  {
    const FileSizeLimit limit(12);
    const absl::Status status = file->Append("abcdefgh");
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                 AllOf(HasSubstr(path), HasSubstr("free some space"))));
  }
  EXPECT_EQ(*ReadFile(path), "12345678");
  EXPECT_THAT(file->Append("abcdefgh"), IsOk());
  EXPECT_EQ(*ReadFile(path), "12345678abcdefgh");
}

TEST(AppendFileTest, OpenErrorNamesThePath) {
  const std::string path = absl::StrCat(FreshDirectory(), "/none/log");
  EXPECT_THAT(AppendFile::Open(path), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
}

// It may lead to any file of the user.
TEST(AppendFileTest, ALinkIsNotFollowed) {
  const std::string folder = FreshDirectory(), path = folder + "/log", mine = folder + "/mine";
  ASSERT_THAT(WriteFileAtomically(mine, "my only copy"), IsOk());
  for (const std::string& target : {mine, folder + "/nothing"}) {
    std::filesystem::create_symlink(target, path);
    EXPECT_THAT(AppendFile::Open(path), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
    EXPECT_THAT(AppendFile::Create(path),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path)));
    std::filesystem::remove(path);
  }
  EXPECT_THAT(ReadFile(mine), IsOkAndHolds("my only copy"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/nothing"));
}

TEST(AppendFileTest, CreatesOnlyAFileThatIsMissing) {
  const std::string path = absl::StrCat(FreshDirectory(), "/log");
  {
    auto file = AppendFile::Create(path);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Append("one\n"), IsOk());
    ASSERT_THAT(file->Append("two\n"), IsOk());
  }
  EXPECT_THAT(AppendFile::Create(path), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("one\ntwo\n"));
  EXPECT_THAT(AppendFile::Create(path + "/below/log"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(AppendFileTest, MovesItsFile) {
  const std::string path = absl::StrCat(FreshDirectory(), "/log");
  auto file = AppendFile::Open(path);
  AppendFile moved = *std::move(file);
  AppendFile other = std::move(moved);
  EXPECT_THAT(other.Append("x"), IsOk());
  EXPECT_EQ(other.path(), path);
}

}  // namespace
}  // namespace rcnn::training
