#include "rcnn/base/standard_exception_status.h"

#include <new>
#include <stdexcept>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;

TEST(StandardExceptionStatusTest, OutOfMemoryIsResourceExhausted) {
  const auto otherwise = absl::StatusCode::kInternal;
  EXPECT_THAT(StandardExceptionStatus(std::bad_alloc(), otherwise),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  EXPECT_THAT(StandardExceptionStatus(std::bad_array_new_length(), otherwise),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  EXPECT_THAT(
      StandardExceptionStatus(std::runtime_error("(-4:Insufficient memory) Failed"), otherwise),
      StatusIs(absl::StatusCode::kResourceExhausted, "(-4:Insufficient memory) Failed"));
}

TEST(StandardExceptionStatusTest, OthersKeepTheirMessageAndTheGivenCode) {
  EXPECT_EQ(
      StandardExceptionStatus(std::length_error("too long"), absl::StatusCode::kInvalidArgument),
      absl::InvalidArgumentError("too long"));
}

TEST(CatchStandardExceptionsTest, PassesOnWhatIsReturned) {
  EXPECT_THAT(CatchStandardExceptions([] { return absl::OkStatus(); }), IsOk());
  EXPECT_THAT(CatchStandardExceptions([] { return absl::StatusOr<int>(7); }), IsOkAndHolds(7));
  EXPECT_EQ(CatchStandardExceptions([] { return absl::NotFoundError("no"); }),
            absl::NotFoundError("no"));
}

TEST(CatchStandardExceptionsTest, AnExceptionBecomesItsText) {
  const auto throws = []() -> absl::StatusOr<int> { throw std::out_of_range("at"); };
  EXPECT_THAT(CatchStandardExceptions(throws), StatusIs(absl::StatusCode::kInternal, "at"));
  EXPECT_THAT(CatchStandardExceptions(throws, absl::StatusCode::kDataLoss),
              StatusIs(absl::StatusCode::kDataLoss, "at"));
}

}  // namespace
}  // namespace rcnn
