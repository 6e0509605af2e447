#include "rcnn/base/temporary_directory.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;

TEST(TemporaryDirectoryTest, IsRemovedWithItsFiles) {
  std::string path;
  {
    const TemporaryDirectory directory("rcnn_test");
    path = directory.path();
    ASSERT_TRUE(fs::is_directory(path));
    EXPECT_THAT(fs::path(path).filename().string(), ::testing::StartsWith("rcnn_test_"));
    fs::create_directory(path + "/split");
    std::ofstream(path + "/split/train.txt") << "a.jpg\n";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(TemporaryDirectoryTest, TwoAreDifferent) {
  const TemporaryDirectory one("rcnn_test");
  const TemporaryDirectory other("rcnn_test");
  EXPECT_NE(one.path(), other.path());
  EXPECT_THAT(one.status(), IsOk());
}

// Of a folder that is missing, and of one that nobody can write to.
TEST(TemporaryDirectoryTest, SaysWhyItCouldNotBeMade) {
  const char* const variable = std::getenv("TMPDIR");
  const std::string before = variable == nullptr ? "" : variable;
  for (const char* folder : {"/no/such/folder", "/proc"}) {
    setenv("TMPDIR", folder, 1);
    const TemporaryDirectory directory("rcnn_test");
    EXPECT_FALSE(directory.status().ok()) << folder;
    EXPECT_EQ(directory.path(), "") << folder;
  }
  if (variable == nullptr) {
    unsetenv("TMPDIR");
  } else {
    setenv("TMPDIR", before.c_str(), 1);
  }
}

}  // namespace
}  // namespace rcnn
