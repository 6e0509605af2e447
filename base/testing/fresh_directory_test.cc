#include "rcnn/base/testing/fresh_directory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::Not;
using ::testing::StartsWith;

TEST(FreshDirectoryTest, IsEmptyAgain) {
  const std::string path = FreshDirectory();
  EXPECT_TRUE(fs::is_empty(path));
  fs::create_directories(path + "/sub");
  std::ofstream(path + "/sub/file") << "x";
  EXPECT_EQ(FreshDirectory(), path);
  EXPECT_TRUE(fs::is_empty(path));
}

TEST(FreshDirectoryTest, EachNameHasItsOwn) {
  const std::string one = FreshDirectory("one");
  std::ofstream(one + "/file") << "x";
  EXPECT_NE(FreshDirectory("two"), one);
  EXPECT_NE(FreshDirectory(), one);
  EXPECT_TRUE(fs::exists(one + "/file"));
}

TEST(FreshDirectoryTest, HasANormalPath) {
  const std::string path = FreshDirectory();
  EXPECT_THAT(path, AllOf(StartsWith("/"), Not(EndsWith("/"))));
  EXPECT_EQ(path, fs::path(path).lexically_normal().string());
}

}  // namespace
}  // namespace rcnn
