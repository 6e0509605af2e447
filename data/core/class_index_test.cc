#include "rcnn/data/core/class_index.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

std::string ErrorMessage(const std::vector<std::string>& names) {
  const absl::Status status = ClassIndex::Create(names).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  return std::string(status.message());
}

TEST(ClassIndex, NumbersNamesFromOne) {
  absl::StatusOr<ClassIndex> index = ClassIndex::Create({"dog", "cat", "hot dog"});
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ(index->FindLabel("dog"), 1);
  EXPECT_EQ(index->FindLabel("hot dog"), 3);
  EXPECT_EQ(index->FindLabel("Dog"), 0);
  EXPECT_EQ(index->FindLabel(""), 0);
}

TEST(ClassIndex, RejectsEmptyListsAndDuplicates) {
  EXPECT_THAT(ErrorMessage({}), HasSubstr("no classes"));
  EXPECT_THAT(ErrorMessage({"cat", "dog", "cat"}),
              HasSubstr("\"cat\" is listed twice; remove one"));
  EXPECT_THAT(ErrorMessage({"cat", ""}), HasSubstr("\"\" is not a class name"));
  EXPECT_THAT(ErrorMessage({std::string("a\0b", 3)}), HasSubstr("a\\x00"));
}

}  // namespace
}  // namespace rcnn::data
