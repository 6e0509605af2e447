#include "rcnn/base/monotonic_time.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace {

// Seconds by which the time of day was set.
time_t adjustment = 0;

}  // namespace

// Replaces the C library's function.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME) time->tv_sec += adjustment;
  return result;
}

namespace rcnn {
namespace {

TEST(MonotonicTimeTest, DoesNotFallWhenTheTimeOfDayIsSetBack) {
  const absl::Time day = absl::Now();
  const absl::Time start = MonotonicNow();
  adjustment = -3600;
  usleep(2000);
  timespec now;
  ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &now), 0);
  ASSERT_LT(absl::TimeFromTimespec(now), day) << "the test's clock works";
  const absl::Duration elapsed = MonotonicNow() - start;
  EXPECT_GE(elapsed, absl::Milliseconds(2));
  EXPECT_LT(elapsed, absl::Minutes(10));
}

TEST(MonotonicTimeTest, NeverFalls) {
  absl::Time before = MonotonicNow();
  for (int i = 0; i < 100000; ++i) {
    const absl::Time now = MonotonicNow();
    ASSERT_GE(now, before);
    before = now;
  }
}

}  // namespace
}  // namespace rcnn
