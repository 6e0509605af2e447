#include "rcnn/training/testing/fresh_directory.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace rcnn::training {

std::string FreshDirectory() {
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = testing::TempDir() + "/" + test.test_suite_name() + "." + test.name();
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace rcnn::training
