#include "rcnn/data/sources/list_checksums.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

const char kTrain[] = "a.jpg\nb.jpg\n";

ListChecksums Checksums() {
  ListChecksums checksums;
  checksums.Add("train.txt", Digest(kTrain));
  checksums.Add("val.txt", Digest(""));
  return checksums;
}

TEST(ListChecksumsTest, AllowsOnlyTheContentsOfAList) {
  const ListChecksums checksums = Checksums();
  EXPECT_TRUE(checksums.Allows("train.txt", Digest(kTrain)));
  EXPECT_TRUE(checksums.Allows("val.txt", Digest("")));
  EXPECT_FALSE(checksums.Allows("train.txt", Digest("a.jpg\nc.jpg\n")));
  EXPECT_FALSE(checksums.Allows("val.txt", Digest(kTrain)));
  EXPECT_TRUE(checksums.Has("val.txt"));
  EXPECT_FALSE(checksums.Has("val"));
  EXPECT_FALSE(checksums.Has("test.txt"));
}

TEST(ListChecksumsTest, AListMayHaveTwoContents) {
  ListChecksums checksums = Checksums(), more;
  more.Add("train.txt", Digest("a.jpg\n"));
  checksums.AddAll(more);
  EXPECT_TRUE(checksums.Allows("train.txt", Digest(kTrain)));
  EXPECT_TRUE(checksums.Allows("train.txt", Digest("a.jpg\n")));
  EXPECT_FALSE(checksums == Checksums());
}

// RFC 3720, Appendix B.4: 32 bytes of zeros have the checksum 8a9136aa.
TEST(ListChecksumsTest, TheTextHasSizesAndChecksums) {
  ListChecksums checksums;
  checksums.Add("test.txt", Digest(std::string(32, '\0')));
  const std::string line = "test.txt 32 8a9136aa\n";
  EXPECT_EQ(checksums.Text(),
            absl::StrCat(line, "checksum ", absl::Hex(Crc32c(line), absl::kZeroPad8), "\n"));
  EXPECT_THAT(ListChecksums::Parse(Checksums().Text()), IsOkAndHolds(Checksums()));
  EXPECT_THAT(ListChecksums::Parse(ListChecksums().Text()), IsOkAndHolds(ListChecksums()));
}

TEST(ListChecksumsTest, EveryChangedOrMissingByteIsDamage) {
  const std::string text = Checksums().Text();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 2;
    EXPECT_THAT(ListChecksums::Parse(changed), StatusIs(absl::StatusCode::kDataLoss)) << i;
    EXPECT_THAT(ListChecksums::Parse(text.substr(0, i)), StatusIs(absl::StatusCode::kDataLoss))
        << i;
  }
}

TEST(ListChecksumsTest, LinesOfAnotherFormAreDamage) {
  for (const char* const line :
       {"\n", "train.txt\n", "train.txt x 00000000\n", " 1 00000000\n", "train.txt 01 00000000\n",
        "train.txt 1 0000000g\n", "train.txt 1 0\n", "train.txt 1 00000000 \n",
        "train.txt 1 0000000A\n"}) {
    const std::string text =
        absl::StrCat(line, "checksum ", absl::Hex(Crc32c(line), absl::kZeroPad8), "\n");
    EXPECT_THAT(ListChecksums::Parse(text), StatusIs(absl::StatusCode::kDataLoss)) << line;
  }
}

}  // namespace
}  // namespace rcnn::data
