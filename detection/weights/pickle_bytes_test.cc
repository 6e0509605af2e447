#include "rcnn/detection/weights/pickle_bytes.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::HasSubstr;

// Bytes with NULs in them.
template <size_t N>
std::string B(const char (&text)[N]) {
  return std::string(text, N - 1);
}

TEST(PickleBytesTest, OperandsFollowTheirOpcode) {
  const std::string text =
      B("A\x01\x80"
        "B\x01\x80"
        "Cline\nD?\xf8\x00\x00\x00\x00\x00\x00");
  PickleBytes bytes(text, 100);
  EXPECT_THAT(bytes.NextOpcode(), IsOkAndHolds(int{'A'}));
  EXPECT_THAT(bytes.Unsigned(2), IsOkAndHolds(uint64_t{0x8001}));
  EXPECT_THAT(bytes.NextOpcode(), IsOkAndHolds(int{'B'}));
  EXPECT_THAT(bytes.Signed(2), IsOkAndHolds(int64_t{0x8001 - 0x10000}));
  EXPECT_THAT(bytes.NextOpcode(), IsOkAndHolds(int{'C'}));
  EXPECT_THAT(bytes.Line(), IsOkAndHolds(absl::string_view("line")));
  EXPECT_THAT(bytes.NextOpcode(), IsOkAndHolds(int{'D'}));
  EXPECT_THAT(bytes.Float(), IsOkAndHolds(1.5));
  EXPECT_EQ(bytes.position(), text.size());
}

TEST(PickleBytesTest, IntegersOfNoBytesAreZeroAndOfNineAnError) {
  PickleBytes bytes("123456789", 100);
  EXPECT_THAT(bytes.Signed(0), IsOkAndHolds(int64_t{0}));
  EXPECT_THAT(bytes.Signed(9), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("an integer of more than 64 bits")));
}

TEST(PickleBytesTest, ErrorsHaveThePositionOfTheOpcode) {
  PickleBytes bytes("ab", 100);
  EXPECT_THAT(bytes.NextOpcode(), IsOk());
  EXPECT_THAT(bytes.NextOpcode(), IsOk());
  EXPECT_EQ(bytes.Error("bad"), absl::InvalidArgumentError("pickle, byte 1: bad"));
  EXPECT_THAT(bytes.Take(1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("pickle, byte 1: the file ends")));
  EXPECT_THAT(bytes.Line(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(PickleBytesTest, BeyondTheLimitIsAnotherError) {
  PickleBytes bytes("abc", 2);
  EXPECT_THAT(bytes.Take(2), IsOkAndHolds(absl::string_view("ab")));
  EXPECT_THAT(bytes.Take(1), StatusIs(absl::StatusCode::kResourceExhausted,
                                      HasSubstr("pickle of more than 2 bytes")));
}

}  // namespace
}  // namespace rcnn::detection::weights
