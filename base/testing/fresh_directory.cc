#include "rcnn/base/testing/fresh_directory.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rcnn {

std::string FreshDirectory(absl::string_view name) {
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  std::string own = absl::StrCat(test.test_suite_name(), ".", test.name());
  if (!name.empty()) absl::StrAppend(&own, "_", name);
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / own;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path.lexically_normal().string();
}

}  // namespace rcnn
