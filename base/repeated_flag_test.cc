#include "rcnn/base/repeated_flag.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;

// What the words become for the flag "set".
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
              ElementsAre("program", "--set=a=1\nb\nc\nd\n", "--other", "x"));
}

TEST(RepeatedFlagTest, OtherWordsStay) {
  EXPECT_THAT(Joined({"program"}), ElementsAre("program"));
  EXPECT_THAT(Joined({"--set=a", "--sets=a", "-settle", "set=a", "---set=b"}),
              ElementsAre("--set=a", "--sets=a", "-settle", "set=a", "---set=b"));
}

TEST(RepeatedFlagTest, NothingBehindTwoDashesIsAFlag) {
  EXPECT_THAT(Joined({"program", "--set=a", "--", "--set=b"}),
              ElementsAre("program", "--set=a\n", "--", "--set=b"));
}

TEST(RepeatedFlagTest, AFlagWithoutItsValueIsLeftToTheParser) {
  EXPECT_THAT(Joined({"program", "--set=a", "--set"}),
              ElementsAre("program", "--set=a\n", "--set"));
}

// The program executes itself again with the words as they are now.
TEST(RepeatedFlagTest, DoneTwiceItIsTheSameButForAnEmptyLine) {
  EXPECT_THAT(Joined({"program", "--set=a\nb\n"}), ElementsAre("program", "--set=a\nb\n\n"));
}

}  // namespace
}  // namespace rcnn
