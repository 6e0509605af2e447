#include "rcnn/data/voc/voc_split.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Parse(const std::string& text, const std::set<std::string>& annotated) {
  return ParseVocSplit(text, [&](const std::string& name) { return annotated.count(name) > 0; });
}

TEST(ParseVocSplit, TakesNamesWithOrWithoutExtensionAndColumn) {
  EXPECT_THAT(ParseVocSplit("000012\n000017 -1\r\n 000023  1\n\nlarge dog.JPG\nv1.5\n"),
              ElementsAre("000012", "000017", "000023", "large dog", "v1.5"));
  EXPECT_THAT(ParseVocSplit(""), IsEmpty());
  EXPECT_THAT(ParseVocSplit("gr\xc3\xbcn.png\rb\r"), ElementsAre("gr\xc3\xbcn", "b"));
}

TEST(ParseVocSplit, ANameMayEndInANumber) {
  EXPECT_THAT(Parse("dog 0\ncat 1\nimage 7\n", {"dog 0", "cat 1", "image 7"}),
              ElementsAre("dog 0", "cat 1", "image 7"));
  EXPECT_THAT(Parse("dog 0\ndog 0 1\ncat 1\n", {"dog 0", "cat"}),
              ElementsAre("dog 0", "dog 0", "cat"));
  EXPECT_THAT(Parse("dog 0.jpg\n", {"dog 0"}), ElementsAre("dog 0"));
}

// The layout and action tasks have more columns.
TEST(ParseVocSplit, SkipsSeveralColumns) {
  EXPECT_THAT(Parse("2010_006215 1  1\n2007_000027 2\n", {"2010_006215", "2007_000027"}),
              ElementsAre("2010_006215", "2007_000027"));
}

// Each column would be tried with all that stands before it: minutes.
TEST(ParseVocSplit, ALineOfAMillionNumbersTakesLinearTime) {
  std::string line = "000012";
  for (int i = 0; i < 1'000'000; ++i) line += " 7";
  EXPECT_TRUE(Parse(line, {"000012"}) == std::vector<std::string>{line});  // not printed
}

TEST(ParseVocSplit, NamesThatNobodyAnnotatedAreReadAsWithoutKnowledge) {
  EXPECT_THAT(Parse("lost 1\nimage 7\nlost\n", {}), ElementsAre("lost", "image 7", "lost"));
}

}  // namespace
}  // namespace rcnn::data
