#include "rcnn/training/distributed/within_time.h"

#include <stdexcept>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

TEST(WithinTimeTest, ReturnsWhatTheWorkReturns) {
  EXPECT_THAT(WithinTime<int>(absl::Seconds(60), [] { return absl::StatusOr<int>(3); }),
              IsOkAndHolds(3));
  EXPECT_THAT(WithinTime<int>(absl::Seconds(60),
                              [] { return absl::StatusOr<int>(absl::DataLossError("torn")); }),
              StatusIs(absl::StatusCode::kDataLoss, "torn"));
}

TEST(WithinTimeTest, AnExceptionIsAnError) {
  EXPECT_THAT(WithinTime<int>(absl::Seconds(60),
                              []() -> absl::StatusOr<int> { throw std::runtime_error("full"); }),
              StatusIs(absl::StatusCode::kInternal, "full"));
}

TEST(WithinTimeTest, LeavesWorkThatIsToStop) {
  int asked = 0;
  EXPECT_THAT(WithinTime<int>(
                  absl::Seconds(60),
                  [] {
                    absl::SleepFor(absl::Seconds(60));
                    return absl::StatusOr<int>(3);
                  },
                  [&] { return ++asked == 3; }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(asked, 3);
}

TEST(WithinTimeTest, LeavesWorkThatTakesTooLong) {
  const absl::Time start = MonotonicNow();
  const auto slow = []() -> absl::StatusOr<int> {
    absl::SleepFor(absl::Seconds(20));
    return 3;
  };
  EXPECT_THAT(WithinTime<int>(absl::Milliseconds(50), slow),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "no answer"));
  EXPECT_LT(MonotonicNow() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace rcnn::training
