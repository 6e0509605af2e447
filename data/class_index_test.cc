#include "rcnn/data/class_index.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::vector<std::string>& names) {
  const absl::Status status = ClassIndex::Create(names).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ClassIndex, NumbersNamesFromOne) {
  absl::StatusOr<ClassIndex> index = ClassIndex::Create({"dog", "cat", "hot dog"});
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->LabelOf("dog"), 1);
  EXPECT_EQ(index->LabelOf("hot dog"), 3);
  EXPECT_EQ(index->LabelOf("Dog"), 0);
  EXPECT_EQ(index->LabelOf(""), 0);
}

TEST(ClassIndex, RefusesListsThatNameNothingOrTwice) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no classes"));
  EXPECT_THAT(ErrorOf({"cat", "dog", "cat"}), HasSubstr("\"cat\" is listed twice"));
  EXPECT_THAT(ErrorOf({"cat", ""}), HasSubstr("\"\" is no class name"));
  EXPECT_THAT(ErrorOf({std::string("a\0b", 3)}), HasSubstr("a\\x00"));
}

}  // namespace
}  // namespace rcnn::data
