#include "rcnn/base/registry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(RegistryTest, FindsWhatWasAdded) {
  Registry<int (*)()> registry;
  registry.Add("seven", [] { return 7; });
  const auto found = registry.Find("number", "seven");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((**found)(), 7);
}

TEST(RegistryTest, AnUnknownNameListsTheKnownOnes) {
  Registry<int> registry;
  EXPECT_THAT(registry.Find("number.name", "one"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("number.name 'one'"), HasSubstr("registered: none"))));
  registry.Add("two", 2);
  registry.Add("three", 3);
  EXPECT_THAT(registry.Find("number.name", "one"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("registered: three, two")));
}

TEST(RegistryDeathTest, TheSameNameTwiceEndsTheProcess) {
  Registry<int> registry;
  registry.Add("two", 2);
  EXPECT_DEATH(registry.Add("two", 22), "two is registered twice");
}

}  // namespace
}  // namespace rcnn
