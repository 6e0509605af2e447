#include "rcnn/detection/packed_cache_index.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kMany = 100;

IndexedWeights First() { return {"12-89abcdef", "size=12 modified=1", "/a/model.safetensors"}; }

IndexedWeights Second() {
  return {"7-00000000", "size=7 modified=2", std::string("/tab\there\nand \\ and \"\0\xff", 23)};
}

TEST(WeightsIndexTest, EveryPathIsReadAgain) {
  const std::string text = WeightsIndexText({First(), Second()});
  EXPECT_THAT(ParseWeightsIndex(text, kMany), ElementsAre(First(), Second()));
  EXPECT_THAT(ParseWeightsIndex(text, 1), ElementsAre(First()));
  EXPECT_THAT(ParseWeightsIndex("", kMany), IsEmpty());
}

// CRC-32C finds every change of one byte.
TEST(WeightsIndexTest, AChangedByteCostsItsLine) {
  const std::string first = WeightsIndexText({First()}), second = WeightsIndexText({Second()});
  for (size_t at = 0; at + 1 < first.size(); ++at) {
    std::string changed = first;
    changed[at] ^= 1;
    EXPECT_THAT(ParseWeightsIndex(changed + second, kMany), ElementsAre(Second())) << at;
  }
  // Without the line break two lines are one.
  EXPECT_THAT(ParseWeightsIndex(first.substr(0, first.size() - 1) + second, kMany), IsEmpty());
}

TEST(WeightsIndexTest, CutOffLinesAreLeftOut) {
  const std::string text = WeightsIndexText({First(), Second()});
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_LE(ParseWeightsIndex(text.substr(0, size), kMany).size(), 1u) << size;
  }
}

TEST(WeightsIndexTest, LinesOfAnotherFormAreLeftOut) {
  for (const char* rest : {"", "\t\t", "../../x\tstate\t/x", "\tstate\t/x",
                           "12-89abcdef\tstate\t\\q", "12-89abcdef\tstate", "12-89abcde\tstate\t/x",
                           "12-89abcdef0\tstate\t/x", "-89abcdef\tstate\t/x",
                           "f-89abcdef\tstate\t/x", "12-8/abcdef\tstate\t/x", "12\tstate\t/x"}) {
    EXPECT_THAT(ParseWeightsIndex(WeightsIndexLine(rest), kMany), IsEmpty()) << rest;
  }
  EXPECT_THAT(ParseWeightsIndex(WeightsIndexLine("12-89abcdef\tstate\t/x"), kMany), SizeIs(1));
  EXPECT_THAT(ParseWeightsIndex("12-89abcdef\tstate\t/x\n", kMany), IsEmpty()) << "no checksum";
}

TEST(WeightsIndexTest, ALineOfManyTabsTakesNoMemory) {
  const std::string tabs(1'000'000, '\t');
  EXPECT_THAT(ParseWeightsIndex(absl::StrCat(tabs, "\n", WeightsIndexText({First()})), kMany),
              ElementsAre(First()));
}

}  // namespace
}  // namespace rcnn::detection
