#include "rcnn/training/config/check_bounds.h"

#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

TEST(CheckAtLeastTest, TheBoundIsInside) {
  EXPECT_THAT(CheckAtLeast("a.b", 1, 1), IsOk());
  EXPECT_THAT(CheckAtLeast("a.b", std::numeric_limits<double>::infinity(), 1), IsOk());
}

TEST(CheckAtLeastTest, ErrorsNameFieldValueAndBound) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(CheckAtLeast("a.b", 0, 1), StatusIs(code, "a.b: is 0; must be at least 1"));
  EXPECT_THAT(CheckAtLeast("a", std::numeric_limits<double>::quiet_NaN(), 0),
              StatusIs(code, "a: is nan; must be at least 0"));
}

}  // namespace
}  // namespace rcnn::training
