#include "rcnn/base/nearest_names.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NearestFirstTest, SortsByEditDistance) {
  EXPECT_EQ(NearestFirst("abc", {"xyz", "abd", "abcd", "abc"}), "abc, abd, abcd, xyz");
  EXPECT_EQ(NearestFirst("", {"ab", "a"}), "a, ab");
}

// Two of four letters are replaced, or two are added.
TEST(NearestNamesTest, HalfOfTheLettersMayDiffer) {
  EXPECT_THAT(NearestNames("abcd", {"abxy", "axyz"}), ElementsAre("abxy"));
  EXPECT_THAT(NearestNames("abcd", {"abcdef", "abcdefg"}), ElementsAre("abcdef"));
  EXPECT_THAT(NearestNames("", {"a"}), IsEmpty());
}

TEST(NearestNamesTest, GivesThreeTheNearestFirst) {
  EXPECT_THAT(NearestNames("abcdef", {"abcdxx", "abcdeg", "abcdefg", "abcef", "abcdee"}),
              ElementsAre("abcdee", "abcdefg", "abcdeg"));
}

}  // namespace
}  // namespace rcnn
