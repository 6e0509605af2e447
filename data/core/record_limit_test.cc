#include "rcnn/data/core/record_limit.h"

#include <cstddef>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

TEST(CheckNumRecords, EachNeedsItsShareOfTheFile) {
  EXPECT_THAT(CheckNumRecords(0, "shapes", 0), IsOk());
  for (const size_t bytes : {size_t{0}, size_t{10'000}, size_t{10'009}}) {
    const size_t most = kFewRecords + bytes / 10;
    EXPECT_THAT(CheckNumRecords(most, "shapes", bytes, 10), IsOk());
    EXPECT_THAT(CheckNumRecords(most + 1, "shapes", bytes, 10),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many shapes for")));
  }
}

}  // namespace
}  // namespace rcnn::data
