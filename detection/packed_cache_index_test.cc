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

const char kDigest[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

IndexedWeights First() {
  return {kDigest, "size=12 modified=1", "/a/model.safetensors", 0x0a1b2c3d};
}

IndexedWeights Second() {
  return {std::string(64, 'f'), "size=7 modified=2",
          std::string("/tab\there\nand \\ and \"\0\xff", 23), 0xffffffff};
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
  const std::string digest = kDigest, state = "\t0a1b2c3d\tstate\t/x";
  std::string capital = digest, slash = digest;
  capital[10] = 'A';
  slash[10] = '/';
  for (const std::string& rest :
       {std::string(), std::string("\t\t"), "../../x" + state, state,
        digest + "\t0a1b2c3d\tstate\t\\q", digest + "\t0a1b2c3d\tstate",
        digest + "\t0A1B2C3D\tstate\t/x", digest + "\t0a1b2c3\tstate\t/x", digest + "\t\tstate\t/x",
        digest.substr(1) + state, digest + "0" + state, capital + state, slash + state,
        digest + "-" + state}) {
    EXPECT_THAT(ParseWeightsIndex(WeightsIndexLine(rest), kMany), IsEmpty()) << rest;
  }
  EXPECT_THAT(ParseWeightsIndex(WeightsIndexLine(digest + state), kMany), SizeIs(1));
  EXPECT_THAT(ParseWeightsIndex(digest + state + "\n", kMany), IsEmpty()) << "no checksum";
}

// Of versions whose digest was a size and a CRC-32C, for which weights can be made; and of those
// that had no checksum beside the digest.
TEST(WeightsIndexTest, LinesOfEarlierVersionsAreLeftOut) {
  EXPECT_THAT(ParseWeightsIndex(WeightsIndexLine("44781234-0a1b2c3d\tstate\t/x"), kMany),
              IsEmpty());
  EXPECT_THAT(ParseWeightsIndex(WeightsIndexLine(absl::StrCat(kDigest, "\tstate\t/x")), kMany),
              IsEmpty());
}

TEST(WeightsIndexTest, ALineOfManyTabsTakesNoMemory) {
  const std::string tabs(1'000'000, '\t');
  EXPECT_THAT(ParseWeightsIndex(absl::StrCat(tabs, "\n", WeightsIndexText({First()})), kMany),
              ElementsAre(First()));
}

}  // namespace
}  // namespace rcnn::detection
