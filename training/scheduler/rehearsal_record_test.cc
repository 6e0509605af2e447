#include "rcnn/training/scheduler/rehearsal_record.h"

#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/crc32c.h"

namespace rcnn::training {
namespace {

using Seconds = std::map<std::string, double>;
using ::testing::Optional;

constexpr char kKeys[] = "0123\n4567\n";

std::string WithChecksum(absl::string_view text) {
  return absl::StrCat(text, "checksum ", absl::Hex(Crc32c(text), absl::kZeroPad8), "\n");
}

TEST(RehearsalRecordTest, IsReadAsItWasWritten) {
  const Seconds seconds = {{"fast1", 12}, {"rpn1", 0.25}};
  const std::string text = RehearsalRecordText(kKeys, seconds);
  EXPECT_EQ(text, WithChecksum("0123\n4567\nfast1 12\nrpn1 0.25\n"));
  EXPECT_THAT(ParseRehearsalRecord(text, kKeys), Optional(seconds));
}

TEST(RehearsalRecordTest, ARecordOfOtherKeysIsNone) {
  const std::string text = RehearsalRecordText(kKeys, {{"rpn1", 1}});
  EXPECT_EQ(ParseRehearsalRecord(text, "0123\n4568\n"), std::nullopt);
  EXPECT_EQ(ParseRehearsalRecord("", kKeys), std::nullopt);
}

// A flip in the word "checksum" makes the record one of an earlier version, whose numbers are
// right.
TEST(RehearsalRecordTest, AChangedByteMakesTheRecordNoneOrChangesNoNumber) {
  const Seconds seconds = {{"rpn1", 0.25}};
  const std::string text = RehearsalRecordText(kKeys, seconds);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 1;
    const auto read = ParseRehearsalRecord(changed, kKeys);
    if (i < text.find("checksum")) {
      EXPECT_EQ(read, std::nullopt) << i;
    } else if (read.has_value()) {
      EXPECT_EQ(read->at("rpn1"), 0.25) << i;
    }
  }
}

TEST(RehearsalRecordTest, EarlierVersionsHaveNoChecksum) {
  EXPECT_THAT(ParseRehearsalRecord("0123\n4567\nrpn1 3\n", kKeys), Optional(Seconds{{"rpn1", 3}}));
}

TEST(RehearsalRecordTest, WhatIsNotATimeIsLeftOut) {
  const std::string text = WithChecksum("0123\n4567\na nan\nb inf\nc -1\nd x\ne\nf 1 2\ng 1e3\n");
  EXPECT_THAT(ParseRehearsalRecord(text, kKeys), Optional(Seconds{{"g", 1000}}));
}

}  // namespace
}  // namespace rcnn::training
