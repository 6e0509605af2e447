#include "rcnn/base/repeated_flag.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The arguments after joining the flag "set".
std::vector<std::string> Joined(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int argc = static_cast<int>(words.size());
  char** argv = pointers.data();
  const RepeatedFlag flag("set", &argc, &argv);
  EXPECT_EQ(argv[argc], nullptr);
  return std::vector<std::string>(argv, argv + argc);
}

TEST(RepeatedFlagTest, EveryFormIsJoinedInOrder) {
  EXPECT_THAT(Joined({"program", "--set=a=1", "--other", "-set=b", "x", "--set", "c", "-set", "d"}),
              ElementsAre("program",
                          "--set=a=1\x1e"
                          "b\x1e"
                          "c\x1e"
                          "d\x1e",
                          "--other", "x"));
}

TEST(RepeatedFlagTest, OtherArgumentsStay) {
  EXPECT_THAT(Joined({"program"}), ElementsAre("program"));
  EXPECT_THAT(Joined({"--set=a", "--sets=a", "-settle", "set=a", "---set=b"}),
              ElementsAre("--set=a", "--sets=a", "-settle", "set=a", "---set=b"));
}

TEST(RepeatedFlagTest, ArgumentsAfterTwoDashesAreNotFlags) {
  EXPECT_THAT(Joined({"program", "--set=a", "--", "--set=b"}),
              ElementsAre("program", "--set=a\x1e", "--", "--set=b"));
}

TEST(RepeatedFlagTest, FlagWithoutValueIsLeftToTheParser) {
  EXPECT_THAT(Joined({"program", "--set=a", "--set"}),
              ElementsAre("program", "--set=a\x1e", "--set"));
}

// The values split from the arguments.
std::vector<std::string> Values(const std::vector<std::string>& words) {
  const std::string prefix = "--set=";
  return RepeatedFlagValues(absl::string_view(Joined(words).at(1)).substr(prefix.size()));
}

TEST(RepeatedFlagValuesTest, AreTheGivenValues) {
  EXPECT_THAT(Values({"program", "--set=a=1", "--set", "b", "--set= ", "--set=a=1"}),
              ElementsAre("a=1", "b", "a=1"));
  EXPECT_THAT(Values({"program", "--set=name='x'\n# why\n", "--set=b\nc"}),
              ElementsAre("name='x'\n# why\n", "b\nc"));
  EXPECT_THAT(RepeatedFlagValues("given by other means"), ElementsAre("given by other means"));
  EXPECT_THAT(RepeatedFlagValues(""), IsEmpty());
}

// The program re-executes itself with the joined arguments.
TEST(RepeatedFlagValuesTest, AreTheSameWhenJoinedTwice) {
  const std::vector<std::string> once = Joined({"program", "--set=a\nb", "--set=c"});
  EXPECT_THAT(Values(once), ElementsAre("a\nb", "c"));
}

}  // namespace
}  // namespace rcnn
