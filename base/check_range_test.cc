#include "rcnn/base/check_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

TEST(CheckRangeTest, IncludesBothEnds) {
  EXPECT_THAT(CheckRange("a.b", 1, 1, 2), IsOk());
  EXPECT_THAT(CheckRange("a.b", 2, 1, 2), IsOk());
  for (const double bad : {0.999, 2.001, double{NAN}, double{INFINITY}, -double{INFINITY}}) {
    EXPECT_THAT(CheckRange("a.b", bad, 1, 2), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(CheckRange("a.b", 3, 1, 2),
              StatusIs(absl::StatusCode::kInvalidArgument, "a.b is 3, not in [1, 2]"));
}

}  // namespace
}  // namespace rcnn
