#include "rcnn/base/temporary_directory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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
}

}  // namespace
}  // namespace rcnn
