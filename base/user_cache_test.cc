#include "rcnn/base/user_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(UserCacheFolder, FollowsTheEnvironment) {
  setenv("XDG_CACHE_HOME", "/cache", 1);
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(UserCacheFolder("hashes"), "/cache/rcnn/hashes");
  setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(UserCacheFolder("hashes"), "/home/me/.cache/rcnn/hashes");
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(UserCacheFolder("hashes"), "/home/me/.cache/rcnn/hashes");
  unsetenv("HOME");
  EXPECT_EQ(UserCacheFolder("hashes"), "");
}

TEST(CreateCacheFolder, OthersCannotOpenANewFolder) {
  const std::string root = ::testing::TempDir() + "/create_cache_folder";
  std::filesystem::remove_all(root);
  const std::string folder = root + "/rcnn/hashes";
  const auto mode = [&] {
    struct stat status = {};
    EXPECT_EQ(stat(folder.c_str(), &status), 0);
    return status.st_mode & 0777;
  };
  EXPECT_THAT(CreateCacheFolder(folder), IsOk());
  EXPECT_EQ(mode(), mode_t{0700});
  ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
  EXPECT_THAT(CreateCacheFolder(folder), IsOk());
  EXPECT_EQ(mode(), mode_t{0755}) << "one that exists keeps its permissions";
}

TEST(CreateCacheFolder, AFileInTheWayIsAnError) {
  const std::string file = ::testing::TempDir() + "/create_cache_folder_file";
  ASSERT_THAT(WriteFileAtomically(file, "x"), IsOk());
  EXPECT_THAT(CreateCacheFolder(file + "/hashes"), Not(IsOk()));
}

class LimitFolderBytesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/limit_folder_bytes";
    std::filesystem::remove_all(folder_);
    ASSERT_THAT(CreateDirectories(folder_ + "/folder"), IsOk());
  }

  // A file of `bytes` bytes, modified at `seconds`.
  void Write(const std::string& name, size_t bytes, int64_t seconds) const {
    const std::string path = folder_ + "/" + name;
    ASSERT_THAT(WriteFileAtomically(path, std::string(bytes, 'x')), IsOk());
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  std::vector<std::string> Names() const { return ListNames(folder_).value(); }

  std::string folder_;
};

TEST_F(LimitFolderBytesTest, DeletesTheOldestFilesFirst) {
  Write("a.hash", 100, 300);
  Write("b.hash", 100, 100);
  Write("c.hash.tmp", 100, 200);
  EXPECT_THAT(LimitFolderBytes(folder_, ".hash", 300), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a.hash", "b.hash", "c.hash.tmp", "folder"));
  EXPECT_THAT(LimitFolderBytes(folder_, ".hash", 299), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a.hash", "c.hash.tmp", "folder"));
  EXPECT_THAT(LimitFolderBytes(folder_, ".hash", 100), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a.hash", "folder"));
  EXPECT_THAT(LimitFolderBytes(folder_, ".hash", 0), IsOk());
  EXPECT_THAT(Names(), ElementsAre("folder"));
}

TEST_F(LimitFolderBytesTest, FilesOfOtherNamesAreNeitherCountedNorDeleted) {
  Write("mine", 100, 100);
  Write("a.hash", 100, 200);
  EXPECT_THAT(LimitFolderBytes(folder_, ".hash", 100), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a.hash", "folder", "mine"));
  EXPECT_THAT(LimitFolderBytes(folder_, ".hash", 0), IsOk());
  EXPECT_THAT(Names(), ElementsAre("folder", "mine"));
}

TEST_F(LimitFolderBytesTest, AMissingFolderIsEmpty) {
  EXPECT_THAT(LimitFolderBytes(folder_ + "/absent", ".hash", 0), IsOk());
  EXPECT_THAT(ListNames(folder_ + "/absent").value(), IsEmpty());
}

}  // namespace
}  // namespace rcnn
